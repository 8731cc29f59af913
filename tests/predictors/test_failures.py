"""Who fails is learned beside the accuracy: checked against the penalised likelihood itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from nars.predictors import Failures, Predictor, load_predictor, save_predictor
from nars.predictors.failures import _RIDGE
from nars.search import search
from nars.space import Bounds, Population, Space, load_space, parse_document, read_space, sobol
from nars.stages import scorer
from nars.trials import with_costs


@pytest.fixture(scope="module")
def space() -> Space:
    return load_space("digits", classes=10, in_channels=1)


@pytest.fixture(scope="module", name="X")
def candidates(space: Space) -> Population:
    return sobol(space, 256, seed=1)


def heavy(space: Space, rows: Population) -> np.ndarray:
    """The third with the most weights."""
    weights = space.costs(rows)["weights"]
    return weights > np.quantile(space.costs(sobol(space, 256, seed=1))["weights"], 0.7)


def test_probabilities_are_most_likely_under_the_ridge(space: Space, X: Population) -> None:
    scores = np.where(heavy(space, X[:60]), np.nan, 50.0)
    found = Failures.learned(space, X[:60], scores)
    assert found is not None
    logarithms = [np.log2(column) for column in space.costs(X).values()]
    known = np.column_stack([space.encode(X), *logarithms]).astype(np.float64)
    trained = known[:60] - known[:60].mean(axis=0)
    sign = np.where(np.isnan(scores), 1.0, -1.0)

    def loss(weights: np.ndarray) -> float:
        margin = sign * (trained @ weights[:-1] + weights[-1])
        return float(np.logaddexp(0.0, -margin).sum() + 0.5 * _RIDGE * (weights[:-1] ** 2).sum())

    weights = minimize(loss, np.zeros(trained.shape[1] + 1)).x
    expected = expit((known[60:] - known[:60].mean(axis=0)) @ weights[:-1] + weights[-1])
    assert found.probability(space, X[60:]) == pytest.approx(expected, abs=1e-2)


def test_a_cause_is_found_in_candidates_not_trained(space: Space, X: Population) -> None:
    found = Failures.learned(space, X[:96], np.where(heavy(space, X[:96]), np.nan, 50.0))
    assert found is not None
    assert ((found.probability(space, X[96:]) > 0.5) == heavy(space, X[96:])).mean() > 0.85


def test_what_is_expected_is_the_mean_of_both_outcomes() -> None:
    failures = Failures(costs=(), least=np.zeros(0), center=np.zeros(1), weights=np.zeros(1), offset=0.0, worst=20.0)
    scores, probability = np.array([60.0, 60.0, 60.0, 10.0]), np.array([0.0, 0.25, 1.0, 0.5])
    assert failures.expected(scores, probability).tolist() == [60.0, 50.0, 20.0, 10.0]


def test_failures_by_chance_change_nothing(space: Space, X: Population) -> None:
    for seed in range(5):
        failed = np.random.default_rng(seed).random(96) < 1 / 7
        assert Failures.learned(space, X[:96], np.where(failed, np.nan, 50.0)) is None


def test_a_cost_may_be_counted_in_a_large_unit() -> None:
    """Memory in gigabytes, all below 1, says as much of failures as memory in bytes."""
    text = "name: g\nkind: generic\narchitecture: {a: {low: 1, high: 12}, b: {low: 1, high: 12}}"
    plain = read_space(parse_document(text, source="g"))
    X = np.array(list(np.ndindex(12, 12)))[np.random.default_rng(0).permutation(144)]
    memory = 2.0**28 * (X[:, 0] + 1) * (X[:, 1] + 1) / 144
    foretold = []
    for unit in (1.0, 2.0**30):
        space = with_costs(plain, X, {"memory": memory / unit})
        found = Failures.learned(space, X[:72], np.where(memory[:72] > 1e8, np.nan, 50.0))
        assert found is not None
        foretold.append(found.probability(space, X[72:]))
    assert foretold[0] == pytest.approx(foretold[1], abs=0.01)


@pytest.mark.parametrize("score", [np.nan, 50.0])
def test_without_successes_or_without_failures_nothing_is_learned(space: Space, X: Population, score: float) -> None:
    assert Failures.learned(space, X[:20], np.full(20, score)) is None


def test_a_search_leaves_out_who_fails_and_the_file_keeps_it(space: Space, X: Population, tmp_path: Path) -> None:
    fails = heavy(space, X)
    accuracy = 10.0 * np.log10(space.costs(X)["weights"])  # the best are next to those that fail
    good = X[~fails]
    fitted = Predictor.pretrained(space, X, seed=0).fit(space.encode(good), accuracy[~fails], seed=0)
    failures = Failures.learned(space, X, np.where(fails, np.nan, accuracy))
    knowing = replace(fitted, failures=failures)
    save_predictor(knowing, tmp_path, space=space, data="made up")
    loaded = load_predictor(tmp_path, space)
    assert loaded.failures is not None
    assert np.array_equal(loaded.failures.probability(space, X), knowing.failures.probability(space, X))
    bounds = Bounds.at_most(flops=1e6)
    rows = [search(space, scorer(space, one), bounds, rng=np.random.default_rng(0)).row for one in (fitted, loaded)]
    assert heavy(space, np.stack(rows)).tolist() == [True, False]
