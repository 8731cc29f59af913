"""How many distinct candidates there are, counted exactly: choices without effect are not counted twice."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nars.space.dimension import Condition, Dimension, Group, Population
from nars.space.errors import SpaceError

MOST_COMBINATIONS = 2_000_000


def canonical(dimensions: tuple[Dimension, ...], X: Population) -> Population:
    """X with choices of no effect set to 0 and what slides moved back, so that equal networks have equal rows."""
    out = np.array(X, dtype=np.int64, copy=True)

    def holds(condition: Condition) -> NDArray[np.bool_]:
        mask = np.zeros(len(dimensions[condition.dimension].values), dtype=bool)
        mask[list(condition.choices)] = True
        return mask[out[:, condition.dimension]]

    for column, dimension in enumerate(dimensions):  # a condition's dimension comes first (loader's order)
        for equivalence in dimension.equivalences:
            same = (out[:, column] == equivalence.choice) & holds(equivalence.when)
            out[same, column] = equivalence.same_as
        if dimension.active_when:
            out[~np.any([holds(condition) for condition in dimension.active_when], axis=0), column] = 0
    slides = [(column, dimension.slide) for column, dimension in enumerate(dimensions) if dimension.slide]
    for _ in slides:  # each moves behind those that do not; so many rounds are the longest way there is
        for column, slide in slides:
            moved = (out[:, column] == slide.choice) & (out[:, slide.next] != slide.choice)
            out[moved, column] = out[moved, slide.next]
            out[moved, slide.next] = slide.choice
    return out


def _components(dimensions: tuple[Dimension, ...], group: Group) -> list[tuple[int, ...]]:
    """Columns of a group, gathered where one's effect depends on another's choice."""
    parent = list(range(len(dimensions)))

    def root(column: int) -> int:
        while parent[column] != column:
            column = parent[column]
        return column

    for column, dimension in enumerate(dimensions):
        others = [c.dimension for c in (*dimension.active_when, *(e.when for e in dimension.equivalences))]
        for other in others + ([dimension.slide.next] if dimension.slide else []):
            parent[root(column)] = root(other)
    groups: dict[int, list[int]] = {}
    for column, dimension in enumerate(dimensions):
        if dimension.group == group:
            groups.setdefault(root(column), []).append(column)
    return [tuple(columns) for columns in groups.values()]


def grid(shape: tuple[int, ...]) -> Population:
    """Every combination of so many choices each, (prod(shape), len(shape)); the last choice changes fastest."""
    combinations: Population = np.indices(shape, dtype=np.int64).reshape(len(shape), math.prod(shape)).T
    return combinations


def settings(dimensions: tuple[Dimension, ...], group: Group) -> list[tuple[list[int], Population]]:
    """The columns of a group, interdependent ones together, each time with all their distinct settings (M, columns).

    Raises:
        SpaceError: one such part has more than two million combinations.
    """
    return [(list(part), _distinct_settings(dimensions, part)) for part in _components(dimensions, group)]


def _distinct_settings(dimensions: tuple[Dimension, ...], columns: tuple[int, ...]) -> Population:
    shape = tuple(len(dimensions[column].values) for column in columns)
    if math.prod(shape) > MOST_COMBINATIONS:
        raise SpaceError(
            f"{', '.join(dimensions[c].name for c in columns)} depend on one another and have {math.prod(shape):,} "
            f"combinations; at most {MOST_COMBINATIONS:,} can be counted. Make conditions smaller."
        )
    X = np.zeros((math.prod(shape), len(dimensions)), dtype=np.int64)
    X[:, list(columns)] = grid(shape)
    return np.unique(canonical(dimensions, X)[:, list(columns)], axis=0)


def size(dimensions: tuple[Dimension, ...], group: Group) -> int:
    """Number of distinct architectures or recipes."""
    return math.prod(len(listed) for _, listed in settings(dimensions, group))


def paper_size(dimensions: tuple[Dimension, ...], group: Group) -> int:
    """The same with the publication's number of choices wherever a dimension gives one (`Dimension.paper`)."""
    total = 1
    for component in _components(dimensions, group):
        shared = tuple(column for column in component if dimensions[column].paper is None)
        total *= len(_distinct_settings(dimensions, shared)) if shared else 1
        total *= math.prod(paper.count for column in component if (paper := dimensions[column].paper) is not None)
    return total
