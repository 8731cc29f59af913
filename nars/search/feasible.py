"""Where the bounds admit anything: starting points inside them, or the nearest bounds that would."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nars.search.costing import CostFunction, costed_columns
from nars.search.neighbourhood import one_exchange, two_exchanges
from nars.space import Bounds, InfeasibleError, Population, Space, distinct, quantity, shorten, uniform

_CHUNK = 2048
_CHUNKS = 3
_STARTS = 12
_DESCENTS = 60
_TURNS = 4
_PAIR_ROUNDS = 40
_WALKERS = 64
_WALK_STEPS = 150


def feasible_rows(space: Space, bounds: Bounds, n: int, *, costs: CostFunction, rng: np.random.Generator) -> Population:
    """Up to n distinct random candidates inside the bounds, (<= n, D), canonical; the work is limited.

    Uniform samples first; where none falls inside, the nearest of them descend to the bounds (steepest descent of the
    relative excess over all exchanges of one choice, random walks between), and what they meet is spread by exchanges.

    Raises:
        InfeasibleError: nothing was found inside; `.nearest` has the costs of the candidate that misses by least.
    """
    found = np.empty((0, len(space.dimensions)), dtype=np.int64)
    sample = found
    for _ in range(_CHUNKS):
        sample = uniform(space, _CHUNK, rng=rng)
        found = distinct(np.concatenate([found, sample[bounds.admits(costs(sample))]]))
        if len(found) >= n:
            return found[:n]
    if not len(found):
        found = _approach(space, sample, bounds, costs=costs, rng=rng)
    return _spread(space, found, bounds, n, costs=costs, rng=rng)


def _approach(
    space: Space, X: Population, bounds: Bounds, *, costs: CostFunction, rng: np.random.Generator
) -> Population:
    """Candidates inside the bounds near those that miss them by least; raises InfeasibleError where there are none.

    Steepest descent, exchanges of two choices from the nearest, a random walk out of the valley; in turns.
    """
    extremes = np.stack([np.zeros_like(space.cardinalities), space.cardinalities - 1])
    X = np.concatenate([X, space.canonical(extremes)])
    nearest = X[:1]
    for _ in range(_TURNS):
        excess = bounds.violation(costs(X))
        X = _descend(space, X[np.argsort(excess, kind="stable")[:_STARTS]], bounds, costs=costs)
        X = np.concatenate([X, nearest])
        excess = bounds.violation(costs(X))
        if not excess.all():
            return distinct(X[excess == 0])
        nearest = _by_pairs(space, X[int(np.argmin(excess))], bounds, costs=costs, rng=rng)
        if not bounds.violation(costs(nearest)).any():
            return nearest
        X = _walk(space, X[rng.integers(len(X), size=_WALKERS)], bounds, costs=costs, rng=rng)
    raise _infeasible(space, nearest[0], bounds, costs=costs)


def _by_pairs(
    space: Space, row: NDArray[np.int64], bounds: Bounds, *, costs: CostFunction, rng: np.random.Generator
) -> Population:
    """Where exchanges of two choices lead from a row (D,) until none brings it nearer to the bounds, (1, D)."""
    excess = float(bounds.violation(costs(row[None]))[0])
    for _ in range(_PAIR_ROUNDS):
        before = excess
        for near in two_exchanges(space, row, chunk=_CHUNK, rng=rng):
            new = bounds.violation(costs(near))
            best = int(np.argmin(new))
            if new[best] < excess:
                row, excess = near[best], float(new[best])
                break
        if excess in (0.0, before):
            break
    return row[None]


def _walk(space: Space, X: Population, bounds: Bounds, *, costs: CostFunction, rng: np.random.Generator) -> Population:
    """Each row changed, one to three choices at a time, where that does not take it further outside."""
    columns, excess = costed_columns(space), bounds.violation(costs(X))
    at = np.arange(len(X))
    for step in range(_WALK_STEPS):
        tried = X.copy()
        for _ in range(1 + step % 3):
            column = rng.choice(columns, size=len(X))
            tried[at, column] = rng.integers(space.cardinalities[column])
        tried = space.canonical(tried)
        new = bounds.violation(costs(tried))
        kept = new <= excess
        X[kept], excess[kept] = tried[kept], new[kept]
        if (excess == 0).any():
            break
    return X


def _descend(space: Space, X: Population, bounds: Bounds, *, costs: CostFunction) -> Population:
    """Where the steepest descent of the excess from each of X (N, D) ends, (<= N, D), or what it meets inside."""
    columns, excess = costed_columns(space), bounds.violation(costs(X))
    for _ in range(_DESCENTS):
        near = one_exchange(space, X, columns)
        new = bounds.violation(costs(near))
        if (new == 0).any():
            return distinct(near[new == 0])
        # Each start goes to the best of its own neighbours; starts that cannot improve stay.
        owner = np.repeat(np.arange(len(X)), len(near) // len(X))
        order = np.lexsort((new, owner))
        best = order[np.searchsorted(owner[order], np.arange(len(X)))]
        better = new[best] < excess
        if not better.any():
            break
        X[better], excess[better] = near[best[better]], new[best[better]]
        X, first = np.unique(X, axis=0, return_index=True)
        excess = excess[first]
    return X


def _spread(
    space: Space, found: Population, bounds: Bounds, n: int, *, costs: CostFunction, rng: np.random.Generator
) -> Population:
    """More candidates inside the bounds, by random exchanges of those known."""
    for _ in range(20):
        if len(found) >= n:
            break
        X = found[rng.integers(len(found), size=4 * n)].copy()
        for _ in range(3):
            column = rng.integers(X.shape[1], size=len(X))
            X[np.arange(len(X)), column] = rng.integers(space.cardinalities[column])
            X = space.canonical(X)
            inside = bounds.admits(costs(X))
            found = distinct(np.concatenate([found, X[inside]]))
            X = X[inside] if inside.any() else found
    return found[:n]


def widened(bounds: Bounds, nearest: dict[str, float]) -> Bounds:
    """The bounds, opened just enough to admit a candidate with the costs `nearest`."""
    return Bounds(
        {name: (min(low, nearest[name]), max(high, nearest[name])) for name, (low, high) in bounds.limits.items()}
    )


def _infeasible(space: Space, row: Population, bounds: Bounds, *, costs: CostFunction) -> InfeasibleError:
    own = {name: float(column[0]) for name, column in costs(row[None]).items()}
    nearest = {name: own[name] for name in bounds}
    changes = []
    for name, (low, high) in bounds.limits.items():
        if own[name] > high:
            changes.append(f"{name} <= {_outward(own[name], up=True)} (asked: {shorten(high)})")
        elif own[name] < low:
            changes.append(f"{name} >= {_outward(own[name], up=False)} (asked: {shorten(low)})")
    return InfeasibleError(
        f"nothing in {space.name} keeps {bounds}; the nearest bounds that admit something: {', '.join(changes)}",
        nearest=nearest,
    )


def _outward(number: float, *, up: bool) -> str:
    """A number with four digits that is certainly not inside of it: 162,576,480 -> "162.6M"."""
    step = 10.0 ** (math.floor(math.log10(abs(number))) - 3) if number else 1.0
    text = shorten(number)
    while quantity(text) < number if up else quantity(text) > number:
        number += step / 2 if up else -step / 2
        text = shorten(number)
    return text
