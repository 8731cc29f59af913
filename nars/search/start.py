"""Where a search begins: the first generation of each of its starts (FBNetV3, appendix A.3)."""

from __future__ import annotations

import numpy as np

from nars.space import Bounds, InfeasibleError, Population, Space, distinct, sobol


def inside(space: Space, bounds: Bounds, n: int, *, seeds: Population, rng: np.random.Generator) -> Population:
    """At most n distinct candidates inside the bounds to draw first generations from, (<= n, D), canonical.

    None where only the seeds (K, D), known to be inside, show that the bounds admit something.

    Raises:
        InfeasibleError: nothing was found inside the bounds, and there are no seeds.
    """
    try:
        return sobol(space, n, seed=int(rng.integers(2**31)), bounds=bounds)
    except InfeasibleError:
        if not len(seeds):
            raise
        return seeds[:0]


def admitted(space: Space, bounds: Bounds, X: Population) -> Population:
    """The rows of X that keep the bounds, canonical and distinct, in their order."""
    X = distinct(space.canonical(space.check(X)))
    return X[bounds.admits(space.quick_costs(X), rows=len(X))]


def first_generation(seeds: Population, pool: Population, size: int, *, rng: np.random.Generator) -> Population:
    """The best half from the seeds, the rest at random from the pool (paper: 50 best of stage 2 + 50 random).

    Seeds (K, D), best first, and pool (P, D) are inside the bounds; fewer than `size` where they have fewer.
    """
    kept = seeds[: size // 2]
    drawn = rng.permutation(len(pool))[: size - len(kept)]
    return distinct(np.concatenate([kept, pool[drawn]]))
