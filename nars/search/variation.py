"""Children: adaptive crossover and mutation, and the repair that brings each inside the bounds.

Reference: M. Srinivas, L. M. Patnaik, "Adaptive Probabilities of Crossover and Mutation in Genetic Algorithms", IEEE
Transactions on Systems, Man, and Cybernetics 24(4), 1994 (S&P below).
Notation: f fitness of a parent, f' the larger fitness of a pair, f_max and f_avg of the generation.
"""

from __future__ import annotations

import numpy as np

from nars.arrays import Floats
from nars.search.settings import SearchSettings
from nars.space import Bounds, Population, Space

_HALVINGS = 3
"""Few: what is left of a child after more is nearly always its parent, and each one costs a look at the costs."""


def adaptive_probability(f: Floats, fitness: Floats, *, above: float, below: float) -> Floats:
    """above (f_max - f) / (f_max - f_avg), at most 1, where f >= f_avg, else `below`; shaped as `f`.

    Crossover: f' of each pair, k1 and k3 (S&P eqs. 1 and 3). Mutation: f of each parent, k2 and k4 (eqs. 2 and 4).
    `fitness`, (N,), is the generation's.
    """
    top, average = fitness.max(), fitness.mean()
    spread = top - average
    if spread <= 0:  # all equal: nothing to protect
        return np.full(np.shape(f), below)
    return np.where(f >= average, np.minimum(above * (top - f) / spread, 1.0), below)


def offspring(
    space: Space,
    parents: Population,
    fitness: Floats,
    bounds: Bounds,
    *,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> Population:
    """At most `settings.children` children of each parent; canonical, inside, not distinct.

    Args:
        parents: (N, D), canonical, all inside the bounds.
        fitness: (N,), larger is better.
        settings: number of children, probabilities.
        rng: the only source of randomness.
    """
    mother = np.repeat(np.arange(len(parents)), settings.children)
    father = (mother + rng.integers(1, max(len(parents), 2), size=len(mother))) % len(parents)
    better, own = np.maximum(fitness[mother], fitness[father]), fitness[mother]
    p_c = adaptive_probability(better, fitness, above=settings.k1, below=settings.k3)
    p_m = adaptive_probability(own, fitness, above=settings.k2, below=settings.k4)

    X = parents[mother]
    crosses = rng.random(len(X)) < p_c
    taken = crosses[:, None] & (rng.random(X.shape) < 0.5)  # uniform crossover: columns have no order to respect
    X = np.where(taken, parents[father], X)
    X = _mutate(space, X, np.maximum(p_m, settings.mutation_floor), steps=settings.steps, rng=rng)
    return _repaired(space, space.canonical(X), parents[mother], bounds, rng=rng)


def _mutate(space: Space, X: Population, probability: Floats, *, steps: float, rng: np.random.Generator) -> Population:
    """Each choice exchanged for another with its row's probability (N,); at least one choice per row."""
    hit = rng.random(X.shape) < probability[:, None]
    # A child that nothing happened to would be its parent again: a wasted evaluation.
    hit[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] |= ~hit.any(axis=1)
    row, column = np.nonzero(hit)
    count, old = space.cardinalities[column], X[row, column]
    new = (old + rng.integers(1, count)) % count
    if steps:
        ordinal = np.array([dimension.ordinal for dimension in space.dimensions])
        near = ordinal[column] & (rng.random(len(row)) < steps)
        step = old + np.where(rng.random(len(row)) < 0.5, 1, -1)
        step = np.where(step < 0, 1, np.where(step >= count, count - 2, step))  # reflected at the ends
        new = np.where(near, step, new)
    X = X.copy()
    X[row, column] = new
    return X


def _repaired(
    space: Space, X: Population, parents: Population, bounds: Bounds, *, rng: np.random.Generator
) -> Population:
    """Children outside the bounds go back towards their parent, half of the differing choices at a time.

    Those still outside after `_HALVINGS` are left out: no rejection loop, whatever the bounds.
    """
    costs = space.quick_costs
    outside = np.flatnonzero(~bounds.admits(costs(X), rows=len(X)))
    for _ in range(_HALVINGS):
        if not len(outside):
            break
        back = rng.random((len(outside), X.shape[1])) < 0.5
        X[outside] = space.canonical(np.where(back, parents[outside], X[outside]))
        outside = outside[~bounds.admits(costs(X[outside]), rows=len(outside))]
    return np.delete(X, outside, axis=0)
