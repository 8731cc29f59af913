"""From a question to a trained, exported network: answers in folders, verified, trained; scaled and other networks."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import own_trainer
import pytest
import torch
import yaml
from small_run import HOW, upto_collect, upto_train, write_files

from nars import Bounds, ask, export_trained, save_answers, train_pair, verify_answer
from nars.cli import main
from nars.errors import ConfigError, DataError
from nars.export import read_card
from nars.run import Silent, load_config, open_run, reopen_run
from nars.run.folder import RunFolder
from nars.space import read_architecture
from nars.stages import SavedAnswer, Verification, read_answer
from nars.stages.answer_folder import write_answer
from nars.store import SampleStore
from nars.studies import grow, train_other
from nars.train import MemberResult, read_trained

Nars = Callable[..., tuple[int, str]]


@pytest.fixture
def nars(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Nars:
    """The command line, in this process: exit code and everything said, on one line."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["nars", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving, warnings.catch_warnings():
            main()
        said = capsys.readouterr()
        return int(leaving.value.code or 0), " ".join((said.out + said.err).split())

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose family is trained."""
    home = tmp_path_factory.mktemp("trained")
    upto_train(open_run(load_config(write_files(home)), home / "run", execution=HOW))
    return home / "run"


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """One that may be changed."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def asked(run: Path, out: Path, flops: str = "60k") -> SavedAnswer:
    (answer,) = save_answers(ask(run, [Bounds.at_most(flops=flops)]), run, out)
    return answer


def test_from_a_run_to_an_exported_network_of_a_new_budget(tmp_path: Path, nars: Nars) -> None:
    config, run, answer = write_files(tmp_path), tmp_path / "run", tmp_path / "answers" / "60k"
    how = ("--engine", "in-process", "--device", "cpu")
    for stage in ("pretrain", "collect", "search", "train"):
        code, said = nars(stage, config, "--out", run, *(how if stage == "collect" else ()))
        assert code == 0, said
    code, said = nars("search", "--predictor", run, "--max-flops", "60k,100k", "--out", tmp_path / "answers")
    assert code == 0, said
    assert f"nars train {answer}" in said
    assert sorted(path.name for path in (tmp_path / "answers").iterdir()) == ["100k", "60k"]
    code, said = nars("export", answer)
    assert (code, f"First: nars train {answer}" in said) == (2, True)
    code, said = nars("verify", answer, "--trainings", 4, *how)
    assert code == 0, said
    assert f"nars search --predictor {run / 'informed'}" in said
    found = read_answer(answer).verified
    assert found is not None
    assert 1 <= len(found.trainings) <= 4
    assert {one.key for one in found.trainings} <= SampleStore(run / "samples").keys()
    code, said = nars("train", answer, "--device", "cpu")
    assert code == 0, said
    assert f"taught by 150k of {run}" in said
    winner = read_answer(answer).chosen
    assert winner.costs["flops"] <= 60e3
    network = read_trained(answer / "training").architecture
    assert read_architecture(network) == read_architecture(
        yaml.safe_load((answer / "architecture.yaml").read_text()) | {"classes": 10, "in_channels": 1}
    )
    code, said = nars("export", answer, "--verify")
    assert (code, said.count(": ok, ")) == (0, 4), said
    code, said = nars("search", "--predictor", run / "informed", "--max-flops", "60k")
    assert code == 0, said


def test_from_trials_of_ones_own_to_an_exported_network(tmp_path: Path, nars: Nars) -> None:
    """Import, fit, search, verify, train, export: no run stands behind the predictor, so a configuration says how."""
    config, table, old = write_files(tmp_path), tmp_path / "trials.csv", tmp_path / "old"
    upto_collect(open_run(load_config(config, {"collect.per_round": 6}), tmp_path / "run", execution=HOW))
    mine, answer = tmp_path / "predictor", tmp_path / "answers" / "60k"
    by = ("--config", config, "--device", "cpu")
    steps = [
        ("store", "export", tmp_path / "run", table),
        ("import", table, "--space", tmp_path / "mine.yaml", "--out", old),
        ("fit", old, "--space", tmp_path / "mine.yaml", "--out", mine),
        ("search", "--predictor", mine, "--max-flops", "60k", "--out", tmp_path / "answers"),
        ("verify", answer, "--trainings", 1, "--engine", "in-process", *by),
        ("train", answer, *by),
        ("export", answer, "--verify"),
    ]
    for step in steps:
        code, said = nars(*step)
        assert code == 0, (step, said)
    assert said.count(": ok, ") == 4
    assert len(read_answer(answer).verified.trainings) == 1  # type: ignore[union-attr]
    assert read_answer(answer).chosen.costs["flops"] <= 60e3


