"""What a network costs, in closed form, for a whole population at once.

Notation: N candidates; c channels, k kernel, side of a feature map in pixels, area = side * side.
Conventions, said once for the whole product:
  flops               multiply-accumulates of convolution and linear layers, squeeze-excite included, one image
  params              all trainable numbers: weights, biases, batch-norm scale and shift
  weights             convolution and linear weights only (`params_m` of the published FBNetV3 models)
  activations         output elements of every convolution and linear layer, summed, one image
  peak_activations    largest working set of one such layer in elements: input + output + a shortcut or a
                      squeeze-excite input that waits meanwhile
The truth they are tested against is the timm network that `nars.network` builds, counted by fvcore.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from nars.arrays import Floats, Ints
from nars.space.families.mbconv.architecture import Architecture
from nars.space.families.mbconv.blocks import Block, Columns, HeadBlock, MBConvBlock, StemBlock, blocks, written_out

ADDED = ("flops", "params", "weights", "activations")
"""Costs that add up over blocks."""
PEAK = "peak_activations"
COST_NAMES = (*ADDED, PEAK, "resolution")
"""Names of the costs that every space with networks behind it has."""


@dataclass(frozen=True)
class BlockCosts:
    """Costs of one block; arrays as the block's."""

    flops: Ints
    weights: Ints
    other: Ints
    """Biases and batch-norm parameters."""
    activations: Ints
    peak: Ints
    pooled: Ints | int
    """Elements entering average pools (the published FLOPs count them)."""
    times: Ints | int = 1

    @property
    def params(self) -> Ints:
        """Weights and all other trainable numbers."""
        return self.weights + self.other

    def adds(self, cost: str) -> Ints:
        """What the block contributes to a cost, as often as it is there: to be added up, or for `PEAK` the largest."""
        if cost == PEAK:
            return np.where(np.greater(self.times, 0), self.peak, 0)
        part: Ints = getattr(self, cost)
        return self.times * part


def round_to_eight(width: Floats, *, keep: float) -> Ints:
    """Nearest multiple of 8, at least 8; one step up where that loses more than 1 - keep.

    The rule of the published networks (and timm's `make_divisible`): keep = 0.9 for expanded widths, 0.95 for
    squeeze-excite bottlenecks.
    """
    rounded = np.maximum(8, (width + 4).astype(np.int64) // 8 * 8)
    return np.where(rounded < keep * width, rounded + 8, rounded)


def block_costs(block: Block) -> BlockCosts:
    """The costs of each candidate's block."""
    if isinstance(block, MBConvBlock):
        return _mbconv(block)
    return _stem(block) if isinstance(block, StemBlock) else _head(block)


def _stem(block: StemBlock) -> BlockCosts:
    weights = 9 * block.in_channels * block.channels
    area_out = block.out * block.out
    produced = block.channels * area_out
    return BlockCosts(
        flops=weights * area_out,
        weights=weights,
        other=2 * block.channels,
        activations=produced,
        peak=block.in_channels * block.side * block.side + produced,
        pooled=0,
    )


def _mbconv(block: MBConvBlock) -> BlockCosts:
    c_in, c_out, expand, out = block.c_in, block.c_out, block.expand, block.out
    mid = np.where(expand == 1, c_in, round_to_eight(c_in * expand, keep=0.9))
    # The order of the float operations is timm's, so that ties round the same way.
    squeeze = round_to_eight(mid * (0.25 / expand), keep=0.95) * block.se
    expands = (expand != 1).astype(np.int64)
    area_in, area_out = block.side * block.side, out * out
    shortcut = ((c_in == c_out) & (block.stride == 1) & (out == block.side)) * c_in * area_in

    w_expand = expands * c_in * mid
    w_depthwise = mid * block.kernel * block.kernel
    w_squeeze = 2 * mid * squeeze
    w_project = mid * c_out
    peak = _largest(
        [
            expands * (c_in * area_in + mid * area_in),
            # Without an expansion the depthwise input is the shortcut itself: it is there once.
            mid * (area_in + area_out) + expands * shortcut,
            # Squeeze-excite: its two 1x1 layers are tiny, but the whole feature map waits for the gate.
            block.se * (mid * area_out + mid + squeeze) + block.se * shortcut,
            mid * area_out + c_out * area_out + shortcut,
        ]
    )
    return BlockCosts(
        flops=w_expand * area_in + w_depthwise * area_out + w_squeeze + w_project * area_out,
        weights=w_expand + w_depthwise + w_squeeze + w_project,
        other=2 * (expands * mid + mid + c_out) + block.se * (squeeze + mid),
        activations=expands * mid * area_in + mid * area_out + block.se * (squeeze + mid) + c_out * area_out,
        peak=peak,
        pooled=block.se * mid * area_out,
        times=block.times,
    )


def _head(block: HeadBlock) -> BlockCosts:
    area, wide = block.side * block.side, block.expand * block.c_in
    w_wide, w_head, w_classes = block.c_in * wide, wide * block.channels, block.channels * block.classes
    return BlockCosts(
        flops=w_wide * area + w_head + w_classes,
        weights=w_wide + w_head + w_classes,
        other=2 * wide + block.classes,
        activations=wide * area + block.channels + block.classes,
        peak=_largest([block.c_in * area + wide * area, wide + block.channels, block.channels + block.classes]),
        pooled=wide * area,
    )


def _largest(sizes: Iterable[Ints]) -> Ints:
    return reduce(np.maximum, sizes)


def mbconv_costs(columns: Columns, *, n: int) -> dict[str, Floats]:
    """Every cost in `COST_NAMES` of n candidates, float64 (n,); exact integers as long as they are below 2**53."""
    parts = [block_costs(block) for block in blocks(columns)]
    exact = {name: reduce(np.add, [part.adds(name) for part in parts]) for name in ADDED}
    exact |= {PEAK: _largest([part.adds(PEAK) for part in parts]), "resolution": columns.resolution}
    return {name: np.broadcast_to(value, (n,)).astype(np.float64) for name, value in exact.items()}


def architecture_costs(architecture: Architecture) -> dict[str, int]:
    """The costs of one network, by the same arithmetic."""
    return {name: int(value[0]) for name, value in mbconv_costs(written_out(architecture), n=1).items()}


def published_flops(architecture: Architecture) -> int:
    """FLOPs under the convention of the published FBNetV3 definitions (their `flops_m`).

    Multiply-accumulates of convolution and linear layers, plus one per element that enters an average pool
    (squeeze-excite's and the head's), plus one per head channel. 0.20-0.31 % above `flops`.
    """
    parts = [block_costs(block) for block in blocks(written_out(architecture))]
    pooled = sum(int(np.sum(part.times * part.pooled)) for part in parts)
    return architecture_costs(architecture)["flops"] + pooled + architecture.head.channels
