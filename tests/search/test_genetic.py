"""The adaptive genetic algorithm: its formulas, its promises, and what it finds where everything can be enumerated."""

from dataclasses import replace

import numpy as np
import pytest

from nars.search import PAPER, PRESETS, Archive, Genetic, SearchSettings, search, search_family
from nars.search.start import admitted, first_generation
from nars.search.variation import adaptive_probability, offspring
from nars.space import (
    Bounds,
    InfeasibleError,
    ListedCostTable,
    SpaceError,
    enumerate_architectures,
    load_space,
    parse_document,
    read_space,
    sobol,
    uniform,
)

DIGITS = load_space("digits")


def smooth(space, *, seed=0):
    """A score with pairwise interactions, so that one choice after the other is not enough."""
    rng = np.random.default_rng(seed)
    width = space.architecture_width + space.recipe_width
    linear, pairs = rng.normal(size=width), rng.normal(size=(width, width)) / 4

    def score(X):
        encoding = space.encode(X).astype(np.float64)
        return 90 + encoding @ linear + np.einsum("ni,ij,nj->n", encoding, pairs, encoding)

    return score


def test_probabilities_follow_srinivas_and_patnaik():
    fitness = np.array([1.0, 2.0, 3.0, 6.0])  # average 3, best 6
    better = np.array([2.0, 3.0, 4.0, 6.0])
    # below average `below`; at the average `above`; at the best 0; in between linear
    assert adaptive_probability(better, fitness, above=0.9, below=1.0).tolist() == pytest.approx([1.0, 0.9, 0.6, 0.0])
    assert adaptive_probability(better, fitness, above=0.5, below=0.3).tolist() == pytest.approx([0.3, 0.5, 1 / 3, 0.0])
    assert adaptive_probability(np.ones(2), np.ones(4), above=0.5, below=0.3).tolist() == [0.3, 0.3]


def begun(bounds, settings, *, seed):
    first = sobol(DIGITS, settings.first, seed=seed, bounds=bounds)
    rng = np.random.default_rng(seed)
    return Genetic(Archive(DIGITS), bounds, settings=settings, rng=rng, first=first)


@pytest.mark.parametrize("settings", PRESETS.values(), ids=PRESETS)
def test_every_candidate_asked_for_is_new_canonical_and_inside(settings):
    bounds = Bounds({"flops": (1e6, 1.5e6), "params": (0, 1.2e5)})
    run = begun(bounds, settings, seed=3)
    score, seen = smooth(DIGITS), set()
    for _ in range(6):
        X = run.ask()
        rows = {row.tobytes() for row in X}
        assert len(rows) == len(X)
        assert not rows & seen
        seen |= rows
        assert np.array_equal(DIGITS.canonical(DIGITS.check(X)), X)
        assert bounds.admits(DIGITS.costs(X)).all()
        run.tell(X, score(X))
    best = [step.best for step in run.history]
    assert best == sorted(best)
    assert run.history[-1].evaluations == len(seen) == len(run.archive)


def test_paper_sizes():
    run = begun(Bounds(), PAPER, seed=0)
    first = run.ask()
    assert len(first) == 100
    run.tell(first, smooth(DIGITS)(first))
    assert 40 * 24 * 0.8 < len(run.ask()) <= 40 * 24  # less the repeated ones


def test_seeds_come_first_and_only_those_inside():
    seeds = uniform(DIGITS, 200, rng=np.random.default_rng(1))
    bounds = Bounds.at_most(flops=float(np.median(DIGITS.costs(seeds)["flops"])))
    inside = seeds[bounds.admits(DIGITS.costs(seeds))]
    kept = admitted(DIGITS, bounds, seeds)
    assert np.array_equal(kept, inside)
    pool = sobol(DIGITS, 300, seed=0, bounds=bounds)
    first = first_generation(kept, pool, 100, rng=np.random.default_rng(0))
    assert np.array_equal(first[:50], inside[:50])
    drawn = {row.tobytes() for row in first[50:]}
    assert len(drawn) == 50
    assert drawn <= {row.tobytes() for row in pool}


