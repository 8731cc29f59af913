"""N networks as columns of settings, taken apart into the blocks that they are built from.

Notation: N candidates; arrays are (N,) or of one element where a setting is the same for all. c channels, side of a
feature map in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.space.architecture import ACTIVATIONS, Architecture

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StageColumns:
    """The settings of one stage for N candidates."""

    kernel_first: IntArray
    kernel_rest: IntArray
    expand_first: FloatArray
    expand_rest: FloatArray
    channels: IntArray
    depth: IntArray
    stride: IntArray
    se: IntArray
    activation: IntArray
    """Index into `ACTIVATIONS`."""
    first_padding: IntArray
    """-1 stands for kernel_first // 2."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """N architectures as columns."""

    resolution: IntArray
    stem_channels: IntArray
    stem_stride: IntArray
    stem_activation: IntArray
    stages: tuple[StageColumns, ...]
    head_expand: IntArray
    head_channels: IntArray
    head_activation: IntArray
    in_channels: int
    classes: int

    @staticmethod
    def of(architecture: Architecture) -> Columns:
        """One architecture as columns of one element."""

        def column(value: float) -> IntArray:
            return np.array([value], dtype=np.int64)

        def activation(name: str) -> IntArray:
            return column(ACTIVATIONS.index(name))

        return Columns(
            resolution=column(architecture.resolution),
            stem_channels=column(architecture.stem.channels),
            stem_stride=column(architecture.stem.stride),
            stem_activation=activation(architecture.stem.activation),
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
                    activation=activation(stage.activation),
                    first_padding=column(-1 if stage.first_padding is None else stage.first_padding),
                )
                for stage in architecture.stages
            ),
            head_expand=column(architecture.head.expand),
            head_channels=column(architecture.head.channels),
            head_activation=activation(architecture.head.activation),
            in_channels=architecture.in_channels,
            classes=architecture.classes,
        )


@dataclass(frozen=True, kw_only=True)
class StemBlock:
    """3x3 convolution with padding 1, batch norm, activation."""

    in_channels: int
    channels: IntArray
    stride: IntArray
    activation: IntArray
    side: IntArray
    """Of its input: the resolution."""

    @property
    def out(self) -> IntArray:
        """Side of its output."""
        return (self.side - 1) // self.stride + 1


@dataclass(frozen=True, kw_only=True)
class MBConvBlock:
    """1x1 expansion (left out at ratio 1), depthwise, squeeze-excite, 1x1 projection, shortcut where shapes allow."""

    c_in: IntArray
    c_out: IntArray
    kernel: IntArray
    padding: IntArray
    expand: FloatArray
    stride: IntArray
    se: IntArray
    activation: IntArray
    side: IntArray
    """Of its input."""
    times: IntArray
    """How many such blocks follow one another, >= 0."""

    @property
    def out(self) -> IntArray:
        """Side of its output."""
        return (self.side + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True, kw_only=True)
class HeadBlock:
    """MBPool and the classifier: 1x1 conv + batch norm, average pool, 1x1 conv without bias, linear."""

    c_in: IntArray
    expand: IntArray
    channels: IntArray
    classes: int
    activation: IntArray
    side: IntArray


Block = StemBlock | MBConvBlock | HeadBlock


def stem_block(columns: Columns) -> StemBlock:
    """How the networks begin."""
    return StemBlock(
        in_channels=columns.in_channels,
        channels=columns.stem_channels,
        stride=columns.stem_stride,
        activation=columns.stem_activation,
        side=columns.resolution,
    )


def first_block(stage: StageColumns, c: IntArray, side: IntArray) -> MBConvBlock:
    """The block that changes width and stride, on feature maps of c channels and the given side."""
    return MBConvBlock(
        c_in=c,
        c_out=stage.channels,
        kernel=stage.kernel_first,
        padding=np.where(stage.first_padding < 0, stage.kernel_first // 2, stage.first_padding),
        expand=stage.expand_first,
        stride=stage.stride,
        se=stage.se,
        activation=stage.activation,
        side=side,
        times=np.ones_like(c),
    )


def rest_block(stage: StageColumns, c: IntArray, side: IntArray) -> MBConvBlock:
    """The blocks after the first, `depth - 1` times."""
    return MBConvBlock(
        c_in=c,
        c_out=c,
        kernel=stage.kernel_rest,
        padding=stage.kernel_rest // 2,
        expand=stage.expand_rest,
        stride=np.ones_like(c),
        se=stage.se,
        activation=stage.activation,
        side=side,
        times=stage.depth - 1,
    )


def head_block(columns: Columns, c: IntArray, side: IntArray) -> HeadBlock:
    """How the networks end."""
    return HeadBlock(
        c_in=c,
        expand=columns.head_expand,
        channels=columns.head_channels,
        classes=columns.classes,
        activation=columns.head_activation,
        side=side,
    )


def blocks(columns: Columns) -> Iterator[Block]:
    """All blocks in the order of the network."""
    stem = stem_block(columns)
    yield stem
    c, side = stem.channels, stem.out
    for stage in columns.stages:
        first = first_block(stage, c, side)
        yield first
        c, side = stage.channels, first.out
        yield rest_block(stage, c, side)
    yield head_block(columns, c, side)
