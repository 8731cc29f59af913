"""Strategies that choose among given candidates, e.g. those of a table or a sample store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np

from nars.arrays import Floats, Ints
from nars.search.strategy import check_told
from nars.space import Population


class AmongGiven(ABC):
    """A strategy that asks for each of N given candidates at most once; scores may be NaN, where a training failed."""

    def __init__(self, X: Population, *, rng: np.random.Generator) -> None:
        """Choose among X (N, D), no two rows equal; `rng` is the only source of randomness."""
        self._X, self._rng = X, rng
        self._scores = np.full(len(X), np.nan)
        self._free = np.ones(len(X), dtype=np.bool_)
        self._asked = np.empty(0, dtype=np.int64)
        """What was asked for, in order."""
        self._told = 0

    @abstractmethod
    def _chosen(self, count: int) -> Ints:
        """So many of those that are free; there are as many, at least one."""

    def ask(self, count: int | None = None) -> Population:
        """As in `nars.search.Strategy`; one row when `count` is None."""
        if self._told == len(self._asked) and self._free.any():
            chosen = self._chosen(min(count or 1, int(self._free.sum())))
            self._free[chosen] = False
            self._asked = np.concatenate([self._asked, chosen])
        return self._X[self._asked[self._told :]]

    def tell(self, X: Population, scores: Floats) -> None:
        """As in `nars.search.Strategy`."""
        open_ = self._asked[self._told :]
        check_told(self._X[open_], X, scores)
        self._scores[open_] = scores
        self._told = len(self._asked)

    @property
    def best(self) -> Population:
        """As in `nars.search.Strategy`."""
        found = np.flatnonzero(~np.isnan(self._scores))
        return self._X[found[self._scores[found].argmax()][None]] if len(found) else self._X[:0]


@final
class InOrder(AmongGiven):
    """Asks in the order given."""

    def _chosen(self, count: int) -> Ints:
        return np.flatnonzero(self._free)[:count]


@final
class RandomSearch(AmongGiven):
    """The strategy to beat: uniform without repetition."""

    def _chosen(self, count: int) -> Ints:
        return self._rng.choice(np.flatnonzero(self._free), size=count, replace=False)


@final
class RegularizedEvolution(AmongGiven):
    """Regularized evolution (Real et al. 2019, arXiv 1802.01548) among given candidates.

    Population 20, tournaments of 5, one choice mutated. The given are rarely all neighbours: the child is the candidate
    not asked for before that differs from the mutant in the fewest choices. A failed training is no fitness.
    """

    _POPULATION, _TOURNAMENT = 20, 5

    def _chosen(self, count: int) -> Ints:
        fitness = np.nan_to_num(self._scores, nan=-np.inf)
        alive, free = self._asked[-self._POPULATION :], self._free.copy()
        chosen = list[int]()
        for _ in range(count):
            candidates = np.flatnonzero(free)
            if len(alive) < self._POPULATION:
                child = int(self._rng.choice(candidates))
            else:
                group = self._rng.choice(alive, size=self._TOURNAMENT, replace=False)
                mutant = self._mutant(int(group[fitness[group].argmax()]))
                differing = (self._X[candidates] != mutant).sum(axis=1)
                child = int(self._rng.choice(candidates[differing == differing.min()]))
            free[child] = False
            chosen.append(child)
        return np.array(chosen, dtype=np.int64)

    def _mutant(self, parent: int) -> Ints:
        """The parent with one choice changed to another that is among the candidates, (D,)."""
        row = self._X[parent].copy()
        column = int(self._rng.choice(np.flatnonzero(np.ptp(self._X, axis=0) > 0)))
        row[column] = self._rng.choice(np.setdiff1d(self._X[:, column], row[column]))
        return np.asarray(row, dtype=np.int64)
