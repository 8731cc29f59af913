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

from nars.arrays import Floats, Ints
from nars.space.dimension import Population
from nars.space.families.mbconv.architecture import Architecture, rule
from nars.space.space import Space

Settings = Mapping[str, NDArray[Any]]
"""{setting: its choice as a number}; an activation is its place in `ACTIVATIONS`, the usual padding -1."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """N architectures as columns."""

    resolution: Ints
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
    channels: Ints
    stride: Ints
    activation: Ints
    side: Ints
    """Side of its input: the resolution."""

    @property
    def out(self) -> Ints:
        """Side of its output."""
        return (self.side - 1) // self.stride + 1


@dataclass(frozen=True, kw_only=True)
class MBConvBlock:
    """1x1 expansion (left out at ratio 1), depthwise, squeeze-excite, 1x1 projection, shortcut where shapes allow."""

    c_in: Ints
    c_out: Ints
    kernel: Ints
    padding: Ints
    expand: Floats
    stride: Ints
    se: Ints
    activation: Ints
    side: Ints
    """Side of its input."""
    times: Ints
    """How many such blocks follow one another, >= 0."""

    @property
    def out(self) -> Ints:
        """Side of its output."""
        return (self.side + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True, kw_only=True)
class HeadBlock:
    """MBPool and the classifier: 1x1 conv + batch norm, average pool, 1x1 conv without bias, linear."""

    c_in: Ints
    expand: Ints
    channels: Ints
    classes: int
    activation: Ints
    side: Ints


Block = StemBlock | MBConvBlock | HeadBlock


def stem_block(columns: Columns) -> StemBlock:
    """How the networks begin."""
    return StemBlock(in_channels=columns.in_channels, side=columns.resolution, **columns.stem)


def stage_block(stage: Settings, which: str, c: Ints, side: Ints) -> MBConvBlock:
    """The "first" block, which changes width and stride, or the "rest", on maps of c channels and the given side."""
    first, one, padding = which == "first", np.ones_like(c), stage["first_padding"]
    usual = stage[f"kernel_{which}"] // 2
    return MBConvBlock(
        c_in=c,
        c_out=stage["channels"] if first else c,
        kernel=stage[f"kernel_{which}"],
        padding=np.where(padding < 0, usual, padding) if first else usual,
        expand=stage[f"expand_{which}"],
        stride=stage["stride"] if first else one,
        se=stage["se"],
        activation=stage["activation"],
        side=side,
        times=one if first else stage["depth"] - 1,
    )


def head_block(columns: Columns, c: Ints, side: Ints) -> HeadBlock:
    """How the networks end."""
    return HeadBlock(c_in=c, side=side, classes=columns.classes, **columns.head)


def blocks(columns: Columns) -> Iterator[Block]:
    """All blocks in the order of the network."""
    stem = stem_block(columns)
    yield stem
    c, side = stem.channels, stem.out
    for stage in columns.stages:
        first = stage_block(stage, "first", c, side)
        yield first
        c, side = stage["channels"], first.out
        yield stage_block(stage, "rest", c, side)
    yield head_block(columns, c, side)
