"""The end of a search: exhaustive exchange of one choice, then of two, until nothing near is better."""

from __future__ import annotations

import numpy as np

from nars.search.archive import Archive, Score, distinct_rows
from nars.search.neighbourhood import one_exchange, two_exchanges
from nars.space import Bounds, Population, tabulated_costs

_CHUNK = 2048


def polish(
    archive: Archive,
    score: Score,
    bounds: Bounds,
    *,
    starts: int,
    evaluations: int,
    rng: np.random.Generator,
) -> int:
    """Improve the best candidates in the archive inside the bounds; every candidate looked at is added to it.

    First all of `starts` climb by exchanges of one choice (steepest ascent, together); then the best tries all
    exchanges of two choices, until one is better: under a tight budget one choice often has to go down for another to
    go up.

    Returns:
        Number of candidates scored, at most `evaluations`.
    """
    space, spent = archive.space, 0
    costs = tabulated_costs(space)

    def look(X: Population) -> int:
        """Score what is new and inside the bounds; the number scored."""
        X = X[distinct_rows(X)]
        X = X[archive.find(X) < 0]
        cost = costs(X)
        inside = np.flatnonzero(bounds.admits(cost))[: evaluations - spent]
        archive.add(
            X[inside], score(X[inside]) if len(inside) else np.empty(0), {k: v[inside] for k, v in cost.items()}
        )
        return len(inside)

    climbed: set[int] = set()
    while spent < evaluations:
        best = [int(at) for at in archive.best(bounds, starts) if int(at) not in climbed]
        if best:
            climbed.update(best)
            spent += look(one_exchange(space, archive.take(np.array(best))))
            continue
        top = int(archive.best(bounds, 1)[0])
        for X in two_exchanges(space, archive.take(np.array([top]))[0], chunk=_CHUNK, rng=rng):
            spent += look(X)
            if spent >= evaluations or int(archive.best(bounds, 1)[0]) != top:
                break
        else:
            break
    return spent
