"""Hard limits on costs, written the way people say them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats
from nars.errors import suggestion
from nars.space.errors import SpaceError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([a-zA-Z]*)\s*")
_SUFFIXES = {"": "1", "k": "1e3", "K": "1e3", "M": "1e6", "G": "1e9", "B": "1e9", "ms": "1", "s": "1e3"}
_TIME = re.compile(rf"\s*({_NUMBER})\s*(ms|s|m|h)\s*")
_LONG = {"ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
_SMALL = {"m": "M", "g": "G", "b": "B"}


def quantity(text: str | float) -> float:
    """A number as people write it: "450M", "1.2G", "12ms" (milliseconds), 450e6.

    Raises:
        SpaceError: the text is no number with one of the suffixes k, M, G, B, ms, s.
    """
    if isinstance(text, (int, float)):
        return float(text)
    match = _QUANTITY.fullmatch(text)
    if match is not None and match[2] in _SMALL:
        # A small m may be meant as milli; a guess would be wrong a billionfold.
        raise SpaceError(f"{match[2]!r} is no suffix, got {text!r}; write {match[1]}{_SMALL[match[2]]} with a capital")
    if match is None or match[2] not in _SUFFIXES:
        raise SpaceError(
            f"a quantity is a number with an optional suffix k, M, G, B, ms or s, got {text!r}; write e.g. 450M"
        )
    return _times(match[1], _SUFFIXES[match[2]])


def _times(number: str, unit: str) -> float:
    """The product as it is written: 1.001M is 1,001,000, and in floating point less."""
    try:
        return float(Decimal(number) * Decimal(unit))
    except ArithmeticError:  # an exponent beyond Decimal's
        return float(number) * float(unit)


def shorten(number: float) -> str:
    """The reverse of `quantity` for people: 450000000 -> "450M"."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.4g}{suffix}"
    return f"{number:.4g}"


LATENCY = "latency"
"""The cost that a device table gives, milliseconds."""

ROUNDING = 1e-12
"""By what share of itself a limit may be missed: costs are sums, and in floating point 0.1 + 0.2 is more than 0.3."""


def loosened(limit: float, by: float = ROUNDING) -> float:
    """An upper limit and what rounding may add to a cost that is equal to it; a lower one is -loosened(-limit)."""
    return limit if math.isinf(limit) else limit + by * abs(limit)


SECONDS = "seconds"
"""The cost of a training, as those of a run or store say it."""

_KNOWN = "flops, params, weights, activations, peak_activations and resolution, latency with a device table"
"""The costs of a space of networks, for messages; a generic space has those of its table."""


_UNITS = {"flops": "FLOPs", "params": "parameters", LATENCY: "ms", SECONDS: "s"}


def cost_unit(name: str) -> str:
    """What stands behind a number of a cost: "FLOPs", "parameters", "ms"; its own name where there is no other."""
    return _UNITS.get(name, name)


