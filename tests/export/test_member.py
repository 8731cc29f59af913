"""A small network, trained on real digits and exported; each form is judged by its own runtime."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import timm
import torch
import yaml

from nars.cli.networks import show_verification
from nars.export import (
    Card,
    ExportError,
    export_member,
    load_member,
    quantize_member,
    read_card,
    read_config,
    register,
    verify,
)
from nars.images import ImageData, load_images
from nars.network import build
from nars.space import Architecture, Head, Stage, Stem
from nars.studies.pairs import architecture_in

NAME = "nars_test_50k"
BLOCK = Stage(kernel_first=3, kernel_rest=3, expand_first=3, expand_rest=1, channels=16, depth=2, stride=2, se=True)
SMALL = Architecture(
    resolution=8,
    stem=Stem(channels=8, stride=1, activation="relu"),
    stages=(
        replace(BLOCK, channels=8, expand_first=1, depth=1, stride=1, se=False),
        replace(BLOCK, kernel_first=5, first_padding=1),
        replace(BLOCK, channels=24, expand_rest=2.5, stride=1),
    ),
    head=Head(expand=2, channels=32, activation="swish"),
    in_channels=1,
    classes=10,
)
RECIPE = {"optimizer": "sgd", "learning_rate": 0.1, "ema": False, "dropout": 0.1}


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_images("digits", resolution=8, validation_fraction=0.2, seed=0)


@pytest.fixture(scope="module")
def trained(digits: ImageData) -> torch.nn.Module:
    model = build(SMALL, dropout=0.1, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    images, labels = (digits.train.images.float() / 255 - digits.mean) / digits.std, digits.train.labels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for chosen in torch.arange(len(labels)).repeat(8).split(64):
            loss = torch.nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


@pytest.fixture(scope="module")
def exported(
    trained: torch.nn.Module, digits: ImageData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Card]:
    folder = tmp_path_factory.mktemp("family") / "50k"
    steps: list[str] = []
    card = export_member(
        trained,
        folder,
        name=NAME,
        architecture=SMALL,
        recipe=RECIPE,
        data=replace(digits, name="imagefolder:<b>our|digits"),
        accuracy={"validation": 91.0, "test": 90.0},
        progress=steps.append,
    )
    assert steps == ["model.pt2", "model.onnx", "card.json"]
    return folder, card


@pytest.fixture
def copied(exported: tuple[Path, Card], tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported[0], tmp_path / "copy"))


def test_folder_is_complete_and_card_reads_back(exported: tuple[Path, Card]) -> None:
    folder, card = exported
    assert {file.name for file in folder.iterdir()} == {
        *(
            "model.safetensors",
            "model.onnx",
            "model.pt2",
            "model.py",
            "config.json",
            "architecture.yaml",
            "recipe.yaml",
            "card.json",
            "README.md",
        )
    }
    again = read_card(folder)
    assert (again.name, again.logits_hash, again.files) == (card.name, card.logits_hash, card.files)
    assert again.fixed_logits == card.fixed_logits
    assert {key: card.costs[key] for key in card.counted} == card.counted
    assert yaml.safe_load((folder / "recipe.yaml").read_text()) == RECIPE
    assert read_config(folder).architecture == architecture_in(folder / "architecture.yaml") == SMALL
    assert set(card.latency_ms) == {"eager", "onnxruntime"}
    readme = (folder / "README.md").read_text()
    assert f"{card.costs['flops']:,}; fvcore counts {card.counted['flops']:,}" in readme
    assert "| data | imagefolder:\\<b\\>our\\|digits |" in readme
    machine = [str(Path.cwd()), str(Path(torch.__file__).parent)]  # nothing in it names the machine it was made on
    for file in folder.iterdir():
        assert not any(path.encode() in file.read_bytes() for path in machine), file.name


def test_every_form_agrees(exported: tuple[Path, Card], digits: ImageData) -> None:
    result = verify(exported[0], digits.test.images, digits.test.labels)
    assert [check.form for check in result.formats] == ["model.onnx", "model.pt2", "model.py", "timm"]
    assert [check.message for check in result.formats] == [""] * 4
    assert all(check.max_difference <= 1e-4 and check.accuracy == result.accuracy for check in result.formats)
    assert result.accuracy > 80  # on a trained network, where equal top-1 means something
    assert result.passed


def test_damage_is_found(copied: Path, digits: ImageData, capsys: pytest.CaptureFixture[str]) -> None:
    proto = onnx.load(copied / "model.onnx")
    bias = next(tensor for tensor in proto.graph.initializer if list(tensor.dims) == [10])
    changed = onnx.numpy_helper.to_array(bias) + 0.01
    bias.CopyFrom(onnx.numpy_helper.from_array(changed.astype("float32"), bias.name))
    onnx.save(proto, copied / "model.onnx")
    (copied / "model.pt2").write_bytes(b"not a program")
    (copied / "model.py").write_text("import nars")
    result = verify(copied, digits.test.images[:20], digits.test.labels[:20])
    by_form = {check.form: check for check in result.formats}
    assert not result.passed
    assert set(result.changed) == {"model.onnx", "model.pt2", "model.py"}
    assert by_form["model.onnx"].max_difference == pytest.approx(0.01, abs=1e-4)
    assert "must not need nars" in by_form["model.py"].message
    assert [form for form, check in by_form.items() if check.passed] == ["timm"]
    assert not show_verification(result)
    said = capsys.readouterr().out  # what runs and says otherwise, and what does not run, are told apart
    assert "model.onnx: DIFFERS, max |difference| 1.0e-02" in said
    assert "model.pt2: DOES NOT RUN, " in said
    assert "timm: ok" in said


def test_other_weights_are_noticed(copied: Path, digits: ImageData) -> None:
    state = build(SMALL, seed=1).state_dict()
    from safetensors.torch import save_file

    save_file(state, copied / "model.safetensors")
    result = verify(copied, digits.test.images[:20], digits.test.labels[:20])
    assert not result.same_logits
    assert "model.safetensors" in result.changed
    assert [check.form for check in result.formats if check.passed] == [
        "model.py",
        "timm",
    ]  # these two read the weights


def test_standalone_file_says_what_the_card_says(exported: tuple[Path, Card]) -> None:
    folder, card = exported
    done = subprocess.run([sys.executable, "-I", folder / "model.py"], capture_output=True, text=True, check=True)
    assert f"{card.costs['params']:,} parameters" in done.stdout
    printed = [float(value) for value in done.stdout.strip().splitlines()[-1].partition(": ")[2].split()]
    assert printed == pytest.approx(list(card.fixed_logits), abs=2e-3)


def test_timm_loads_it_by_name_and_by_folder(exported: tuple[Path, Card], digits: ImageData) -> None:
    folder, _ = exported
    assert register(folder.parent) == (NAME,)
    images = read_config(folder).normalize(digits.test.images[:50])
    with torch.inference_mode():
        expected = load_member(folder)(images)
        for name, options in (
            (NAME, {"checkpoint_path": folder / "model.safetensors"}),
            (NAME, {"pretrained": True}),
            (f"local-dir:{folder}", {"pretrained": True}),
        ):
            model = timm.create_model(name, **options).eval()
            assert torch.equal(model(images), expected)
            assert timm.data.resolve_model_data_config(model)["mean"] == digits.mean.tolist()
        weights = folder / "model.safetensors"
        backbone = timm.create_model(NAME, features_only=True, checkpoint_path=weights).eval()
        assert torch.equal(backbone(images)[-1], load_member(folder).forward_features(images))


def test_int8_beside_float32(copied: Path, digits: ImageData) -> None:
    card = quantize_member(copied, calibration=digits.train.images[:256], evaluation=digits.test)
    assert card.int8 is not None
    assert card.int8.accuracy > card.int8.accuracy_float32 - 5
    assert card.int8.latency_ms > 0
    assert read_card(copied).int8 == card.int8
    metadata = [{e.key: e.value for e in onnx.load(copied / f"model{k}.onnx").metadata_props} for k in ("", ".int8")]
    assert metadata[0] == metadata[1] != {}
    kinds = {tensor.data_type for tensor in onnx.load(copied / "model.int8.onnx").graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    assert "int8 form" in (copied / "README.md").read_text()
    with pytest.raises(ExportError, match="needs images to calibrate on"):
        quantize_member(copied, calibration=digits.train.images[:0], evaluation=digits.test)


def test_what_does_not_fit_is_refused(trained: torch.nn.Module, digits: ImageData, tmp_path: Path) -> None:
    def export(model: torch.nn.Module, architecture: Architecture, data: ImageData) -> None:
        export_member(model, tmp_path, name=NAME, architecture=architecture, recipe=RECIPE, data=data, accuracy={})

    with pytest.raises(ExportError, match=r"= \(1, 8, 10\); got \(1, 12, 10\)"):
        export(trained, SMALL, digits.at(12))
    wider = replace(SMALL, head=replace(SMALL.head, channels=40))
    with pytest.raises(ExportError, match="must be the one that the architecture describes"):
        export(trained, wider, digits)
    broken = build(SMALL, seed=0)
    with torch.no_grad():
        broken.classifier.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match="must give finite logits"):
        export(broken, SMALL, digits)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_no_exports(copied: Path, tmp_path: Path, digits: ImageData) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ExportError, match="there is none in"):
        load_member(empty)
    with pytest.raises(ExportError, match="No exported member"):
        register(empty)
    shutil.copytree(copied, tmp_path / "twice")
    with pytest.raises(ExportError, match=f"Two exported members are called {NAME}"):
        register(tmp_path)
    (copied / "model.safetensors").write_bytes(b"short")
    with pytest.raises(ExportError, match="must hold the weights of"):
        load_member(copied)
    (copied / "card.json").write_text(json.dumps({"name": NAME}))
    with pytest.raises(ExportError, match="is not what nars writes"):
        read_card(copied)
