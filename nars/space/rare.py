"""Candidates inside bounds that admit almost nothing: find some, then spread from them. The work is always limited.

Finding: the nearest of the candidates at hand walk towards the bounds by random changes; those that come close take the
pair of changes that leads inside. Spreading: random changes that stay inside; in narrow windows, where those are rare,
random changes undone by three others. Pairs and triples are chosen by the sums of their separate effects: costs of
different stages add up, so that a hundred evaluations tell what a hundred thousand triples would do. Each is then
checked exactly.
"""

from __future__ import annotations

import numpy as np

from nars.arrays import Floats, Ints
from nars.space.bounds import Bounds
from nars.space.dimension import Population
from nars.space.errors import SpaceError
from nars.space.extremes import extreme_rows
from nars.space.space import Space

_WALKERS = 256
_WALK_STEPS = 400
_PAIR_ROUNDS = 12
_MOST_CHANGES = 192
"""Single changes per row from which pairs are formed."""
_STUCK = 0.1
"""Share of random changes that stay inside, below which solved ones are needed to get around."""
_SOLVED = 32
"""Rows solved in each round, and proposals from each."""
_PROPOSALS = 64
_DRAWN = 1024
"""Triples drawn for each row; those that keep the other limits too may become proposals."""
_ROUNDING = 1e-12
_SETTLING = 16
"""Rounds of spreading in a narrow window before its candidates count as spread."""
_IDLE_ROUNDS = 8
_MOST_ROUNDS = 400


def distinct(X: Population) -> Population:
    """X without repeated rows, the first of each kept, order kept."""
    _, first = np.unique(X, axis=0, return_index=True)
    return X[np.sort(first)]


def from_unit(space: Space, unit: Floats) -> Population:
    """Points of the unit cube (N, D) as choices, canonical: each choice of a dimension gets an equal share."""
    X = np.minimum((unit * space.cardinalities).astype(np.int64), space.cardinalities - 1)
    return space.canonical(X)


def uniform(space: Space, n: int, *, rng: np.random.Generator) -> Population:
    """n independent uniform candidates, (n, D), canonical; not distinct."""
    return from_unit(space, rng.random((n, len(space.dimensions))))


