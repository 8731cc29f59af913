"""Stage 2's choice of candidates, against its definition written out."""

from itertools import pairwise

import numpy as np
import pytest

from nars.search import cost_bins, propose_round, shrink_pool
from nars.space import Bounds, SpaceError, load_space, sobol

SPACE = load_space("cifar10")
BOUNDS = Bounds({"flops": (1e6, 3e6)})


@pytest.fixture(scope="module")
def pool():
    X = sobol(SPACE, 2000, seed=0, bounds=BOUNDS)
    return X, SPACE.costs(X), np.random.default_rng(0).normal(90, 2, size=len(X))


def by_definition(flops, value, m):
    edges = np.linspace(1e6, 3e6, m + 1)
    chosen = []
    for low, high in pairwise(edges):
        inside = np.flatnonzero((flops >= low) & (flops < high))
        chosen.append(inside[np.argmax(value[inside])])
    return chosen


def test_best_predicted_of_each_bin(pool):
    X, costs, scores = pool
    rows = propose_round(X, costs, BOUNDS, 8, scores=scores)
    assert np.array_equal(rows, X[by_definition(costs["flops"], scores, 8)])


def test_without_scores_the_first_of_each_bin(pool):
    X, costs, _ = pool
    rows = propose_round(X, costs, BOUNDS, 8)
    assert np.array_equal(rows, X[by_definition(costs["flops"], -np.arange(len(X)), 8)])


def test_measured_candidates_are_not_proposed_again(pool):
    X, costs, scores = pool
    first = propose_round(X, costs, BOUNDS, 12, scores=scores)
    second = propose_round(X, costs, BOUNDS, 12, scores=scores, exclude=first)
    assert len(second) == 12
    assert not {r.tobytes() for r in first} & {r.tobytes() for r in second}


def test_empty_bins_are_filled_from_their_neighbours(pool):
    X, costs, scores = pool
    wide = Bounds({"flops": (1e6, 6e6)})  # the pool ends at 3e6: six of ten bins are empty
    rows = propose_round(X, costs, wide, 10, scores=scores)
    flops = SPACE.costs(rows)["flops"]
    assert len({r.tobytes() for r in rows}) == 10
    assert (flops >= 2.5e6).sum() == 7  # bin 3 gives its own and those of the six behind it


def test_fewer_than_asked_where_fewer_are_left(pool):
    X, costs, _ = pool
    few = {name: column[:3] for name, column in costs.items()}
    assert len(propose_round(X[:3], few, BOUNDS, 8)) == 3
    with pytest.raises(SpaceError, match="larger pool"):
        propose_round(X[:3], few, BOUNDS, 8, exclude=X[:3])


def test_a_range_below_0_is_cut_like_any_other():
    gains = np.array([-9.0, -8.0, -5.5, -4.5, -1.0, 0.0])
    bins = cost_bins({"gain": gains}, Bounds({"gain": (-8, 0)}), bins=4, rows=6, cost="gain")
    assert bins.tolist() == [-1, 0, 1, 1, 3, 3]
    open_below = cost_bins({"gain": gains}, Bounds.at_most(gain=0), bins=3, rows=6, cost="gain")
    assert open_below.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_pool_keeps_the_best_share_of_each_bin(pool):
    _, costs, scores = pool
    kept = shrink_pool(costs, BOUNDS, scores, bins=4, keep=0.25)
    bins = np.minimum(((costs["flops"] - 1e6) / 5e5).astype(int), 3)
    for b in range(4):
        inside, chosen = scores[bins == b], scores[kept[bins[kept] == b]]
        assert sorted(chosen) == sorted(inside)[-len(chosen) :]
        assert len(chosen) == int(np.ceil(len(inside) / 4))
    with pytest.raises(SpaceError, match="share"):
        shrink_pool(costs, BOUNDS, scores, bins=4, keep=0.0)