def test_a_verification_that_is_killed_loses_nothing_and_goes_on(copy: Path, tmp_path: Path) -> None:
    answer = asked(copy, tmp_path / "answers")
    store = SampleStore(copy / "samples")
    before = store.keys()
    command = ["from nars.cli import main; main()", "verify", str(answer.folder), "--engine", "in-process"]
    process = subprocess.Popen([sys.executable, "-c", *command, "--trainings", "6", "--confidence", "0.999"])
    try:
        for _ in range(2400):
            if len(store.keys() - before) >= 2 or process.poll() is not None:
                break
            time.sleep(0.025)
        assert process.poll() is None, "it should have been killed before its end"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    kept = {sample.key: sample.finished for sample in store.samples() if sample.key not in before}
    assert len(kept) >= 2
    found = verify_answer(answer.folder, trainings=6, confidence=0.999, execution=HOW).verified
    assert found is not None
    samples = {sample.key: sample for sample in SampleStore(copy / "samples").samples()}
    assert {key: samples[key].finished for key in kept} == kept  # none was trained again
    assert set(kept) <= {one.key for one in found.trainings}
    assert len({one.key for one in found.trainings} - before) == len(samples) - len(before) <= 6
    again = verify_answer(answer.folder, trainings=6, confidence=0.999, execution=HOW)
    assert again.verified == found
    assert len(SampleStore(copy / "samples")) == len(samples)


def test_what_stage_2_has_trained_is_measured_already_and_teaches_nothing_new(copy: Path, tmp_path: Path) -> None:
    answer = asked(copy, tmp_path / "answers")
    run = reopen_run(copy, execution=HOW)
    trained = list(SampleStore(copy / "samples").samples())
    first, *_ = [sample for sample in trained if sample.round == 1]
    known = replace(answer.candidates[0], choices=first.choices, record=dict(first.record), costs=dict(first.costs))
    write_answer(replace(answer, candidates=(known, *answer.candidates[1:]), bounds=Bounds()))
    trying = Verification(read_answer(answer.folder), run, confidence=0.9, margin=0.0, most=9)
    chosen = {sample.choices for sample in trained}
    free = [candidate for candidate in answer.candidates[1:] if candidate.choices not in chosen]
    assert trying.counted == len(answer.candidates) - len(free) >= 1
    assert trying.belief.mean == pytest.approx(np.array(answer.plan.mean))  # the predictor knew
    trial = trying.ask()
    assert trial is not None
    assert trial.choices == free[0].choices
    assert (trial.seed, trial.epochs) == (run.config.seed, trying.epochs)


def test_a_trainer_of_ones_own_verifies_by_a_metric_to_be_minimized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("curved.yaml").write_text(own_trainer.SPACE + own_trainer.COSTS, encoding="utf-8")
    Path("own.yaml").write_text(own_trainer.CONFIG, encoding="utf-8")
    upto_collect(open_run(load_config("own.yaml"), "out", execution=HOW))
    (answer,) = save_answers(ask("out", [Bounds.at_most(params=100)]), "out", "answers")
    verified = verify_answer(answer.folder, confidence=0.99, margin=0.0, trainings=12, execution=HOW)
    found = verified.verified
    assert found is not None
    values = [own_trainer.settled(candidate.record) for candidate in answer.candidates]
    above = [one.value - values[one.candidate] for one in found.trainings if one.value is not None]
    assert above == pytest.approx([above[0]] * len(found.trainings))  # what an epoch more would take off
    assert values[found.winner] == min(values[one.candidate] for one in found.trainings)
    assert yaml.safe_load((answer.folder / "settings.yaml").read_text()) == verified.chosen.record
    with pytest.raises(ConfigError, match=r"no network behind them; its settings\.yaml is for your own trainer"):
        train_pair(answer.folder)


