"""How much of a space keeps given bounds, and what to ask for where nothing does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nars.space.bounds import Bounds, quantity, shorten
from nars.space.dimension import Population
from nars.space.errors import InfeasibleError, SpaceError
from nars.space.extremes import exact_ends, extreme_rows
from nars.space.rare import uniform
from nars.space.space import Space


@dataclass(frozen=True, kw_only=True)
class Fraction:
    """A share of a space, estimated from independent random candidates."""

    estimate: float
    """In [0, 1]."""
    low: float
    high: float
    """Ends of the exact (Clopper-Pearson) confidence interval."""
    samples: int
    inside: int
    """How many of the samples keep the bounds."""


def feasible_fraction(
    space: Space, bounds: Bounds, *, seed: int, samples: int = 20_000, confidence: float = 0.95
) -> Fraction:
    """The share of uniformly random choices that keep the bounds, with a confidence interval.

    Raises:
        SpaceError: no samples, or a confidence outside (0, 1).
    """
    from scipy.special import betaincinv  # scipy.stats has all of it in one call, and takes a second to load

    if samples < 1 or not 0 < confidence < 1:
        raise SpaceError(
            f"an estimate needs at least one sample and a confidence between 0 and 1, got {samples} and {confidence}"
        )
    X = uniform(space, samples, rng=np.random.default_rng(seed))
    inside = int(bounds.admits(space.costs(X)).sum()) if bounds.limits else samples
    outside, tail = samples - inside, (1 - confidence) / 2
    return Fraction(
        estimate=inside / samples,
        low=float(betaincinv(inside, outside + 1, tail)) if inside else 0.0,
        high=float(betaincinv(inside + 1, outside, 1 - tail)) if outside else 1.0,
        samples=samples,
        inside=inside,
    )


def check_reachable(space: Space, bounds: Bounds) -> None:
    """Refuse bounds of which a single one lies wholly outside the space; nothing is said where its ends are unknown.

    Raises:
        InfeasibleError: no candidate keeps that one; `.nearest` has the costs of the candidate at the space's end.
        SpaceError: a bound names a cost that the space does not have.
    """
    bounds.check(space.cost_names, of=space.name)
    if not bounds.limits or not exact_ends(space):
        return
    try:
        rows = extreme_rows(space)
    except SpaceError:  # too large to know its ends
        return
    for name in bounds:
        if name not in rows:  # learned: nobody knows its ends
            continue
        smallest, largest = space.costs(rows[name])[name]
        least, most = bounds.ends(name)
        if most < smallest:
            raise infeasible(space, rows[name][:1], bounds, proven=True)
        if least > largest:
            raise infeasible(space, rows[name][1:], bounds, proven=True)


def infeasible(space: Space, row: Population, bounds: Bounds, *, proven: bool) -> InfeasibleError:
    """The error that names the bounds which would admit the nearest candidate, row (1, D).

    It is proven where one limit by itself rules out the whole space; otherwise a search found nothing.
    """
    own = {name: float(values[0]) for name, values in space.costs(row).items() if name in bounds}
    changes = []
    for name, (low, high) in bounds.limits.items():
        least, most = bounds.ends(name)
        if own[name] > most:
            changes.append(f"{name} <= {_outward(own[name], up=True)} (asked: {shorten(high)})")
        elif own[name] < least:
            changes.append(f"{name} >= {_outward(own[name], up=False)} (asked: {shorten(low)})")
    nothing = "nothing in" if proven else "no candidate found in"
    return InfeasibleError(
        f"{nothing} {space.name} keeps {bounds}; the nearest bounds that admit something: {', '.join(changes)}",
        nearest=own,
    )


def _outward(number: float, *, up: bool) -> str:
    """A number for people that admits the given one: 162,576,480 -> "162.6M" upwards, "162.5M" downwards."""
    step = 10.0 ** (math.floor(math.log10(abs(number))) - 3) if number else 1.0
    rounded = (math.ceil if up else math.floor)(number / step) * step
    while quantity(shorten(rounded)) < number if up else quantity(shorten(rounded)) > number:
        rounded += step if up else -step
    return shorten(rounded)
