"""The ends of a space: its smallest and largest cost, and networks that have them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from nars.space.counting import settings
from nars.space.dimension import Group, Population
from nars.space.errors import SpaceError
from nars.space.families.generic.functions import FunctionCosts
from nars.space.space import Space

LISTED_BY_FUNCTION = 200_000
"""Candidates whose costs a user's function, of unknown speed, is asked for to know the ends."""


def cost_range(space: Space) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of each cost over the whole space, {name: (min, max)}, but of those that are learned;
    exact if `exact_ends` says so.

    Raises:
        SpaceError: they cannot be known: the space is too large to list, or its choices are too entangled.
    """
    rows = extreme_rows(space)
    names = list(rows)
    costs = space.costs(np.concatenate([rows[name] for name in names]))
    return {name: (float(costs[name][2 * i]), float(costs[name][2 * i + 1])) for i, name in enumerate(names)}


@lru_cache(maxsize=64)
def extreme_rows(space: Space) -> dict[str, Population]:
    """A candidate with the smallest and one with the largest value of each cost, {name: (2, D)}, but of those that are
    learned; the first recipe.

    Raises:
        SpaceError: as for `cost_range`.
    """
    return space.free.family.extremes(space.free)


def exact_ends(space: Space) -> bool:
    """Whether nothing lies beyond `extreme_rows`; those of a user's function of costs are the best that were found,
    where the space is too large to compute all."""
    return not isinstance(space.free.table, FunctionCosts) or listed_whole(space)


def listed_whole(space: Space) -> bool:
    """Whether a user's function is asked for the costs of all candidates."""
    parts = [part for group in ("architecture", "recipe") for part in settings(space.dimensions, group)]
    return math.prod(len(listed) for _, listed in parts) <= LISTED_BY_FUNCTION


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
