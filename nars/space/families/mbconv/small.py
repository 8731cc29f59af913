"""Networks for small images: how the paper takes FBNetV3 from 224 pixels to the 32 of CIFAR-10 (section 4.3).

The image stays small where others enlarge it, the second stride of 2 becomes 1, and larger members keep their larger
images: in proportion to the smallest member's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nars.space.errors import SpaceError
from nars.space.families.mbconv.architecture import Architecture

BASE = 32
"""Side of the smallest member's images, pixels."""


def small_forms(family: Sequence[Architecture], *, base: int = BASE) -> list[Architecture]:
    """Each network for small images, in order.

    The smallest resolution of the family becomes `base`, the others grow in proportion, to the nearest even number. The
    first convolutions of stages get their whole padding back, a short one suits one size of feature map. Networks that
    take images of less than twice `base` already are small: they come back as they are.

    Args:
        family: N networks, N >= 1.
        base: side of the smallest, pixels, >= 8.

    Raises:
        SpaceError: base is too small.
    """
    if base < 8:
        raise SpaceError(f"the side of the smallest member's images is at least 8 pixels, got {base}; the paper has 32")
    smallest = min(network.resolution for network in family)
    if smallest < 2 * base:
        return list(family)
    return [_small(network, side=2 * round(base * network.resolution / smallest / 2)) for network in family]


def _small(network: Architecture, *, side: int) -> Architecture:
    strided = [number for number, stage in enumerate(network.stages) if stage.stride == 2]
    kept = strided[1] if len(strided) > 1 else None
    stages = tuple(
        replace(stage, first_padding=None, stride=1 if number == kept else stage.stride)
        for number, stage in enumerate(network.stages)
    )
    return replace(network, resolution=side, stages=stages)
