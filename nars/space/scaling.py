"""Compound scaling: a family grown from a searched network (Tan & Le 2019, EfficientNet, arXiv 1905.11946, section 3).

The paper gets FBNetV3-A from B and F, G from E this way, but prints neither coefficients nor rounding rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nars.space.architecture import Architecture
from nars.space.bounds import shorten
from nars.space.costs import architecture_costs, round_to_eight
from nars.space.errors import SpaceError


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
"""How the published models that were not searched come from those that were: (from, factors), found by `fit_scaling`.

How close they come: A is met exactly (it is B at 224 px). F: resolution and every width and depth of its stages,
weights to 0.01 %; 8.5 % more multiply-accumulates, as F keeps E's stem and shortens the padding of stage 6. G:
resolution, stem, 4 of 7 widths and 6 of 7 depths; 10.1 % fewer multiply-accumulates and 7.5 % fewer weights, mostly
because G's stage 7 has two blocks.
"""


_COARSE = 64
"""Pixels from which resolutions go in steps of 8."""


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


def scale_to(architecture: Architecture, direction: Scaling, *, flops: float) -> tuple[Architecture, Scaling]:
    """The largest network of at most so many FLOPs among those scaled by (depth^t, width^t, resolution^t), t real.

    Rounded depths and widths go in steps that can double a small network; what a step leaves of the budget goes into
    width, then into resolution, where they grow at all.

    Args:
        architecture: What to start from, larger or smaller than wanted.
        direction: Factors >= 1, not all 1: how the dimensions grow together.
        flops: Multiply-accumulates, the budget.

    Returns: the network, and the factors that it was scaled by.

    Raises:
        SpaceError: a factor is below 1, all are 1, or no factor from 0.1 to 10 leads to the budget.
    """
    factors = np.array([direction.depth, direction.width, direction.resolution])
    if factors.min() < 1 or factors.max() == 1:
        raise SpaceError(f"a direction of growth has factors of 1 or more, one of them above 1; got {direction}")

    def cost(scaling: Scaling) -> float:
        return float(architecture_costs(scale(architecture, scaling))["flops"])

    def together(t: float) -> Scaling:
        depth, width, resolution = (round(float(factor), 6) for factor in factors**t)
        return Scaling(depth=depth, width=width, resolution=resolution)

    furthest = float(np.log(10) / np.log(factors.max())) * (1 - 1e-6)
    if not cost(together(-furthest)) <= flops <= cost(together(furthest)):
        raise SpaceError(
            f"scaling by factors from 0.1 to 10 leads from {shorten(cost(together(-furthest)))} to "
            f"{shorten(cost(together(furthest)))} FLOPs, got {shorten(flops)}; ask for a budget in between"
        )
    found = together(_last(lambda t: cost(together(t)) <= flops, -furthest, furthest))
    if direction.width > 1:
        found = _fill(found, lambda factor: replace(found, width=factor), found.width, cost, flops)
    if direction.resolution > 1:
        found = _fill(found, lambda factor: replace(found, resolution=factor), found.resolution, cost, flops)
    return scale(architecture, found), found


def growth(smaller: Architecture, larger: Architecture) -> Scaling | None:
    """How a search made its networks larger: mean factors between two of them, to continue by `scale_to`.

    Geometric means over the stages of the ratios of depths and of widths (stem included), and the ratio of the
    resolutions; what shrinks counts as 1. Unlike `fit_scaling`, which looks for factors that turn one network into the
    other, this has an answer for networks that a search found apart from each other.

    Returns: the factors, or None where no dimension grows.

    Raises:
        SpaceError: the two have different numbers of stages.
    """
    _require_same_stages(smaller, larger)

    def mean(a: Sequence[int], b: Sequence[int]) -> float:
        return max(1.0, round(float(np.exp(np.mean(np.log(np.divide(b, a))))), 2))

    found = Scaling(
        depth=mean([stage.depth for stage in smaller.stages], [stage.depth for stage in larger.stages]),
        width=mean(_widths(smaller), _widths(larger)),
        resolution=mean([smaller.resolution], [larger.resolution]),
    )
    return None if found == Scaling() else found


def _fill(
    found: Scaling, vary: Callable[[float], Scaling], start: float, cost: Callable[[Scaling], float], flops: float
) -> Scaling:
    """One factor raised from `start` as far as the budget allows; `found` itself where that brings nothing."""
    factor = round(_last(lambda f: cost(vary(f)) <= flops, start, 10.0) - 1e-6, 6)
    more = vary(max(factor, start))
    return more if cost(found) < cost(more) <= flops else found


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The end of the stretch from `low` on which a condition holds that `high` ends, to 1e-4."""
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _step(architecture: Architecture) -> int:
    """Pixels between the resolutions that a network is scaled to."""
    step = 8 if architecture.resolution >= _COARSE else 2  # eights would quarter the cost of a 16-pixel network
    return step if architecture.resolution % step == 0 else 1


def fit_scaling(source: Architecture, target: Architecture) -> Scaling:
    """The factors, to a hundredth, that bring the shape of a network closest to another one's.

    Closest: the smallest sum of relative errors in the widths of stem and stages, and in the depths of stages; among
    equals the factor nearest to 1. The resolution's factor is that of the two networks.

    Raises:
        SpaceError: the two have different numbers of stages.
    """
    _require_same_stages(source, target)
    grid = sorted((round(0.5 + 0.01 * i, 2) for i in range(151)), key=lambda factor: abs(factor - 1))

    def depth_error(factor: float) -> float:
        scaled = scale(source, Scaling(depth=factor))
        return _error([stage.depth for stage in scaled.stages], [stage.depth for stage in target.stages])

    def width_error(factor: float) -> float:
        return _error(_widths(scale(source, Scaling(width=factor))), _widths(target))

    return Scaling(
        depth=min(grid, key=depth_error),
        width=min(grid, key=width_error),
        resolution=round(target.resolution / source.resolution, 2),
    )


def _require_same_stages(a: Architecture, b: Architecture) -> None:
    if len(a.stages) != len(b.stages):
        raise SpaceError(f"scaling keeps the number of stages, got {len(a.stages)} and {len(b.stages)}")


def _widths(architecture: Architecture) -> list[int]:
    return [architecture.stem.channels, *(stage.channels for stage in architecture.stages)]


def _error(mine: Sequence[int], theirs: Sequence[int]) -> float:
    return round(sum(abs(a / b - 1) for a, b in zip(mine, theirs, strict=True)), 9)