@dataclass(frozen=True, init=False)
class Bounds:
    """Lower and upper limits per cost, both included; a candidate must keep all of them, up to rounding (1e-12).

    Example:
        >>> Bounds({"flops": (4e8, "800M"), "params": (0, 9e6)})
    """

    limits: Mapping[str, tuple[float, float]]

    def __init__(
        self, limits: Mapping[str, tuple[float | str, float | str]] = MappingProxyType({}), **named: object
    ) -> None:
        """Limits by cost, each (low, high) as a number or as people write it.

        Args:
            limits: {cost: (low, high)}; a low of 0 and infinity stand for no limit.
            named: nothing: whoever names costs means `Bounds.at_most`.

        Raises:
            SpaceError: it is not that, a limit is no number, or low is above high. Whether a space has the cost shows
                when it is asked.
        """
        if named or not isinstance(limits, Mapping):
            got = ", ".join(f"{name}={value!r}" for name, value in named.items()) if named else repr(limits)
            raise SpaceError(
                f"Bounds takes a mapping of a cost to (low, high), e.g. Bounds({{'flops': (1e6, 3e6)}}), or upper "
                f"limits by name, Bounds.at_most(flops=3e6), got {got}; the costs of networks are {_KNOWN}"
            )
        own = {name: _interval(name, pair) for name, pair in limits.items()}
        object.__setattr__(self, "limits", MappingProxyType(own))

    def __hash__(self) -> int:
        return hash(frozenset(self.limits.items()))

    @staticmethod
    def read(written: object) -> Bounds:
        """Bounds as files and command lines have them.

        {"flops": "450M", "latency": {"low": 2, "high": "12ms"}} limits several costs, from above where there is one
        number; "flops=450M+latency=12ms" is the same for upper limits, and "450M" alone limits flops.

        Raises:
            SpaceError: it is none of these.
        """
        if isinstance(written, Bounds):
            return written
        if isinstance(written, str) and "=" in written:
            parts = [part.partition("=") for part in re.split(r"\+(?=[^+=]*=)", written)]  # not at that of 1e+6
            names = [name.strip() for name, _, _ in parts]
            if twice := [name for name in names if names.count(name) > 1]:
                raise SpaceError(f"{twice[0]} is limited twice in {written!r}; write one limit of each cost")
            written = dict(zip(names, (limit for _, _, limit in parts), strict=True))
        if not isinstance(written, Mapping):
            return Bounds.at_most(flops=written)  # type: ignore[arg-type]  # checked there
        limits: dict[str, tuple[Any, Any]] = {}
        for name, limit in written.items():
            if not isinstance(limit, Mapping):
                limits[name] = (0.0, limit)
                continue
            if not limit or (unknown := sorted(set(map(str, limit)) - {"low", "high"})):
                raise SpaceError(
                    f"limits on {name} are low, high or both, got {', '.join(unknown) if limit else 'none of them'}; "
                    f"write e.g. {{low: 1M, high: 3M}}, or a number for an upper limit"
                )
            limits[name] = (limit.get("low", 0.0), limit.get("high", math.inf))
        return Bounds(limits)

    @property
    def document(self) -> dict[str, float | dict[str, float]]:
        """In plain types, for `read`."""
        found: dict[str, float | dict[str, float]] = {}
        for name, (low, high) in self.limits.items():
            ends = {"low": low} if low else {}
            found[name] = high if not ends else ends if math.isinf(high) else {**ends, "high": high}
        return found

    def high(self, name: str) -> float:
        """Upper limit of a cost; infinity without one."""
        return self.limits.get(name, (0.0, math.inf))[1]

    def low(self, name: str) -> float:
        """Lower limit of a cost; minus infinity without one, for which 0 stands."""
        return self.limits.get(name, (0.0, math.inf))[0] or -math.inf

    def ends(self, name: str, *, by: float = ROUNDING) -> tuple[float, float]:
        """From where to where a cost keeps its limits: each opened by a share of itself, as costs are rounded."""
        return -loosened(-self.low(name), by), loosened(self.high(name), by)

    def keeps(self, costs: Mapping[str, float]) -> bool:
        """Whether one candidate keeps every limit; not where a limited cost of it is unknown."""
        return all(low <= costs.get(name, math.nan) <= high for name in self for low, high in [self.ends(name)])

    def within(self, other: Bounds) -> bool:
        """Whether whatever keeps these limits keeps the other's."""
        return all(other.low(name) <= self.low(name) and self.high(name) <= other.high(name) for name in other)

    def __reduce__(self) -> tuple[type[Bounds], tuple[dict[str, tuple[float, float]]]]:
        return (Bounds, (dict(self.limits),))

    def __iter__(self) -> Iterator[str]:
        return iter(self.limits)

    def __repr__(self) -> str:
        return f"Bounds({dict(self.limits)})"

    def __str__(self) -> str:
        def one(name: str, low: float, high: float) -> str:
            if not low:
                return f"{name} <= {shorten(high)}"
            return f"{name} >= {shorten(low)}" if math.isinf(high) else f"{shorten(low)} <= {name} <= {shorten(high)}"

        return ", ".join(one(name, low, high) for name, (low, high) in self.limits.items()) or "no limits"

    @staticmethod
    def at_most(*unnamed: object, **limits: float | str) -> Bounds:
        """Upper limits only: `Bounds.at_most(flops=5e8)`, `Bounds.at_most(flops="500M")`.

        Raises:
            SpaceError: a limit without the name of a cost, or one that is no number or negative.
        """
        if unnamed:
            raise SpaceError(
                f"a limit has the name of its cost, e.g. Bounds.at_most(flops={unnamed[0]!r}), got "
                f"{', '.join(map(repr, unnamed))} without one; the costs of networks are {_KNOWN}"
            )
        return Bounds({name: (0.0, limit_of(name, high)) for name, high in limits.items()})

    def check(self, names: Collection[str], *, of: str) -> None:
        """Refuse limits on costs that are not among `names`, those of the space called `of`.

        Raises:
            SpaceError: naming the first such limit, the costs there are, and the one that was probably meant.
        """
        none = "none; give it `costs:`"
        for name in self.limits:
            if name not in names:
                meant = suggestion(name, names)
                table = " (latency needs a device table: nars latency)" if name == LATENCY else ""
                table += " (seconds are known where trainings are: nars search --predictor RUN)" * (name == SECONDS)
                raise SpaceError(f"no cost is called {name!r}; {of} has {', '.join(names) or none}{meant}{table}")

    def widened(self, nearest: Mapping[str, float]) -> Bounds:
        """These limits, opened just enough to admit a candidate with the costs `nearest`."""
        return Bounds(
            {
                name: (min(low, nearest[name]) if low else low, max(high, nearest[name]))
                for name, (low, high) in self.limits.items()
            }
        )

    def violation(self, costs: Mapping[str, Floats], *, rows: int | None = None) -> Floats:
        """How far outside each candidate is: the relative excesses, summed, (N,); 0 exactly when all limits hold.

        Args:
            costs: the candidates' costs, {name: (N,)}.
            rows: n, for spaces that may have no costs.

        Raises:
            SpaceError: a limit names a cost that the space does not have.
        """
        self.check(costs, of="this space")
        total = np.zeros(len(next(iter(costs.values()))) if costs else rows or 0, dtype=np.float64)
        for name, (low, high) in self.limits.items():
            value, (least, most) = costs[name], self.ends(name)
            # Compared such that a cost that is no number is outside.
            if not math.isinf(high):
                total += np.where(value <= most, 0.0, value - high) / max(abs(high), 1e-9)
            if low:
                total += np.where(value >= least, 0.0, low - value) / abs(low)
        return total

    def admits(self, costs: Mapping[str, Floats], *, rows: int | None = None) -> NDArray[np.bool_]:
        """Which candidates keep every limit, (N,); arguments and errors as for `violation`."""
        return np.equal(self.violation(costs, rows=rows), 0.0)


