"""Networks of timm as a family: weights to start from, costs that are kept, and what is said of mistakes."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from nars.network import NetworkError, build, count, weights_at_hand
from nars.network.timm_models import timm_architecture
from nars.space import Space, SpaceError, enumerate_architectures, load_space, space_files
from nars.space.families.timm import counted
from nars.train import TrainError, check_timm_teacher

MODEL = "test_resnet"
SPACE = """
name: photos
kind: timm
architecture: {model: MODEL, resolution: [32, 48], weights: WEIGHTS, classes: 7}
recipe: {learning_rate: [0.01, 0.02]}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    counted._known.cache_clear()
    return tmp_path / "cache"


def space_of(folder: Path, weights: str, model: str = MODEL) -> Space:
    (folder / "space.yaml").write_text(SPACE.replace("WEIGHTS", weights).replace("MODEL", model))
    return load_space(folder / "space.yaml")


def trained(path: Path, classes: int = 11) -> dict[str, torch.Tensor]:
    """Weights in a file, of a network for other classes."""
    torch.manual_seed(5)
    state = timm.create_model(MODEL, num_classes=classes).state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    return state


def test_images_that_cannot_be_cut_into_patches_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"test_vit cuts .* patches of 16 px, and 60 px are no multiple; take 64"):
        build(timm_architecture("test_vit", resolution=60, in_channels=1, classes=5), seed=0)


def test_a_network_of_a_fixed_size_is_built_for_the_images_there_are() -> None:
    network = build(timm_architecture("test_vit", resolution=64, in_channels=1, classes=5), seed=0)
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 5)
    with pytest.raises(NetworkError, match="no model 'test_vitt'; near it: test_vit"):
        build(timm_architecture("test_vitt", resolution=64, in_channels=1, classes=5), seed=0)


@pytest.mark.parametrize(("file", "classes"), [("w.safetensors", 11), ("w.pth", 7)])
def test_training_starts_from_the_weights_of_a_file(tmp_path: Path, file: str, classes: int) -> None:
    state = trained(tmp_path / file, classes)
    space = space_of(tmp_path, f"{{{MODEL}: {file}}}")
    architecture = space.architectures(enumerate_architectures(space))[0]
    own = timm.get_pretrained_cfg(MODEL)
    assert own is not None
    assert architecture.normalization == (own.mean, own.std)
    for name, value in build(architecture, seed=0).state_dict().items():
        if name.startswith("fc.") and classes != 7:
            assert len(value) == 7
        else:
            assert torch.equal(value, state[name]), name
    fresh = build(architecture, seed=0, pretrained=False).state_dict()
    assert bool((build(architecture, seed=0).state_dict()["fc.weight"] == 0).all()) == (classes != 7)
    assert not torch.equal(fresh["conv1.0.weight"], state["conv1.0.weight"])


def test_a_space_means_the_same_wherever_its_weights_lie(tmp_path: Path) -> None:
    trained(tmp_path / "w.pth")
    space = space_of(tmp_path, f"{{{MODEL}: w.pth}}")
    away = tmp_path / "run"
    away.mkdir()
    for name, content in space_files(space, "space.yaml").items():
        (away / name).write_bytes(content)
    (tmp_path / "w.pth").rename(tmp_path / "gone.pth")
    moved = load_space(away / "space.yaml")  # what was measured can be asked without the weights
    assert moved.fingerprint == space.fingerprint != space_of(tmp_path, "none").fingerprint
    (architecture, _) = moved.architectures(enumerate_architectures(moved))
    with pytest.raises(NetworkError, match=r"w\.pth does not hold weights .FileNotFoundError"):
        build(architecture, seed=0)
    trained(tmp_path / "w.pth", classes=3)
    with pytest.raises(NetworkError, match="has other weights than it had"):
        build(architecture, seed=0)
    build(architecture, seed=None)  # trained weights come next


def test_counts_are_those_of_fvcore_and_are_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of(tmp_path, "none")
    costs = space.costs(enumerate_architectures(space))
    gray = space.family.costs(replace(space, in_channels=1), enumerate_architectures(space))
    for number, side in enumerate((32, 48)):
        for channels, ours in ((3, costs), (1, gray)):
            found = count(timm.create_model(MODEL, num_classes=7, in_chans=channels), side, channels)
            assert (ours["flops"][number], ours["params"][number]) == (found["flops"], found["params"])
    (kept,) = cache.rglob(f"{MODEL}.json")
    assert json.loads(kept.read_text())["sides"].keys() == {"32", "48"}
    counted._known.cache_clear()
    monkeypatch.setattr(counted, "_COUNTER", "nowhere:count")
    assert space_of(tmp_path, "none").costs(enumerate_architectures(space)).keys() == costs.keys()


@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [
        ("resnt18", "none", r":4: architecture\.model: timm .* has no model 'resnt18'; near it: resnet18"),
        ("resnet18.a7", "none", "has no weights 'a7' of resnet18; leave out"),
        ("eca_resnext26tn", "timm", "has no model"),
        (MODEL, "[timm]", r"architecture\.weights: takes timm, none, or"),
        (MODEL, "{resnet18: none}", "resnet18 is no choice of model; there are test_resnet"),
        (MODEL, "{test_resnet: gone.pth}", r"gone\.pth cannot be read \(No such file"),
        ("resnet18d, 3", "none", "takes names of timm's models, got 3"),
    ],
)
def test_mistakes(tmp_path: Path, model: str, weights: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        space_of(tmp_path, weights, model=f"[{model}]")


def test_a_network_that_cannot_take_such_images(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(
        SPACE.replace("WEIGHTS", "none").replace("MODEL", "inception_v3").replace("48", "36")
    )
    with pytest.raises(SpaceError, match=r"inception_v3 cannot take images of 32 px .*; choose another resolution"):
        load_space(tmp_path / "space.yaml")


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_efficientnet", num_classes=4).state_dict(), tmp_path / "w.pth")
    space = space_of(tmp_path, f"{{{MODEL}: w.pth}}")
    with pytest.raises(NetworkError, match=r"does not hold weights of timm's test_resnet for 3 channels"):
        build(space.architectures(enumerate_architectures(space))[0], seed=0)
    torch.save(object, tmp_path / "p.pth")
    space = space_of(tmp_path, f"{{{MODEL}: p.pth}}")
    with pytest.raises(NetworkError, match=r"p\.pth does not hold weights \(UnpicklingError"):
        build(space.architectures(enumerate_architectures(space))[0], seed=0)


@pytest.mark.parametrize(
    ("offline", "address", "why"),
    [
        (True, "https://huggingface.co", "HF_HUB_OFFLINE is set"),
        (False, "http://127.0.0.1:9", r"http://127.0.0.1:9 does not answer .*refused"),
    ],
)
def test_a_hub_that_does_not_answer_is_told_at_once(
    offline: bool, address: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    named = "lcnet_050.ra2_in1k"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    found, silent = weights_at_hand([named])
    assert found == ()
    assert re.search(why, silent)
    space = space_of(tmp_path, "timm", named)
    (architecture,) = space.architectures(enumerate_architectures(space)[:1])
    photos: Any = SimpleNamespace(name="photos", classes=range(1000), in_channels=3)
    with pytest.raises(TrainError, match=rf"weights of {named} could not be downloaded .{why}.*teacher_weights"):
        check_timm_teacher(named, photos, fetch=True)
    with pytest.raises(NetworkError, match=rf"weights of {named} cannot be downloaded \({why}.*name a file of them"):
        build(architecture, seed=0)
