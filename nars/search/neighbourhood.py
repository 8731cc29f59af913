"""Candidates that differ from one in a few choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.space import Population, Space


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves:
    """Every exchange of one choice of a space, numbered."""

    column: NDArray[np.int64]
    """(M,) what is exchanged."""
    turn: NDArray[np.int64]
    """(M,) how far, modulo the number of choices."""

    @staticmethod
    def of(space: Space, columns: NDArray[np.int64] | None = None) -> Moves:
        """All of a space, or those of some columns."""
        columns = np.arange(len(space.dimensions)) if columns is None else columns
        others = space.cardinalities[columns] - 1
        turns = np.concatenate([np.arange(1, count + 1) for count in others.tolist()])
        return Moves(column=np.repeat(columns, others), turn=turns)

    def applied(self, space: Space, row: Population, chosen: NDArray[np.int64]) -> Population:
        """The row (D,) with each set of moves (S, k) made, of different columns; canonical, (S, D)."""
        X, at = np.repeat(row[None], len(chosen), axis=0), np.arange(len(chosen))
        for move in chosen.T:
            column = self.column[move]
            X[at, column] = (row[column] + self.turn[move]) % space.cardinalities[column]
        return space.canonical(X)


def one_exchange(space: Space, rows: Population, columns: NDArray[np.int64] | None = None) -> Population:
    """All rows that differ from one of `rows` (N, D) in one choice, (N * M, D), canonical, in the order of `rows`.

    Repetitions (exchanges without effect) are left in. `columns` limits what may change.
    """
    moves = Moves.of(space, columns)
    X = np.repeat(rows, len(moves.column), axis=0)
    at, column, turn = np.arange(len(X)), np.tile(moves.column, len(rows)), np.tile(moves.turn, len(rows))
    X[at, column] = (X[at, column] + turn) % space.cardinalities[column]
    return space.canonical(X)
