"""`nars audit` on every kind of table that people have: figures or one sentence that says why not."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nars.cli.app import app
from nars.cli.audit import _findings
from nars.errors import DataError, PredictorError
from nars.metric import ACCURACY
from nars.predictors import REGRESSORS, Audit, Row, Score, audit, plot_audit
from nars.predictors.noise import Ceiling
from nars.space import SpaceError, load_space, parse_document, read_space, sobol
from nars.store import SampleStore, keep_space
from nars.trials import TrialTable, samples_of

FAST = ("pretrained", "no-pretraining", "paper", "plain", "features", "ridge", "ridge+statistics", "gaussian_process")

GENERIC = """
name: table
kind: generic
architecture: {a: [x, y, z], b: [x, y, z], c: [1, 2, 3]}
recipe: {lr: [1e-3, 1e-2], ema: [yes, no]}
"""
ONE = "name: one\nkind: generic\narchitecture: {}\nrecipe: {lr: {low: 1e-4, high: 1e-1, count: 60, scale: log}}\n"
RECIPES = "name: recipes\nkind: generic\narchitecture: {}\nrecipe: {a: [1, 2, 3, 4], b: [x, y, z], c: [1, 2, 3]}\n"
SAME_COST = GENERIC + "costs: {size: {base: 3}}\n"


def space_named(name: str):
    return read_space(parse_document(name, source="s.yaml")) if "\n" in name else load_space(name)


def trials(space, n: int, *, seeds: int = 1, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = np.unique(space.canonical(sobol(space, 4 * n, seed=seed)), axis=0)
    X = X[rng.permutation(len(X))[:n]]
    y = 60 + space.encode(X) @ rng.normal(size=space.architecture_width + space.recipe_width)
    return X, y[:, None] + 0.3 * rng.normal(size=(len(X), seeds))


KINDS = {
    "recipe-only": "fbnetv3-recipe",
    "architecture-only": "fbnetv3-arch",
    "both": "digits",
    "no costs": GENERIC,
    "one dimension": ONE,
    "recipes only": RECIPES,
    "equal costs": SAME_COST,
}


@pytest.mark.parametrize(
    ("name", "splits"),
    [*(pytest.param(name, 1, id=kind) for kind, name in KINDS.items()), ("digits", 2), ("fbnetv3-recipe", 2)],
)
def test_every_kind_of_space_has_an_audit(name: str, splits: int, tmp_path: Path) -> None:
    space = space_named(name)
    X, accuracy = trials(space, 36)
    result = audit(space, X, accuracy, seed=0, splits=splits, models=FAST if splits == 1 else ("pretrained", "ridge"))
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["ceiling"] is None
    assert all((row["error"] is None) == (splits == 1) for row in document["rows"])
    costs_differ = name in ("fbnetv3-arch", "digits")
    assert all((row["mean"]["within"] is not None) == costs_differ for row in document["rows"])
    assert {target["name"] for target in document["targets"]} >= ({"flops"} if costs_differ else set())
    plot_audit(result, tmp_path / "audit.svg")
    assert (tmp_path / "audit.svg").stat().st_size > 5_000


def test_all_rivals_on_a_space_without_statistics() -> None:
    space = space_named("fbnetv3-recipe")
    X, accuracy = trials(space, 32)
    result = audit(space, X, accuracy, seed=0, splits=1)
    assert {row.model for row in result.rows} == {*REGRESSORS} - {"warm-start"}  # without a source
    assert result.targets == ()


WRONG = [
    (lambda X, y: (X[:1], y[:1]), "at least 30 distinct candidates, got 1"),
    (lambda X, y: (X[:2], y[:2]), "at least 30 distinct candidates, got 2"),
    (lambda X, y: (X[:0], y[:0]), "at least 30 distinct candidates, got 0"),
    (lambda X, y: (X, np.full_like(y, 71.5)), r"all 36 candidates have the accuracy 71\.5"),
    (lambda X, y: (X, np.full_like(y, np.nan)), "36 candidates have no accuracy at all"),
    (lambda X, y: (X, np.where(np.arange(36)[:, None] == 4, np.nan, y)), "1 candidates have no accuracy"),
    (lambda X, y: (X, np.where(np.arange(36)[:, None] == 4, np.inf, y)), "1 candidates have no accuracy"),
    (lambda X, y: (np.concatenate([X, X[:3]]), np.concatenate([y, y[:3]])), "3 candidates appear twice"),
    (lambda X, y: (X, y[:-1]), r"got shape \(35, 1\) for 36"),
    (lambda X, y: (X, y[:, :, None]), r"got shape \(36, 1, 1\)"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_cannot_be_audited_is_said(change, message: str) -> None:
    space = space_named(GENERIC)
    X, accuracy = change(*trials(space, 36))
    with pytest.raises(PredictorError, match=message):
        audit(space, X, accuracy, seed=0, splits=1, models=("ridge",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": 0}, "splits must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"sizes": (2, 20)}, "sizes must be at least 5, got 2"),
        ({"sizes": ()}, "sizes must be at least 5, got 0"),
        ({"models": ("ridge", "xgboost")}, "no model 'xgboost'; there are pretrained"),
    ],
)
def test_wrong_options_are_said(options, message: str) -> None:
    space = space_named(GENERIC)
    with pytest.raises(PredictorError, match=message):
        audit(space, *trials(space, 36), **{"seed": 0, "models": ("ridge",)} | options)


def test_the_fewest_candidates_and_labels_with_gaps() -> None:
    space = space_named(GENERIC)
    X, accuracy = trials(space, 30, seeds=3)
    accuracy[::2, 1:] = np.nan
    accuracy[1, 0] = np.inf  # no accuracy, and no reason to drop the candidate's other two
    result = audit(space, X, accuracy, seed=0, splits=1, models=("pretrained", "ridge"))
    assert result.ceiling is not None
    assert result.ceiling.repeated == 15
    assert "trained more than once" in _findings(result)[-2]
    plain = audit(space, X, accuracy[:, 0].clip(0, 100) + np.arange(30) * 1e-9, seed=0, splits=1, models=("ridge",))
    assert plain.ceiling is None
    assert "noise of the labels is unknown" in _findings(plain)[-1]


def audited(*taus: float, ceiling: float | None = None, rival: float = 0.0) -> Audit:
    """An audit of 20, 40, 80, ... samples with these figures."""
    rows = [("pretrained", 20 * 2**n, tau) for n, tau in enumerate(taus)] + [
        ("ridge", 20 * 2 ** (len(taus) - 1), rival)
    ]
    allowed = None
    if ceiling is not None:
        allowed = Ceiling(tau=ceiling, interval=(0.0, 1.0), noise=1.0, noise_interval=(0.5, 2.0), repeated=20, ties=3)
    score = Score(tau=0.0, within=None, spearman=0.0, mae=1.0, mse=1.0, precision=0.5, coverage=0.8)
    return Audit(
        candidates=200,
        splits=1,
        metric=ACCURACY,
        rows=tuple(Row(model=model, n=n, mean=replace(score, tau=tau), error=None) for model, n, tau in rows),
        tau_all_targets=0.5,
        targets=(),
        ceiling=allowed,
        efficiency=None,
    )


def test_the_verdict_says_whether_to_trust_it_and_what_would_help() -> None:
    assert str(audited(0.4, 0.7).verdict).startswith("verdict: trust it: fitted on 40 of these trials it puts 85 %")
    assert str(audited(0.3, 0.45, ceiling=0.5).verdict).startswith("verdict: trust it: ")  # all that labels allow
    # 1 - tau = 4 n^-0.5: 0.4 are left at n = 100.
    curve = [1 - 4 * (20 * 2**n) ** -0.5 for n in range(3)]
    assert "narrow down" in str(audited(*curve).verdict)
    assert "about 20 more trainings for 80 %" in str(audited(*curve).verdict)
    assert str(audited(0.1, 0.1).verdict).startswith("verdict: do not trust it")
    assert "hardly help" in str(audited(0.1, 0.1).verdict)
    assert "ridge does better here (95 %)" in str(audited(0.4, 0.7, rival=0.9).verdict)


def run(*arguments: str, columns: int = 80):
    result = CliRunner().invoke(app, ["audit", *arguments], env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a space of its own that lies nowhere else."""
    space = space_named(GENERIC.replace("name: table", "name: moved"))
    X, accuracy = trials(space, 40, seeds=2)
    folder = tmp_path_factory.mktemp("stores") / "store"
    SampleStore(folder).append(samples_of(TrialTable(name="t", space=space, X=X, values=accuracy), data="mine"))
    keep_space(folder, space)
    return folder


