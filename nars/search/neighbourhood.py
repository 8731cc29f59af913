"""Candidates that differ from one in a few choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nars.arrays import Ints
from nars.space import Population, Space


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves:
    """Exchanges of one choice of a space, numbered."""

    column: Ints
    """(M,) what is exchanged."""
    turn: Ints
    """(M,) how far, modulo the number of choices."""

    @staticmethod
    def of(space: Space) -> Moves:
        """All of a space."""
        others = space.cardinalities - 1
        turns = np.concatenate([np.arange(1, count + 1) for count in others.tolist()])
        return Moves(column=np.repeat(np.arange(len(others)), others), turn=turns)

    @staticmethod
    def by_steps(space: Space) -> Moves:
        """In a long ordered list only steps of 1, 2, 4 ... up or down, round its ends; elsewhere all other choices."""
        column, turn = list[int](), list[int]()
        for number, dimension in enumerate(space.dimensions):
            count = len(dimension.values)
            turns = set(range(1, count))
            if dimension.ordinal:
                steps = {1 << power for power in range(count.bit_length())}
                turns &= steps | {count - step for step in steps}
            column += [number] * len(turns)
            turn += sorted(turns)
        return Moves(column=np.array(column), turn=np.array(turn))

    def turned(self, space: Space, rows: Population) -> Population:
        """What each exchange turns its choice of the rows (N, D) into, (N, M)."""
        return (rows[:, self.column] + self.turn) % space.cardinalities[self.column]

    def made(self, space: Space, rows: Population) -> Population:
        """The rows (N, D) with each exchange made alone, (N, M, D), not canonical."""
        X = np.repeat(rows[:, None], len(self.column), axis=1)
        X[:, np.arange(len(self.column)), self.column] = self.turned(space, rows)
        return X


def one_exchange(space: Space, rows: Population) -> Population:
    """All rows that differ from one of `rows` (N, D) in one choice, (N * M, D), canonical, in the order of `rows`.

    Repetitions (exchanges without effect) are left in.
    """
    made = Moves.of(space).made(space, rows)
    return space.canonical(made.reshape(-1, made.shape[2]))
