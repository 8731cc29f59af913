"""Several budgets as one answer: shared scores, never a bigger budget that is predicted worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nars.printing import brief_repr
from nars.search.archive import Archive
from nars.search.search import SearchResult, explore, result_of
from nars.search.settings import DEFAULT, SearchSettings
from nars.search.strategy import Score, Step
from nars.space import Bounds, Population, Space, SpaceError, check_reachable


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


def search_family(
    space: Space,
    score: Score,
    budgets: Sequence[Bounds],
    *,
    rng: np.random.Generator,
    seed_population: Population | None = None,
    settings: SearchSettings = DEFAULT,
    archive: Archive | None = None,
    progress: Callable[[int, Step], None] | None = None,
) -> Family:
    """The best candidate of each budget; all budgets share all scores.

    Where one budget admits everything that another admits, its member is never predicted worse.

    Args:
        space, score, rng, seed_population, settings, archive: as for `search`; the evaluations of the
            settings are per budget.
        budgets: at least one.
        progress: called with the number of the budget after each generation.

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
    for index, bounds in enumerate(budgets):
        report = (lambda step, at=index: progress(at, step)) if progress else None
        histories.append(
            explore(
                space,
                score,
                bounds,
                rng=rng,
                seed_population=seed_population,
                settings=settings,
                archive=archive,
                progress=report,
            )
        )
    # Only now: a candidate found for a later budget may also keep an earlier one.
    members = tuple(result_of(archive, bounds, history) for bounds, history in zip(budgets, histories, strict=True))
    prices = tuple(
        Price(
            gain=after.score - before.score,
            costs={name: after.costs[name] - before.costs[name] for name in after.bounds},
        )
        for before, after in pairwise(members)
    )
    return Family(members=members, prices=prices, archive=archive)
