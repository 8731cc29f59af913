"""Fronts against brute force."""

import numpy as np
import pytest

from nars.search import non_dominated, pareto_search, ranks
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


def test_of_equal_candidates_the_front_has_the_first(grid):
    asked = []

    def score(X):  # for which it does not matter which of the first two choices is larger
        return np.floor((X[:, 0] + X[:, 1]) / 2)

    def kept(X):
        asked.append(X)
        return score(X)

    found = pareto_search(grid, kept, ["sum"], Bounds(), rng=np.random.default_rng(0))
    seen = np.concatenate(asked)
    F = np.column_stack([-score(seen), grid.costs(seen)["sum"]])
    front = brute(F)
    assert len(np.unique(F[front], axis=0)) < front.sum()  # there are equal ones
    best = {}
    for row, aims in zip(seen[front].tolist(), F[front].tolist(), strict=True):
        best.setdefault(tuple(aims), row)
    by_cost = sorted(best.items(), key=lambda one: one[0][1])
    assert found.rows.tolist() == [row for _, row in by_cost]
    assert np.column_stack([-found.scores, found.costs["sum"]]).tolist() == [list(aims) for aims, _ in by_cost]


def test_wrong_questions(grid):
    with pytest.raises(SpaceError, match="latency"):
        pareto_search(grid, score_of(grid), ["latency"], Bounds(), rng=np.random.default_rng(0))
    with pytest.raises(InfeasibleError):
        pareto_search(grid, score_of(grid), ["sum"], Bounds({"product": (0, 0.5)}), rng=np.random.default_rng(0))
