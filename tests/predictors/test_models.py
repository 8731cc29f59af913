"""One suite over all regressors, and the audit that compares them."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nars.errors import PredictorError
from nars.metric import ACCURACY, Metric
from nars.predictors import (
    PRESETS,
    REGRESSORS,
    RIVALS,
    Predictor,
    Regressor,
    Source,
    audit,
    contenders,
    kendall,
    noise_ceiling,
    plot_audit,
)
from nars.space import Space, parse_document, read_space
from nars.trials import with_costs

_PREDICTORS = {
    preset: Predictor.pretrain(np.zeros((0, 6)), {}, recipe_width=2, settings=PRESETS[preset], seed=0)
    for preset in PRESETS
}
ALL: dict[str, Regressor] = {**RIVALS, **_PREDICTORS}


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).random((n, 8)).astype(np.float32)
    return x, 70 + 10 * x[:, 0] - 5 * x[:, 7] + 2 * x[:, 1] * x[:, 2]


@pytest.mark.parametrize("name", ALL)
def test_every_model_keeps_the_interface(name: str) -> None:
    x, y = data(260)
    fitted = ALL[name].fit(x[:60], y[:60], seed=1)
    told = fitted.predict(x[60:])
    assert told.mean.shape == told.std.shape == (200,)
    assert told.mean.dtype == told.std.dtype == np.float64
    assert np.isfinite(told.mean).all()
    assert (told.std > 0).all()
    assert kendall(told.mean, y[60:]) > 0.5
    assert abs(told.mean.mean() - y[60:].mean()) < 2  # in the unit of the accuracies
    again = ALL[name].fit(x[:60], y[:60], seed=1).predict(x[60:])
    np.testing.assert_array_equal(told.mean, again.mean)
    np.testing.assert_array_equal(told.std, again.std)


@pytest.mark.parametrize("name", ALL)
def test_every_model_refuses_what_is_no_accuracy(name: str) -> None:
    x, y = data(20)
    for wrong in (np.where(np.arange(20) == 3, np.nan, y), y[:-1]):
        with pytest.raises(PredictorError):
            ALL[name].fit(x, wrong, seed=0)
    with pytest.raises(PredictorError):
        ALL[name].fit(np.where(x > 0.5, np.nan, x), y, seed=0)


@pytest.fixture(scope="module")
def toy() -> tuple[Space, np.ndarray, np.ndarray]:
    text = """
    name: toy
    kind: generic
    architecture: {a: [u, v, w], b: [u, v, w], c: [u, v, w], d: [1, 2, 3]}
    recipe: {r: [0, 1]}
    """
    space = read_space(parse_document(text, source="toy"))
    X = np.array(list(itertools.product(*[range(n) for n in space.cardinalities])))
    flops = 1 + X[:, :3].sum(axis=1) + X[:, 3]
    space = with_costs(space, X, {"flops": flops, "noise": np.random.default_rng(1).random(len(X)) + 1})
    clean = 60 + 5 * np.log(flops) + X[:, 4]
    return space, X, clean[:, None] + 0.1 * np.random.default_rng(0).normal(size=(len(X), 3))


def test_contenders_have_the_statistics_where_their_name_says_so(toy) -> None:
    space, X, _ = toy
    made = contenders(space, X, tuple(REGRESSORS), seed=0)
    width = space.architecture_width + space.recipe_width
    assert tuple(made) == tuple(name for name in REGRESSORS if name != "warm-start")  # without a source
    assert made["paper"].columns.shape[1] == made["no-pretraining"].columns.shape[1] == width
    assert made["ridge"].columns.shape[1] == width
    assert made["features"].columns.shape == made["ridge+statistics"].columns.shape == made["pretrained"].columns.shape
    assert made["features"].columns.shape[1] > width


def test_what_is_to_be_minimized_is_judged_as_its_opposite(toy) -> None:
    """Also what a source says of it, for which more is better."""
    space, X, accuracy = toy
    y, preset = accuracy.mean(axis=1), replace(PRESETS["default"], pretrain_epochs=0, frozen_epochs=4, joint_epochs=4)
    predictor = Predictor.pretrained(space, X, seed=0, settings=preset).fit(space.encode(X), y, seed=0)
    sources = (Source(name="source", space=space, predictor=predictor),)
    taus = []
    for sign, metric in ((1, ACCURACY), (-1, Metric(name="loss", goal="minimize"))):
        made = contenders(space, X, ("warm-start",), statistics={}, sources=sources, metric=metric, seed=0)[
            "warm-start"
        ]
        found = made.predict(np.arange(0, 60, 10), np.arange(1, 160, 2), sign * y, seed=0)
        taus.append(kendall(found.mean, sign * y[1:160:2]))
    assert taus[1] == pytest.approx(taus[0], abs=0.05)
    assert min(taus) > 0.8


def test_an_audit_of_trials(toy, tmp_path: Path) -> None:
    space, X, accuracy = toy
    steps = []
    result = audit(
        space,
        X,
        accuracy,
        seed=0,
        splits=2,
        sizes=(20, 60, 5000),
        models=("pretrained", "no-pretraining", "ridge"),
        progress=lambda done, total, what: steps.append((done, total, what)),
    )
    assert steps[-1][0] == steps[-1][1]
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(steps))
    assert {f"ridge on {n} samples, split {s} of 2" for n in (20, 60) for s in (1, 2)} <= {what for _, _, what in steps}
    assert sum(what.startswith("pretraining") for _, _, what in steps) > 10
    assert {(row.model, row.n) for row in result.rows} == set(
        itertools.product(("pretrained", "no-pretraining", "ridge"), (20, 60))
    )
    assert result.ceiling is not None
    assert result.ceiling.noise == pytest.approx(0.1, rel=0.15)
    verdicts = {target.name: target for target in result.targets}
    assert verdicts["flops"].correlation > 0.8
    assert abs(verdicts["noise"].correlation) < 0.2
    assert not verdicts["flops"].hurts
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["candidates"] == len(X)
    plot_audit(result, tmp_path / "audit.png")
    assert (tmp_path / "audit.png").stat().st_size > 10_000


def test_the_ceiling_is_the_tau_of_the_truth() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=2000)
    labels = true[:, None] + 0.3 * rng.normal(size=(2000, 3))
    ceiling = noise_ceiling(labels)
    assert ceiling is not None
    assert ceiling.tau == pytest.approx(kendall(true, labels.mean(axis=1)), abs=0.02)
    assert ceiling.noise == pytest.approx(0.3, rel=0.05)
    assert noise_ceiling(labels[:, :1]) is None


def test_too_few_or_empty_trials_are_refused(toy) -> None:
    space, X, accuracy = toy
    with pytest.raises(PredictorError, match="at least 30"):
        audit(space, X[:10], accuracy[:10], seed=0)
    empty = accuracy.copy()
    empty[3] = np.nan
    with pytest.raises(PredictorError, match="no accuracy at all"):
        audit(space, X, empty, seed=0)
