"""Samples that a run is given: what they have measured is not measured again; those of other fidelities help."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau
from small_run import HOW, upto_collect, upto_pretrain
from typer.testing import CliRunner

from nars.cli.app import app
from nars.errors import ConfigError, PredictorError, StoreError
from nars.run import Run, load_config, open_run
from nars.run.journal import Journal
from nars.stages import give_samples, give_sources, load_fitted, open_source
from nars.stages.prior import load_prior
from nars.store import Sample, SampleStore
from nars.trials import import_trials, read_trials

SPACE = """
name: mine
kind: generic
architecture: {a: {low: 0, high: 5}, b: {low: 0, high: 5}}
recipe: {c: {low: 0, high: 5}}
"""
TRAINER = """
from pathlib import Path

def loss(settings, epochs, seed):
    with Path("calls").open("a") as file:
        file.write(f"{settings['a']} {settings['b']} {settings['recipe.c']} {seed}\\n")
    for epoch in range(1, epochs + 1):
        yield 1 + (settings["a"] - 4) ** 2 + (settings["b"] - 1) ** 2 + settings["recipe.c"] + 20 / epoch
"""
CONFIG = """
name: own
space: mine.yaml
task: {function: "trainer:loss", data: photos}
metric: {name: loss, goal: minimize}
pretraining: {pool: 128}
collect: {rounds: 2, per_round: 8, epochs: 2}
final: {epochs: 2}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("mine.yaml", SPACE), ("trainer.py", TRAINER), ("own.yaml", CONFIG)):
        Path(name).write_text(text, encoding="utf-8")
    return tmp_path


def opened(folder: str, **changes: object) -> Run:
    return open_run(
        load_config("own.yaml", {key.replace("__", "."): to for key, to in changes.items()}), folder, execution=HOW
    )


def collected(run: Run) -> list[Sample]:
    upto_collect(run)
    return list(Journal(run).samples())


def calls() -> list[str]:
    """The trainings since the last time that this was asked."""
    file = Path("calls")
    found = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def candidate(sample: Sample) -> str:
    return " ".join(str(sample.record[name]) for name in ("a", "b", "recipe.c"))


def true_loss(X: np.ndarray) -> np.ndarray:
    """What the trainer makes of candidates but for its epochs."""
    a, b, c = X.T
    return 1.0 + (a - 4) ** 2 + (b - 1) ** 2 + c


def log(run: Run) -> str:
    return run.folder.log_file.read_text()


def test_what_is_measured_is_not_trained_again_and_teaches(home: Path) -> None:
    before = collected(opened("one"))
    assert len(calls()) == len(before) == 16
    run = opened("two")
    give_samples(run, SampleStore(run.folder.path.parent / "one" / "samples"))
    assert "samples: of 16" in log(run)
    assert "16 are of this run's fidelity and not trained again" in log(run)
    after = collected(run)
    trained = calls()
    taken = {sample.key: sample for sample in before} | {sample.key: sample for sample in after}
    known = {sample.key for sample in before}
    assert len(after) == 16
    assert len(trained) == sum(sample.key not in known for sample in after)
    # What was taken is the very row, in the round that asked for it.
    for sample in after:
        assert (taken[sample.key].finished, taken[sample.key].curve) == (sample.finished, sample.curve)
        assert sample.round in (1, 2)
    # The first round knew what the other run had learned: it is chosen, not drawn.
    first, drawn = Journal(run).plans()[0], Journal(opened("one")).plans()[0]
    assert true_loss(first.rows).mean() < true_loss(drawn.rows).mean() - 1
    # What it had learned from was not predicted before it was measured, and does not count as if it had been.
    learned = {sample.choices for sample in before}
    plans, rounds = Journal(run).plans(), Journal(run).results()
    predicted = [pair for plan in plans for pair in zip(plan.choices, plan.predicted, strict=True)]
    both = [(row in learned, value is None) for row, value in predicted]
    assert {known for known, _ in both} == {True, False}
    assert all(known == unpredicted for known, unpredicted in both)
    for plan, result in zip(plans, rounds, strict=True):
        new = [at for at, row in enumerate(plan.choices) if row not in learned]
        assert result.pairs == [(plan.predicted[at], result.measured[at]) for at in new]
        tau = kendalltau(*zip(*result.pairs, strict=True)).statistic if len(new) > 2 else None
        assert result.tau == (None if tau is None else pytest.approx(tau))


