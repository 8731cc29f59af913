"""The candidate that a run names to begin with, as a row of its space."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nars.errors import ConfigError
from nars.files import Value
from nars.printing import some_names
from nars.space import Dimension, Population, Space


def start_row(space: Space, start: Mapping[str, Value]) -> Population:
    """The candidate (1, D), canonical: of numbers the nearest choices, the middle ones of what is left out.

    Args:
        space: its space.
        start: {setting: value} as `collect.start` has it; values of fixed settings do not count.

    Raises:
        ConfigError: an unknown setting, or a word that is none of its choices.
    """
    if unknown := [name for name in start if name not in space.settings]:
        raise ConfigError(
            f"{space.name} has no setting {unknown[0]!r}; it has {some_names([*space.settings], most=99)}"
        )
    row = np.array([len(dimension.values) // 2 for dimension in space.dimensions], dtype=np.int64)
    for name, setting in space.settings.items():
        column = getattr(setting, "dimension", None)
        if name in start and column is not None:
            row[column] = _nearest(space.dimensions[column], start[name], name)
    return space.canonical(row[None])


def _nearest(dimension: Dimension, value: Value, name: str) -> int:
    """The number of a choice."""
    values = dimension.values
    for number, choice in enumerate(values):
        if choice == value and isinstance(choice, bool) == isinstance(value, bool):
            return number
    numbers = [choice for choice in values if isinstance(choice, (int, float)) and not isinstance(choice, bool)]
    if len(numbers) < len(values) or isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} has the choices {some_names([*map(str, values)], most=30)}; got {value!r}")
    if not math.isfinite(value):
        raise ConfigError(f"{name} takes a finite number, of which the nearest choice is taken; got {value}")
    log = dimension.log and value > 0

    def distance(number: int) -> float:
        return abs(math.log(numbers[number] / value)) if log else abs(numbers[number] - value)

    return min(range(len(numbers)), key=distance)
