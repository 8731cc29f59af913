"""Stage 3: the best predicted candidate inside one set of bounds, or of each of several, which share all scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nars.arrays import Floats, Ints
from nars.printing import brief_repr
from nars.search.archive import Archive
from nars.search.climbing import Climbs
from nars.search.genetic import Genetic
from nars.search.settings import DEFAULT, SearchSettings
from nars.search.start import admitted, first_generation, inside
from nars.search.strategy import ArchiveSearch, Score, Step
from nars.space import Bounds, Population, Space, SpaceError, check_reachable, distinct

_TOP = 64
_POOL = 4
"""Candidates that the first generation is drawn from, in sizes of one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """What a search found inside its bounds."""

    __repr__ = brief_repr

    bounds: Bounds
    row: Ints
    """The best candidate, (D,), canonical."""
    score: float
    """Its predicted accuracy, percent."""
    costs: dict[str, float]
    """Its costs."""
    history: tuple[Step, ...]
    """Best score after each generation, or look around of the climbs."""
    evaluations: int
    """Distinct candidates scored for this result."""
    top: Population
    """The best candidates, (K <= 64, D), best first; the first is `row`."""
    top_scores: Floats
    """Their predicted accuracies, (K,), percent."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What the step from one member to the next costs and brings."""

    gain: float
    """Predicted accuracy gained, percent."""
    costs: dict[str, float]
    """Difference of each bounded cost."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """The answer to several budgets."""

    __repr__ = brief_repr

    members: tuple[SearchResult, ...]
    """One per budget, in the order asked."""
    prices: tuple[Price, ...]
    """From each member to the next, (members - 1)."""
    archive: Archive
    """Every candidate scored, for the next question."""

    @property
    def rows(self) -> Population:
        """The members, (B, D)."""
        return np.stack([member.row for member in self.members])


def search(
    space: Space,
    score: Score,
    bounds: Bounds,
    *,
    rng: np.random.Generator,
    seed_population: Population | None = None,
    settings: SearchSettings = DEFAULT,
    archive: Archive | None = None,
    progress: Callable[[Step], None] = lambda step: None,
) -> SearchResult:
    """The candidate with the best score inside the bounds; no candidate outside them is ever returned.

    Args:
        space: where to search.
        score: predicted accuracy of rows, X (N, D) -> (N,) in percent.
        bounds: hard limits on costs of the space, which `space.with_table` adds to, e.g. a device's latency.
        rng: the only source of randomness.
        seed_population: candidates to start from, best first (stage 2's).
        settings: `PAPER`, `DEFAULT` or own.
        archive: scores known from earlier questions to the same predictor: used, not asked again, and added to.
        progress: called for each entry of the history.

    Raises:
        InfeasibleError: nothing keeps the bounds; `.nearest` has the costs of the nearest candidate.
        SpaceError: a bound names an unknown cost.
        PredictorError: the score function returned NaN.
    """
    return search_family(
        space,
        score,
        [bounds],
        rng=rng,
        seed_population=seed_population,
        settings=settings,
        archive=archive,
        progress=lambda budget, step: progress(step),
    ).members[0]


def search_family(
    space: Space,
    score: Score,
    budgets: Sequence[Bounds],
    *,
    rng: np.random.Generator,
    seed_population: Population | None = None,
    settings: SearchSettings = DEFAULT,
    archive: Archive | None = None,
    progress: Callable[[int, Step], None] = lambda budget, step: None,
) -> Family:
    """The best candidate of each budget; all budgets share all scores.

    Where one budget admits everything that another admits, its member is never predicted worse.

    Args:
        space, score, rng, seed_population, settings, archive: as for `search`; the evaluations of the
            settings are per budget.
        budgets: at least one.
        progress: called with the number of the budget for each entry of its history.

    Raises:
        InfeasibleError: nothing keeps one of the budgets; limits beyond the ends of the space are noticed at once.
        SpaceError: no budget, or as for `search`.
    """
    if not budgets:
        raise SpaceError("a family needs at least one budget, got none; give e.g. Bounds.at_most(flops=5e8)")
    archive = Archive(space) if archive is None else archive
    for bounds in budgets:
        check_reachable(space, bounds)
    histories = []
    for budget, bounds in enumerate(budgets):
        strategy = _strategy(archive, bounds, seed_population, settings=settings, rng=rng)
        history = strategy.history
        seen = 0
        while len(X := strategy.ask()):
            strategy.tell(X, score(X))
            for step in history[seen:]:
                progress(budget, step)
            seen = len(history)
        histories.append(tuple(history))
    # Only now: a candidate found for a later budget may also keep an earlier one.
    members = tuple(_result_of(archive, bounds, history) for bounds, history in zip(budgets, histories, strict=True))
    prices = tuple(
        Price(
            gain=after.score - before.score,
            costs={name: after.costs[name] - before.costs[name] for name in after.bounds},
        )
        for before, after in pairwise(members)
    )
    return Family(members=members, prices=prices, archive=archive)


def _strategy(
    archive: Archive,
    bounds: Bounds,
    seed_population: Population | None,
    *,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> ArchiveSearch:
    """What the settings ask for, begun at the best candidates known and at random ones."""
    space = archive.space
    seeds = archive.take(archive.best(bounds, settings.first // 2))
    if seed_population is not None:
        seeds = distinct(np.concatenate([seeds, admitted(space, bounds, seed_population)]))
    pool = inside(space, bounds, _POOL * settings.first, seeds=seeds, rng=rng)
    first = first_generation(seeds, pool if len(pool) else seeds, settings.first, rng=rng)
    if settings.climbs:
        most = settings.max_evaluations
        return Climbs(archive, bounds, first=first, at_once=settings.climbs, evaluations=most, rng=rng)
    return Genetic(archive, bounds, settings=settings, first=first, rng=rng)


def _result_of(archive: Archive, bounds: Bounds, history: tuple[Step, ...]) -> SearchResult:
    """The best of the archive inside the bounds."""
    top = archive.best(bounds, _TOP)
    first = int(top[0])
    return SearchResult(
        bounds=bounds,
        row=archive.take(top[:1])[0],
        score=float(archive.scores[first]),
        costs={name: float(column[first]) for name, column in archive.costs.items()},
        history=history,
        evaluations=history[-1].evaluations if history else 0,
        top=archive.take(top),
        top_scores=archive.scores[top].copy(),
    )
