"""Compound scaling: a family grown from a searched network (Tan & Le 2019, EfficientNet, arXiv 1905.11946, section 3).

The paper gets FBNetV3-A from B and F, G from E this way, but prints neither coefficients nor rounding rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nars.arrays import Floats
from nars.space.bounds import shorten
from nars.space.errors import SpaceError
from nars.space.families.mbconv.architecture import Architecture
from nars.space.families.mbconv.costs import architecture_costs, round_to_eight


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Factors on depth, width and resolution; 1 leaves them alone."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def __post_init__(self) -> None:
        for name in ("depth", "width", "resolution"):
            factor = getattr(self, name)
            if not 0.1 <= factor <= 10:
                raise SpaceError(f"{name} is scaled by a factor from 0.1 to 10, got {factor}; 1 leaves it alone")


EFFICIENTNET = Scaling(depth=1.2, width=1.1, resolution=1.15)
"""The direction that EfficientNet found for its own networks; FLOPs double with each step (section 3.3)."""

PUBLISHED_SCALINGS = {
    "A": ("B", Scaling(resolution=0.9)),
    "F": ("E", Scaling(depth=1.09, width=1.13, resolution=1.03)),
    "G": ("E", Scaling(depth=1.09, width=1.22, resolution=1.21)),
}
"""How the published models that were not searched come from those that were: (from, factors), fitted to a hundredth.

