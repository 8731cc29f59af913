"""Climbs: what one look around finds and where they end, where everything can be enumerated."""

from itertools import product

import numpy as np
import pytest

from nars.search import Archive, Climbs, drive
from nars.search.neighbourhood import Moves
from nars.space import AdditiveCostTable, Bounds, load_space, parse_document, read_space, uniform

RNG = np.random.default_rng(0)
SIZES = (5, 4, 3, 4, 3)
WORTH, COST = ([RNG.uniform(0, 1, size=size) for size in SIZES] for _ in range(2))
LISTS = "\n".join(
    f"  {name}: {{choices: [{', '.join('vwxyz'[:size])}]}}" for name, size in zip("abcde", SIZES, strict=True)
)


@pytest.fixture(scope="module")
def space():
    """Choices without order, whose worths and costs add up: a knapsack."""
    table = AdditiveCostTable(base={"cost": 0.0}, parts={"cost": dict(enumerate(COST))})
    return read_space(
        parse_document(f"name: sack\nkind: generic\narchitecture:\n{LISTS}\n", source="sack"), table=table
    )


def worth(X):
    return sum(values[X[:, column]] for column, values in enumerate(WORTH))


def climbs_in(archive, bounds, first, *, evaluations, seed=0):
    rng = np.random.default_rng(seed)
    return Climbs(archive, bounds, first=first, at_once=4, evaluations=evaluations, rng=rng)


def looked_around(climbs, rows, score):
    """Where one look around ends, with its rows scored."""
    looking = climbs._look_around(rows, steps=1)
    try:
        X = next(looking)
        while True:
            X = looking.send(score(X))
    except StopIteration as end:
        return end.value


def everything():
    return np.array(list(product(*map(range, SIZES))))


@pytest.mark.parametrize("seed", range(5))
def test_a_look_around_finds_the_best_of_all_exchanges_of_up_to_three_choices(space, seed):
    bounds = Bounds.at_most(cost=2.0)
    X = everything()
    inside = X[space.costs(X)["cost"] <= 2.0]
    rows = inside[np.random.default_rng(seed).choice(len(inside), size=3, replace=False)]
    archive = Archive(space)
    places, better = looked_around(climbs_in(archive, bounds, rows, evaluations=10_000, seed=seed), rows, worth)
    for row, place, up in zip(rows, places, better, strict=True):
        near = inside[(inside != row).sum(axis=1) <= 3]
        assert archive.scores[place] >= worth(near).max() - 1e-12
        assert up == (worth(row[None])[0] < archive.scores[place])
        assert space.costs(archive.take(np.array([place])))["cost"][0] <= 2.0


@pytest.mark.parametrize("shares", [(0.0, 0.05), (0.3, 0.4), (0.95, 1.0)])
def test_climbs_end_at_the_optimum_inside_the_bounds(space, shares):
    X = everything()
    low, high = np.quantile(space.costs(X)["cost"], shares)
    bounds = Bounds({"cost": (float(low), float(high))})
    inside = X[bounds.admits(space.costs(X))]
    climbs = climbs_in(Archive(space), bounds, inside[:1], evaluations=600)
    drive(climbs, worth)
    assert climbs.best_score == worth(climbs.best)[0] == pytest.approx(worth(inside).max())
    steps = [(step.evaluations, step.best) for step in climbs.history]
    assert steps == sorted(steps)
    assert steps[-1] == (climbs.spent, climbs.best_score)
    assert climbs.spent <= 600


@pytest.mark.parametrize("evaluations", [1, 2, 50, 137, 1000])
def test_never_more_evaluations_than_allowed_and_none_twice(evaluations):
    digits = load_space("digits")
    bounds, asked = Bounds.at_most(flops=1.5e6), []
    pool = uniform(digits, 300, rng=np.random.default_rng(1))
    first = digits.canonical(pool[bounds.admits(digits.costs(pool))])[:40]
    first = first[np.sort(np.unique(first, axis=0, return_index=True)[1])]

    def score(X):
        asked.extend(row.tobytes() for row in X)
        assert np.array_equal(digits.canonical(X), X)
        return digits.encode(X).sum(axis=1).astype(float)

    archive = Archive(digits)
    climbs = climbs_in(archive, bounds, first, evaluations=evaluations)
    drive(climbs, score)
    assert len(asked) == len(set(asked)) == climbs.spent == len(archive) <= evaluations
    assert climbs.best_score == archive.scores[archive.best(bounds, 1)[0]]


def test_a_candidate_outside_climbs_inside(space):
    X = everything()
    cost = space.costs(X)["cost"]
    bounds = Bounds.at_most(cost=float(np.sort(cost)[20]))
    archive = Archive(space)
    rows = X[[cost.argmax(), cost.argmin()]]
    for _ in range(3):
        places, _ = looked_around(climbs_in(archive, bounds, rows, evaluations=10_000), rows, worth)
        rows = np.where((places >= 0)[:, None], archive.take(places), rows)
    assert bounds.admits(space.costs(rows)).all()


def test_exchanges_of_long_lists_reach_every_choice_in_few_steps():
    space = load_space("fbnetv3")
    moves = Moves.by_steps(space)
    for column, count in enumerate(space.cardinalities.tolist()):
        turns = moves.turn[moves.column == column].tolist()
        assert {-turn % count for turn in turns} == set(turns)  # each way back as well
        assert len(turns) <= max(3, 2 * np.log2(count) + 2)
        reached, steps = {0}, 0
        while len(reached) < count:
            reached |= {(at + turn) % count for at in reached for turn in turns}
            steps += 1
        assert steps <= 3


def test_the_archive_scores_what_is_new_and_inside_only(space):
    X, archive, bounds = everything(), Archive(space), Bounds.at_most(cost=2.0)
    inside = space.costs(X)["cost"] <= 2.0
    archive.add(X[:9], worth(X[:9]), space.costs(X[:9]))
    doubled = np.concatenate([X, X[::-1]])
    scoring = archive.scored(doubled, space.costs, most=100, bounds=bounds)
    new = np.flatnonzero(inside & (np.arange(len(X)) >= 9))[:100]
    assert np.array_equal(next(scoring), X[new])
    with pytest.raises(StopIteration) as end:
        scoring.send(worth(X[new]))
    places = end.value.value
    known = np.zeros(len(X), dtype=bool)
    known[:9] = known[new] = True
    assert np.array_equal(places >= 0, np.concatenate([known, known[::-1]]))
    assert np.array_equal(archive.take(places[places >= 0]), doubled[places >= 0])
    assert np.array_equal(archive.costs["cost"], space.costs(archive.take(np.arange(len(archive))))["cost"])
