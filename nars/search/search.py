"""Stage 3 for one resource constraint set: the best predicted candidate inside the bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nars.arrays import Floats, Ints
from nars.printing import brief_repr
from nars.search.archive import Archive
from nars.search.climbing import Climbs
from nars.search.genetic import Genetic
from nars.search.settings import DEFAULT, SearchSettings
from nars.search.start import admitted, first_generation, inside
from nars.search.strategy import ArchiveSearch, Score, Step, drive
from nars.space import Bounds, Population, Space, distinct

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


def search(
    space: Space,
    score: Score,
    bounds: Bounds,
    *,
    rng: np.random.Generator,
    seed_population: Population | None = None,
    settings: SearchSettings = DEFAULT,
    archive: Archive | None = None,
    progress: Callable[[Step], None] | None = None,
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
    archive = Archive(space) if archive is None else archive
    history = explore(
        space,
        score,
        bounds,
        rng=rng,
        seed_population=seed_population,
        settings=settings,
        archive=archive,
        progress=progress,
    )
    return result_of(archive, bounds, history)


def explore(
    space: Space,
    score: Score,
    bounds: Bounds,
    *,
    rng: np.random.Generator,
    seed_population: Population | None,
    settings: SearchSettings,
    archive: Archive,
    progress: Callable[[Step], None] | None = None,
) -> tuple[Step, ...]:
    """The work of `search`: fills the archive and returns the best score after each generation."""
    seeds = archive.take(archive.best(bounds, settings.first // 2))
    if seed_population is not None:
        seeds = distinct(np.concatenate([seeds, admitted(space, bounds, seed_population)]))
    pool = inside(space, bounds, _POOL * settings.first, seeds=seeds, rng=rng)
    first = first_generation(seeds, pool if len(pool) else seeds, settings.first, rng=rng)
    strategy: ArchiveSearch
    if settings.climbs:
        most = settings.max_evaluations
        strategy = Climbs(archive, bounds, first=first, at_once=settings.climbs, evaluations=most, rng=rng)
    else:
        strategy = Genetic(archive, bounds, settings=settings, first=first, rng=rng)
    seen = 0

    def report() -> None:
        nonlocal seen
        for step in strategy.history[seen:]:
            seen += 1
            if progress:
                progress(step)

    drive(strategy, score, after=report)
    return tuple(strategy.history)


def result_of(archive: Archive, bounds: Bounds, history: tuple[Step, ...]) -> SearchResult:
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
