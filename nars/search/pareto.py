"""One search for a whole front: predicted accuracy against any costs.

References: K. Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002 (sorting, crowding, section III); CARS (Yang et al. 2020, arXiv 1909.04977): a front
from one search.
In place of pymoo's NSGA-II, which knows neither what has been scored before nor the repair of rows by the space, and is
one of the peers in `scripts/bench_search.py`.
Notation: objectives F (N, M), every column to be minimized; a dominates b: nowhere larger, somewhere smaller.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.printing import brief_repr
from nars.search.archive import Archive, distinct_rows
from nars.search.neighbourhood import one_exchange
from nars.search.settings import DEFAULT, SearchSettings
from nars.search.start import admitted, inside
from nars.search.strategy import ArchiveSearch, Score, drive
from nars.search.variation import offspring
from nars.space import Bounds, Population, Space, SpaceError

_BLOCK = 512
_CLIMBED_AT_ONCE = 64
_SURVIVORS = 100
_FRONT_SHARE = 0.3
"""Of the evaluations, kept for the exchanges of one choice around the front."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Front:
    """Candidates none of which is beaten in accuracy and all costs at once; of equal ones the first scored."""

    __repr__ = brief_repr

    rows: Population
    """(K, D), canonical, by rising first cost."""
    scores: Floats
    """(K,), percent."""
    costs: dict[str, Floats]
    """{name: (K,)}, all costs."""
    objectives: tuple[str, ...]
    """The costs that the front is about."""
    evaluations: int
    archive: Archive
    """Every candidate scored, for the next question."""


def non_dominated(F: Floats) -> NDArray[np.bool_]:
    """Which rows of F (N, M) no other row dominates, (N,); equal rows do not dominate each other."""
    order = np.lexsort(F.T[::-1])
    front = F[:0]
    keep = np.zeros(len(F), dtype=bool)
    # In lexicographic order nothing is dominated by what comes later: each block meets the front so far and itself.
    for start in range(0, len(F), _BLOCK):
        at = order[start : start + _BLOCK]
        at = at[~_dominated(F[at], front)]
        at = at[~_dominated(F[at], F[at])]
        keep[at] = True
        front = np.concatenate([front, F[at]])
    return keep


def first_of_equals(F: Floats) -> Ints:
    """Where each distinct row of F (N, M) stands for the first time, ascending."""
    return np.sort(np.unique(F, axis=0, return_index=True)[1])


def _dominated(F: Floats, by: Floats) -> NDArray[np.bool_]:
    """Which rows of F (N, M) some row of `by` (K, M) dominates, (N,)."""
    no_larger = np.ones((len(F), len(by)), dtype=bool)
    smaller = np.zeros_like(no_larger)
    for column in range(F.shape[1]):  # M is small; a (N, K, M) array would not stay in the cache
        no_larger &= by[:, column] <= F[:, column, None]
        smaller |= by[:, column] < F[:, column, None]
    return np.asarray((no_larger & smaller).any(axis=1))


def ranks(F: Floats, *, enough: int | None = None) -> Ints:
    """The front that each row of F (N, M) is on, (N,), from 0; after `enough` rows are ranked the rest share a rank."""
    out = np.zeros(len(F), dtype=np.int64)
    left, rank = np.arange(len(F)), 0
    while len(left):
        if enough is not None and len(F) - len(left) >= enough:
            out[left] = rank
            break
        first = non_dominated(F[left])
        out[left[first]] = rank
        left, rank = left[~first], rank + 1
    return out


