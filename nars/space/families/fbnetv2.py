"""FBNetV2-L2, the network of the paper's recipe-only search (FBNetV3, section 4.1 and appendix A.2): one that is fixed.

Each of its blocks has an expansion of its own, two are plain 1x1 steps ("skip"), and squeeze-excite is a quarter of the
expanded width: no network of the family mbconv. `costs_of` is its arithmetic, `nars.network.fbnetv2` builds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.space.families.generic.flat import Flat
from nars.space.files.builtin import shipped

KEEP = 0.95
"""Widths are rounded to multiples of 8, one step up where that would lose more than the rest of this share."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block of the published definition."""

    block: str
    """conv, ir (MBConv), skip (the identity where channels agree, else a 1x1 convolution), or mbpool."""
    kernel: int | None
    channels: int
    stride: int
    expand: float | None
    se: bool
    activation: str


@cache
def published_blocks() -> tuple[Block, ...]:
    """Its 27 blocks, from the stem to the head."""
    document = json.loads((shipped("space") / "published" / "fbnetv2-l2.json").read_text(encoding="utf-8"))
    return tuple(Block(**block) for block in document["blocks"])


def rounded(width: float) -> int:
    """A multiple of 8, as timm's `make_divisible` with a round limit of `KEEP`."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < KEEP * width else nearest


def costs_of(resolution: NDArray[Any], *, in_channels: int = 3, classes: int = 1000) -> Mapping[str, NDArray[Any]]:
    """Costs at some resolutions (N,): those of every family, and "pooled", the elements that enter average pools."""
    side, width = np.asarray(resolution, dtype=np.int64), in_channels
    flops, pooled = np.zeros_like(side), np.zeros_like(side)
    weights = other = 0
    for block in published_blocks():
        middle = width if block.expand in (None, 1.0) else rounded(width * (block.expand or 1.0))
        if block.block == "conv":
            side = (side - 1) // block.stride + 1
            layers = [(width * block.channels * 9, side)]
            other += 2 * block.channels
        elif block.block == "skip":
            layers = [] if width == block.channels else [(width * block.channels, side)]
            other += 2 * block.channels * len(layers)
        elif block.block == "mbpool":
            layers = [(width * middle, side), (middle * block.channels, np.ones_like(side))]
            other += 2 * middle
            pooled = pooled + middle * side**2
        else:
            assert block.kernel is not None
            layers = [(width * middle, side)] if middle != width else []
            other += 2 * middle * len(layers)
            side = (side - 1) // block.stride + 1
            layers += [(middle * block.kernel**2, side), (middle * block.channels, side)]
            other += 2 * middle + 2 * block.channels
            if block.se:
                squeezed = rounded(0.25 * middle)
                layers += [(2 * middle * squeezed, np.ones_like(side))]
                other += middle + squeezed
                pooled = pooled + middle * side**2
        weights += sum(count for count, _ in layers)
        flops = flops + sum(count * out**2 for count, out in layers)
        width = block.channels
    return {
        "flops": flops + width * classes,
        "weights": np.full_like(flops, weights + width * classes),
        "params": np.full_like(flops, weights + width * classes + other + classes),
        "resolution": np.asarray(resolution),
        "pooled": pooled,
    }


def _closed_form(n: Mapping[str, NDArray[Any]], in_channels: int, classes: int) -> Mapping[str, NDArray[Any]]:
    return costs_of(n["resolution"], in_channels=in_channels, classes=classes)


L2 = Flat(
    settings={},
    cost_names=("flops", "params", "weights", "resolution"),
    closed_form=_closed_form,
    builder="nars.network.fbnetv2:build_l2",
)
"""The family of one network; a space file gives its resolution."""
