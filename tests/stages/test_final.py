"""Final training as a run configuration asks for it: teachers, options, watchers, several processes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file
from small_run import run_with_family, upto_search, upto_train

from nars.cli import main
from nars.errors import ConfigError
from nars.files.atomic import write_json
from nars.recipe import Recipe
from nars.run import Run, Silent, load_config, preview, reopen_run
from nars.run.config import Final
from nars.run.fidelity import final_settings
from nars.run.folder import RunFolder
from nars.run.settled import is_settled, keep_settings, place_for, settings_of
from nars.run.teaching import teaching_by
from nars.space import Architecture, Scaling, SpaceError, architecture_costs
from nars.studies import grow, train_other
from nars.train import MemberResult, timm_network

CONFIG = """
name: small
space: digits
data: {name: digits, validation: 0.75, flip: false, crop: 0.0}
flops: {low: 0.11M, high: 0.25M}
pretraining: {pool: 64}
collect: {rounds: 1, per_round: 2, epochs: 2, warmup_epochs: 0, batch_size: 48}
search: {budgets: [0.15M, 0.2M]}
final: {epochs: 1, warmup_epochs: 0, policy: none, batch_size: 96, ema_decay: 0.9}
"""

Open = Callable[..., Run]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path / "small.yaml"


@pytest.fixture
def opened(config: Path, tmp_path: Path) -> Open:
    """A run whose family is drawn from the space instead of searched."""

    def make(name: str = "run", **final: Any) -> Run:
        return run_with_family(config, tmp_path / name, {"150k": 0.15e6, "200k": 0.2e6}, **final)

    return make


def trained(run: Run) -> set[str]:
    return {file.parent.name for file in run.folder.path.glob("training/*/result.json")}


def test_who_teaches(opened: Open, tmp_path: Path) -> None:
    results = {"largest": upto_train(opened("a")).results}
    assert trained(opened("a")) == {"teacher", "150k", "200k"}
    teacher = MemberResult.load(tmp_path / "a" / "training" / "teacher" / "result.json")

    results["150k"] = upto_train(opened("b", teacher="150k")).results
    assert trained(opened("b", teacher="150k")) == {"teacher", "150k", "200k"}

    results["none"] = upto_train(opened("c", teacher="none")).results
    assert trained(opened("c", teacher="none")) == {"150k", "200k"}
    assert results["none"]["200k"].losses == teacher.losses  # the teacher's own training is one on labels alone

    images = opened("a").final_images
    save_file(timm_network("timm:resnet10t", images, seed=1).state_dict(), tmp_path / "resnet.safetensors")
    timm = {"teacher": "timm:resnet10t", "teacher_weights": str(tmp_path / "resnet.safetensors")}
    results["timm"] = upto_train(opened("d", **timm)).results
    assert trained(opened("d", **timm)) == {"150k", "200k"}
    assert len({result["150k"].losses for result in results.values()}) == 4


def test_an_exported_member_of_another_run_teaches_as_it_did_there(opened: Open, tmp_path: Path) -> None:
    from nars.export import export_member
    from nars.stages.training import architecture_of, network_of, recipe_of

    run = opened("a", teacher="none")
    member = upto_search(run).members[1]
    result = upto_train(run).results["200k"]
    architecture = architecture_of(run, member)
    folder = tmp_path / "exported"
    export_member(
        network_of(run, member, result.weights),
        folder,
        name="nars_a_200k",
        architecture=architecture,
        recipe=recipe_of(run, member).to_dict(),
        data=run.final_images.at(architecture.resolution),
        accuracy={"validation": result.validation_accuracy, "test": result.test_accuracy},
    )
    # From outside or as a member of the family, the same weights teach the same.
    outside = upto_train(opened("b", teacher=str(folder))).results
    inside = upto_train(opened("c", teacher="200k")).results
    assert outside["150k"].losses == pytest.approx(inside["150k"].losses, rel=1e-5)


def test_a_teacher_that_nobody_can_find_is_refused_before_anything_is_computed(opened: Open, config: Path) -> None:
    with pytest.raises(ConfigError, match=r"largest, none, a member \(150k, 200k\), timm:NAME.*got '1M'"):
        opened(teacher="1M")
    with pytest.raises(ConfigError, match="teacher_weights are those of a timm teacher"):
        load_config(config, {"final.teacher_weights": "x.pt"})
    rendered = {"teacher": "timm:resnet18", "teacher_weights": "x.pt", "teacher_images": "rendered"}
    with pytest.raises(ConfigError, match="write teacher_resolution, or teacher_normalization: timm"):
        load_config(config, {f"final.{key}": value for key, value in rendered.items()})
    with pytest.raises(ConfigError, match=r"final\.teacher: timm has no model"):
        opened("b", teacher="timm:resnet1")


def test_every_option_reaches_the_training(config: Path) -> None:
    final = {
        "scale_learning_rate": True,
        "accumulation": 2,
        "amp": "bf16",
        "channels_last": False,
        "compile": True,
        "erasing": 0.25,
        "policy": "randaugment",
        "epochs": 400,
        "warmup_epochs": 5,
        "decay": 0.9875,
        "distillation": 1.0,
        "teacher_sees": "clean",
        "teacher_images": "rendered",
        "teacher_temperature": 2.0,
    }
    read = load_config(config, {f"final.{key}": value for key, value in final.items()})
    teaching = teaching_by(read.final, torch.nn.Identity(), resolution=12)
    assert (teaching.weight, teaching.sees, teaching.temperature, teaching.resolution) == (1.0, "clean", 2.0, 12)
    assert teaching.renders == 12
    settings = final_settings(read, images=None)
    assert settings.learning_rate_scale == 96 / 48
    assert (settings.accumulation, settings.amp, settings.compiler) == (2, True, "inductor")
    assert settings.channels_last is False
    assert (settings.augmentation.policy, settings.augmentation.erasing) == ("randaugment", 0.25)
    assert [settings.schedule.factor(epoch) for epoch in (0, 2.5, 5, 6, 105)] == pytest.approx(
        [0, 0.5, 1, 0.9875, 0.9875**100]
    )  # the paper's: 5 epochs of warm-up, then x 0.9875 per epoch


def test_memory_layout_accumulation_and_bfloat16_change_rounding_not_learning(opened: Open) -> None:
    plain = upto_train(opened("a", teacher="none")).results["150k"].losses
    another_layout = upto_train(opened("b", teacher="none", channels_last=False)).results["150k"].losses
    assert another_layout == pytest.approx(plain, rel=1e-3)
    others = upto_train(opened("c", teacher="none", amp="bf16", accumulation=2)).results["150k"].losses
    assert others == pytest.approx(plain, rel=0.1)
    assert others != plain


@pytest.mark.filterwarnings("default")  # TensorBoard's reader warns of its own code
def test_curves_of_the_whole_family_go_to_tensorboard(opened: Open) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = opened(watch=["tensorboard"])
    results = upto_train(run).results
    events = EventAccumulator(str(run.folder.path / "tensorboard"))
    found: dict[str, float] = {}
    for file in (run.folder.path / "tensorboard").iterdir():
        events = EventAccumulator(str(file)).Reload()
        found |= {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
    for name in ("150k", "200k"):
        assert found[f"{name}/accuracy"] == pytest.approx(results[name].curve[-1])
    assert "teacher/loss" in found


def test_a_folder_from_before_the_new_keys_goes_on(opened: Open, tmp_path: Path) -> None:
    run = opened(teacher="none")
    first = upto_train(run).results
    document = json.loads(run.folder.run_file.read_text())
    new = ("scale_learning_rate", "teacher_weights", "accumulation", "amp", "channels_last", "compile", "watch")
    for key in (*new, "teacher_sees", "teacher_images", "teacher_temperature", "teacher_normalization"):
        del document["config"]["final"][key]
    write_json(run.folder.run_file, document)
    (run.folder.training("150k") / "result.json").unlink()
    again = upto_train(reopen_run(run.folder.path)).results
    assert again["150k"].losses == first["150k"].losses
    assert again["200k"] == first["200k"]


def test_how_to_train_and_who_watches_may_change(opened: Open) -> None:
    opened(teacher="none")
    run = opened(teacher="200k")
    assert reopen_run(run.folder.path).config.final.teacher == "200k"
    first = upto_train(run).results
    assert upto_train(opened(teacher="200k", watch=["tensorboard"])).results == first
    with pytest.raises(ConfigError, match="holds no run"):
        reopen_run(run.folder.path / "training" / "150k")


def test_the_plan_says_who_teaches(config: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    torch.save(timm.create_model("resnet10t", num_classes=10, in_chans=1).state_dict(), weights)

    def steps(**final: Any) -> str:
        table = preview(load_config(config, {f"final.{key}": value for key, value in final.items()}))
        return str(list(table.columns[1].cells)[4])

    assert steps().startswith("3 x 1 epochs: the largest on labels")
    assert steps(teacher="none") == "2 x 1 epochs: all on labels"
    taught = steps(teacher="timm:resnet10t", teacher_weights=str(weights))
    assert taught.endswith("by distillation from timm:resnet10t")


def test_two_processes_of_torchrun_train_the_family_together(opened: Open, config: Path) -> None:
    run = opened()

    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "nars"]
    done = subprocess.run(
        [*command, "train", str(config), "--out", str(run.folder.path), "--device", "cpu"],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert trained(run) == {"teacher", "150k", "200k"}
    assert run.folder.log_file.read_text().count("final training: 150k") == 1  # the first process alone writes


def test_other_stages_refuse_several_processes(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("sys.argv", ["nars", "search", str(config)])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert "torchrun can start nars train only" in capsys.readouterr().err


def test_scaled_members_keep_their_budget_and_their_recipe_and_train(
    opened: Open, config: Path, tmp_path: Path
) -> None:
    run = opened()
    direction = Scaling(depth=1.2, width=1.1, resolution=1.15)
    down, up = grow(run, [0.11e6, 0.6e6], direction=direction)
    assert (down.source, up.source) == ("150k", "200k")
    for grown, budget in ((down, 0.11e6), (up, 0.6e6)):
        architecture = Architecture.from_dict(yaml.safe_load((grown.folder / "architecture.yaml").read_text()))
        assert architecture == grown.architecture
        assert 0.65 * budget < architecture_costs(architecture)["flops"] <= budget
        assert Recipe.from_dict(yaml.safe_load((grown.folder / "recipe.yaml").read_text())) == grown.recipe
    near = grow(run, [80e3, 1e6, 291_583, 291_584])  # as the search grew, and beyond
    assert [grown.name for grown in near] == ["80k", "1M", "291583", "291584"]
    assert all(
        0.65 * budget < one.costs["flops"] <= budget for one, budget in zip(near, (8e4, 1e6, 3e5, 3e5), strict=True)
    )
    with pytest.raises(SpaceError, match="ask for a budget in between"):
        grow(run, [0.12e6, 3])
    assert not run.folder.scaled("120k").exists()
    with pytest.raises(ConfigError, match="the family has 150k, 200k"):
        grow(run, [1e6], members=("150k", "9M"))
    result = train_other(
        load_config(config),
        str(up.folder / "architecture.yaml"),
        up.folder / "recipe.yaml",
        folder=tmp_path / "up",
        resolution=None,
        device="cpu",
        reporter=Silent(),
    )
    assert len(result.curve) == 1
    with pytest.raises(ConfigError, match="an architecture needs resolution"):
        train_other(
            load_config(config),
            str(up.folder / "recipe.yaml"),
            up.folder / "recipe.yaml",
            folder=tmp_path / "no",
            resolution=None,
            device="cpu",
            reporter=Silent(),
        )


def test_a_policy_that_was_drawn_for_eight_images_counts_where_it_is_done_and_begins_again_where_not(
    tmp_path: Path,
) -> None:
    folder, final = RunFolder(tmp_path), Final(policy="autoaugment")
    settings = settings_of(final, choices=[1, 2], teacher="none", origin="origin")
    earlier = {key: value for key, value in settings.items() if key != "policy"}
    folder.training("1M").mkdir(parents=True)
    keep_settings(folder, "1M", earlier)
    assert place_for(folder, "1M", settings).startswith("1M~")
    folder.training_result("1M").write_text("{}")
    assert is_settled(folder, "1M", settings, teachers=())
    plain = settings_of(Final(policy="none"), choices=[1, 2], teacher="none", origin="origin")
    assert "policy" not in plain