def crowding(F: Floats) -> Floats:
    """Crowding distance of each row of one front, (N,): infinite at the ends of every objective (NSGA-II, III-B)."""
    distance = np.zeros(len(F))
    for values in F.T:
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        spread = ranked[-1] - ranked[0] if len(F) else 0.0
        distance[order[:1]] = distance[order[-1:]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (ranked[2:] - ranked[:-2]) / spread
    return distance


def pareto_search(
    space: Space,
    score: Score,
    objectives: Sequence[str],
    bounds: Bounds,
    *,
    rng: np.random.Generator,
    seed_population: Population | None = None,
    settings: SearchSettings = DEFAULT,
    archive: Archive | None = None,
) -> Front:
    """The front of predicted accuracy (up) and the costs `objectives` (down) inside the bounds, from one search.

    Args:
        space, score, bounds, rng, seed_population, archive: as for `search`.
        objectives: at least one cost.
        settings: as for `ParetoSearch`.

    Raises:
        InfeasibleError: nothing keeps the bounds.
        SpaceError: no objective, or an unknown cost.
        PredictorError: the score function returned NaN.
    """
    if not space.cost_names:
        raise SpaceError(
            f"a front is of accuracy against costs, and {space.name} has none; give it `costs:`, or ask for the best "
            f"candidate of all (nars search --predictor P, without --pareto)"
        )
    unknown = [name for name in objectives if name not in space.cost_names]
    if not objectives or unknown:
        raise SpaceError(
            f"a front needs one cost or more of {', '.join(space.cost_names)}, got {list(objectives)}; correct them"
        )
    archive = Archive(space) if archive is None else archive
    nothing = np.empty((0, len(space.dimensions)), dtype=np.int64)
    seeds = nothing if seed_population is None else admitted(space, bounds, seed_population)
    first = np.concatenate([seeds, inside(space, bounds, settings.first, seeds=seeds, rng=rng)])
    found = ParetoSearch(archive, bounds, objectives, settings=settings, rng=rng, first=first)
    drive(found, score)
    front = found.front
    return Front(
        rows=archive.take(front),
        scores=archive.scores[front].copy(),
        costs={name: column[front].copy() for name, column in archive.costs.items()},
        objectives=tuple(objectives),
        evaluations=found.spent,
        archive=archive,
    )


@final
class ParetoSearch(ArchiveSearch):
    """NSGA-II's selection with this package's children, then exchanges of one choice around the front."""

    def __init__(
        self,
        archive: Archive,
        bounds: Bounds,
        objectives: Sequence[str],
        *,
        settings: SearchSettings,
        rng: np.random.Generator,
        first: Population,
    ) -> None:
        """Begin with the first generation.

        Args:
            archive, bounds, rng, first: as for `Genetic`.
            objectives: at least one cost of the space.
            settings: `max_evaluations`, `patience` and the probabilities count; 100 candidates survive a generation.
        """
        super().__init__(archive, bounds, evaluations=settings.max_evaluations)
        self.objectives, self.settings, self._rng, self._first = tuple(objectives), settings, rng, first

    @property
    def front(self) -> Ints:
        """Where those are kept that nothing scored so far beats, by rising first cost; of equal ones the first."""
        front = self._unbeaten
        if not len(front):
            return front
        front = front[first_of_equals(self._aims(front))]
        return front[np.argsort(self.archive.costs[self.objectives[0]][front], kind="stable")]

    @property
    def _unbeaten(self) -> Ints:
        """The same with all equal ones, each of which may lead elsewhere, in the order in which they were scored."""
        if not len(self.archive):
            return np.empty(0, dtype=np.int64)
        within = np.flatnonzero(self.bounds.admits(self.archive.costs, rows=len(self.archive)))
        return within[non_dominated(self._aims(within))]

    @property
    def best(self) -> Population:
        """The front, (K, D), by rising first cost."""
        return self.archive.take(self.front)

    def _steps(self) -> Generator[Population, Floats, None]:
        members = yield from self._looked_at(self._first)
        idle, most = 0, (1 - _FRONT_SHARE) * self._allowed
        while len(members) and self.spent < most and idle < self.settings.patience:
            before = self.spent
            members = members[_survivors(self._aims(members), _SURVIVORS)]
            found = yield from self._looked_at(self._children(members))
            members = np.unique(np.concatenate([members, found]))
            idle = idle + 1 if self.spent == before else 0
        # Exchanges of one choice of every candidate on the front, until they bring nothing new.
        climbed = np.empty(0, dtype=np.int64)
        while self.spent < self._allowed:
            fresh = np.setdiff1d(self._unbeaten, climbed)[:_CLIMBED_AT_ONCE]
            if not len(fresh):
                return
            climbed = np.concatenate([climbed, fresh])
            yield from self._looked_at(one_exchange(self.archive.space, self.archive.take(fresh)))

    def _looked_at(self, X: Population) -> Generator[Population, Floats, Ints]:
        """Where what is scored of canonical X and inside the bounds is kept, each once, in the order of X."""
        at = yield from self._scored(X[distinct_rows(X)])
        at = at[at >= 0]
        at = at[self.bounds.admits({name: column[at] for name, column in self.archive.costs.items()}, rows=len(at))]
        self.best_score = float(self.archive.scores[at].max(initial=self.best_score))
        self._note()
        return at

    def _children(self, members: Ints) -> Population:
        """Children of the survivors; fitness is less the worse the front, and on a front less the more crowded."""
        F = self._aims(members)
        rank = ranks(F)
        fitness = -rank.astype(np.float64)
        for front in range(int(rank.max()) + 1):
            at = np.flatnonzero(rank == front)
            alone = crowding(F[at])
            fitness[at] += np.argsort(np.argsort(alone, kind="stable"), kind="stable") / (len(at) + 1)
        parents = self.archive.take(members)
        return offspring(self.archive.space, parents, fitness, self.bounds, settings=self.settings, rng=self._rng)

    def _aims(self, at: Ints) -> Floats:
        """What is to be minimized, (n, M)."""
        return np.column_stack([-self.archive.scores[at], *(self.archive.costs[name][at] for name in self.objectives)])


def _survivors(F: Floats, n: int) -> Ints:
    """The n best rows of F by front, the last front's by crowding."""
    rank = ranks(F, enough=n)
    kept = np.empty(0, dtype=np.int64)
    for front in range(int(rank.max()) + 1):
        at = np.flatnonzero(rank == front)
        if len(at) > n - len(kept):
            at = at[np.argsort(-crowding(F[at]), kind="stable")[: n - len(kept)]]
        kept = np.concatenate([kept, at])
    return kept
