"""Sources: fitted predictors of other data sets, whose candidates are matched with a space's by name and value.

What a source says is a prior that samples overrule: a process takes it as its prior mean, with a slope that is learned,
and stacking decides what that process counts (`nars.predictors.stacking`). Only the order of what it says matters, not
its metric or scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.errors import PredictorError
from nars.files import Value
from nars.printing import brief_repr
from nars.space import Population, Space, sobol
from nars.space.dimension import Dimension, Fixed

if TYPE_CHECKING:
    from nars.predictors.predictor import Predictor

_DRAWS = 8
"""Values of the choices that only the source has, over which it is averaged; the same for all candidates."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A fitted predictor of another data set, with its space."""

    __repr__ = brief_repr

    name: str
    """As it is shown: "cifar10"."""
    space: Space
    predictor: Predictor
    """Fitted."""

    def match(self, space: Space) -> Match:
        """How candidates of a space are read as the source's.

        Raises:
            PredictorError: the two have no choice in common.
        """
        return _match(self.name, self.space, space)

    def scores(self, space: Space, X: Population) -> Floats:
        """What the source says of candidates X (N, D) of a space, (N,): more is better, on the scale it learned on.

        Raises:
            PredictorError: the two have no choice in common.
        """
        rows, model = self.match(space).rows(self.space, X), self.predictor
        mean, _ = model.latent(model.inputs(self.space, rows.reshape(-1, rows.shape[-1])), with_std=False)
        return np.asarray(model.metric.score(mean.reshape(rows.shape[:2]).mean(axis=0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """Which choices of a source are a space's too, by name and value."""

    columns: tuple[int | None, ...]
    """For each dimension of the source its column in the space; None where it has none."""
    tables: tuple[Ints, ...]
    """For each dimension of the source, its choice for each choice of that column; -1 where it has no such value. Of a
    setting that is fixed in the space: one entry; of one that the space does not have: none."""
    shared: tuple[str, ...]
    """Names that both choose."""
    only_source: tuple[str, ...]
    """Names that only the source chooses, over which it is averaged."""
    only_space: tuple[str, ...]
    """Names that only the space chooses, of which the source says nothing."""

    def rows(self, source: Space, X: Population) -> NDArray[np.int64]:
        """Candidates X (N, D) as the source's, once for each draw of what they leave open: (draws, N, D of source)."""
        known = np.full((len(X), len(self.columns)), -1, dtype=np.int64)
        for at, (column, table) in enumerate(zip(self.columns, self.tables, strict=True)):
            if column is not None:
                known[:, at] = table[X[:, column]]
            elif len(table):
                known[:, at] = table[0]
        if (known >= 0).all():
            return known[None]
        draws = sobol(source, _DRAWS, seed=0)
        return np.where(known[None] >= 0, known[None], draws[:, None, :])


@lru_cache(maxsize=32)
def _match(name: str, source: Space, space: Space) -> Match:
    columns, tables = list[int | None](), list[Ints]()
    for dimension in source.dimensions:
        column = space.index.get(dimension.name)
        setting = space.settings.get(dimension.name)
        if column is not None:
            values: Sequence[Value] = space.dimensions[column].values
        else:
            values = (setting.value,) if isinstance(setting, Fixed) else ()
        columns.append(column)
        tables.append(np.array([_choice(dimension, value) for value in values], dtype=np.int64))
    shared = [
        dimension.name
        for dimension, column, table in zip(source.dimensions, columns, tables, strict=True)
        if column is not None and len(np.unique(table[table >= 0])) > 1
    ]
    if not shared:
        raise PredictorError(
            f"nothing that {name} ({source.name}) has learned is about {space.name}: no choice of one has the name and "
            f"at least two values of one of the other. Warm-start from a space with settings of the same names, e.g. "
            f"{', '.join(dimension.name for dimension in space.dimensions[:3])}"
        )
    return Match(
        columns=tuple(columns),
        tables=tuple(tables),
        shared=tuple(shared),
        only_source=tuple(d.name for d in source.dimensions if d.name not in shared and d.name not in space.settings),
        only_space=tuple(d.name for d in space.dimensions if d.name not in shared),
    )


def _choice(dimension: Dimension, value: Value) -> int:
    """The choice of a dimension that is a value, or of numbers the nearest one; -1 where there is none."""
    if value in dimension.values:
        return dimension.values.index(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not dimension.ordinal or not number:
        return -1
    numbers = np.array([float(one) for one in dimension.values if one is not None], dtype=np.float64)
    at = float(value)  # type: ignore[arg-type]  # a number, as seen above
    if dimension.log and at > 0:
        numbers, at = np.log(numbers), float(np.log(at))
    reach = np.ptp(numbers) / 2  # far outside, the nearest choice is no likeness
    if not numbers[0] - reach <= at <= numbers[-1] + reach:
        return -1
    return int(np.argmin(np.abs(numbers - at)))
