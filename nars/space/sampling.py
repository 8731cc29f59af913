"""Quasi-random pools: scrambled Sobol points over all dimensions (paper, section 3.3), inside any bounds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from nars.space.bounds import Bounds
from nars.space.errors import InfeasibleError
from nars.space.settings import Population
from nars.space.space import Space

_POINTS_PER_CANDIDATE = 16
"""How many Sobol points are looked at for each candidate asked for, before the rest is found by walking."""
_WALK_STEPS = 4000


def sobol(space: Space, n: int, *, seed: int, bounds: Bounds | None = None) -> Population:
    """The first n distinct candidates of a scrambled Sobol sequence that keep the bounds, (n, D), canonical.

    The same in every process for equal seeds. Where the bounds admit so little of the space that points of the sequence
    rarely fall inside, the missing candidates are found by walking from its points towards the bounds; the work
    is limited either way. Fewer than n rows come back only where that finds no more distinct ones.

    Args:
        space: where to sample.
        n: number of candidates, >= 1.
        seed: of the scrambling and the walk.
        bounds: hard limits; None for the whole space.

    Raises:
        InfeasibleError: nothing was found inside the bounds.
    """
    bounds = bounds or Bounds()
    engine = qmc.Sobol(len(space.dimensions), scramble=True, rng=np.random.default_rng(seed))
    chunk = 1 << max(6, int(np.ceil(np.log2(n))))
    kept = np.empty((0, len(space.dimensions)), dtype=np.int64)
    seen = 0
    while len(kept) < n and seen < n * _POINTS_PER_CANDIDATE + chunk:
        points = _choices(space, engine.random(chunk))
        seen += chunk
        inside = points[bounds.admits(space.costs(points))] if bounds.limits else points
        kept = distinct(np.concatenate([kept, inside]))
    if len(kept) < n and bounds.limits:
        walked = walk_into(space, points, bounds, rng=np.random.default_rng([seed, 1]))
        kept = distinct(np.concatenate([kept, walked[bounds.admits(space.costs(walked))]]))
        if not len(kept):
            raise infeasible(space, walked, bounds)
    return kept[:n]


def _choices(space: Space, unit: NDArray[np.float64]) -> Population:
    """Points of the unit cube as choices: each choice of a dimension gets an equal share."""
    X = np.minimum((unit * space.cardinalities).astype(np.int64), space.cardinalities - 1)
    return space.canonical(X)


def uniform(space: Space, n: int, *, rng: np.random.Generator) -> Population:
    """n independent uniform candidates, (n, D), canonical; not distinct."""
    return _choices(space, rng.random((n, len(space.dimensions))))


def distinct(X: Population) -> Population:
    """X without repeated rows, the first of each kept, order kept."""
    _, first = np.unique(X, axis=0, return_index=True)
    return X[np.sort(first)]


def walk_into(space: Space, X: Population, bounds: Bounds, *, rng: np.random.Generator) -> Population:
    """Each row changed, one random choice at a time, until it keeps the bounds or the steps run out, (N, D).

    A change is kept where it does not take the row further outside. Rows that are inside already stay as they are.
    """
    X = space.canonical(X)
    excess = bounds.violation(space.costs(X))
    relevant = space.columns_of("architecture")
    for step in range(_WALK_STEPS):
        outside = np.flatnonzero(excess > 0)
        if not len(outside):
            break
        tried = X[outside].copy()
        column = relevant[rng.integers(len(relevant), size=len(outside))]
        tried[np.arange(len(outside)), column] = rng.integers(space.cardinalities[column])
        tried = space.canonical(tried)
        new = bounds.violation(space.costs(tried))
        better = new <= excess[outside]
        X[outside[better]] = tried[better]
        excess[outside[better]] = new[better]
        if step == _WALK_STEPS // 4 and not (excess == 0).any() and len(X) > 64:
            X, excess = X[np.argsort(excess)[:64]], np.sort(excess)[:64]  # hard: spend the rest on the nearest
    return X


def infeasible(space: Space, X: Population, bounds: Bounds) -> InfeasibleError:
    """The error that names the bounds which would admit the nearest of the candidates X."""
    costs = space.costs(X)
    best = int(np.argmin(bounds.violation(costs)))
    nearest = {name: float(costs[name][best]) for name in bounds}
    return InfeasibleError(
        f"nothing in {space.name} keeps {bounds}; the nearest candidate has {_spell(nearest)}: widen the bounds to "
        f"admit it",
        nearest=nearest,
    )


def _spell(costs: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:,.6g}" for name, value in costs.items())