def test_a_child_that_nothing_happened_to_gets_one_mutation():
    still = replace(PAPER, k2=0.0, k4=0.0, mutation_floor=0.0, k1=1.0, k3=1.0, children=50)
    parents = np.repeat(sobol(DIGITS, 1, seed=0), 6, axis=0)
    X = offspring(DIGITS, parents, np.arange(6.0), Bounds(), settings=still, rng=np.random.default_rng(0))
    assert len(X) == 6 * 50
    one_exchange = {
        row.tobytes()
        for column, count in enumerate(DIGITS.cardinalities)
        for turn in range(1, count)
        for row in DIGITS.canonical((parents[:1] + turn * (np.arange(X.shape[1]) == column)) % DIGITS.cardinalities)
    }
    assert {row.tobytes() for row in X} <= one_exchange | {parents[0].tobytes()}  # itself: a choice without effect
    assert (parents[0] != X).any(axis=1).mean() > 0.5


GENERIC = """
name: grid
kind: generic
architecture:
  a: [1, 2, 3, 4, 5, 6, 7, 8]
  b: [1, 2, 3, 4, 5, 6, 7, 8]
  c: [1, 2, 3, 4, 5, 6, 7, 8]
  d: {choices: [x, y, z]}
  e: [1, 2, 3, 4, 5, 6, 7, 8]
"""


class Sums:
    """Costs of the grid: the sum of its choices, and their product."""

    names = ("sum", "product")
    fingerprint = "sums"

    def lookup(self, X):
        return {"sum": X.sum(axis=1).astype(float), "product": np.prod(X + 1.0, axis=1)}


@pytest.fixture(scope="module")
def grid():
    return read_space(parse_document(GENERIC, source="grid.yaml"), table=Sums())


@pytest.mark.parametrize("limit", [6, 12, 20])
@pytest.mark.parametrize("seed", range(5))
def test_the_default_search_finds_the_optimum_of_everything(grid, limit, seed):
    X, score, bounds = enumerate_architectures(grid), smooth(grid, seed=seed), Bounds.at_most(sum=limit)
    truth = float(score(X[bounds.admits(grid.costs(X))]).max())
    found = search(grid, score, bounds, rng=np.random.default_rng(seed))
    assert found.score == pytest.approx(truth, abs=1e-9)
    assert found.evaluations <= 6000
    assert bounds.admits(found_costs := {name: np.array([value]) for name, value in found.costs.items()}).all()
    assert found_costs["sum"] == found.row.sum()


def test_a_family_is_monotone_and_never_scores_twice(grid):
    score, asked = smooth(grid), []

    def counting(X):
        asked.extend(row.tobytes() for row in X)
        return score(X)

    budgets = [Bounds.at_most(sum=limit) for limit in (20, 6, 12)]
    family = search_family(grid, counting, budgets, rng=np.random.default_rng(0))
    scores = [member.score for member in family.members]
    assert scores[1] <= scores[2] <= scores[0]
    assert len(asked) == len(set(asked)) == len(family.archive)
    assert family.prices[1].costs["sum"] == family.members[2].costs["sum"] - family.members[1].costs["sum"]
    again = search_family(grid, counting, budgets, rng=np.random.default_rng(1), archive=family.archive)
    assert [member.score for member in again.members] >= scores


def test_bounds_that_admit_one_candidate_only(grid):
    found = search(grid, smooth(grid), Bounds.at_most(sum=0), rng=np.random.default_rng(0))
    assert found.row.tolist() == [0, 0, 0, 0, 0]
    assert len(found.top) == 1


def test_nothing_fits():
    with pytest.raises(InfeasibleError, match="flops <= ") as caught:
        search(DIGITS, smooth(DIGITS), Bounds.at_most(flops=1e3), rng=np.random.default_rng(0))
    assert caught.value.nearest["flops"] > 1e3


def test_unknown_cost_and_impossible_settings():
    with pytest.raises(SpaceError, match="latency"):
        search(DIGITS, smooth(DIGITS), Bounds.at_most(latency=3.0), rng=np.random.default_rng(0))
    with pytest.raises(SpaceError, match="survivors"):
        SearchSettings(survivors=1)
    with pytest.raises(SpaceError, match="probability"):
        SearchSettings(k1=1.5)


def test_a_further_cost_bounds_the_search():
    channels = DIGITS.index["stage4.channels"]
    choices = int(DIGITS.cardinalities[channels])
    X = np.zeros((choices, len(DIGITS.dimensions)), dtype=np.int64)
    X[:, channels] = np.arange(choices)
    table = ListedCostTable.from_rows(DIGITS, X, {"latency": np.arange(choices) + 1.0}, columns=[channels])
    timed = DIGITS.with_table(table)
    found = search(timed, smooth(timed), Bounds({"latency": (2.0, 2.0)}), rng=np.random.default_rng(0))
    assert found.row[channels] == 1
    assert found.costs["latency"] == 2.0
