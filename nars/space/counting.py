"""How many distinct candidates there are, counted exactly: choices without effect are not counted twice."""

from __future__ import annotations

import math

import numpy as np

from nars.space.dimension import Dimension, Group
from nars.space.errors import SpaceError
from nars.space.settings import Population

MOST_COMBINATIONS = 2_000_000


def canonical(dimensions: tuple[Dimension, ...], X: Population) -> Population:
    """X with choices of no effect set to 0 and what slides moved back, so that equal networks have equal rows."""
    out = np.array(X, dtype=np.int64, copy=True)
    for column, dimension in enumerate(dimensions):  # a condition's dimension comes first (loader's order)
        for equivalence in dimension.equivalences:
            holds = _mask(equivalence.when.choices, dimensions[equivalence.when.dimension])
            same = (out[:, column] == equivalence.choice) & holds[out[:, equivalence.when.dimension]]
            out[same, column] = equivalence.same_as
        if dimension.active_when:
            active = np.zeros(len(out), dtype=bool)
            for condition in dimension.active_when:
                active |= _mask(condition.choices, dimensions[condition.dimension])[out[:, condition.dimension]]
            out[~active, column] = 0
    _slide_back(dimensions, out)
    return out


def _slide_back(dimensions: tuple[Dimension, ...], X: Population) -> None:
    """Move every choice that slides behind those that do not, in place."""
    slides = [(column, dimension.slide) for column, dimension in enumerate(dimensions) if dimension.slide]
    for _ in slides:  # the longest way there is
        for column, slide in slides:
            moved = (X[:, column] == slide.choice) & (X[:, slide.next] != slide.choice)
            X[moved, column] = X[moved, slide.next]
            X[moved, slide.next] = slide.choice


def _mask(choices: frozenset[int], dimension: Dimension) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.zeros(len(dimension.values), dtype=bool)
    mask[list(choices)] = True
    return mask


def components(dimensions: tuple[Dimension, ...], group: Group) -> list[tuple[int, ...]]:
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


def enumerate_columns(dimensions: tuple[Dimension, ...], columns: tuple[int, ...]) -> Population:
    """All distinct settings of some interdependent columns, (M, len(columns)).

    Raises:
        SpaceError: there are more than two million combinations.
    """
    shape = tuple(len(dimensions[column].values) for column in columns)
    if math.prod(shape) > MOST_COMBINATIONS:
        raise SpaceError(
            f"{', '.join(dimensions[c].name for c in columns)} depend on one another and have {math.prod(shape):,} "
            f"combinations; at most {MOST_COMBINATIONS:,} can be counted. Make conditions smaller."
        )
    X = np.zeros((math.prod(shape), len(dimensions)), dtype=np.int64)
    X[:, list(columns)] = np.stack(np.unravel_index(np.arange(len(X)), shape), axis=1)
    return np.unique(canonical(dimensions, X)[:, list(columns)], axis=0)


def size(dimensions: tuple[Dimension, ...], group: Group) -> int:
    """Number of distinct architectures or recipes."""
    return math.prod(len(enumerate_columns(dimensions, component)) for component in components(dimensions, group))


def paper_size(dimensions: tuple[Dimension, ...], group: Group) -> int:
    """The same with the publication's number of choices wherever a dimension gives one (`Dimension.paper`)."""
    total = 1
    for component in components(dimensions, group):
        shared = tuple(column for column in component if dimensions[column].paper is None)
        total *= len(enumerate_columns(dimensions, shared)) if shared else 1
        total *= math.prod(paper.count for column in component if (paper := dimensions[column].paper) is not None)
    return total
