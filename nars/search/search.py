"""Stage 3 for one resource constraint set: the best predicted candidate inside the bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.printing import brief_repr
from nars.search.archive import Archive, Score
from nars.search.climbing import Climbs
from nars.search.genetic import Genetic, Progress
from nars.search.settings import DEFAULT, SearchSettings
from nars.search.start import admitted, first_generation, inside
from nars.space import Bounds, Population, Space, distinct

_TOP = 64
_POOL = 4
"""Candidates that the first generation is drawn from, in sizes of one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """What a search found inside its bounds."""

    __repr__ = brief_repr

    bounds: Bounds
    row: NDArray[np.int64]
    """The best candidate, (D,), canonical."""
    score: float
    """Its predicted accuracy, percent."""
    costs: dict[str, float]
    """Its costs."""
    history: tuple[Progress, ...]
    """Best score after each generation, or look around of the climbs."""
    evaluations: int
    """Distinct candidates scored for this result."""
    top: Population
    """The best candidates, (K <= 64, D), best first; the first is `row`."""
    top_scores: NDArray[np.float64]
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
    progress: Callable[[Progress], None] | None = None,
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
        SpaceError: a bound names an unknown cost, or the score function returned no numbers.
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
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Progress, ...]:
    """The work of `search`: fills the archive and returns the best score after each generation."""
    seeds = archive.take(archive.best(bounds, settings.first // 2))
    if seed_population is not None:
        seeds = distinct(np.concatenate([seeds, admitted(space, bounds, seed_population)]))
    pool = inside(space, bounds, _POOL * settings.first, seeds=seeds, rng=rng)
    first = first_generation(seeds, pool if len(pool) else seeds, settings.first, rng=rng)
    history: list[Progress] = []

    def note(evaluations: int, best: float) -> None:
        history.append(Progress(evaluations=evaluations, best=best))
        if progress:
            progress(history[-1])

    if settings.climbs:
        climbs = Climbs(archive, score, bounds, evaluations=settings.max_evaluations, rng=rng)
        climbs.run(first, at_once=settings.climbs, progress=lambda: note(climbs.spent, climbs.best))
        return tuple(history)
    run = Genetic(space, bounds, settings=settings, archive=archive, rng=rng, first=first)
    while not run.finished:
        X = run.ask()
        run.tell(X, score(X) if len(X) else np.empty(0))
        note(run.history[-1].evaluations, run.history[-1].best)
    return tuple(history)


def result_of(archive: Archive, bounds: Bounds, history: tuple[Progress, ...]) -> SearchResult:
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
