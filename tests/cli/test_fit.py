"""Finished trials become a predictor that answers, from the command line; and what is said where they cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from nars import ask, ask_front, fit, load_space
from nars.cli.app import app
from nars.errors import ConfigError, DataError, StoreError, UserError
from nars.metric import Metric, MetricError
from nars.predictors import PRESETS, Predictor
from nars.space import Bounds, SpaceError, parse_document, read_space, sobol
from nars.stages import open_predictor
from nars.stages.predictors import write_predictor
from nars.store import SampleStore
from nars.trials import read_trials

MEASURED = Path(__file__).parents[2] / "data" / "cifar10" / "samples"

SPACE = """
name: mine
kind: generic
architecture: {depth: {low: 1, high: 8}, act: [relu, tanh]}
recipe: {lr: {low: 0.001, high: 0.1, count: 9, scale: log}, optimizer: [sgd, adam]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A space of one's own and trials.csv: loss and accuracy are best at depth 6, the third learning rate."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SPACE, encoding="utf-8")
    frame().to_csv("trials.csv", index=False)
    return tmp_path


def frame(count: int = 40) -> pd.DataFrame:
    space = load_space("mine.yaml")
    X = sobol(space, count, seed=0)
    trials = pd.DataFrame(space.to_records(X))
    loss = 0.1 + 0.02 * (trials["depth"] - 6) ** 2 + 0.05 * (X[:, space.index["recipe.lr"]] - 2) ** 2
    state = ["failed" if row % 10 == 3 else "ok" for row in range(count)]
    return trials.assign(loss=loss, top1=1 / (1 + loss), state=state, macs=trials["depth"] * 1e3)


def run(*arguments: object) -> str:
    """What a command prints, on both streams."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return " ".join(result.output.split())


def test_import_fit_and_search_on_measured_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty real trainings as another tool lists them: fractions, its own headings, one that failed."""
    monkeypatch.chdir(tmp_path)
    samples = [sample for sample in SampleStore(MEASURED).samples() if sample.seed == 0][:40]
    rows = [
        {f"config/{name}": value for name, value in sample.record.items()}
        | {"val_acc": sample.result / 100, "rng": sample.seed, "end": "COMPLETE"}
        for sample in samples
    ]
    rows[3] |= {"val_acc": None, "end": "FAIL"}
    pd.DataFrame(rows).to_csv("theirs.csv", index=False)
    columns = ("--columns", "accuracy=val_acc,seed=rng,status=end")
    said = run("import", "theirs.csv", "--space", "cifar10", "--out", "store", *columns, "--data-set", "cifar10")
    assert "fractions, taken times 100" in said
    assert "40 new trainings in store, 1 of them failed" in said
    assert "39 candidates with accuracy (%), to maximize; at most 1 training of each" in said
    said = run("fit", "store", "--out", "predictors/mine")
    assert "fitted on 39 candidates (39 trainings; 1 failed) by accuracy (%), to maximize" in said
    card = json.loads(Path("predictors/mine/card.json").read_text(encoding="utf-8"))
    assert (card["data"], card["samples"], card["origin"]["failed"]) == ("cifar10", 39, 1)
    assert card["quality"]["tau"] > 0.3
    assert f"{card['quality']['tau']:.2f}" in said
    assert card["pretraining"]["errors"]["flops"]["relative"] < 0.05
    run("search", "--predictor", "predictors/mine", "--max-flops", "2M,4M", "--json", "answer.json")
    members = json.loads(Path("answer.json").read_text(encoding="utf-8"))["members"]
    assert [member["costs"]["flops"] <= limit for member, limit in zip(members, (2e6, 4e6), strict=True)] == [True] * 2


def test_what_is_to_be_minimized_is_asked_for_its_least(folder: Path) -> None:
    said = run("fit", "trials.csv", "--space", "mine.yaml", "--metric", "loss:minimize", "--out", "p")
    assert "by loss, to minimize" in said
    assert "ask it: nars search --predictor p" in said
    space, model = open_predictor("p")
    assert model.metric == Metric(name="loss", goal="minimize")
    assert space.cost_names == ()
    everything = np.stack(np.unravel_index(np.arange(8 * 2 * 9 * 2), space.cardinalities), axis=1)
    answer = ask("p", [Bounds()])
    # Of all 288 combinations the one that is predicted lowest has been found.
    assert answer.known.scores.max() == pytest.approx(-model.predict_mean(space.encode(everything)).min())
    run("search", "--predictor", "p")


@pytest.fixture(scope="module")
def guessing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A predictor that has learned little, in a space whose costs are called as those of no other."""
    home = tmp_path_factory.mktemp("guessing") / "p"
    sizes = ", ".join(str(1250 * depth) for depth in range(1, 9))
    costs = f"costs: {{size: {{depth: [{sizes}]}}, heat: {{base: 3, act: [0.5, 0.25]}}}}\n"
    space = read_space(parse_document(SPACE + costs, source="mine"))
    X = sobol(space, 32, seed=0)
    settings = replace(PRESETS["default"], pretrain_epochs=2, frozen_epochs=2, joint_epochs=2)
    unfitted = replace(
        Predictor.pretrained(space, X, seed=0, settings=settings), metric=Metric(name="loss", goal="minimize")
    )
    loss = np.random.default_rng(0).normal(0.2, 0.05, size=len(X)) - 0.01 * X[:, space.index["depth"]]
    write_predictor(home, unfitted.fit(unfitted.inputs(space, X), loss, seed=0), space=space, data="none", quality={})
    return str(home)


def asked(*arguments: str) -> list[str]:
    """The lines of an answer, all of them within 80 columns."""
    result = CliRunner().invoke(app, ["search", *arguments])
    assert result.exception is None
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def test_an_answer_shows_the_costs_that_it_was_asked_about(guessing: str, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    lines = asked("--predictor", guessing, "--budgets", "size=5k,size=9k+heat=3.4", "--json", str(file))
    members = json.loads(file.read_text())["members"]
    (top,) = (at for at, line in enumerate(lines) if line.split()[:4] == ["budget", "size", "heat", "predicted"])
    shown = [line.split()[3:5] for line in lines[top + 1 :] if line.startswith("size <= ")][:2]
    costs = [member["costs"] for member in members]
    assert shown == [[f"{own['size'] / 1e3:g}k", f"{own['heat']:g}"] for own in costs]

    lines = asked("--predictor", guessing, "--pareto", "heat", "--json", str(file))
    front = json.loads(file.read_text())["front"]
    (top,) = (at for at, line in enumerate(lines) if line.split() == ["heat", "predicted"])
    assert [float(line.split()[0]) for line in lines[top + 1 :][: len(front)]] == [
        row["costs"]["heat"] for row in front
    ]

    answer = repr(ask(guessing, [Bounds.at_most(size=9e3)])).splitlines()
    assert answer[1].split()[:3] == ["budget", "size", "predicted"]
    assert repr(ask_front(guessing, ["heat"])).splitlines()[1].split() == ["row", "heat", "predicted"]


def test_a_doubt_is_in_the_unit_of_the_metric(guessing: str, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    text = " ".join(asked("--predictor", guessing, "--budgets", "size=3k,size=9k", "--json", str(file)))
    low, high = sorted(member["predicted"] for member in json.loads(file.read_text())["members"])
    text = " ".join(text.split())
    assert f"the members' predictions ({low:.4g} to {high:.4g}) differ by less" in text
    assert "%" not in text.partition("members' predictions")[2]


def test_a_store_is_asked_by_the_predictor_beside_it(folder: Path) -> None:
    run("import", "trials.csv", "--space", "mine.yaml", "--columns", "accuracy=top1", "--out", "old/store")
    with pytest.raises(ConfigError, match=r"make one by: nars fit old/store --out predictors/store.*--fit"):
        run("search", "--predictor", "old/store")
    assert "fitted on" in run("search", "--predictor", "old/store", "--fit")
    before = (folder / "old/store/_predictor/card.json").stat().st_mtime_ns
    assert "fitted before on" in run("search", "--predictor", "old/store", "--fit")
    assert (folder / "old/store/_predictor/card.json").stat().st_mtime_ns == before
    more = frame(48)[40:]
    more.to_csv("more.csv", index=False)
    run("import", "more.csv", "--columns", "accuracy=top1", "--out", "old/store")
    assert "fitted on 43 candidates" in run("search", "--predictor", "old/store", "--fit")
    assert len(SampleStore("old/store")) == 48
    failed = frame(50)[47:]  # which teach where trainings fail
    failed.assign(top1=failed["top1"].where(failed.index < 48)).to_csv("failed.csv", index=False)
    run("import", "failed.csv", "--columns", "accuracy=top1", "--out", "old/store")
    assert "fitted on 43 candidates" in run("search", "--predictor", "old/store", "--fit")


def test_costs_of_the_trials_alone_bound_no_question(folder: Path) -> None:
    """What other candidates cost nobody knows; where all combinations are measured, budgets are kept."""
    Path("mine.yaml").write_text(SPACE.replace("count: 9", "count: 3"), encoding="utf-8")  # 96 combinations
    space = load_space("mine.yaml")
    frame().to_csv("trials.csv", index=False)
    some = read_trials("trials.csv", space, columns={"accuracy": "top1"}, costs={"flops": "macs"})
    assert fit(some, "some").space.cost_names == ()
    X = np.stack(np.unravel_index(np.arange(8 * 2 * 3 * 2), space.cardinalities), axis=1)
    every = pd.DataFrame(space.to_records(space.canonical(X)))
    every.assign(accuracy=50 + every["depth"], flops=every["depth"] * 1e3).to_csv("every.csv", index=False)
    run("fit", "every.csv", "--space", "mine.yaml", "--costs", "flops", "--out", "every")
    answer = ask("every", [Bounds.at_most(flops=4e3)])
    assert answer.space.to_records(answer.budgets[0].ties.rows[:1])[0]["depth"] == 4


WRONG = {
    "too few": (("fit", "few.csv"), DataError, r"accuracy of at least 10 distinct candidates, got 6"),
    "all equal": (("fit", "equal.csv"), DataError, r"all 36 candidates have the accuracy 70"),
    "all failed": (("fit", "failed.csv"), DataError, r"none of its 40 trials succeeded"),
    "an empty store": (("fit", "nothing"), StoreError, r"there is no sample store at 'nothing'"),
    "a run's folder": (("fit", "good.csv", "--out", "run"), DataError, r"run belongs to a run"),
    "into a run": (("import", "good.csv", "--out", "run"), DataError, r"run is a run.*--samples STORE"),
    "another space": (("fit", "store", "--space", "digits"), DataError, r"samples belong to the space"),
    "a file asked": (("search", "--predictor", "good.csv"), ConfigError, r"nars fit good.csv --space SPACE"),
    "text": (("import", "text.csv"), DataError, r"row 2: the accuracy \(column 'accuracy'\) is no number: 'good'"),
    "no goal": (("import", "good.csv", "--metric", "loss"), DataError, r"loss:minimize or loss:maximize"),
    "unknown goal": (("import", "good.csv", "--metric", "loss:lower"), MetricError, r"maximize or minimize; got 'low"),
    "a taken name": (("import", "good.csv", "--metric", "seed:minimize"), StoreError, r"no other column of a store"),
    "mixed units": (("import", "mixed.csv"), DataError, r"mixes fractions with percent: 20 of 36 values"),
    "mixed signs": (("import", "signs.csv"), DataError, r"mixes fractions with percent: 35 .* \(1 with a percent sign"),
    "another metric": (
        ("import", "good.csv", "--metric", "loss:minimize", "--out", "store"),
        StoreError,
        r"share one metric",
    ),
    "an edited export": (("import", "edited.parquet"), SpaceError, r"row 1: depth takes one of .* got 77"),
    "costs of a space that has them": (
        ("import", "cifar.csv", "--space", "cifar10", "--costs", "flops=macs"),
        DataError,
        r"cifar10 computes its costs itself",
    ),
    "no such cost": (("import", "good.csv", "--costs", "params"), DataError, r"no column 'params'.* by --costs"),
}


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("wrong")
        patch.chdir(home)
        Path("mine.yaml").write_text(SPACE, encoding="utf-8")
        good = frame().assign(accuracy=lambda trials: trials["top1"])
        percent = 100 * good["top1"]
        made = {
            "good": good,
            "few": good[:7],
            "equal": good.assign(accuracy=0.7),
            "failed": good.assign(state="failed"),
            "text": good.assign(accuracy=good["top1"].astype(object).where(good.index != 1, "good")),
            "mixed": good.assign(accuracy=good["top1"].where(good.index % 2 == 0, percent)),
            "signs": good.assign(accuracy=good["top1"].astype(object).where(good.index != 1, "71.5 %")),
            "cifar": good,
        }
        for name, trials in made.items():
            trials.to_csv(f"{name}.csv", index=False)
        run("import", "good.csv", "--space", "mine.yaml", "--out", "store")
        run("store", "export", "store", "export.parquet")
        pd.read_parquet("export.parquet").assign(**{"choice.depth": 77}).to_parquet("edited.parquet")
        Path("run").mkdir()
        Path("run/run.json").write_text("{}", encoding="utf-8")
    return home


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_said(name: str, wrong_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, error, message = WRONG[name]
    monkeypatch.chdir(wrong_files)
    more = (
        [] if "--space" in arguments or arguments[0] == "search" or "nothing" in arguments else ["--space", "mine.yaml"]
    )
    more += [] if "--out" in arguments or arguments[0] == "search" else ["--out", "out"]
    before = sorted(wrong_files.rglob("*"))
    with pytest.raises(error, match=message) as caught:
        run(*arguments, *more)
    assert isinstance(caught.value, UserError)
    assert sorted(wrong_files.rglob("*")) == before


def test_limits_without_a_predictor_are_no_stage_3() -> None:
    with pytest.raises(ConfigError, match=r"--max-flops, --seed are for a .* nars search --predictor digits \.\.\.;"):
        CliRunner().invoke(app, ["search", "digits", "--max-flops", "1M", "--seed", "3"], catch_exceptions=False)
