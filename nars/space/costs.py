"""What a network costs, in closed form, for a whole population at once.

Notation: N candidates; c channels, k kernel, h side of a feature map in pixels, r squeeze-excite bottleneck.
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
from numpy.typing import NDArray

from nars.space.architecture import Architecture

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MBCONV_COSTS = ("flops", "params", "weights", "activations", "peak_activations", "resolution")
"""Names of the costs that every space with networks behind it has."""


@dataclass(frozen=True, kw_only=True)
class StageColumns:
    """The settings of one stage for N candidates; each array (N,) or of one element."""

    kernel_first: IntArray
    kernel_rest: IntArray
    expand_first: FloatArray
    expand_rest: FloatArray
    channels: IntArray
    depth: IntArray
    stride: IntArray
    se: IntArray
    first_padding: IntArray
    """-1 stands for kernel_first // 2."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """N architectures as columns; each array (N,) or of one element."""

    resolution: IntArray
    stem_channels: IntArray
    stem_stride: IntArray
    stages: tuple[StageColumns, ...]
    head_expand: IntArray
    head_channels: IntArray
    in_channels: int
    classes: int

    @staticmethod
    def of(architecture: Architecture) -> Columns:
        """One architecture as columns of one element."""

        def column(value: float) -> IntArray:
            return np.array([value], dtype=np.int64)

        return Columns(
            resolution=column(architecture.resolution),
            stem_channels=column(architecture.stem.channels),
            stem_stride=column(architecture.stem.stride),
            stages=tuple(
                StageColumns(
                    kernel_first=column(stage.kernel_first),
                    kernel_rest=column(stage.kernel_rest),
                    expand_first=np.array([stage.expand_first], dtype=np.float64),
                    expand_rest=np.array([stage.expand_rest], dtype=np.float64),
                    channels=column(stage.channels),
                    depth=column(stage.depth),
                    stride=column(stage.stride),
                    se=column(stage.se),
                    first_padding=column(-1 if stage.first_padding is None else stage.first_padding),
                )
                for stage in architecture.stages
            ),
            head_expand=column(architecture.head.expand),
            head_channels=column(architecture.head.channels),
            in_channels=architecture.in_channels,
            classes=architecture.classes,
        )


