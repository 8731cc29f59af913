"""Whether what a file says of candidates belongs together: choices, settings, costs and the budget that they keep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from nars.space import Bounds, Space

_CLOSE = 1e-9
"""Relative difference between costs that arithmetic alone may make."""


class Written(Protocol):
    """A candidate as a file has it."""

    @property
    def choices(self) -> tuple[int, ...]:
        """(D,), its row of choice indices."""

    @property
    def record(self) -> Mapping[str, Any]:
        """Every setting."""

    @property
    def costs(self) -> Mapping[str, float]:
        """Cost by name."""


def contradictions(space: Space, written: Sequence[Written], bounds: Sequence[Bounds]) -> Iterator[tuple[int, str]]:
    """Where the parts of candidates do not belong together: number from 0, and what contradicts what.

    Args:
        space: theirs.
        written: N candidates, N >= 1.
        bounds: (N,), what each keeps.

    Raises:
        SpaceError, ValueError: a row of choices is none of the space's.
    """
    X = space.check(np.array([candidate.choices for candidate in written], dtype=np.int64))
    costs, isclose = space.costs(X), partial(math.isclose, rel_tol=_CLOSE, abs_tol=_CLOSE)
    for row, (candidate, record, limits) in enumerate(zip(written, space.to_records(X), bounds, strict=True)):
        found = {name: float(values[row]) for name, values in costs.items()}
        other = [name for name in {**candidate.record, **record} if record.get(name) != candidate.record.get(name)]
        wrong = [name for name, value in candidate.costs.items() if name in found and not isclose(value, found[name])]
        own = {**candidate.costs, **found}  # latency is known where there is a device table only
        outside = [name for name in limits if not _within(own.get(name), *limits.ends(name, by=_CLOSE))]
        if other:
            yield (
                row,
                f"its choices say {other[0]} {record.get(other[0])!r}, its record {candidate.record.get(other[0])!r}",
            )
        elif wrong:
            yield row, f"its choices have {found[wrong[0]]:g} {wrong[0]}, the file says {candidate.costs[wrong[0]]:g}"
        elif outside:
            value = own.get(outside[0], math.nan)
            yield row, f"its choices have {value:,.10g} {outside[0]}, its budget is {limits}"


def _within(value: float | None, low: float, high: float) -> bool:
    return value is not None and low <= value <= high
