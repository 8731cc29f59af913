"""Networks of a run on other images, in their form for small ones; weights of a file instead of a training."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_run import SPACE, run_with_family

from nars.errors import ConfigError
from nars.export import read_config
from nars.files.atomic import write_text
from nars.network import NetworkError
from nars.run import load_config, reopen_run
from nars.run.folder import RunFolder
from nars.run.settled import keep_settings, take_places
from nars.space import dump_yaml, published, small_forms
from nars.stages import export, train
from nars.stages.finished import settings_for
from nars.stages.members import read_family
from nars.studies import adopt, export_trained, find_pair, swap, train_pair, transfer
from nars.studies.training_other import _training_of
from nars.train import MemberResult, TrainError, read_trained

CONFIG = """
name: small
space: mine.yaml
data: {name: digits, validation: 0.75, flip: false, crop: 0.0, max_train: 120}
collect: {rounds: 2, per_round: 3, epochs: 2, warmup_epochs: 0, batch_size: 48}
search: {budgets: [200k]}
final: {epochs: 1, warmup_epochs: 0, policy: none, batch_size: 96, ema_decay: 0.9, teacher: none}
"""
SHORT = {"final.epochs": 1, "final.warmup_epochs": 0, "final.policy": "none", "data.validation": 0.8}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose one member is exported."""
    folder = tmp_path_factory.mktemp("transfer")
    (folder / "mine.yaml").write_text(SPACE.replace("resolution: 8", "resolution: 16"))
    (folder / "small.yaml").write_text(CONFIG)
    run = run_with_family(folder / "small.yaml", folder / "run", {"200k": 200e3})
    export(run, train(run, read_family(run)))
    return folder


def test_the_form_for_small_images_is_the_papers() -> None:
    family = [published(name).architecture for name in "BCDEG"]
    small = small_forms(family)
    assert [one.resolution for one in small] == [32, 32, 32, 34, 42]  # 248 three times, 264, 320
    for one, before in zip(small, family, strict=True):
        strides = [stage.stride for stage in before.stages]
        second = [number for number, stride in enumerate(strides) if stride == 2][1]
        assert [stage.stride for stage in one.stages] == [1 if n == second else s for n, s in enumerate(strides)]
        # Every weight keeps its shape: strides and paddings have none.
        assert all(stage.first_padding is None for stage in one.stages)
        assert replace(one, resolution=before.resolution) == replace(
            before, stages=tuple(replace(stage, first_padding=None) for stage in one.stages)
        )
    assert small_forms(small) == small  # they are small already


def test_a_member_is_trained_on_other_images_in_its_small_form_from_its_own_weights(home: Path) -> None:
    (done,) = transfer(home / "run", "digits", base=8, with_weights=True, overrides=SHORT)
    assert (done.resolution, done.pair.name) == (8, "200k")
    assert done.pair.place == home / "run" / "transfer" / "digits" / "200k"
    about = read_trained(done.pair.training)
    assert about.config["final"]["ema_decay"] == 0.999
    assert about.taught_by == ""
    assert about.mean == read_config(home / "run" / "family" / "200k").mean  # as its weights know images
    (scratch,) = transfer(home / "run" / "family" / "200k", "digits", base=8, overrides=SHORT, folder=home / "scratch")
    assert scratch.result.losses[0] > done.result.losses[0]  # it knows them
    assert find_pair(done.pair.place) is not None  # nars train and nars export take the folder
    form = (done.pair.place / "architecture.yaml").read_text()
    with pytest.raises(TrainError):  # another form is refused, and what is trained stays what it is
        transfer(home / "run", "digits", base=12, with_weights=True, overrides=SHORT)
    assert (done.pair.place / "architecture.yaml").read_text() == form
    with pytest.raises(ConfigError, match="names of the family, 200k; got 9M"):
        transfer(home / "run", "digits", members=["9M"], overrides=SHORT)


def test_weights_of_a_file_are_exported_without_a_training_or_trained_from(home: Path) -> None:
    trained = MemberResult.load(home / "run" / "training" / "200k" / "result.json")
    place, pair = home / "network", find_pair(home / "run" / "family" / "200k")
    assert pair is not None
    write_text(place / "architecture.yaml", dump_yaml(pair.architecture.to_dict()))
    write_text(place / "recipe.yaml", dump_yaml(pair.recipe.to_dict()))
    there = find_pair(place)
    assert there is not None
    result = adopt(there, trained.weights, config=home / "run")
    assert (result.test_accuracy, result.validation_accuracy) == (trained.test_accuracy, trained.validation_accuracy)
    assert adopt(there, trained.weights, config=home / "run").identity == result.identity
    export_trained(place)
    exported = load_file(place / "exported" / "model.safetensors")
    assert all(torch.equal(exported[name], value) for name, value in load_file(trained.weights).items())
    going_on = train_pair(place, config=home / "run", folder=home / "on", weights=trained.weights, overrides=SHORT)
    assert going_on.losses[0] < trained.losses[0]
    other = {name: value + 1 for name, value in exported.items()}
    save_file(other, home / "other.safetensors")
    with pytest.raises(ConfigError, match="holds a training, or other weights"):
        adopt(there, home / "other.safetensors", config=home / "run")
    save_file({"classifier.weight": torch.zeros(10, 32)}, home / "wrong.safetensors")
    with pytest.raises(NetworkError, match="weights of another network"):
        adopt(there, home / "wrong.safetensors", config=home / "run")


def test_the_teacher_of_a_network_is_its_largest_members_own(home: Path) -> None:
    run = reopen_run(home / "run").configured(load_config(home / "run", {"final.teacher": "largest"}))
    family = read_family(run)
    (member,) = family.members
    teacher, own = run.folder.training("teacher"), run.folder.training("200k")
    shutil.copytree(own, teacher)
    keep_settings(run.folder, "teacher", settings_for(run, member, "none"))
    assert _training_of(run, family, member) == "teacher"
    # Once a larger member has been added, was trained as the teacher, and has left again.
    keep_settings(run.folder, "teacher", settings_for(run, member, "none") | {"choices": [0] * len(member.choices)})
    assert _training_of(run, family, member) == "200k"
    shutil.rmtree(teacher)
    assert _training_of(run, family, member) == "200k"


def test_a_run_without_measured_rounds_has_nothing_to_swap_by(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SPACE)
    (tmp_path / "small.yaml").write_text(CONFIG.replace("[200k]", "[60k, 150k]"))
    run = run_with_family(tmp_path / "small.yaml", tmp_path / "run", {"60k": 60e3, "150k": 150e3})
    with pytest.raises(ConfigError, match=r"has no round .*nars run"):
        swap(run)


def test_a_training_that_another_process_has_put_into_its_place_stays(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for name, text in (("1M", "old"), ("1M~new", "new")):
        folder.training(name).mkdir(parents=True)
        (folder.training(name) / "weights").write_text(text)
    for _ in range(2):
        take_places(folder, {"1M": "1M~new"})
        assert (folder.training("1M") / "weights").read_text() == "new"
