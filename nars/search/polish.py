"""Local search: two or three exchanges at a time, those that the effects of single exchanges promise most of.

Under a tight budget one choice often has to go down for another to go up, and no single exchange is an improvement.
All pairs and triples are too many to score; but what each exchange does alone, to score and costs, says by addition
which of them are worth it. Those few are then scored, and their costs computed, for what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nars.search.archive import Archive, Score, distinct_rows
from nars.search.neighbourhood import Moves
from nars.space import Bounds, Population, Space, tabulated_costs

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

PAIRS, TRIPLES = 100, 200
"""Scored around a candidate, at most."""
_PRICES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Of a unit of cost, in units of score (of the largest effect of a single exchange each)."""
_OF_EACH_PRICE = 10
"""Exchanges that triples are made of."""
_PATIENCE = 8
"""Looks around without a new best after which the polish ends."""


class LocalSearch:
    """Looks around candidates of an archive, and adds to it everything that it scores.

    Single exchanges are scored outside the bounds too: to know what they are worth, and because another budget may want
    them.
    """

    def __init__(self, archive: Archive, score: Score, bounds: Bounds, *, evaluations: int) -> None:
        self._archive, self._score, self._bounds = archive, score, bounds
        self._space, self._costs = archive.space, tabulated_costs(archive.space)
        self._moves = Moves.of(archive.space)
        first, second = np.triu_indices(len(self._moves.column), k=1)
        apart = self._moves.column[first] != self._moves.column[second]
        self._pairs = np.stack([first[apart], second[apart]])
        self._allowed = evaluations
        self.spent = 0
        """Candidates scored so far."""

    @staticmethod
    def step(space: Space) -> int:
        """Most evaluations that looking around one candidate takes."""
        return len(Moves.of(space).column) + PAIRS + TRIPLES

    def climb(self, starts: Sequence[int]) -> list[int]:
        """From each of the starts (places in the archive) uphill until nothing near is better: where each one ends.

        The evaluations that are left are shared between the starts that are left.
        """
        ends = []
        for number, start in enumerate(starts):
            at, limit = start, self.spent + (self._allowed - self.spent) // (len(starts) - number)
            while self.spent < limit:
                better = self.look_around(at)
                if better == at:
                    break
                at = better
            ends.append(at)
        return ends

    def polish(self) -> None:
        """Look around the best candidate inside the bounds that this was not done to yet, and so on.

        Until several in a row, each a little worse than the one before, have nothing better near them.
        """
        seen: set[int] = set()
        idle, top = 0, -1
        while self.spent < self._allowed and idle < _PATIENCE:
            best = self._archive.best(self._bounds, len(seen) + 1).tolist()
            idle, top = (idle + 1, top) if best[0] == top else (0, best[0])
            at = next((at for at in best if at not in seen), None)
            if at is None:
                return
            seen.add(at)
            self.look_around(at)

    def look_around(self, at: int) -> int:
        """The best candidate near the one at this place, inside the bounds; the same place if nothing is better."""
        archive = self._archive
        row = archive.take(np.array([at]))[0]
        singles = self._moves.applied(self._space, row, np.arange(len(self._moves.column))[:, None])
        near = [self._add(singles, self._costs(singles), inside=False)]
        if (near[0] >= 0).all():  # else the evaluations ran out
            promising = self._promising(row, at, near[0])
            near.append(self._add(promising, self._costs(promising), inside=True))
        found = np.concatenate(near)
        found = found[found >= 0]
        costs = {name: column[found] for name, column in archive.costs.items()}
        found = found[self._bounds.admits(costs)]
        best = int(found[np.argmax(archive.scores[found])]) if len(found) else at
        return best if archive.scores[best] > archive.scores[at] else at

    def _add(self, X: Population, costs: dict[str, Floats], *, inside: bool) -> Indices:
        """Score what is new (only what is inside the bounds, if so asked), as far as evaluations go: places, (N,)."""
        new = np.zeros(len(X), dtype=bool)
        new[distinct_rows(X)] = True
        new &= self._archive.find(X) < 0
        if inside:
            new &= self._bounds.admits(costs)
        chosen = np.flatnonzero(new)[: max(0, self._allowed - self.spent)]
        if len(chosen):
            kept = {name: column[chosen] for name, column in costs.items()}
            self._archive.add(X[chosen], self._score(X[chosen]), kept)
            self.spent += len(chosen)
        return self._archive.find(X)

    def _promising(self, row: Population, at: int, singles: Indices) -> Population:
        """Pairs and triples of exchanges that by the sums of their effects are inside the bounds and gain most."""
        archive = self._archive
        effect = archive.scores[singles] - archive.scores[at]
        effect[singles == at] = -np.inf  # exchanges without effect
        columns = archive.costs
        costs = {name: (float(columns[name][at]), columns[name][singles] - columns[name][at]) for name in self._bounds}
        useful = self._useful(effect, costs)
        pairs = self._most_gain(self._pairs, effect, costs, PAIRS)
        triples = self._most_gain(useful[_triples(len(useful))], effect, costs, TRIPLES)
        return np.concatenate([self._moves.applied(self._space, row, sets) for sets in (pairs, triples)])

    def _most_gain(self, sets: Indices, effect: Floats, costs: dict[str, tuple[float, Floats]], count: int) -> Indices:
        """Those sets of exchanges (k, S), at most `count`, that have the largest summed effect and should be inside.

        Returns:
            (<= count, k), of different columns.
        """
        gain = _summed(effect, sets)
        good = np.isfinite(gain)
        for name, (here, change) in costs.items():
            low, high = self._bounds.limits[name]
            there = here + _summed(change, sets)
            good &= (low <= there) & (there <= high)
        at = np.flatnonzero(good)
        if len(at) > 2 * count:  # twice as many: triples may exchange a column twice
            at = at[np.argpartition(-gain[at], 2 * count)[: 2 * count]]
        at = at[np.argsort(-gain[at], kind="stable")]
        columns = np.sort(self._moves.column[sets[:, at]], axis=0)
        chosen: Indices = sets[:, at[(columns[1:] != columns[:-1]).all(axis=0)][:count]].T
        return chosen

    def _useful(self, effect: Floats, costs: dict[str, tuple[float, Floats]]) -> Indices:
        """Exchanges that gain most at different prices of the bounded costs: dear ones, cheap ones, and savings."""
        change = np.zeros(len(effect))
        for name, (_, added) in costs.items():
            low, high = self._bounds.limits[name]
            largest = float(np.abs(added).max())
            if largest > 0:
                change += added / largest * (1.0 if np.isfinite(high) else -1.0 if low > 0 else 0.0)
        finite = np.abs(effect[np.isfinite(effect)])
        unit = float(finite.max()) if len(finite) else 0.0
        ranked = [np.argsort(price * unit * change - effect, kind="stable")[:_OF_EACH_PRICE] for price in _PRICES]
        return np.unique(np.concatenate(ranked))


def _summed(values: Floats, sets: Indices) -> Floats:
    """The values' sums over each set (k, S), (S,)."""
    total: Floats = values[sets[0]]
    for members in sets[1:]:
        total += values[members]
    return total


@lru_cache(maxsize=64)
def _triples(count: int) -> Indices:
    """(3, S) all of `count` things."""
    triples: Indices = np.array(list(combinations(range(count), 3)), dtype=np.int64).reshape(-1, 3).T.copy()
    return triples
