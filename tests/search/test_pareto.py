"""Fronts against brute force, verification against closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from nars.search import near_ties, non_dominated, pareto_search, ranks, verification_plan
from nars.search.pareto import crowding
from nars.space import Bounds, InfeasibleError, SpaceError, enumerate_architectures, parse_document, read_space

GRID = """
name: grid
kind: generic
architecture:
  a: [1, 2, 3, 4, 5, 6, 7, 8]
  b: [1, 2, 3, 4, 5, 6, 7, 8]
  c: [1, 2, 3, 4, 5, 6, 7, 8]
  d: {choices: [x, y, z]}
"""


class Sums:
    names = ("sum", "product")
    fingerprint = "sums"

    def lookup(self, X):
        return {"sum": X.sum(axis=1).astype(float), "product": np.prod(X + 1.0, axis=1)}


@pytest.fixture(scope="module")
def grid():
    return read_space(parse_document(GRID, source="grid.yaml"), table=Sums())


def score_of(space):
    rng = np.random.default_rng(0)
    linear = rng.normal(size=space.architecture_width)
    return lambda X: 90 + space.encode(X) @ linear + np.sin(X @ np.arange(1, 5))


def brute(F):
    return np.array([not any((g <= f).all() and (g < f).any() for g in F) for f in F])


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_sorting_is_brute_force(columns):
    rng = np.random.default_rng(columns)
    F = rng.integers(12, size=(300, columns)).astype(float)  # many ties
    assert np.array_equal(non_dominated(F), brute(F))
    rank, left = ranks(F), np.arange(len(F))
    for front in range(rank.max() + 1):
        first = brute(F[left])
        assert np.array_equal(left[first], np.flatnonzero(rank == front))
        left = left[~first]
    assert not len(left)


def test_blocks_of_sorting_agree():
    F = np.random.default_rng(0).random((3000, 2))
    order = np.argsort(F[:, 0])
    running = np.minimum.accumulate(F[order, 1])
    truth = np.zeros(len(F), dtype=bool)
    truth[order] = F[order, 1] <= running  # two continuous objectives: on the front exactly at a new minimum
    assert np.array_equal(non_dominated(F), truth)


def test_crowding_of_a_line():
    F = np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [2.0, 2.0]])
    assert crowding(F).tolist() == [np.inf, 1.0, np.inf, 1.5]


@pytest.mark.parametrize("objectives", [("sum",), ("sum", "product")])
def test_the_front_of_everything(grid, objectives):
    X, score, bounds = enumerate_architectures(grid), score_of(grid), Bounds.at_most(sum=15)
    X = X[bounds.admits(grid.costs(X))]
    F = np.column_stack([-score(X), *(grid.costs(X)[name] for name in objectives)])
    truth = {tuple(row) for row in X[brute(F)].tolist()}
    found = pareto_search(grid, score, objectives, bounds, rng=np.random.default_rng(0))
    assert {tuple(row) for row in found.rows.tolist()} == truth
    assert found.scores == pytest.approx(score(found.rows))
    assert (np.diff(found.costs["sum"]) >= 0).all()
    assert len(found.rows) <= found.evaluations == len(found.archive) <= len(X)


def test_wrong_questions(grid):
    with pytest.raises(SpaceError, match="latency"):
        pareto_search(grid, score_of(grid), ["latency"], Bounds(), rng=np.random.default_rng(0))
    with pytest.raises(InfeasibleError):
        pareto_search(grid, score_of(grid), ["sum"], Bounds({"product": (0, 0.5)}), rng=np.random.default_rng(0))


def test_two_candidates_have_a_closed_form():
    mean, covariance = np.array([90.0, 90.5]), np.diag([0.36, 0.64])
    truth = norm.cdf(0.5)  # difference of 0.5, standard deviation of the difference 1
    plan = verification_plan(mean, covariance, rng=np.random.default_rng(0), confidence=0.6, margin=0.0)
    assert plan.best[1] == pytest.approx(truth, abs=0.015)
    assert plan.train.tolist() == [1]
    assert plan.probability == pytest.approx(truth, abs=0.015)
    both = verification_plan(mean, covariance, rng=np.random.default_rng(0), margin=0.0)
    assert both.train.tolist() == [1, 0]
    assert near_ties(mean, covariance, level=0.3).tolist() == [1, 0]  # P(first ahead) = 0.3085
    assert near_ties(mean, covariance, level=0.31).tolist() == [1]
    nearly = verification_plan(mean, covariance, rng=np.random.default_rng(0), confidence=0.6, margin=0.25)
    assert nearly.probability == pytest.approx(norm.cdf(0.75), abs=0.015)


def test_what_errs_together_is_told_apart():
    mean, alike = np.array([90.0, 90.5]), np.array([[0.64, 0.56], [0.56, 0.64]])  # difference: deviation 0.4
    plan = verification_plan(mean, alike, rng=np.random.default_rng(0), confidence=0.85, margin=0.0)
    assert plan.train.tolist() == [1]
    assert plan.probability == pytest.approx(norm.cdf(1.25), abs=0.015)
    assert near_ties(mean, alike, level=0.11).tolist() == [1]  # P(first ahead) = 0.106
    assert near_ties(mean, np.diag(alike.diagonal()), level=0.11).tolist() == [1, 0]


def test_equal_candidates_share_the_probability():
    independent = np.eye(10)
    plan = verification_plan(np.full(10, 90.0), independent, rng=np.random.default_rng(1), confidence=0.85, margin=0.0)
    assert plan.best == pytest.approx(np.full(10, 0.1), abs=0.01)
    assert len(plan.train) == 9
    assert near_ties(np.full(10, 90.0), independent).tolist() == list(range(10))


def test_one_of_ten_candidates_that_are_the_same_is_enough():
    same = np.ones((10, 10))
    plan = verification_plan(np.full(10, 90.0), same, rng=np.random.default_rng(1))
    assert len(plan.train) == 1
    assert plan.probability == 1


def test_predictions_are_checked():
    with pytest.raises(SpaceError, match="variances above 0"):
        near_ties(np.ones(2), np.zeros((2, 2)))
    with pytest.raises(SpaceError, match="confidence"):
        verification_plan(np.ones(2), np.eye(2), rng=np.random.default_rng(0), confidence=1.5)
