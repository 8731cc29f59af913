"""Runs that train by a function or a loop of the user's own, on spaces of named choices, by a metric of his own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import own_trainer
import pytest

from nars.cli import main
from nars.errors import ConfigError, DataError, EvaluationError
from nars.metric import Metric
from nars.run import Run, execution, load_config, open_run
from nars.run.environment import remaining
from nars.space import Bounds, enumerate_architectures, load_space
from nars.stages import MeasuredFamily, check_stage, is_finished, open_loop, run_all, sample_pool
from nars.store import SampleStore, best_per_budget, store_info
from nars.studies import swap

HOW = execution(engine="in-process", workers=1, device="cpu")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "curved.yaml").write_text(own_trainer.SPACE + own_trainer.COSTS)
    (tmp_path / "own.yaml").write_text(own_trainer.CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_best_of_each_budget_by_a_function_and_a_metric_to_be_minimized(here: Path) -> None:
    run = open_run(load_config("own.yaml"), "out", execution=HOW)
    found = run_all(run)
    assert isinstance(found, MeasuredFamily)
    small, large = found.family.members
    assert [small.name, large.name] == ["params200", "params2k-latency_us60"]
    best = {}
    for member in (small, large):
        assert member.costs["params"] <= member.budget.high("params")
        assert found.samples[member.name].value == pytest.approx(own_trainer.settled(member.record))
        assert found.samples[member.name].also == {"loss": pytest.approx(1 / 3)}
        within = [r for r in _everything(run) if _costs(r)[0] <= member.budget.high("params")]
        best[member.name] = min(map(own_trainer.settled, within)), max(map(own_trainer.settled, within))
    for name, (lowest, highest) in best.items():  # within a tenth of the best of all that keep the budget
        value = found.samples[name].value
        assert value is not None
        assert value - lowest <= 0.1 * (highest - lowest)
    store = SampleStore(run.folder.samples)
    values = [sample.value for sample in store.samples() if sample.value is not None]
    assert store_info(store).best == min(values)
    (cheapest,) = best_per_budget(store, cost="params", budgets=[100])
    assert cheapest is not None
    assert cheapest.value == min(s.value for s in store.samples() if s.value is not None and s.costs["params"] <= 100)
    run = open_run(load_config("own.yaml"), "out", execution=HOW)
    assert run_all(run) == found
    page = _report(run)
    assert "error rate" in page
    assert "accuracy" not in page
    assert is_finished(run)


def test_a_failed_training_is_no_final_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best candidate fails in the search, which chooses it all the same, and is then trained."""
    once = []

    def fragile(settings: Mapping[str, object], epochs: int) -> Iterator[float]:
        if settings["a"] == 15 and not once:
            once.append(1)
            raise RuntimeError("just now")
        yield from [10.0 + float(str(settings["a"]))] * epochs

    found = run_all(_numbers(here, fragile, monkeypatch, count=16, rounds=2, per_round=8))
    assert isinstance(found, MeasuredFamily)
    assert once
    assert {name: (one.record["a"], one.result) for name, one in found.samples.items()} == {"best": (15, 25.0)}


