"""Hard limits on costs, written the way people say them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nars.space.errors import SpaceError

_SUFFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "ms": 1.0, "s": 1e3}
_SMALL = {"m": "M", "g": "G", "b": "B"}


def quantity(text: str | float) -> float:
    """A number as people write it: "450M", "1.2G", "12ms" (milliseconds), 450e6.

    Raises:
        SpaceError: the text is no number with one of the suffixes k, M, G, B, ms, s.
    """
    if isinstance(text, (int, float)):
        return float(text)
    match = re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-zA-Z]*)\s*", text)
    if match is not None and match[2] in _SMALL:
        # A small m may be meant as milli; a guess would be wrong a billionfold.
        raise SpaceError(f"{match[2]!r} is no suffix, got {text!r}; write {match[1]}{_SMALL[match[2]]} with a capital")
    if match is None or match[2] not in _SUFFIXES:
        raise SpaceError(
            f"a quantity is a number with an optional suffix k, M, G, B, ms or s, got {text!r}; write e.g. 450M"
        )
    return float(match[1]) * _SUFFIXES[match[2]]


def shorten(number: float) -> str:
    """The reverse of `quantity` for people: 450000000 -> "450M"."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.4g}{suffix}"
    return f"{number:.4g}"


@dataclass(frozen=True)
class Bounds:
    """Lower and upper limits per cost, both included; a candidate must keep all of them.

    Example:
        >>> Bounds({"flops": (4e8, 8e8), "params": (0, 9e6)})
    """

    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, (low, high) in self.limits.items():
            if math.isnan(low) or math.isnan(high) or high < 0 or low > high:
                raise SpaceError(
                    f"bounds on {name}: the lower limit must not exceed the upper one and the upper one must not be "
                    f"negative, got {low:g} .. {high:g}; swap or correct them"
                )
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))

    def __reduce__(self) -> tuple[type[Bounds], tuple[dict[str, tuple[float, float]]]]:
        return (Bounds, (dict(self.limits),))

    def __iter__(self) -> Iterator[str]:
        return iter(self.limits)

    def __str__(self) -> str:
        def one(name: str, low: float, high: float) -> str:
            if low <= 0:
                return f"{name} <= {shorten(high)}"
            return f"{name} >= {shorten(low)}" if math.isinf(high) else f"{shorten(low)} <= {name} <= {shorten(high)}"

        return ", ".join(one(name, low, high) for name, (low, high) in self.limits.items()) or "no limits"

    @staticmethod
    def at_most(**limits: float) -> Bounds:
        """Upper limits only: `Bounds.at_most(flops=5e8)`."""
        return Bounds({name: (0.0, float(high)) for name, high in limits.items()})

    def widened(self, nearest: Mapping[str, float]) -> Bounds:
        """These limits, opened just enough to admit a candidate with the costs `nearest`."""
        return Bounds(
            {name: (min(low, nearest[name]), max(high, nearest[name])) for name, (low, high) in self.limits.items()}
        )

    def violation(self, costs: Mapping[str, NDArray[np.float64]], *, rows: int | None = None) -> NDArray[np.float64]:
        """How far outside each candidate is: the relative excesses, summed, (N,); 0 exactly when all limits hold.

        Args:
            costs: of the candidates, {name: (N,)}.
            rows: N, for spaces that may have no costs.

        Raises:
            SpaceError: a limit names a cost that the space does not have.
        """
        for name in self.limits:
            if name not in costs:
                known = f"this space has {', '.join(costs)}" if costs else "this space has none; give it `costs:`"
                raise SpaceError(f"no cost is called {name!r}; {known}")
        total = np.zeros(len(next(iter(costs.values()))) if costs else rows or 0, dtype=np.float64)
        for name, (low, high) in self.limits.items():
            value = costs[name]
            if not math.isinf(high):
                total += np.maximum(value - high, 0.0) / max(abs(high), 1e-9)
            if low > 0:
                total += np.maximum(low - value, 0.0) / low
        return total

    def admits(self, costs: Mapping[str, NDArray[np.float64]], *, rows: int | None = None) -> NDArray[np.bool_]:
        """Which candidates keep every limit, (N,); arguments and errors as for `violation`."""
        return np.equal(self.violation(costs, rows=rows), 0.0)
