"""All candidates that differ from one in one choice, or in two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nars.space import Population, Space


def _moves(space: Space, columns: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every exchange of one choice as (column (M,), how far to turn it (M,), modulo the number of choices)."""
    columns = np.arange(len(space.dimensions)) if columns is None else columns
    others = space.cardinalities[columns] - 1
    turns = np.concatenate([np.arange(1, count + 1) for count in others.tolist()])
    return np.repeat(columns, others), turns


def one_exchange(space: Space, rows: Population, columns: NDArray[np.int64] | None = None) -> Population:
    """All rows that differ from one of `rows` (N, D) in one choice, (N * M, D), canonical, in the order of `rows`.

    Repetitions (exchanges without effect) are left in. `columns` limits what may change.
    """
    column, turn = _moves(space, columns)
    X = np.repeat(rows, len(column), axis=0)
    at, column, turn = np.arange(len(X)), np.tile(column, len(rows)), np.tile(turn, len(rows))
    X[at, column] = (X[at, column] + turn) % space.cardinalities[column]
    return space.canonical(X)


def two_exchanges(space: Space, row: Population, *, chunk: int, rng: np.random.Generator) -> Iterator[Population]:
    """All rows that differ from `row` (D,) in two choices, in random order, in parts of at most `chunk`, canonical."""
    column, turn = _moves(space, None)
    first, second = np.triu_indices(len(column), k=1)
    apart = rng.permutation(np.flatnonzero(column[first] != column[second]))
    first, second = first[apart], second[apart]
    for start in range(0, len(first), chunk):
        part = slice(start, start + chunk)
        X = np.repeat(row[None], len(first[part]), axis=0)
        at = np.arange(len(X))
        for move in (first[part], second[part]):
            X[at, column[move]] = (row[column[move]] + turn[move]) % space.cardinalities[column[move]]
        yield space.canonical(X)
