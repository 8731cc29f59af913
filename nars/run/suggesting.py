"""Range and budgets for who names none: of what the costs of a space allow."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from nars.space import Bounds, Space, SpaceError, cost_range, shorten

_ALIKE = 1.01
"""Ends of a cost that lie closer together are those of one network."""


def suggested_budgets(space: Space) -> tuple[Bounds, ...]:
    """Three budgets of FLOPs, evenly spread in their logarithm; none where FLOPs are no cost or cannot be ranged."""
    if "flops" not in space.cost_names:
        return ()
    try:
        smallest, largest = cost_range(space)["flops"]
    except SpaceError:
        return ()
    if largest <= 0:
        return ()
    return tuple(Bounds.at_most(flops=text) for text in _budgets(smallest, largest))


def suggested_options(cost: str, smallest: float, largest: float) -> str:
    """Options for a range and budgets that fit a space."""
    if largest < _ALIKE * smallest:
        low, high = 0.9 * smallest, 1.1 * largest
    else:
        low, high = _between(smallest, largest)
    name = "" if cost == "flops" else f"{cost}="
    budgets = ",".join(f"{name}{text}" for text in _budgets(smallest, largest))
    key = "flops" if cost == "flops" else f"range.{cost}"
    return f"--set {key}='{{low: {_rounded(low)}, high: {_rounded(high, up=True)}}}' --budgets {budgets}"


def _budgets(smallest: float, largest: float) -> list[str]:
    if largest < _ALIKE * smallest:
        return [_rounded(largest, up=True)]
    low, high = _between(smallest, largest)
    return [_rounded(value) for value in np.geomspace(low, high, 4)[1:]] if high > 0 else ["0"]


def _between(smallest: float, largest: float) -> tuple[float, float]:
    """A fifth of the way from either end, on a scale of ratios; one that begins at nothing has a thousandth instead."""
    if largest <= 0:
        return 0.0, 0.0
    steps = np.geomspace(max(smallest, largest / 1e3), largest, 6)
    return float(steps[1]), float(steps[4])


def _rounded(value: float, *, up: bool = False) -> str:
    """To two digits, so that the text is a number that people would write."""
    if value <= 0:
        return "0"
    step = 10.0 ** (floor(np.log10(value)) - 1)
    return shorten((ceil if up else floor)(value / step) * step)
