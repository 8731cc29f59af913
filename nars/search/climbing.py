"""Climbs: from several candidates uphill side by side, by many exchanges at a time, and on with kicks.

Under a tight budget one choice often has to go down for another to go up, and no single exchange is an improvement.
All combinations are too many to score; but what each exchange does alone, to score and costs, says by addition which of
them are worth it. Those few are then scored, and their costs computed, for what they are. Where nothing near is better
a climb has ended, and the next begins at one of the best ends with a few choices exchanged at random: iterated local
search (Lourenco, Martin & Stutzle, Handbook of Metaheuristics, 2003).

Notation: W climbs side by side; M exchanges of one choice; D columns of X; P prices of a unit of cost.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import final

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.search.archive import Archive
from nars.search.neighbourhood import Moves
from nars.search.strategy import ArchiveSearch
from nars.space import Bounds, Population

_PRICES = np.concatenate([[0.0], np.geomspace(0.02, 20.0, 12)])
"""Of all the cost that one exchange can bring, in units of the most that one can do to the score: a small price asks
for gains, a large one for savings. Each leads to sets of any size."""
_FEW_PRICES = np.array([0.0, 0.1, 0.3, 1.0, 3.0, 10.0])
"""The same for the exchanges that pairs and triples are made of."""
_USEFUL = 24
"""Exchanges that pairs and triples are made of."""
_OF_EACH_SIZE = 10
"""Pairs that are scored around a candidate, and triples."""
_KICK = (3, 10)
"""Choices that are exchanged at random for the next climb, fewest and most: few find what is near, many get away."""
_ELITES = 5
"""Ends that the next climb may begin at."""
_STEPS, _FEW_STEPS = 4, 1
"""Times that a climb goes on by what one look around has shown, at most: where evaluations are scarce, and where there
are plenty and time is what it costs."""
_LOOKS = 2
"""Looks around that there are evaluations for at least, for each climb: else only the best climbs go on."""
_PATIENCE = 50
"""Climbs in a row without a new best, after which there is hardly one to be found."""


@final
class Climbs(ArchiveSearch):
    """Climbs around candidates, until evaluations are spent or nothing new is found for long.

    Single exchanges are scored outside the bounds too: to know what they are worth, and because another budget may want
    them.
    """

    def __init__(
        self,
        archive: Archive,
        bounds: Bounds,
        *,
        first: Population,
        at_once: int,
        evaluations: int,
        rng: np.random.Generator,
    ) -> None:
        """Climbs inside bounds.

        Args:
            archive: of the space; what it has is used and not asked for again.
            bounds: hard limits on costs.
            first: (N, D), canonical and distinct, inside the bounds; at least one. They are scored first.
            at_once: climbs side by side, >= 1; fewer where the evaluations do not suffice.
            evaluations: most candidates to ask for.
            rng: of the kicks.
        """
        super().__init__(archive, bounds, evaluations=evaluations)
        self._first, self._at_once, self._rng, self._space = first, at_once, rng, archive.space
        self._moves = Moves.by_steps(archive.space)
        self._first_of_column = np.flatnonzero(np.diff(self._moves.column, prepend=-1))
        self._ends = set[int]()

    def _steps(self) -> Generator[Population, Floats, None]:
        first, at_once = self._first, self._at_once
        count = min(at_once, len(first), self._affordable)
        scores = self._inside_scores((yield from self._looked_at(first[None])))[0]
        # The best of each part: seeds come first and are alike, so that the best of all would be.
        parts = np.array_split(np.arange(len(first)), count)
        rows = first[[part[scores[part].argmax()] for part in parts]]
        stale = 0
        while stale < _PATIENCE:
            best = self.best_score
            places, better = yield from self._look_around(rows, steps=_STEPS if count < at_once else _FEW_STEPS)
            self._note()
            if self.spent >= self._allowed:
                return
            going = places[better]
            going = going[np.argsort(-self.archive.scores[going], kind="stable")]
            count = min(count, self._affordable)
            self._ends.update(places[~better].tolist(), going[count:].tolist())
            rows = self.archive.take(going[:count])
            if len(rows) < count:
                rows = np.concatenate([rows, self._kicked(count - len(rows))])
            stale = 0 if self.best_score > best else stale + int((~better).sum())

    @property
    def _affordable(self) -> int:
        """Climbs side by side that the evaluations left suffice for; towards the end fewer and fewer, >= 1."""
        look = len(self._moves.column) + 2 * (len(_PRICES) + _OF_EACH_SIZE)
        return max(1, (self._allowed - self.spent) // (_LOOKS * look))

    def _kicked(self, count: int) -> Population:
        """The next starts, (count, D)."""
        ends = np.array(sorted(self._ends - {-1}), dtype=np.int64)
        elites = ends[np.argsort(-self.archive.scores[ends], kind="stable")[:_ELITES]]
        # The better of two drawn: good ends more often.
        X = self.archive.take(elites[self._rng.integers(len(elites), size=(2, count)).min(axis=0)])
        kick = self._rng.integers(_KICK[0], _KICK[1] + 1, size=(count, 1))
        hit = self._rng.random(X.shape).argsort(axis=1).argsort(axis=1) < kick
        turn = self._rng.integers(1, np.maximum(self._space.cardinalities, 2), size=X.shape)
        return self._space.canonical(np.where(hit, (X + turn) % self._space.cardinalities, X))

    def _look_around(
        self, rows: Population, *, steps: int
    ) -> Generator[Population, Floats, tuple[Ints, NDArray[np.bool_]]]:
        """The best candidate inside the bounds near each of the rows (W, D), canonical, or the row itself.

        Near: so many steps away, >= 1, each by many exchanges, from what all single ones around the row have shown.

        Returns:
            Their places in the archive, (W,); -1 where neither the row nor anything found near it is inside. And which
            of them are better than the row, or inside where it is not.
        """
        moves = self._moves
        near = yield from self._looked_at(np.concatenate([rows[:, None], moves.made(self._space, rows)], axis=1))
        start, best = near[:, 0], self._best(near)
        if (near >= 0).all():  # else the evaluations ran out
            effect, added = self._effects(near)
            rows, places, on = rows.copy(), start.copy(), np.arange(len(rows))
            for _ in range(steps):
                change = {name: column[on] for name, column in added.items()}
                promising = self._promising(rows[on], places[on], effect[on], change)
                found = yield from self._looked_at(promising, inside=True)
                best[on] = self._best(np.concatenate([best[on, None], found], axis=1))
                on = on[(best[on] != places[on]) & (best[on] >= 0)]
                if not len(on):
                    break
                there = self.archive.take(best[on])
                # Choices that are still what they were: what exchanging them does has hardly changed.
                effect[on] = np.where((there == rows[on])[:, moves.column], effect[on], -np.inf)
                rows[on], places[on] = there, best[on]
        inside = self._inside_scores(np.stack([start, best], axis=1))
        return best, inside[:, 1] > inside[:, 0]

    def _best(self, places: Ints) -> Ints:
        """The best inside the bounds of places (W, K), (W,); -1 where none is."""
        score, each = self._inside_scores(places), np.arange(len(places))
        best = score.argmax(axis=1)
        return np.where(score[each, best] > -np.inf, places[each, best], -1)

    def _effects(self, near: Ints) -> tuple[Floats, dict[str, Floats]]:
        """What the exchanges at places 1 to M of near (W, M + 1) do to the score at place 0, and to its bounded costs.

        Both (W, M); -inf of the score for those that change nothing.
        """
        effect = self.archive.scores[near[:, 1:]] - self.archive.scores[near[:, :1]]
        effect[near[:, 1:] == near[:, :1]] = -np.inf
        costs = {name: self.archive.costs[name][near] for name in self.bounds.limits}
        return effect, {name: cost[:, 1:] - cost[:, :1] for name, cost in costs.items()}

    def _looked_at(self, X: Population, *, inside: bool = False) -> Generator[Population, Floats, Ints]:
        """As `_scored`, of rows (W, K, D), not canonical: places (W, K)."""
        places = yield from self._scored(self._space.canonical(X.reshape(-1, X.shape[2])), inside=inside)
        return places.reshape(X.shape[:2])

    def _inside_scores(self, places: Ints) -> Floats:
        """Scores of places (W, K) in the archive; -inf where there is nothing or it is outside the bounds."""
        costs = {name: column[places.ravel()] for name, column in self.archive.costs.items()}
        inside = self.bounds.admits(costs, rows=places.size).reshape(places.shape) & (places >= 0)
        scores = np.where(inside, self.archive.scores[places], -np.inf)
        self.best_score = max(self.best_score, float(scores.max()))
        return scores

    def _promising(self, rows: Population, centre: Ints, effect: Floats, added: dict[str, Floats]) -> Population:
        """Sets of exchanges that by the sums of their effects gain most and are inside the bounds, made, (W, K, D).

        Args:
            rows: (W, D).
            centre: their places in the archive, (W,).
            effect: of exchanges on the score, (W, M).
            added: by exchanges to the bounded costs, each (W, M).
        """
        change, slack = np.zeros(effect.shape), list[_Slack]()
        for name, (low, high) in self.bounds.limits.items():
            cost, (least, most) = self.archive.costs[name][centre], self.bounds.ends(name)
            least = least if low else 0.0  # a sum of effects below 0 is none
            slack.append(_Slack(added=added[name], low=least - cost, high=most - cost))
            largest = np.abs(added[name]).max(axis=1, keepdims=True)
            change += added[name] / np.maximum(largest, 1e-300) * (1.0 if np.isfinite(high) else -1.0 if low else 0.0)
        change *= np.abs(effect).max(axis=1, keepdims=True, initial=0.0, where=np.isfinite(effect))
        sets = [self._many(rows, effect, change, slack), *self._few(rows, effect, change, slack)]
        return np.concatenate(sets, axis=1)

    def _many(self, rows: Population, effect: Floats, change: Floats, slack: list[_Slack]) -> Population:
        """For each price: of every choice the exchange that is worth most, the best of these together; (W, 2 P, D).

        As many as gain most inside the bounds, and half of them: effects do not add up far away.
        """
        M, first = len(self._moves.column), self._first_of_column
        worth = effect[:, None] - _PRICES[:, None] * change[:, None]  # (W, P, M)
        most = np.maximum.reduceat(worth, first, axis=2)  # (W, P, D)
        is_most = worth == np.repeat(most, np.diff(first, append=M), axis=2)
        move = np.minimum.reduceat(np.where(is_most, np.arange(M), M), first, axis=2)
        order = np.argsort(-most, axis=2)
        ordered = np.take_along_axis(move, order, axis=2)
        useful = np.take_along_axis(most, order, axis=2) > 0
        each = np.arange(len(rows))[:, None, None]
        gain = np.cumsum(np.where(useful, effect[each, ordered], 0.0), axis=2)
        for cost in slack:
            useful &= cost.keeps(np.cumsum(cost.added[each, ordered], axis=2))
        size = np.where(useful, gain, -np.inf).argmax(axis=2) + 1  # (W, P)
        rank = _ranks(order)
        target = np.take_along_axis(self._moves.turned(self._space, rows)[:, None], move, axis=2)
        halves = [np.where(rank < part[:, :, None], target, rows[:, None]) for part in (size, (size + 1) // 2)]
        return np.concatenate(halves, axis=1)

    def _few(self, rows: Population, effect: Floats, change: Floats, slack: list[_Slack]) -> list[Population]:
        """The best pairs and the best triples of exchanges that are worth most at some price, (W, <= 10, D) each."""
        order = np.argsort(_FEW_PRICES[:, None] * change[:, None] - effect[:, None], axis=2)
        useful = _ranks(order).min(axis=1).argsort(axis=1)[:, :_USEFUL]  # (W, U)
        each = np.arange(len(rows))[:, None]
        effect, column = effect[each, useful], self._moves.column[useful]
        target = self._moves.turned(self._space, rows)[each, useful]
        slack = [_Slack(added=cost.added[each, useful], low=cost.low, high=cost.high) for cost in slack]
        pair = effect[:, :, None] + effect[:, None]
        pair[column[:, :, None] == column[:, None]] = -np.inf
        pair = pair.reshape(len(rows), -1)
        made = []
        for size in (2, 3):
            sets = _sets(useful.shape[1], size)  # (size, S)
            # A set gains what its pairs gain, each exchange counted size - 1 times: -inf where two are of one choice.
            pairs = [one * useful.shape[1] + other for one, other in combinations(sets, 2)]
            gain = np.add.reduce([pair.take(at, axis=1) for at in pairs])
            for cost in slack:
                gain[~cost.keeps(np.add.reduce([cost.added.take(at, axis=1) for at in sets]))] = -np.inf
            best = np.argpartition(-gain, min(_OF_EACH_SIZE, gain.shape[1] - 1), axis=1)[:, :_OF_EACH_SIZE]
            X = np.repeat(rows[:, None], best.shape[1], axis=1)
            for at in sets[:, best]:
                X[each, np.arange(best.shape[1]), column[each, at]] = target[each, at]
            made.append(np.where(gain[each, best, None] > -np.inf, X, rows[:, None]))
        return made


@dataclass(frozen=True, kw_only=True, eq=False)
class _Slack:
    """One bounded cost around W candidates."""

    added: Floats
    """By single exchanges, (W, M)."""
    low: Floats
    """What may be added, at least and at most, (W,)."""
    high: Floats

    def keeps(self, added: Floats) -> NDArray[np.bool_]:
        """Whether the candidates with these added (W, ...) keep the limits."""
        shape = (-1,) + (1,) * (added.ndim - 1)
        return (self.low.reshape(shape) <= added) & (added <= self.high.reshape(shape))


def _ranks(order: Ints) -> Ints:
    """Where each thing comes in the orders (..., K)."""
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(order.shape[-1]), order.shape), axis=-1)
    return ranks


@lru_cache(maxsize=16)
def _sets(count: int, size: int) -> Ints:
    """(size, S) all sets of `size` of `count` things."""
    sets: Ints = np.array(list(combinations(range(count), size)), dtype=np.int64).reshape(-1, size).T.copy()
    return sets
