"""One search for a whole front: predicted accuracy against any costs.

References: K. Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002 (sorting, crowding, section III); CARS (Yang et al. 2020, arXiv 1909.04977): a front
from one search.
Notation: objectives F (N, M), every column to be minimised; a dominates b: nowhere larger, somewhere smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.printing import brief_repr
from nars.search.archive import Archive, Score, distinct_rows
from nars.search.genetic import Progress
from nars.search.neighbourhood import one_exchange
from nars.search.settings import DEFAULT, SearchSettings
from nars.search.start import admitted, inside
from nars.search.variation import offspring
from nars.space import Bounds, Population, Space, SpaceError

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

_BLOCK = 512
_CLIMBED_AT_ONCE = 64
_SURVIVORS = 100
_FRONT_SHARE = 0.3
"""Of the evaluations, kept for the exchanges of one choice around the front."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Front:
    """Candidates none of which is beaten in accuracy and all costs at once."""

    __repr__ = brief_repr

    rows: Population
    """(K, D), canonical, by rising first cost."""
    scores: FloatArray
    """(K,), percent."""
    costs: dict[str, FloatArray]
    """{name: (K,)}, all costs."""
    objectives: tuple[str, ...]
    """The costs that the front is about."""
    evaluations: int
    archive: Archive
    """Every candidate scored, for the next question."""


def non_dominated(F: FloatArray) -> NDArray[np.bool_]:
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


def _dominated(F: FloatArray, by: FloatArray) -> NDArray[np.bool_]:
    """Which rows of F (N, M) some row of `by` (K, M) dominates, (N,)."""
    no_larger = np.ones((len(F), len(by)), dtype=bool)
    smaller = np.zeros_like(no_larger)
    for column in range(F.shape[1]):  # M is small; a (N, K, M) array would not stay in the cache
        no_larger &= by[:, column] <= F[:, column, None]
        smaller |= by[:, column] < F[:, column, None]
    return np.asarray((no_larger & smaller).any(axis=1))


def ranks(F: FloatArray, *, enough: int | None = None) -> IndexArray:
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


def crowding(F: FloatArray) -> FloatArray:
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
    progress: Callable[[Progress], None] | None = None,
) -> Front:
    """The front of predicted accuracy (up) and the costs `objectives` (down) inside the bounds, from one search.

    NSGA-II's selection with this package's children, then exchanges of one choice around the front.

    Args:
        space, score, bounds, rng, seed_population, archive: as for `search`.
        objectives: at least one cost.
        settings: `first`, `max_evaluations` and the probabilities count; 100 candidates survive a generation.
        progress: called after each generation, with the best score.

    Raises:
        InfeasibleError: nothing keeps the bounds.
        SpaceError: no objective, an unknown cost, or the score function returned no numbers.
    """
    unknown = [name for name in objectives if name not in space.cost_names]
    if not objectives or unknown:
        raise SpaceError(
            f"a front needs one cost or more of {', '.join(space.cost_names)}, got {list(objectives)}; correct them"
        )
    costs = space.quick_costs
    archive = Archive(space) if archive is None else archive
    spent = 0

    def look(X: Population) -> IndexArray:
        """Score what is new, as far as evaluations are left; where what is scored of X is kept."""
        nonlocal spent
        X = X[distinct_rows(X)]
        cost = costs(X)
        fresh = np.flatnonzero((archive.find(X) < 0) & bounds.admits(cost))[: settings.max_evaluations - spent]
        if len(fresh):
            archive.add(X[fresh], score(X[fresh]), {name: column[fresh] for name, column in cost.items()})
        spent += len(fresh)
        at = archive.find(X)
        at = at[at >= 0]
        if progress is not None and len(at):
            progress(Progress(evaluations=spent, best=float(archive.scores[archive.best(bounds, 1)[0]])))
        return np.asarray(at[bounds.admits({name: column[at] for name, column in archive.costs.items()})])

    nothing = np.empty((0, len(space.dimensions)), dtype=np.int64)
    seeds = nothing if seed_population is None else admitted(space, bounds, seed_population)
    members = look(np.concatenate([seeds, inside(space, bounds, settings.first, seeds=seeds, rng=rng)]))
    idle = 0
    while len(members) and spent < (1 - _FRONT_SHARE) * settings.max_evaluations and idle < settings.patience:
        before = spent
        F = _objectives(archive, members, objectives)
        members = members[_survivors(F, _SURVIVORS)]
        X = _children(space, archive, members, objectives, bounds, settings=settings, rng=rng)
        members = np.unique(np.concatenate([members, look(X)]))
        idle = idle + 1 if spent == before else 0
    front = _climbed(space, archive, bounds, objectives, look=look, left=lambda: settings.max_evaluations - spent)
    return Front(
        rows=archive.take(front),
        scores=archive.scores[front].copy(),
        costs={name: column[front].copy() for name, column in archive.costs.items()},
        objectives=tuple(objectives),
        evaluations=spent,
        archive=archive,
    )


def _children(
    space: Space,
    archive: Archive,
    members: IndexArray,
    objectives: Sequence[str],
    bounds: Bounds,
    *,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> Population:
    """Children of the survivors; fitness is less the worse the front, and on a front less the more crowded."""
    F = _objectives(archive, members, objectives)
    rank = ranks(F)
    fitness = -rank.astype(np.float64)
    for front in range(int(rank.max()) + 1):
        at = np.flatnonzero(rank == front)
        alone = crowding(F[at])
        fitness[at] += np.argsort(np.argsort(alone, kind="stable"), kind="stable") / (len(at) + 1)
    X, _ = offspring(space, archive.take(members), fitness, bounds, settings=settings, rng=rng)
    return X


def _survivors(F: FloatArray, n: int) -> IndexArray:
    """The n best rows of F by front, the last front's by crowding."""
    rank = ranks(F, enough=n)
    kept: list[IndexArray] = []
    left = n
    for front in range(int(rank.max()) + 1):
        at = np.flatnonzero(rank == front)
        if len(at) > left:
            at = at[np.argsort(-crowding(F[at]), kind="stable")[:left]]
        kept.append(at)
        left -= len(at)
        if not left:
            break
    return np.concatenate(kept)


def _climbed(
    space: Space,
    archive: Archive,
    bounds: Bounds,
    objectives: Sequence[str],
    *,
    look: Callable[[Population], IndexArray],
    left: Callable[[], int],
) -> IndexArray:
    """The front after exchanges of one choice of every candidate on it, until they bring nothing new."""
    climbed = np.empty(0, dtype=np.int64)
    while True:
        inside = np.flatnonzero(bounds.admits(archive.costs))
        front = inside[non_dominated(_objectives(archive, inside, objectives))]
        fresh = np.setdiff1d(front, climbed)[:_CLIMBED_AT_ONCE]
        if not len(fresh) or left() <= 0:
            return front[np.argsort(archive.costs[objectives[0]][front], kind="stable")]
        climbed = np.concatenate([climbed, fresh])
        look(one_exchange(space, archive.take(fresh)))


def _objectives(archive: Archive, at: IndexArray, objectives: Sequence[str]) -> FloatArray:
    return np.column_stack([-archive.scores[at], *(archive.costs[name][at] for name in objectives)])
