"""One suite over everything that is asked for candidates and told their scores."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nars.errors import PredictorError
from nars.search import (
    DEFAULT,
    PAPER,
    Archive,
    Climbs,
    Genetic,
    InOrder,
    ParetoSearch,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
    drive,
)
from nars.space import AdditiveCostTable, Bounds, Population, Space, enumerate_architectures, parse_document, read_space

SIZES = (4, 3, 5, 4, 3)
LISTS = "\n".join(f"  {name}: {{choices: [{', '.join('vwxyz'[:n])}]}}" for name, n in zip("abcde", SIZES, strict=True))
TEXT = f"name: sack\nkind: generic\narchitecture:\n{LISTS}\n"
COST = [np.random.default_rng(1).uniform(0, 1, size=size) for size in SIZES]
LIMIT = 2.5


def sack() -> Space:
    table = AdditiveCostTable(base={"cost": 0.0}, parts={"cost": dict(enumerate(COST))})
    return read_space(parse_document(TEXT, source="sack"), table=table)


SPACE, BOUNDS = sack(), Bounds.at_most(cost=LIMIT)
X_ALL = enumerate_architectures(SPACE)
INSIDE = X_ALL[sum(cost[X_ALL[:, column]] for column, cost in enumerate(COST)) <= LIMIT]


def worth(X: Population) -> np.ndarray:
    """Percent; pairs of choices count too."""
    rng = np.random.default_rng(2)
    linear, pairs = rng.normal(size=(5, 5)), rng.normal(size=(5, 5)) / 2
    alone = sum(linear[column, X[:, column]] for column in range(5))
    return 80 + np.asarray(alone) + np.einsum("ni,ij,nj->n", X, pairs, X) / 10


def _first() -> Population:
    return INSIDE[np.random.default_rng(5).permutation(len(INSIDE))[:20]]


ALL: dict[str, Callable[[int], Strategy]] = {
    "climbs": lambda seed: Climbs(
        Archive(SPACE), BOUNDS, first=_first(), at_once=3, evaluations=2000, rng=np.random.default_rng(seed)
    ),
    "paper": lambda seed: Genetic(
        Archive(SPACE), BOUNDS, settings=PAPER, rng=np.random.default_rng(seed), first=_first()
    ),
    "front": lambda seed: ParetoSearch(
        Archive(SPACE), BOUNDS, ["cost"], settings=DEFAULT, rng=np.random.default_rng(seed), first=_first()
    ),
    "in order": lambda seed: InOrder(INSIDE, rng=np.random.default_rng(seed)),
    "random": lambda seed: RandomSearch(INSIDE, rng=np.random.default_rng(seed)),
    "evolution": lambda seed: RegularizedEvolution(INSIDE, rng=np.random.default_rng(seed)),
}
PREDICTED = ("climbs", "paper", "front")
"""Those that a predictor answers."""


def driven(strategy: Strategy, *, count: int | None = None) -> Population:
    """Everything that it asks for, at most `count` rows at a time."""
    asked = [X_ALL[:0]]
    while len(X := strategy.ask(count)):
        assert count is None or len(X) <= count
        asked.append(X)
        strategy.tell(X, worth(X))
    assert not len(strategy.ask())  # done is done
    return np.concatenate(asked)


@pytest.mark.parametrize("name", ALL)
def test_rows_are_canonical_and_none_is_asked_for_twice(name: str) -> None:
    asked = driven(ALL[name](3))
    assert np.array_equal(SPACE.canonical(SPACE.check(asked)), asked)
    assert len(np.unique(asked, axis=0)) == len(asked)
    if name != "climbs":  # which look beyond the bounds to know what an exchange is worth
        assert BOUNDS.admits(SPACE.costs(asked)).all()


@pytest.mark.parametrize("name", ALL)
def test_the_best_of_everything_is_found(name: str) -> None:
    strategy = ALL[name](0)
    assert len(strategy.best) == 0
    drive(strategy, worth)
    truth = INSIDE[worth(INSIDE).argmax()]
    assert truth.tolist() in strategy.best.tolist()
    if name == "front":
        cost, value = SPACE.costs(INSIDE)["cost"], worth(INSIDE)
        beaten = ((cost <= cost[:, None]) & (value > value[:, None])).any(axis=1)
        assert {*map(tuple, strategy.best.tolist())} == {*map(tuple, INSIDE[~beaten].tolist())}
    else:
        assert len(strategy.best) == 1


@pytest.mark.parametrize("name", ALL)
def test_few_at_a_time(name: str) -> None:
    some = driven(ALL[name](1), count=7)
    assert len(np.unique(some, axis=0)) == len(some)
    if name in PREDICTED:  # generations and looks around are what they are
        assert np.array_equal(some, driven(ALL[name](1)))


@pytest.mark.parametrize("name", ALL)
def test_only_what_was_asked_for_may_be_told(name: str) -> None:
    strategy = ALL[name](0)
    strategy.tell(strategy.ask(2), worth(strategy.ask(2)))
    X = strategy.ask(3)
    assert np.array_equal(X, strategy.ask(3))
    for rows, scores in ((X[:0], worth(X[:0])), (X[::-1] + 1, worth(X)), (X, np.append(worth(X), 1.0))):
        with pytest.raises(ValueError, match="last ask"):
            strategy.tell(rows, scores)
    failed = np.full(len(X), np.nan)
    if name in PREDICTED:
        with pytest.raises(PredictorError, match="NaN"):
            strategy.tell(X, failed)
    else:  # a training that failed is no best
        strategy.tell(X, failed)
        assert len(strategy.best) == 1
    assert len(strategy.ask())


@pytest.mark.parametrize("rows", [1, 3])
def test_a_saved_run_of_the_paper_goes_on_as_the_original(rows: int) -> None:
    strategy = ALL["paper"](5)
    assert isinstance(strategy, Genetic)
    while len(strategy.history) < rows:
        X = strategy.ask()
        strategy.tell(X, worth(X))
    copy = Genetic.from_state(SPACE, json.loads(json.dumps(strategy.state())))
    assert np.array_equal(driven(copy), driven(strategy))
    assert copy.history == strategy.history


def test_the_same_seed_in_another_process_asks_for_the_same() -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_strategies as t; t.tell_all()"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == {name: driven(make(11)).tolist() for name, make in ALL.items()}


def tell_all() -> None:
    """For the other process."""
    print(json.dumps({name: driven(make(11)).tolist() for name, make in ALL.items()}))