def test_a_run_goes_on_as_it_would_have(home: Path) -> None:
    collected(opened("one"))
    runs = {}
    for name in ("whole", "parts"):
        run = opened(name, collect__rounds=3)
        give_samples(run, SampleStore("one/samples"))
        runs[name] = run
    upto_collect(runs["whole"])
    short = opened("parts", collect__rounds=3)

    class KilledError(Exception):
        pass

    def die(*_: object) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nars.run.journal.Journal.keep_result", die)
        with pytest.raises(KilledError):
            upto_collect(short)
    upto_collect(opened("parts", collect__rounds=3))
    whole, parts = (Journal(runs[name]) for name in ("whole", "parts"))
    assert [plan.choices for plan in whole.plans()] == [plan.choices for plan in parts.plans()]
    assert [plan.predicted for plan in whole.plans()] == [plan.predicted for plan in parts.plans()]
    # Given again, the same ones change nothing; others, or the same in another way, come too late.
    give_samples(runs["parts"], SampleStore("one/samples"))
    for late, store, way in (("parts", "whole", "own"), ("parts", "one", "any"), ("one", "whole", "own")):
        message = "begun without" if late == "one" else "given other samples"
        with pytest.raises(ConfigError, match=message):
            give_samples(
                opened(late, collect__rounds=2 if late == "one" else 3), SampleStore(f"{store}/samples"), fidelity=way
            )


def test_another_fidelity_teaches_only_where_the_user_says_so(home: Path) -> None:
    collected(opened("short", collect__per_round=12))
    calls()
    alone, helped = (opened(name, collect__epochs=5, collect__stop_correlation=1.0) for name in ("alone", "helped"))
    give_samples(alone, SampleStore("short/samples"))
    assert "0 are of this run's fidelity" in log(alone)
    assert "24 are of another and left out" in log(alone)
    give_samples(helped, SampleStore("short/samples"), fidelity="any")
    assert "24 of another teach the predictor" in log(helped)
    # Trainings of one and two epochs are 16 and 6 above those of five; a dozen of the latter tell their scale.
    pretrained = upto_pretrain(helped)[1]
    prior = load_prior(helped, pretrained)
    assert prior is not None
    X = np.array([[a, b, c] for a in (0, 2, 4) for b in (0, 3) for c in (1, 4)])
    rows, values = prior.lessons(X, true_loss(X) + 4, set(), None)
    assert len(rows) == 12 + 24
    assert np.abs(values - true_loss(rows) - 4).mean() < 2
    collected(helped)
    assert len(calls()) == 16  # all are trained
    assert None not in Journal(helped).plans()[0].predicted


