"""N networks as columns of settings, taken apart into the blocks that they are built from.

Notation: N candidates; arrays are (N,) or of one element where a setting is the same for all. c channels, side of a
feature map in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.space.families.mbconv.architecture import Architecture, rule
from nars.space.settings import FloatArray, Population
from nars.space.space import Space

IntArray = NDArray[np.int64]
Settings = Mapping[str, NDArray[Any]]
"""{setting: its choice as a number}; an activation is its place in `ACTIVATIONS`, the usual padding -1."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """N architectures as columns."""

    resolution: IntArray
    stem: Settings
    stages: tuple[Settings, ...]
    head: Settings
    in_channels: int
    classes: int

    @staticmethod
    def of(numbers: Settings, *, in_channels: int, classes: int) -> Columns:
        """From the settings by their full names, as `Space.numbers` has them."""
        parts: dict[str, dict[str, NDArray[Any]]] = {}
        for name, values in numbers.items():
            part, _, setting = name.rpartition(".")
            parts.setdefault(part, {})[setting] = values
        return Columns(
            resolution=numbers["resolution"],
            stem=parts["stem"],
            stages=tuple(parts[f"stage{number}"] for number in range(1, len(parts) - 2)),
            head=parts["head"],
            in_channels=in_channels,
            classes=classes,
        )


def columns_of(space: Space, X: Population) -> Columns:
    """The architectures of X as columns."""
    return Columns.of(space.numbers(X), in_channels=space.in_channels, classes=space.classes)


def written_out(architecture: Architecture) -> Columns:
    """One architecture as columns of one element."""
    own = {name: rule(name).numbers([value]) for name, value in architecture.record().items()}
    return Columns.of(own, in_channels=architecture.in_channels, classes=architecture.classes)


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
    return StemBlock(in_channels=columns.in_channels, side=columns.resolution, **columns.stem)


def first_block(stage: Settings, c: IntArray, side: IntArray) -> MBConvBlock:
    """The block that changes width and stride, on feature maps of c channels and the given side."""
    padding = stage["first_padding"]
    return MBConvBlock(
        c_in=c,
        c_out=stage["channels"],
        kernel=stage["kernel_first"],
        padding=np.where(padding < 0, stage["kernel_first"] // 2, padding),
        expand=stage["expand_first"],
        stride=stage["stride"],
        se=stage["se"],
        activation=stage["activation"],
        side=side,
        times=np.ones_like(c),
    )


def rest_block(stage: Settings, c: IntArray, side: IntArray) -> MBConvBlock:
    """The blocks after the first, `depth - 1` times."""
    return MBConvBlock(
        c_in=c,
        c_out=c,
        kernel=stage["kernel_rest"],
        padding=stage["kernel_rest"] // 2,
        expand=stage["expand_rest"],
        stride=np.ones_like(c),
        se=stage["se"],
        activation=stage["activation"],
        side=side,
        times=stage["depth"] - 1,
    )


def head_block(columns: Columns, c: IntArray, side: IntArray) -> HeadBlock:
    """How the networks end."""
    return HeadBlock(c_in=c, side=side, classes=columns.classes, **columns.head)


def blocks(columns: Columns) -> Iterator[Block]:
    """All blocks in the order of the network."""
    stem = stem_block(columns)
    yield stem
    c, side = stem.channels, stem.out
    for stage in columns.stages:
        first = first_block(stage, c, side)
        yield first
        c, side = stage["channels"], first.out
        yield rest_block(stage, c, side)
    yield head_block(columns, c, side)
