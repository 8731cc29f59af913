"""The exact ends of a space: its smallest and largest cost, and networks that have them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nars.space.counting import settings
from nars.space.dimension import Group, Population
from nars.space.errors import SpaceError
from nars.space.space import Space


def cost_range(space: Space) -> dict[str, tuple[float, float]]:
    """Exact smallest and largest value of each cost over the whole space, {name: (min, max)}.

    Raises:
        SpaceError: they cannot be known: the space is too large to list, or its choices are too entangled.
    """
    rows = extreme_rows(space)
    names = list(rows)
    costs = space.costs(np.concatenate([rows[name] for name in names]))
    return {name: (float(costs[name][2 * i]), float(costs[name][2 * i + 1])) for i, name in enumerate(names)}


@lru_cache(maxsize=8)
def extreme_rows(space: Space) -> dict[str, Population]:
    """A candidate with the smallest and one with the largest value of each cost, {name: (2, D)}; the first recipe.

    Raises:
        SpaceError: as for `cost_range`.
    """
    return space.family.extremes(space)


def enumerate_architectures(space: Space, *, limit: int = 5_000_000) -> Population:
    """Every distinct architecture with the first recipe, (M, D).

    Raises:
        SpaceError: there are more than `limit`.
    """
    return list_rows(space, "architecture", limit=limit)


def list_rows(space: Space, *groups: Group, limit: int) -> Population:
    """Every distinct architecture, recipe or both, all else at its first choice, (M, D).

    Raises:
        SpaceError: there are more than `limit`.
    """
    parts = [part for group in groups for part in settings(space.dimensions, group)]
    count = float(np.prod([float(len(listed)) for _, listed in parts]))
    if count > limit:
        raise SpaceError(f"{space.name} has {count:.3g} candidates to list, at most {limit:,} can be; fix some choices")
    rows = np.zeros((1, len(space.dimensions)), dtype=np.int64)
    for columns, listed in parts:
        rows = np.repeat(rows, len(listed), axis=0)
        rows[:, columns] = np.tile(listed, (len(rows) // len(listed), 1))
    return rows