def test_an_edited_answer_is_found(copy: Path, tmp_path: Path) -> None:
    answer = asked(copy, tmp_path / "answers")
    recipe, document = answer.folder / "recipe.yaml", answer.folder / "answer.json"
    text = recipe.read_text()
    recipe.write_text(text + "dropout: 0.5\n")
    with pytest.raises(DataError, match=r"recipe\.yaml has been edited since nars wrote it.*Delete it"):
        read_answer(answer.folder)
    recipe.unlink()
    assert read_answer(answer.folder) == answer
    assert recipe.read_text() == text
    kept = document.read_text()
    document.write_text(kept.replace('"name": "60k"', '"name": "70k"'))
    with pytest.raises(DataError, match="has been edited"):
        read_answer(answer.folder)
    document.write_text(kept)
    space = answer.folder / "space.yaml"
    space.write_text(space.read_text().replace("classes: 10", "classes: 11"))
    with pytest.raises(DataError, match=r"space\.yaml is not the space of the answer"):
        read_answer(answer.folder)
    with pytest.raises(ConfigError, match=r"holds no answer \(no answer\.json\)"):
        read_answer(tmp_path)


def test_an_answer_that_was_worked_with_is_not_replaced(copy: Path, tmp_path: Path) -> None:
    answer = asked(copy, tmp_path / "answers")
    train_pair(answer.folder, device="cpu")
    assert asked(copy, tmp_path / "answers") == answer  # the same answer: it stays
    other = upto_other(copy)
    with pytest.raises(ConfigError, match=r"holds another answer to this budget, which has training/ in it"):
        asked(other, tmp_path / "answers")


def upto_other(run: Path) -> Path:
    """A run of another seed."""
    folder = run.parent / "other"
    upto_collect(open_run(load_config(write_files(run.parent), {"seed": 1}), folder, execution=HOW))
    return folder


def test_an_answer_without_a_run_takes_a_configuration(copy: Path, tmp_path: Path, nars: Nars) -> None:
    shutil.copytree(copy / "predictor", tmp_path / "given")  # as a shipped one: no run around it
    answer = asked(tmp_path / "given", tmp_path / "answers")
    assert answer.run is None
    code, said = nars("train", answer.folder)
    assert (code, "name a run configuration, e.g. --config cifar10" in said) == (2, True)
    code, said = nars("verify", answer.folder)
    assert (code, "which comes from no run" in said) == (2, True)
    config = write_files(tmp_path)
    code, said = nars(
        "verify", answer.folder, "--config", config, "--trainings", 2, "--engine", "in-process", "--device", "cpu"
    )
    assert code == 0, said
    assert len(SampleStore(answer.folder / "run" / "samples")) >= 1
    code, said = nars("train", answer.folder, "--config", config, "--device", "cpu")
    assert code == 0, said
    assert "on labels alone" in said