How close they come: A is met exactly (it is B at 224 px). F: resolution and every width and depth of its stages,
weights to 0.01 %; 8.5 % more multiply-accumulates, as F keeps E's stem and shortens the padding of stage 6. G:
resolution, stem, 4 of 7 widths and 6 of 7 depths; 10.1 % fewer multiply-accumulates and 7.5 % fewer weights, mostly
because G's stage 7 has two blocks.
"""


FULLEST = 0.65
"""Share of a budget that a network scaled to it uses at least; below it there is none that fits."""

_COARSE = 64
"""Pixels from which resolutions go in steps of 8."""
_FINE = 1e-4
"""How exactly factors are found."""


def scale(architecture: Architecture, scaling: Scaling) -> Architecture:
    """The network, deeper, wider and on larger images.

    Widths of stem and stages go to the nearest multiple of 8, one step up where that loses more than 10 %
    (EfficientNet's rule); depths to the nearest whole number, at least 1 (EfficientNet rounds up, which the published
    pairs do not); the resolution to the nearest multiple of 8, or of 2 below 64 pixels, where it was one. Kernels,
    expansion ratios and the head stay, as they do in the published models. A short first padding suits one size of
    feature map: it is dropped where the resolution grows.
    """

    def wide(channels: int) -> int:
        if scaling.width == 1:
            return channels
        return int(round_to_eight(np.array([channels * scaling.width]), keep=0.9)[0])

    step = _step(architecture)
    resolution = max(step, round(architecture.resolution * scaling.resolution / step) * step)
    keeps_padding = resolution <= architecture.resolution
    return replace(
        architecture,
        resolution=resolution,
        stem=replace(architecture.stem, channels=wide(architecture.stem.channels)),
        stages=tuple(
            replace(
                stage,
                channels=wide(stage.channels),
                depth=max(1, round(stage.depth * scaling.depth)),
                first_padding=stage.first_padding if keeps_padding else None,
            )
            for stage in architecture.stages
        ),
    )


def scale_to(
    architecture: Architecture, direction: Scaling, *, flops: float, beyond: Scaling | None = None
) -> tuple[Architecture, Scaling]:
    """The largest network of at most so many FLOPs among those scaled by (depth^t, width^t, resolution^t), t real.

    Rounded depths and widths go in steps that can double a small network; what a step leaves of the budget goes into
    width, then into resolution, where they grow at all. A network that uses less than `FULLEST` of the budget is none.

    Args:
        architecture: what to start from, larger or smaller than wanted.
        direction: factors >= 1, not all 1: how the dimensions grow together.
        flops: multiply-accumulates, the budget.
        beyond: factors >= 1, not all 1, that take over where the direction ends, with one block in each stage or eight
            channels everywhere, or where its steps are too coarse; None stays with the direction.

    Returns: the network and the factors that it was scaled by.

    Raises:
        SpaceError: a factor is below 1, all are 1, or no network from 0.1 to 10 times the dimensions is that near; the
            text names the nearest.
    """
    paths = [_Path(architecture, direction)]
    if beyond is not None:
        paths.append(_Path(architecture, direction, beyond))
    for path in paths:
        found = path.nearest(flops)
        if FULLEST * flops <= path.cost(found) <= flops:
            return scale(architecture, found), found
    smallest, largest = path.cost(path.at(-path.end)), path.cost(path.at(path.end))
    if not smallest <= flops <= largest:
        raise SpaceError(
            f"scaling by factors from 0.1 to 10 leads from {shorten(smallest)} to {shorten(largest)} FLOPs, got "
            f"{shorten(flops)}; ask for a budget in between"
        )
    raise SpaceError(
        f"scaling goes in steps, and no network on the way has {100 * FULLEST:.0f} to 100 % of {shorten(flops)} FLOPs; "
        f"the nearest have {shorten(path.cost(found))} and {shorten(path.next_cost(flops))}: ask for one of these, or "
        f"start from other members or factors"
    )


class _Path:
    """The networks between the smallest and the largest that a direction leads to, and what `beyond` adds to them."""

    def __init__(self, architecture: Architecture, direction: Scaling, beyond: Scaling | None = None) -> None:
        self._architecture, self._directions = architecture, (direction, *([] if beyond is None else [beyond]))
        self._factors, self._more = _growing(direction), None if beyond is None else _growing(beyond)
        self._known: dict[Architecture, float] = {}  # rounding leads many factors to one network
        furthest = float(np.log(10) / np.log(self._factors.max())) * (1 - 1e-6)
        self._low, self._high = -furthest, furthest
        self.end = furthest
        if self._more is not None:
            floor = self.cost(self.at(-furthest))
            self._low = -_last(lambda t: self.cost(self.at(-t)) > floor, 0.0, furthest) - _FINE
            self.end += 2 * float(np.log(10) / np.log(self._more[self._more > 1].min()))

    def at(self, t: float) -> Scaling:
        """The factors at a place from -end to end; at 0 they are 1."""
        own = min(max(t, self._low), self._high)
        factors = self._factors**own
        if self._more is not None:
            factors = factors * self._more ** (t - own)
        depth, width, resolution = (round(float(factor), 6) for factor in factors.clip(0.1, 10))
        return Scaling(depth=depth, width=width, resolution=resolution)

    def cost(self, scaling: Scaling) -> float:
        """Multiply-accumulates."""
        network = scale(self._architecture, scaling)
        if network not in self._known:
            self._known[network] = float(architecture_costs(network)["flops"])
        return self._known[network]

    def nearest(self, flops: float) -> Scaling:
        """The last on the way that keeps a budget; what it leaves goes into width, then into resolution."""
        found = self.at(self._place(flops))
        for direction in self._directions:
            if direction.width > 1:
                found = self._fill(found, "width", flops)
            if direction.resolution > 1:
                found = self._fill(found, "resolution", flops)
        return found

    def next_cost(self, flops: float) -> float:
        """The cost of the first on the way that exceeds the budget."""
        return self.cost(self.at(self._place(flops) + 2 * _FINE))

    def _place(self, flops: float) -> float:
        return _last(lambda t: self.cost(self.at(t)) <= flops, -self.end, self.end)

    def _fill(self, found: Scaling, name: str, flops: float) -> Scaling:
        """One factor raised as far as the budget allows; `found` itself where that brings nothing."""
        start: float = getattr(found, name)

        def cost(factor: float) -> float:
            return self.cost(replace(found, **{name: factor}))

        factor = round(_last(lambda f: cost(f) <= flops, start, 10.0) - 1e-6, 6)
        more = replace(found, **{name: max(factor, start)})
        return more if self.cost(found) < self.cost(more) <= flops else found


def _growing(direction: Scaling) -> Floats:
    factors = np.array([direction.depth, direction.width, direction.resolution])
    if factors.min() < 1 or factors.max() == 1:
        raise SpaceError(f"a direction of growth has factors of 1 or more, one of them above 1; got {direction}")
    return factors


def growth(smaller: Architecture, larger: Architecture) -> Scaling | None:
    """How a search made its networks larger: mean factors between two of them, to continue by `scale_to`.

    Geometric means over the stages of the ratios of depths and of widths (stem included), and the ratio of the
    resolutions; what shrinks counts as 1.

    Returns: the factors, or None where no dimension grows.

    Raises:
        SpaceError: the two have different numbers of stages.
    """
    if len(smaller.stages) != len(larger.stages):
        raise SpaceError(f"scaling keeps the number of stages, got {len(smaller.stages)} and {len(larger.stages)}")

    def widths(architecture: Architecture) -> list[int]:
        return [architecture.stem.channels, *(stage.channels for stage in architecture.stages)]

    def mean(a: Sequence[int], b: Sequence[int]) -> float:
        return max(1.0, round(float(np.exp(np.mean(np.log(np.divide(b, a))))), 2))

    found = Scaling(
        depth=mean([stage.depth for stage in smaller.stages], [stage.depth for stage in larger.stages]),
        width=mean(widths(smaller), widths(larger)),
        resolution=mean([smaller.resolution], [larger.resolution]),
    )
    return None if found == Scaling() else found


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The end of the stretch from `low` on which a condition holds that `high` ends, to `_FINE`."""
    while high - low > _FINE:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _step(architecture: Architecture) -> int:
    """Pixels between the resolutions that a network is scaled to."""
    step = 8 if architecture.resolution >= _COARSE else 2  # eights would quarter the cost of a 16-pixel network
    return step if architecture.resolution % step == 0 else 1