def inside_and_nearest(
    space: Space, X: Population, bounds: Bounds, *, enough: int, rng: np.random.Generator
) -> tuple[Population, Population]:
    """Distinct candidates inside the bounds found from X, (K, D) with K >= 0, and the nearest candidate seen, (1, D).

    The walk also starts from the extremes of the bounded costs; it ends once `enough` are inside.
    """
    X = distinct(np.concatenate([_ends(space, bounds), space.canonical(X)]))
    excess = bounds.violation(space.costs(X))
    order = np.argsort(excess, kind="stable")[:_WALKERS]
    X = walk_into(space, X[order], bounds, enough=enough, rng=rng)
    excess = bounds.violation(space.costs(X))
    columns = _costed(space)
    for _ in range(_PAIR_ROUNDS if len(columns) else 0):
        outside = np.flatnonzero(excess > 0)
        if len(X) - len(outside) >= min(enough, len(X) // 2):
            break
        outside = outside[np.argsort(excess[outside], kind="stable")[:64]]
        tried = _pair_step(space, X[outside], bounds, columns, rng=rng)
        new = bounds.violation(space.costs(tried))
        better = new < excess[outside]
        if not better.any():
            break
        X[outside[better]], excess[outside[better]] = tried[better], new[better]
    best = int(np.argmin(excess))
    return distinct(X[excess == 0]), X[best : best + 1]


def walk_into(
    space: Space, X: Population, bounds: Bounds, *, enough: int | None = None, rng: np.random.Generator
) -> Population:
    """Each row changed, one to three random choices at a time, until it keeps the bounds or the steps run out, (N, D).

    A change is kept where it does not take the row further outside. Rows that are inside already stay as they are. The
    walk ends early once `enough` rows are inside.
    """
    X = space.canonical(X)
    columns = _costed(space)
    excess = bounds.violation(space.costs(X))
    for _ in range(_WALK_STEPS if len(columns) else 0):
        outside = np.flatnonzero(excess > 0)
        if len(X) - len(outside) >= min(enough or len(X), len(X)):
            break
        tried = _changed(space, X[outside], columns, rng=rng)
        new = bounds.violation(space.costs(tried))
        better = new <= excess[outside]
        X[outside[better]] = tried[better]
        excess[outside[better]] = new[better]
    return X


def spread(space: Space, found: Population, n: int, bounds: Bounds, *, rng: np.random.Generator) -> Population:
    """Up to n distinct candidates inside the bounds, (<= n, D), starting from some that are: the found ones first.

    Fewer come back only when many rounds in a row bring nothing new.
    """
    costed = _costed(space)
    free = np.setdiff1d(np.arange(len(space.dimensions)), costed)
    X = found[rng.integers(len(found), size=int(np.clip(n - len(found), 64, 4096)))]
    idle, mobility = 0, 0.0
    for number in range(_MOST_ROUNDS):
        if len(found) >= n or idle >= _IDLE_ROUNDS:
            break
        for _ in range(4 if len(costed) else 0):
            tried = _changed(space, X, costed, rng=rng)
            inside = bounds.admits(space.costs(tried))
            mobility = float((inside & (tried != X).any(axis=1)).mean())
            X[inside] = tried[inside]
        new = X[:0]
        if len(costed) and mobility < _STUCK:
            some = X[rng.integers(len(X), size=min(_SOLVED, len(X)))]
            away = _changed(space, some, costed, rng=rng)
            new = _solutions(space, away, bounds, costed, rng=rng)
            new = new[bounds.admits(space.costs(new))]
            if len(new):
                places = rng.permutation(len(X))[: min(len(new), len(X) // 2)]
                X[places] = new[rng.permutation(len(new))[: len(places)]]
        X[:, free] = rng.integers(space.cardinalities[free], size=(len(X), len(free)))
        X = space.canonical(X)
        if number >= (_SETTLING if mobility < _STUCK else 4):
            before = len(found)
            found = distinct(np.concatenate([found, new, X]))
            idle = 0 if len(found) > before else idle + 1
    return found[:n]


def _costed(space: Space) -> Ints:
    """Columns whose choice can change a cost: the architecture's, and where a table lists costs all."""
    closed = space.computes_costs and space.free is space
    return space.columns_of("architecture") if closed else np.arange(len(space.dimensions))


def _ends(space: Space, bounds: Bounds) -> Population:
    """The extreme candidates of the bounded costs, (2 x costs, D); none where the space is too large to know them."""
    none = np.empty((0, len(space.dimensions)), dtype=np.int64)
    try:
        rows = extreme_rows(space)
    except SpaceError:
        return none
    return np.concatenate([none, *(rows[name] for name in bounds if name in rows)])


def _changed(space: Space, X: Population, columns: Ints, *, rng: np.random.Generator) -> Population:
    """X with one to three random choices of each row drawn anew."""
    X = X.copy()
    rows, count = np.arange(len(X)), rng.integers(1, 4, size=len(X))
    for number in range(3):
        column = columns[rng.integers(len(columns), size=len(X))]
        drawn = rng.integers(space.cardinalities[column])
        active = count > number
        X[rows[active], column[active]] = drawn[active]
    return space.canonical(X)


def _effects(
    space: Space, X: Population, bounds: Bounds, columns: Ints, *, rng: np.random.Generator
) -> tuple[Ints, Ints, dict[str, Floats], dict[str, Floats]]:
    """What each single change does: its column and choice (K,), the costs of X (N,), what it adds to them (N, K)."""
    column = np.repeat(columns, space.cardinalities[columns])
    choice = np.concatenate([np.arange(space.cardinalities[c]) for c in columns])
    if len(column) > _MOST_CHANGES:
        some = rng.choice(len(column), size=_MOST_CHANGES, replace=False)
        column, choice = column[some], choice[some]
    moved = np.repeat(X, len(column), axis=0)
    moved[np.arange(len(moved)), np.tile(column, len(X))] = np.tile(choice, len(X))
    here, there = space.costs(X), space.costs(space.canonical(moved))
    return column, choice, here, {name: there[name].reshape(len(X), -1) - here[name][:, None] for name in bounds}


def _pair_step(space: Space, X: Population, bounds: Bounds, columns: Ints, *, rng: np.random.Generator) -> Population:
    """Each row with the two changes that together, by the sum of their separate effects, miss the bounds by least."""
    column, choice, here, effect = _effects(space, X, bounds, columns, rng=rng)
    k = len(column)
    both = {
        name: (here[name][:, None, None] + effect[name][:, :, None] + effect[name][:, None, :]).ravel()
        for name in bounds
    }
    excess = bounds.violation(both).reshape(len(X), k * k)
    # Among the pairs that seem to lead inside any will do, and a random one keeps candidates apart.
    pair = np.argmin(np.where(excess == 0, -rng.random(excess.shape), excess), axis=1)
    return space.canonical(_apply(X, column, choice, np.stack([pair // k, pair % k], axis=1)))


def _solutions(space: Space, X: Population, bounds: Bounds, columns: Ints, *, rng: np.random.Generator) -> Population:
    """Candidates three changes away from the rows of X that should be inside, going by the sums of separate effects."""
    column, choice, here, effect = _effects(space, X, bounds, columns, rng=rng)
    # The narrowest limit is searched, the others are checked.
    widths = {name: (high - low) / max(float(here[name].mean()), 1e-9) for name, (low, high) in bounds.limits.items()}
    name = min(widths, key=widths.__getitem__)
    proposals = [X[:0]]
    for row in range(len(X)):
        real = np.flatnonzero(choice != X[row, column])
        first, second = real[np.stack(np.triu_indices(len(real), 1))]
        first, second = np.stack([first, second])[:, column[first] != column[second]]
        own = effect[name][row]
        pairs = own[first] + own[second]
        order = np.argsort(pairs)
        low, high = (limit - here[name][row] for limit in bounds.limits[name])
        start = np.searchsorted(pairs[order], low - own[real], side="left")
        stop = np.searchsorted(pairs[order], high - own[real], side="right")
        ends = np.cumsum(stop - start)
        if not len(ends) or not ends[-1]:
            continue
        drawn = np.unique(rng.integers(ends[-1], size=_DRAWN))
        number = np.searchsorted(ends, drawn, side="right")
        pair = order[stop[number] - (ends[number] - drawn)]
        triple = np.stack([first[pair], second[pair], real[number]], axis=1)
        apart = (column[triple[:, 2]] != column[triple[:, 0]]) & (column[triple[:, 2]] != column[triple[:, 1]])
        triple = triple[apart]
        predicted = {each: here[each][row] + effect[each][row][triple].sum(axis=1) for each in bounds}
        triple = triple[bounds.violation(predicted) < _ROUNDING]
        triple = triple[rng.permutation(len(triple))[:_PROPOSALS]]
        proposals.append(_apply(np.repeat(X[row : row + 1], len(triple), axis=0), column, choice, triple))
    return distinct(space.canonical(np.concatenate(proposals)))


def _apply(X: Population, column: Ints, choice: Ints, changes: Ints) -> Population:
    """X (N, D) with the changes numbered in each row of `changes` (N, C)."""
    X, rows = X.copy(), np.arange(len(X))
    for change in changes.T:
        X[rows, column[change]] = choice[change]
    return X