def test_the_best_measured_is_of_equal_epochs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round trains on; what it comes to there is no better than what others have come to before."""

    def rising(settings: Mapping[str, object], epochs: int) -> Iterator[float]:
        yield from (float(str(settings["a"])) + 10 * epoch for epoch in range(1, epochs + 1))

    run = _numbers(here, rising, monkeypatch, count=40, rounds=3, per_round=6, epochs=8, preset="measured")
    found = run_all(run)
    samples = SampleStore(run.folder.samples).samples()
    assert {sample.epochs for sample in samples if sample.round > 1} == {1}
    (member,) = found.family.members
    assert member.record["a"] == max(sample.record["a"] for sample in samples)
    assert member.predicted == member.record["a"] + 10


@pytest.mark.parametrize("works", [0, 1])
def test_why_nothing_could_be_trained_is_said(here: Path, monkeypatch: pytest.MonkeyPatch, works: int) -> None:
    def broken(settings: Mapping[str, object], epochs: int) -> float:
        if float(str(settings["a"])) >= works:
            raise RuntimeError("no such image")
        return 3.0

    def run(name: str, preset: str) -> Run:
        how = {"count": 16, "rounds": 1, "per_round": 16}
        return _numbers(here, broken, monkeypatch, **how, cut=False, name=name, preset=preset)

    with pytest.raises(
        DataError, match=rf"{16 - works} of the 16 trainings .*failed \(error: RuntimeError: no such im"
    ):
        run_all(run("searched", "default"))
    if works:  # enough for who asks no predictor
        found = run("measured", "measured")
        assert run_all(found).family.members[0].record["a"] == 0
        assert not remaining(found.folder, "export") - {"train", "export"}
        (found.folder.family_file).unlink()
        check_stage(found, "search")
    else:
        with pytest.raises(DataError, match="no such image"):
            run_all(run("measured", "measured"))


def test_a_bad_start_ends_no_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def unlucky(settings: Mapping[str, object], epochs: int) -> float:
        calls.append(1)
        if len(calls) <= 2:
            raise RuntimeError("not yet")
        return float(str(settings["a"]))

    run = _numbers(here, unlucky, monkeypatch, count=16, rounds=4, per_round=2, cut=False, preset="measured")
    (member,) = run_all(run).family.members
    assert member.record["a"] == max(s.record["a"] for s in SampleStore(run.folder.samples).samples() if s.result)


def _numbers(
    here: Path,
    trainer: object,
    monkeypatch: pytest.MonkeyPatch,
    *,
    count: int,
    rounds: int,
    per_round: int,
    epochs: int = 1,
    preset: str = "default",
    cut: bool = True,
    name: str = "numbers",
) -> Run:
    """A run among so many numbers, by a function of the test."""
    monkeypatch.setattr(own_trainer, "here", trainer, raising=False)
    (here / "numbers.yaml").write_text(
        f"name: numbers\nkind: generic\narchitecture:\n  a: {{low: 0, high: {count - 1}}}\n"
    )
    collect = {"rounds": rounds, "per_round": per_round, "epochs": epochs} | ({} if cut else {"stop_correlation": None})
    content = {
        "name": name,
        "space": "numbers.yaml",
        "task": {"function": "own_trainer:here"},
        "metric": {"name": "f1"},
        "collect": collect,
        "pretraining": {"pool": count},
        "search": {"preset": preset},
    }
    return open_run(load_config(content), name, execution=HOW)


def _everything(run: Run) -> list[dict[str, object]]:
    rows = enumerate_architectures(run.space)
    rates = np.arange(len(run.space.dimensions[-1].values))
    rows = np.repeat(rows, len(rates), axis=0)
    rows[:, -1] = np.tile(rates, len(rows) // len(rates))
    records: list[dict[str, object]] = run.space.to_records(rows)  # type: ignore[assignment]
    return records


def _costs(record: dict[str, object]) -> tuple[float, float]:
    found = own_trainer.costs({name: np.array(record[name]) for name in ("width", "depth")})
    return float(found["params"]), float(found["latency_us"])


def _report(run: Run) -> str:
    from nars.report import write_report

    return write_report(run.folder).read_text()


def test_without_costs_there_is_one_member(here: Path) -> None:
    (here / "curved.yaml").write_text(own_trainer.SPACE)
    found = run_all(open_run(load_config("own.yaml"), "out", execution=HOW))
    (member,) = found.family.members
    assert (member.name, member.budget, member.costs) == ("best", Bounds(), {})
    assert member.record["width"] * member.record["depth"] == 64 * 6
    _report(open_run(load_config("own.yaml"), "out"))


def test_the_pool_keeps_every_bound_of_the_range(here: Path) -> None:
    config = load_config("own.yaml", {"range": {"params": {"low": 16, "high": 128}, "latency_us": {"high": 40}}})
    pool = sample_pool(open_run(config, "out"))
    assert len(pool.X) > 20
    assert (pool.costs["params"] >= 16).all()
    assert (pool.costs["params"] <= 128).all()
    assert (pool.costs["latency_us"] <= 40).all()
    mbconv = load_config("digits", {"range.params": "20k", "pretraining.pool": 64})
    pool = sample_pool(open_run(mbconv, "digits"))
    assert (pool.costs["params"] <= 20e3).all()
    assert (pool.costs["flops"] >= 0.11e6).all()


def test_killed_it_goes_on_and_trains_nothing_twice(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path]),
        "NARS_CALLS": str(here / "calls"),
        "OMP_NUM_THREADS": "1",
    }
    start = [sys.executable, "-c", "from nars.cli import main; main()", "run", "own.yaml", "--workers", "1"]
    process = subprocess.Popen([*start, "--out", "killed"], env=environment, stdout=-3, stderr=-3)
    while not (here / "killed" / "samples").is_dir() or len(list((here / "killed" / "samples").iterdir())) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*start, "--out", "killed"], env=environment, check=True, capture_output=True)
    calls = Counter((here / "calls").read_text().splitlines())
    monkeypatch.setenv("NARS_CALLS", str(here / "once"))
    run_all(open_run(load_config("own.yaml"), "whole", execution=HOW))
    once = Counter((here / "once").read_text().splitlines())
    one, other = (json.loads((here / name / "family" / "family.json").read_text()) for name in ("killed", "whole"))
    assert [m["choices"] for m in one["members"]] == [m["choices"] for m in other["members"]]
    assert (calls - once).total() <= 1  # the one that was under way
    assert not once - calls


# -- a loop of one's own ----------------------------------------------------------------------------------------------

LOOP = {
    "name": "loop",
    "space": "curved.yaml",
    "task": {"loop": "by hand"},
    "metric": {"name": "error_rate", "goal": "minimize", "unit": "%", "high": 100},
    "pretraining": {"pool": 256},
    "collect": {"rounds": 2, "per_round": 5, "epochs": 3},
}


def test_a_loop_asks_trains_and_tells(here: Path) -> None:
    loop = open_loop(load_config(LOOP), "out")
    first = [loop.ask() for _ in range(6)]
    assert first[5] is None  # before the outcomes of the round there is no more
    for trial in reversed(first[:3]):
        assert trial is not None
        loop.tell(trial, list(own_trainer.error(trial.record, trial.epochs, trial.seed)), seconds=2.0)
    with pytest.raises(EvaluationError, match="told already"):
        loop.tell(first[0], 3.0)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="7 trainings are to be told yet"):
        loop.search()
    loop = open_loop(load_config(LOOP), "out")  # as after a kill: what was told is known
    assert len(loop.samples) == 3
    for number, trial in enumerate(loop):
        if number == 0:
            assert "number; after epoch 2 got 'good'" in loop.tell(trial, [9.0, "good", 8.0]).message  # type: ignore[list-item]
        elif number == 1:
            assert loop.tell(trial, [float("nan")] * 3).status == "diverged"
        elif number == 2:
            assert "between -inf and 100; got 170" in loop.tell(trial, [170.0]).message
        elif number == 3:
            assert loop.fail(trial, "the machine burned", status="timeout").value is None
        else:
            loop.tell(trial, list(own_trainer.error(trial.record, trial.epochs, trial.seed)))
    assert loop.finished
    assert [member.name for member in loop.search().members] == ["params200", "params2k-latency_us60"]
    assert [sample.seconds for sample in loop.samples].count(2.0) == 3
    with pytest.raises(ConfigError, match="whose task is"):
        open_loop(load_config("own.yaml"))


# -- what can be wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": {"function": "own_trainer:nothing"}}, "task: "),
        ({"task": {"function": "no_such_module:f"}}, "task: .*no_such_module"),
        ({"task": {"function": "f"}}, "task: "),
        ({"task": {"command": "no-such-program {settings}"}}, "task: .*no-such-program"),
        ({"task": {"command": "python {nothing}"}}, "task.*placeholder"),
        ({"task": {"function": "a:b", "command": "c"}}, "one of"),
        ({"task": "photos"}, "task"),
        ({"metric": None}, "comes with its metric"),
        ({"metric": {"name": "seconds"}}, "no other column of a store"),
        ({"metric": {"name": "a b"}}, "letters, digits and underscores"),
        ({"metric": {"name": "f1", "goal": "max"}}, "maximize"),
        ({"metric": {"name": "f1", "low": 1, "high": 0}}, "low below high"),
        ({"data": {"name": "digits"}}, "without data"),
        ({"range": {"flops": "1M"}}, "no cost is called 'flops'; curved has params"),
        ({"range": {"params": {"low": 5, "high": 3}}}, "lower limit must not exceed"),
        ({"range": {"params": {"hi": 3}}}, "low, high or both, got hi"),
        ({"search.budgets": [{"param": "5k"}]}, "did you mean params"),
        ({"search.budgets": [{"params": 1}]}, "ask for at least 4"),
        ({"search.budgets": [{"params": 8, "latency_us": {"low": 50}}]}, "nothing|no candidate"),
        ({"search.budgets": ["1M"]}, "no cost is called 'flops'"),
        ({"space": "absent.yaml"}, "absent.yaml"),
    ],
)
def test_each_mistake_is_one_clear_error_before_anything_begins(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_run(load_config("own.yaml", changes), "out", execution=HOW)
    assert not Path("out/samples").exists()


@pytest.mark.parametrize(
    "command", ["train {run}/family/params200", "export {run}", "scale {run} --to 1M", "latency {run} --members"]
)
def test_commands_for_networks_say_that_there_are_none(
    command: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all(open_run(load_config("own.yaml", {"collect.rounds": 1}), "out", execution=HOW))
    monkeypatch.setattr("sys.argv", ["nars", *command.format(run="out").split()])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "the candidates of own are trained by own_trainer:error, which keeps what it makes" in said


def test_architectures_and_recipes_of_ones_own_trainer_are_swapped(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(load_config("own.yaml"), "out", execution=HOW)
    run_all(run)
    monkeypatch.setattr(
        "sys.argv", ["nars", "swap", "out", "--train", "all", "--engine", "in-process", "--json", "swap.json"]
    )
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 0
    said = capsys.readouterr().out
    assert "error rate after" in said
    assert " params)" in said
    found = json.loads(Path("swap.json").read_text(encoding="utf-8"))
    records = [member["record"] for member in json.loads(run.folder.family_file.read_text())["members"]]
    for one, row in zip(records, found["trained"], strict=True):
        for other, value in zip(records, row, strict=True):
            pair = {k: other[k] if k.startswith("recipe.") else v for k, v in one.items()}
            stopped = 9 / found["epochs"] - 9 / 3  # what the epochs that were not trained would have taken off
            assert value == pytest.approx(own_trainer.settled(pair) + max(0.0, stopped))


@pytest.mark.parametrize(
    ("changes", "train", "message"),
    [
        ({"task": {"loop": "by hand"}}, "all", "trained by a loop of your own, by hand. Without --train all cells"),
        ({"space": "half.yaml"}, None, "in the space half nothing may be chosen of the recipe"),
    ],
)
def test_what_cannot_be_swapped_is_said(
    here: Path, changes: dict[str, object], train: str | None, message: str
) -> None:
    half = own_trainer.SPACE.replace("curved", "half").partition("recipe:")[0]
    Path("half.yaml").write_text(half + own_trainer.COSTS, encoding="utf-8")
    run = open_run(load_config("own.yaml", changes), "out", execution=HOW)
    with pytest.raises(ConfigError, match=message):
        swap(run, train=train)


def test_a_generic_space_with_images_is_refused(here: Path) -> None:
    with pytest.raises(ConfigError, match="bring a trainer of your own"):
        open_run(load_config("digits", {"space": "curved.yaml"}), "out")


def test_metrics_are_shown_with_their_unit() -> None:
    assert Metric(name="f1", unit="%").spell(81.234, 2.0) == "81.23 ± 2.00 %"
    assert Metric(name="loss").spell(0.0312345, 0.00123) == "0.03123 ± 0.0012"
    assert load_space("fcnet").budgets[0] == Bounds.at_most(params="5k")
