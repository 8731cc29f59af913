"""Quasi-random pools: scrambled Sobol points over all dimensions (paper, section 3.3), inside any bounds."""

from __future__ import annotations

import numpy as np

from nars.space.bounds import Bounds
from nars.space.dimension import Population
from nars.space.errors import SpaceError
from nars.space.feasibility import check_reachable, infeasible
from nars.space.quasi import sobol_points
from nars.space.rare import distinct, from_unit, inside_and_nearest, spread, uniform
from nars.space.space import Space

_POINTS_PER_CANDIDATE = 16
"""How many Sobol points are looked at for each candidate asked for, at most."""
_RARE = 1 / 32
"""Where less than this share of the points falls inside, spreading from those found is faster than drawing more."""

_REPEATS = 4
"""How often bounds that admit a known candidate are opened further where it would not be found again."""


def sobol(space: Space, n: int, *, seed: int, bounds: Bounds | None = None) -> Population:
    """The first n distinct candidates of a scrambled Sobol sequence that keep the bounds, (n, D), canonical.

    The same in every process for equal seeds. Where the bounds admit so little of the space that points of the sequence
    rarely fall inside, the missing candidates are found by random walks from its points (`nars.space.rare`); the work
    is limited either way. Fewer than n rows come back only where that finds no more distinct ones.

    Args:
        space: the space to sample.
        n: number of candidates, >= 1.
        seed: seed of the scrambling and the walk.
        bounds: hard limits; None for the whole space.

    Raises:
        InfeasibleError: nothing was found inside the bounds; `.nearest` has the costs of the nearest candidate.
        SpaceError: n is not positive, or a bound names an unknown cost.
    """
    if n < 1:
        raise SpaceError(f"a pool has at least one candidate, got n = {n}")
    bounds = bounds or Bounds()
    check_reachable(space, bounds)
    draw = sobol_points(len(space.dimensions), rng=np.random.default_rng(seed))
    chunk = 1 << max(11, int(np.ceil(np.log2(n))))
    kept = points = np.empty((0, len(space.dimensions)), dtype=np.int64)
    seen = 0
    while len(kept) < n and seen < n * _POINTS_PER_CANDIDATE + chunk and len(kept) >= seen * _RARE:
        points = from_unit(space, draw(chunk))
        seen += chunk
        inside = points[bounds.admits(space.costs(points))] if bounds.limits else points
        kept = distinct(np.concatenate([kept, inside]))
    if len(kept) < n and bounds.limits:
        rng = np.random.default_rng([seed, 1])
        if len(kept) < 64:
            found, nearest = inside_and_nearest(space, points, bounds, enough=min(n, 64), rng=rng)
            kept = distinct(np.concatenate([kept, found]))
            if not len(kept):
                kept = _found_by_all(space, bounds, nearest)
        kept = spread(space, kept, n, bounds, rng=rng)
    return kept[:n]


def _found_by_all(space: Space, bounds: Bounds, nearest: Population) -> Population:
    """What a walk that is the same for every seed finds inside the bounds, (K, D) with K >= 1.

    Raises:
        InfeasibleError: nothing. The bounds that it names are opened until this walk finds something inside them (a few
            times at most), so that whoever asks for them next is answered.
    """

    def walk(towards: Bounds) -> tuple[Population, Population]:
        rng = np.random.default_rng(0)
        return inside_and_nearest(space, uniform(space, 2048, rng=rng), towards, enough=64, rng=rng)

    found, _ = walk(bounds)
    if len(found):
        return found
    for _ in range(_REPEATS):
        own = {name: float(values[0]) for name, values in space.costs(nearest).items() if name in bounds}
        again, closest = walk(bounds.widened(own))
        if len(again):
            break
        nearest = closest
    raise infeasible(space, nearest, bounds, proven=False)
