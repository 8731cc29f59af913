"""Stage 3 for one resource constraint set: the best predicted candidate inside the bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.search.archive import Archive, Score
from nars.search.genetic import Genetic, Progress
from nars.search.polish import LocalSearch
from nars.search.settings import DEFAULT, SearchSettings
from nars.search.start import admitted, first_generation, inside
from nars.space import Bounds, Population, Space, distinct

_TOP = 64
_POOL = 4
"""Candidates that first generations are drawn from, in sizes of one."""
_ELITES = 10
"""Of each start, for the last one."""
_PER_ISLAND = 4000
"""Evaluations that a population needs, about; fewer are left to one after the other."""
_STARTS, _CLIMBS, _POLISH = 0.3, 0.4, 0.1
"""Shares of the evaluations: starts, climbs from their best, polish; the last start has the rest."""
_STEPS = 3
"""A climb needs so many looks around, about; fewer start where evaluations are few."""
_LEAST_POLISH, _MOST_POLISH = 2, 0.35
"""Looks around that the polish has at least, as far as this share of the evaluations allows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """What a search found inside its bounds."""

    bounds: Bounds
    row: NDArray[np.int64]
    """The best candidate, (D,), canonical."""
    score: float
    """Its predicted accuracy, percent."""
    costs: dict[str, float]
    """Its costs."""
    history: tuple[Progress, ...]
    """Best score after each generation; the last entry includes the polish."""
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
        progress: called after each generation.

    Raises:
        InfeasibleError: nothing keeps the bounds; `.nearest` has the costs of the nearest candidate.
        SpaceError: a bound names an unknown cost, or the score function returned no numbers.
    """
    archive = Archive(space) if archive is None else archive
    history = explore(
        space, score, bounds, rng=rng, seed_population=seed_population, settings=settings, archive=archive,
        progress=progress,
    )  # fmt: skip
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
    # Once for all starts: where the bounds admit almost nothing, finding what is inside takes long.
    pool = inside(space, bounds, _POOL * settings.first, seeds=seeds, rng=rng)
    starts = [
        first_generation(seeds if start == 0 else seeds[:0], pool if len(pool) else seeds, settings.first, rng=rng)
        for start in range(settings.restarts + 1)
    ]
    history: list[Progress] = []
    spent, most = 0, settings.max_evaluations

    def note(best: float) -> None:
        history.append(Progress(evaluations=spent, best=best))
        if progress:
            progress(history[-1])

    def advance(starts: Sequence[Population], *, islands: int, evaluations: int) -> Genetic:
        nonlocal spent
        run = Genetic(
            space, bounds, settings=settings, archive=archive, rng=rng, starts=starts, islands=islands,
            evaluations=evaluations,
        )  # fmt: skip
        while not run.finished:
            X = run.ask()
            run.tell(X, score(X) if len(X) else np.empty(0))
            spent += len(X)
            note(max(run.history[-1].best, history[-1].best if history else -np.inf))
        return run

    def local(evaluations: int) -> LocalSearch:
        return LocalSearch(archive, score, bounds, evaluations=evaluations)

    def climb(rows: Population) -> Population:
        """Where climbs from the best of the rows end."""
        nonlocal spent
        near = local(int(_CLIMBS * most))
        at = archive.find(rows)
        count = min(settings.climbs, int(_CLIMBS * most) // (_STEPS * near.step(space)))
        ends = near.climb(at[np.argsort(-archive.scores[at], kind="stable")[:count]].tolist())
        spent += near.spent
        note(float(archive.scores[archive.best(bounds, 1)[0]]))
        return archive.take(np.array(ends, dtype=np.int64))

    kept = max(int(_POLISH * most), min(_LEAST_POLISH * LocalSearch.step(space), int(_MOST_POLISH * most)))
    left = most - (kept if settings.climbs else 0)
    if settings.restarts:
        islands = max(1, min(settings.islands, left // _PER_ISLAND))
        run = advance(starts, islands=islands, evaluations=int(_STARTS * left))
        tops = run.best_of_each(_ELITES)
        ends = climb(np.concatenate([rows[:1] for rows in tops])) if settings.climbs else tops[0][:0]
        # The last start takes up the best of all before: their good parts meet.
        starts = [distinct(np.concatenate([ends, *tops]))]
    advance(starts, islands=1, evaluations=left - spent)
    if settings.climbs:
        near = local(most - spent)
        near.polish()
        spent += near.spent
        note(float(archive.scores[archive.best(bounds, 1)[0]]))
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