def round_to_eight(width: FloatArray, *, keep: float) -> IntArray:
    """Nearest multiple of 8, at least 8; one step up where that loses more than 1 - keep.

    The rule of the published networks (and timm's `make_divisible`): keep = 0.9 for expanded widths, 0.95 for
    squeeze-excite bottlenecks.
    """
    rounded = np.maximum(8, (width + 4).astype(np.int64) // 8 * 8)
    return np.where(rounded < keep * width, rounded + 8, rounded)


@dataclass
class _Totals:
    """Running sums over the layers seen so far."""

    flops: IntArray
    weights: IntArray
    other: IntArray
    """Biases and batch-norm parameters."""
    activations: IntArray
    peak: IntArray
    pooled: IntArray
    """Elements entering average pools (the published FLOPs count them)."""


@dataclass(frozen=True)
class _Block:
    """Costs of one MBConv block and its output side; arrays (N,)."""

    flops: IntArray
    weights: IntArray
    other: IntArray
    activations: IntArray
    peak: IntArray
    pooled: IntArray
    side: IntArray


def _block(
    *,
    c_in: IntArray,
    c_out: IntArray,
    kernel: IntArray,
    padding: IntArray,
    expand: FloatArray,
    stride: IntArray,
    se: IntArray,
    side: IntArray,
) -> _Block:
    mid = np.where(expand == 1, c_in, round_to_eight(c_in * expand, keep=0.9))
    # The order of the float operations is timm's, so that ties round the same way.
    squeeze = round_to_eight(mid * (0.25 / expand), keep=0.95) * se
    expands = (expand != 1).astype(np.int64)
    out = (side + 2 * padding - kernel) // stride + 1
    area_in, area_out = side * side, out * out
    shortcut = ((c_in == c_out) & (stride == 1) & (out == side)) * c_in * area_in

    w_expand = expands * c_in * mid
    w_depthwise = mid * kernel * kernel
    w_squeeze = 2 * mid * squeeze
    w_project = mid * c_out
    peak = _largest(
        [
            expands * (c_in * area_in + mid * area_in),
            # Without an expansion the depthwise input is the shortcut itself: it is there once.
            mid * (area_in + area_out) + expands * shortcut,
            # Squeeze-excite: its two 1x1 layers are tiny, but the whole feature map waits for the gate.
            se * (mid * area_out + mid + squeeze) + se * shortcut,
            mid * area_out + c_out * area_out + shortcut,
        ]
    )
    return _Block(
        flops=w_expand * area_in + w_depthwise * area_out + w_squeeze + w_project * area_out,
        weights=w_expand + w_depthwise + w_squeeze + w_project,
        other=2 * (expands * mid + mid + c_out) + se * (squeeze + mid),
        activations=expands * mid * area_in + mid * area_out + se * (squeeze + mid) + c_out * area_out,
        peak=peak,
        pooled=se * mid * area_out,
        side=out,
    )


def _largest(sizes: Iterable[IntArray]) -> IntArray:
    return reduce(np.maximum, sizes)


def _add(totals: _Totals, block: _Block, times: IntArray) -> None:
    totals.flops = totals.flops + times * block.flops
    totals.weights = totals.weights + times * block.weights
    totals.other = totals.other + times * block.other
    totals.activations = totals.activations + times * block.activations
    totals.pooled = totals.pooled + times * block.pooled
    totals.peak = np.maximum(totals.peak, np.where(times > 0, block.peak, 0))


def _count(columns: Columns) -> _Totals:
    side = (columns.resolution - 1) // columns.stem_stride + 1  # 3x3, padding 1
    c = columns.stem_channels
    weights = 9 * columns.in_channels * c
    stem_out = c * side * side
    totals = _Totals(
        flops=weights * side * side,
        weights=weights,
        other=2 * c,
        activations=stem_out,
        peak=columns.in_channels * columns.resolution * columns.resolution + stem_out,
        pooled=np.zeros_like(c),
    )
    for stage in columns.stages:
        first = _block(
            c_in=c,
            c_out=stage.channels,
            kernel=stage.kernel_first,
            padding=np.where(stage.first_padding < 0, stage.kernel_first // 2, stage.first_padding),
            expand=stage.expand_first,
            stride=stage.stride,
            se=stage.se,
            side=side,
        )
        _add(totals, first, np.ones_like(c))
        c, side = stage.channels, first.side
        rest = _block(
            c_in=c,
            c_out=c,
            kernel=stage.kernel_rest,
            padding=stage.kernel_rest // 2,
            expand=stage.expand_rest,
            stride=np.ones_like(c),
            se=stage.se,
            side=side,
        )
        _add(totals, rest, stage.depth - 1)
    _add_head(totals, columns, c, side)
    return totals


def _add_head(totals: _Totals, columns: Columns, c: IntArray, side: IntArray) -> None:
    """MBPool and the classifier: 1x1 conv + batch norm, average pool, 1x1 conv without bias, linear."""
    area, wide = side * side, columns.head_expand * c
    w_wide, w_head, w_classes = c * wide, wide * columns.head_channels, columns.head_channels * columns.classes
    totals.flops = totals.flops + w_wide * area + w_head + w_classes
    totals.weights = totals.weights + w_wide + w_head + w_classes
    totals.other = totals.other + 2 * wide + columns.classes
    totals.activations = totals.activations + wide * area + columns.head_channels + columns.classes
    totals.pooled = totals.pooled + wide * area
    totals.peak = _largest(
        [
            totals.peak,
            c * area + wide * area,
            wide + columns.head_channels,
            columns.head_channels + columns.classes,
        ]
    )


def mbconv_costs(columns: Columns, *, n: int) -> dict[str, FloatArray]:
    """Every cost in `MBCONV_COSTS`, each float64 (n,); exact integers as long as they are below 2**53.

    Args:
        columns: n candidates.
        n: number of candidates (columns that are fixed in a space have one element).
    """
    totals = _count(columns)
    exact = {
        "flops": totals.flops,
        "params": totals.weights + totals.other,
        "weights": totals.weights,
        "activations": totals.activations,
        "peak_activations": totals.peak,
        "resolution": columns.resolution,
    }
    return {name: np.broadcast_to(value, (n,)).astype(np.float64) for name, value in exact.items()}


def architecture_costs(architecture: Architecture) -> dict[str, int]:
    """The costs of one network, by the same arithmetic."""
    return {name: int(value[0]) for name, value in mbconv_costs(Columns.of(architecture), n=1).items()}


def published_flops(architecture: Architecture) -> int:
    """FLOPs under the convention of the published FBNetV3 definitions (their `flops_m`).

    Multiply-accumulates of convolution and linear layers, plus one per element that enters an average pool
    (squeeze-excite's and the head's), plus one per head channel. 0.20-0.31 % above `flops`.
    """
    totals = _count(Columns.of(architecture))
    return int(totals.flops[0] + totals.pooled[0]) + architecture.head.channels