def test_a_store_is_audited_without_asking_for_its_space(store: Path, tmp_path: Path) -> None:
    result = run(str(store), "--splits", "1", "--out", str(tmp_path / "audit"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("tau: "))]
    assert max(map(len, table)) <= 80
    first = [line.split()[0] for line in table if re.match(r"[a-z-_]+(\+statistics)? +-?0\.", line)]
    assert sorted(first) == sorted({*REGRESSORS} - {"warm-start"})  # each with its whole name, once
    assert "±" not in result.stdout
    assert "what these labels allow: a tau of" in result.stdout
    assert re.match(r"verdict: (do not )?trust it.*of pairs in the right order", lines[-2])
    document = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert document["candidates"] == 40
    low, high = document["ceiling"]["interval"]
    assert low <= document["ceiling"]["tau"] <= high
    assert (tmp_path / "audit" / "audit.svg").stat().st_size > 5_000
    told = [line for line in result.stderr.splitlines() if "audit" in line]
    assert all(re.search(r"\d+ of \d+; ", line) for line in told)


def test_the_table_fits_80_columns_with_two_splits(store: Path) -> None:
    lines = run(str(store), "--splits", "2").stdout.splitlines()
    rows = [line for line in lines if " ± " in line and "+statistics" in line]
    assert len(rows) >= 5
    assert max(map(len, rows)) <= 80


def test_other_spaces_and_wrong_stores_are_said(store: Path, tmp_path: Path) -> None:
    with pytest.raises((DataError, SpaceError), match="fingerprint"):
        run(str(store), "--space", "digits")
    with pytest.raises(ValueError, match="no sample"):
        run(str(tmp_path))
    failed = space_named(GENERIC)
    X, _ = trials(failed, 36)
    table = TrialTable(name="t", space=failed, X=X[:0], values=np.empty((0, 1)), failed=X, failed_trials=len(X))
    SampleStore(tmp_path / "failed").append(samples_of(table, data="mine"))
    keep_space(tmp_path / "failed", failed)
    with pytest.raises(DataError, match="none of its 36 trials succeeded"):
        run(str(tmp_path / "failed"))
    assert run(str(store), "--splits", "0").exit_code == 2
    assert list(itertools.islice(tmp_path.glob("*.json"), 1)) == []