def test_an_answer_trains_without_its_run_and_says_when_it_has_moved(copy: Path, tmp_path: Path) -> None:
    answer = asked(copy, tmp_path / "answers")
    shutil.move(copy, tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is not there any more: name the folder where it is, --config FOLDER"):
        verify_answer(answer.folder, execution=HOW)
    assert train_pair(answer.folder, device="cpu").curve
    found = verify_answer(answer.folder, config=tmp_path / "elsewhere", trainings=1, execution=HOW).verified
    assert found is not None
    assert len(found.trainings) == 1


def test_a_scaled_network_learns_from_the_family_and_teaches_it(copy: Path) -> None:
    run = reopen_run(copy, execution=HOW)
    below, above = grow(run, [22.5e3, 400e3])
    (largest,) = [member for member in upto_train(run).family.members if member.name == "150k"]
    assert below.recipe.stochastic_depth == 0  # that of its source
    assert above.costs["flops"] > largest.costs["flops"]
    assert above.recipe.stochastic_depth == 0.2  # F and G of the paper
    teacher = {"final.teacher": str(above.folder)}
    with pytest.raises(ConfigError, match=rf"{above.folder} is not trained yet; first: nars train"):
        open_run(load_config(copy, teacher), copy, execution=HOW)
    result = train_pair(above.folder, device="cpu")
    assert read_trained(above.folder / "training").taught_by == f"150k of {copy}"
    alone = train_pair(above.folder, overrides={"final.teacher": "none"}, folder=copy / "alone", device="cpu")
    assert alone.losses != result.losses
    before = upto_train(run).results["30k"].losses
    taught = upto_train(open_run(load_config(copy, teacher), copy, execution=HOW))
    assert taught.results["30k"].losses != before
    card = export_trained(above.folder)
    assert max(card.max_difference.values()) < 1e-4
    assert card.recipe["stochastic_depth"] == 0.2
    assert card.accuracy["test"] == result.test_accuracy


def test_a_member_by_itself_is_trained_beside_the_family(copy: Path) -> None:
    result = train_pair(copy / "family" / "30k", overrides={"final.epochs": 2}, device="cpu")
    assert len(result.curve) == 2
    assert result.weights.parent == copy / "other" / "30k"
    own = MemberResult.load(RunFolder(copy).training_result("30k"))
    assert len(own.curve) == 1  # the run's own stays
    assert export_trained(copy / "family" / "150k").name == "nars_small_150k"  # with the family
    assert read_card(copy / "family" / "30k").accuracy["test"] == own.test_accuracy
    assert export_trained(copy / "other" / "30k").accuracy["test"] == result.test_accuracy


def test_a_network_of_timm_is_exported_and_opened_by_timm(trained: Path, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import load_file

    run = reopen_run(trained, execution=HOW)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("learning_rate: 0.01\nstochastic_depth: 0.1\n")
    train_other(
        run.config, "timm:resnet10t", recipe, folder=tmp_path / "net", resolution=32, device="cpu", reporter=Silent()
    )
    card = export_trained(tmp_path / "net")
    assert set(card.max_difference) == {"model.onnx", "model.pt2"}
    assert max(card.max_difference.values()) < 1e-4
    weights = tmp_path / "net" / "exported" / "model.safetensors"
    model = timm.create_model("resnet10t", num_classes=10, in_chans=1, checkpoint_path=str(weights))
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in load_file(weights).items())
    assert "timm.create_model(" in (tmp_path / "net" / "exported" / "README.md").read_text()
    made = (tmp_path / "net" / "exported" / "card.json").stat().st_mtime_ns
    export_trained(tmp_path / "net")
    assert (tmp_path / "net" / "exported" / "card.json").stat().st_mtime_ns == made


def test_values_out_of_range_are_refused(copy: Path, tmp_path: Path, nars: Nars) -> None:
    answer = asked(copy, tmp_path / "answers")
    for options, message in (
        (("--confidence", 1.5), "--confidence must be between 0 and 1; got 1.5"),
        (("--margin", -1), "--margin must be at least 0; got -1.0"),
        (("--trainings", 0), "--trainings must be at least 1; got 0"),
    ):
        code, said = nars("verify", answer.folder, *options)
        assert (code, message in said) == (2, True), said
    code, said = nars("search", "--predictor", copy, "--max-flops", "60k", "--out", tmp_path / "x.json")
    assert (code, "--out names a folder" in said) == (2, True)
    code, said = nars("verify", answer.folder.parent)
    assert (code, "has a folder for each of 1 answer, and one is asked for" in said) == (2, True), said
    code, said = nars("train", copy, "--data", "digits")
    assert (code, "--config goes with the folder of one network" in said) == (2, True), said
    code, said = nars("train", answer.folder, "--set", "final.epcohs=3")
    assert (code, "did you mean epochs?" in said) == (2, True)
    document = json.loads((answer.folder / "answer.json").read_text())
    assert document["run"]["config"]["seed"] == 0