def _interval(name: object, pair: object) -> tuple[float, float]:
    if not isinstance(name, str):
        raise SpaceError(f"bounds are on costs by name, e.g. 'flops', got {name!r}; the costs of networks are {_KNOWN}")
    if isinstance(pair, (str, Mapping)) or not isinstance(pair, Iterable) or len(ends := tuple(pair)) != 2:
        raise SpaceError(
            f"bounds on {name}: the limits are a pair (low, high), e.g. (0, 3e6), got {pair!r}; for an upper limit "
            f"alone write Bounds.at_most({name}=...)"
        )
    low, high = (limit_of(name, end) for end in ends)
    if high < 0 or low > high:
        raise SpaceError(
            f"bounds on {name}: the lower limit must not exceed the upper one and the upper one must not be negative, "
            f"got {low:g} .. {high:g}; swap or correct them"
        )
    return 0.0 if low == -math.inf else low, high


def limit_of(name: str, value: object) -> float:
    """A limit of a cost: a number, or text that `quantity` reads; of seconds also "90s" and "2m".

    Raises:
        SpaceError: it is neither.
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        if name == SECONDS and isinstance(value, str) and (time := _TIME.fullmatch(value)):
            return _times(time[1], _LONG[time[2]])  # a quantity of time is in milliseconds
        number = quantity(value) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
    except SpaceError as error:
        raise SpaceError(f"bounds on {name}: {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise SpaceError(f"bounds on {name}: a limit is a number, e.g. 3e6 or '3M', got {value!r}") from error
    if math.isnan(number):
        raise SpaceError(f"bounds on {name}: a limit is a number, got {value!r}; leave the cost out to limit nothing")
    return number
