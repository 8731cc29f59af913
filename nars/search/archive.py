"""Everything that has been scored, so that no candidate is scored twice: across restarts, budgets and questions."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import repeat
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.space import Bounds, Population, Space

_MULTIPLIERS = np.random.default_rng(0x5EED).integers(1, 2**63, size=4096, dtype=np.uint64) | np.uint64(1)


def row_keys(X: Population) -> NDArray[np.uint64]:
    """A 64-bit key per row of canonical X, (N,): a random linear form modulo 2^64.

    Two different rows share one with a probability of about 2^-60: below 10^-6 for a million rows.
    """
    keys: NDArray[np.uint64] = X.astype(np.uint64) @ _MULTIPLIERS[: X.shape[1]]
    return keys


def distinct_rows(X: Population) -> Ints:
    """Where the first of each group of equal rows is, ascending."""
    _, first = np.unique(row_keys(X), return_index=True)
    return np.sort(first)


@final
class Archive:
    """Scored candidates: canonical rows, scores, costs; shared by all searches of one space with one predictor."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._at: dict[int, int] = {}
        self._size = 0
        # As narrow as the choices allow: what is scored is mostly moved about in memory.
        self._rows = np.empty((1024, len(space.dimensions)), dtype=np.min_scalar_type(int(space.cardinalities.max())))
        self._scores = np.empty(1024, dtype=np.float64)
        self._costs: dict[str, Floats] = {}

    def __repr__(self) -> str:
        best = f", the best {self.scores.max():.2f} %" if self._size else ""
        return f"<Archive of {self._size:,} scored candidates of {self.space.name}{best}>"

    def __len__(self) -> int:
        return self._size

    def take(self, at: Ints) -> Population:
        """The candidates kept at these places, (N, D)."""
        return self._rows[at].astype(np.int64)

    @property
    def scores(self) -> Floats:
        """(n,) in percent."""
        return self._scores[: self._size]

    @property
    def costs(self) -> dict[str, Floats]:
        """{name: (n,)}."""
        return {name: column[: self._size] for name, column in self._costs.items()}

    def find(self, X: Population) -> Ints:
        """Where each canonical row is kept, (N,); -1 where it has not been scored."""
        return self._find(row_keys(X))

    def _find(self, keys: NDArray[np.uint64]) -> Ints:
        return np.fromiter(map(self._at.get, keys.tolist(), repeat(-1)), dtype=np.int64, count=len(keys))

    def add(self, X: Population, scores: Floats, costs: dict[str, Floats]) -> None:
        """Keep canonical rows with their scores (N,) and costs; rows that are known already are passed over."""
        new = distinct_rows(X)
        new = new[self.find(X[new]) < 0]
        self._append(X[new], row_keys(X[new]), scores[new], {name: column[new] for name, column in costs.items()})

    def scored(
        self, X: Population, costs: Callable[[Population], dict[str, Floats]], *, most: int, bounds: Bounds
    ) -> Generator[Population, Floats, Ints]:
        """Where each canonical row is kept, (N,), once those that are new and inside the bounds are scored and added.

        Yields what is to be scored, distinct, if there is anything, and is sent the scores. -1 for rows outside, and
        for those beyond the first `most` new ones.
        """
        keys = row_keys(X)
        at = self._find(keys)
        unknown = np.flatnonzero(at < 0)
        _, first, group = np.unique(keys[unknown], return_index=True, return_inverse=True)
        chosen = np.argsort(first)
        cost = costs(X[unknown[first[chosen]]])
        if bounds.limits:
            inside = bounds.admits(cost)
            chosen, cost = chosen[inside], {name: column[inside] for name, column in cost.items()}
        chosen = chosen[: max(0, most)]
        if len(chosen):
            rows = X[unknown[first[chosen]]]
            scores = yield rows
            place = np.full(len(first), -1)
            place[chosen] = self._size + np.arange(len(chosen))
            at[unknown] = place[group]
            cost = {name: column[: len(chosen)] for name, column in cost.items()}
            self._append(rows, keys[unknown[first[chosen]]], scores, cost)
        return at

    def _append(self, X: Population, keys: NDArray[np.uint64], scores: Floats, costs: dict[str, Floats]) -> None:
        end = self._size + len(X)
        self._at.update(zip(keys.tolist(), range(self._size, end), strict=True))
        self._reserve(end, costs)
        self._rows[self._size : end] = X
        self._scores[self._size : end] = scores
        for name, column in costs.items():
            self._costs[name][self._size : end] = column
        self._size = end

    def best(self, bounds: Bounds, n: int) -> Ints:
        """Where the n best candidates inside the bounds are kept, best first; fewer where fewer are known."""
        if not self._size:
            return np.empty(0, dtype=np.int64)
        inside = np.flatnonzero(bounds.admits(self.costs, rows=self._size))
        scores = self.scores[inside]
        if len(inside) > n:
            top = np.argpartition(-scores, n - 1)[:n]
            inside, scores = inside[top], scores[top]
        return inside[np.lexsort((inside, -scores))]  # ties: first scored first

    def state(self) -> dict[str, Any]:
        """Everything as plain lists, for JSON."""
        return {
            "rows": self._rows[: self._size].tolist(),
            "scores": self.scores.tolist(),
            "costs": {name: column.tolist() for name, column in self.costs.items()},
        }

    @staticmethod
    def from_state(space: Space, state: dict[str, Any]) -> Archive:
        """The archive that `state` came from."""
        archive = Archive(space)
        rows = np.array(state["rows"], dtype=np.int64).reshape(-1, len(space.dimensions))
        archive.add(
            rows, np.array(state["scores"], dtype=np.float64), {k: np.array(v) for k, v in state["costs"].items()}
        )
        return archive

    def _reserve(self, size: int, costs: dict[str, Floats]) -> None:
        capacity = len(self._rows)
        while capacity < size:
            capacity *= 2
        if capacity > len(self._rows):
            self._rows = np.resize(self._rows, (capacity, self._rows.shape[1]))
            self._scores = np.resize(self._scores, capacity)
        for name in costs:
            column = self._costs.get(name, np.empty(0))
            if len(column) < capacity:
                self._costs[name] = np.resize(column, capacity)