def test_imported_trials_count_where_the_user_says_they_are_the_same(home: Path) -> None:
    run = opened("run")
    records = run.space.to_records(np.array([[a, b, 0] for a in range(6) for b in range(6)]))
    rows = [
        "a,b,c,loss,seed",
        *(
            f"{r['a']},{r['b']},0,{11 + (r['a'] - 4) ** 2 + (r['b'] - 1) ** 2},{seed}"
            for r in records
            for seed in (0, 1)
        ),
    ]
    Path("theirs.csv").write_text("\n".join(rows), encoding="utf-8")
    import_trials(read_trials("theirs.csv", run.space, metric=run.metric), "theirs")
    give_samples(opened("own"), SampleStore("theirs"))
    assert "0 are of this run's fidelity" in log(opened("own"))
    give_samples(run, SampleStore("theirs"), fidelity="same")
    assert "36 candidates are taken as measured by whole trainings of this run" in log(run)
    samples = collected(run)
    known = [sample for sample in samples if not sample.curve]
    assert len(known) >= 2
    assert len(calls()) == 16 - len(known)
    assert min(sample.value for sample in samples) == 11
    assert Journal(run).results()[0].stop_epoch == 2  # whole trainings, as theirs


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("other", "collected in the space"),
        ("accuracy", r"measured by accuracy \(%\), to maximize, the run by loss, to minimize"),
        ("failed", "none of the 3 samples in failed succeeded"),
    ],
)
def test_samples_that_do_not_fit_are_refused(home: Path, store: str, message: str) -> None:
    run = opened("run")
    Path("other.yaml").write_text(SPACE.replace("high: 5", "high: 6"), encoding="utf-8")
    Path("other.csv").write_text("a,b,c,loss\n6,1,2,3\n", encoding="utf-8")
    Path("accuracy.csv").write_text("a,b,c,accuracy\n1,1,2,30\n", encoding="utf-8")
    Path("failed.csv").write_text("a,b,c,loss\n1,1,2,\n1,1,3,\n1,1,4,\n1,1,5,1\n", encoding="utf-8")
    if store == "other":
        from nars import load_space

        import_trials(read_trials("other.csv", load_space("other.yaml"), metric=run.metric), store)
    elif store == "accuracy":
        import_trials(read_trials("accuracy.csv", run.space), store)
    else:
        import_trials(read_trials("failed.csv", run.space, metric=run.metric), "some")
        SampleStore("failed").append([sample for sample in SampleStore("some").samples() if sample.status != "ok"])
    with pytest.raises(StoreError, match=message):
        give_samples(run, SampleStore(store))
    assert not run.folder.prior.exists()
    with pytest.raises(ConfigError, match="own, any or same; got 'all'"):
        give_samples(run, SampleStore(store), fidelity="all")
    refused = CliRunner().invoke(app, ["run", "own.yaml", "--samples", store, "--out", "new"])
    assert re.search(message, str(refused.exception))
    assert not Path("new").exists()


def test_a_run_starts_from_what_a_run_in_another_space_has_learned(home: Path) -> None:
    upto_collect(opened("theirs"))  # a loss, in a space with other ranges and another choice
    Path("other.yaml").write_text(
        SPACE.replace("b: {low: 0, high: 5}", "b: {low: 0, high: 8}, d: [x, y]"), encoding="utf-8"
    )
    source = open_source("theirs")
    blind, run = opened("blind", space="other.yaml"), opened("run", space="other.yaml")
    give_sources(run, [source])
    assert "starts from theirs: 16 trainings in mine, 3 choices in common" in log(run)
    assert "of this it says nothing: d" in log(run)
    for one in (blind, run):
        upto_collect(one)
    drawn, first = (Journal(one).plans()[0] for one in (blind, run))
    assert set(first.predicted) == {None}  # a source has no unit
    both = [run.space.index[name] for name in ("a", "b", "recipe.c")]
    assert true_loss(first.rows[:, both]).mean() < true_loss(drawn.rows[:, both]).mean() - 1
    fitted = load_fitted(opened("run", space="other.yaml"))
    assert fitted is not None
    assert [one.name for one in fitted.sources] == ["theirs"]
    give_sources(run, [source])  # the same again
    with pytest.raises(ConfigError, match=r"given other predictors to start from.*without --warm-start"):
        give_sources(run, [])
    with pytest.raises(ConfigError, match="has begun without these predictors"):
        give_sources(blind, [source])
    found = CliRunner().invoke(app, ["run", "own.yaml", "--out", "new", "--warm-start", "cifar10", "--quiet"])
    assert isinstance(found.exception, PredictorError)
    assert "nothing that cifar10" in str(found.exception)
    assert not Path("new").exists()
