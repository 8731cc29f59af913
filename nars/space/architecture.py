"""One network, written out: what a person reads and what `nars.network` builds.

Inside the search a candidate is a row of choice indices; it becomes an `Architecture` only where a person or a training
loop meets it. The published FBNetV3-A to G are `Architecture`s as well, those outside every search space included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Activation = Literal["hard_swish", "relu", "relu6", "swish", "gelu"]
"""Activations a stage may use; the names are timm's."""

ACTIVATIONS: tuple[str, ...] = get_args(Activation)


@dataclass(frozen=True, kw_only=True)
class Stem:
    """The first convolution: 3x3, then batch norm and activation."""

    channels: int
    """Output channels, > 0."""
    stride: int = 2
    """1 or 2."""
    activation: str = "hard_swish"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A run of `depth` MBConv blocks; the first one changes width and stride (FBNetV3, search-space table).

    A block is: 1x1 expansion (left out when the ratio is 1), depthwise k x k, squeeze-excite, 1x1 projection,
    and the identity added where the shape allows.
    """

    kernel_first: int
    """Depthwise kernel of the first block, odd."""
    kernel_rest: int
    """Depthwise kernel of the other blocks, odd; without effect when `depth` is 1."""
    expand_first: float
    """Expansion ratio of the first block, >= 1."""
    expand_rest: float
    """Expansion ratio of the other blocks, >= 1; without effect when `depth` is 1."""
    channels: int
    """Output channels of each block."""
    depth: int
    """Number of blocks, >= 1."""
    stride: int
    """Stride of the first block, 1 or 2."""
    se: bool
    """Squeeze-excite after the depthwise convolution, a quarter of the block's *input* channels wide."""
    activation: str = "hard_swish"
    first_padding: int | None = None
    """Padding of the first depthwise convolution; None is `kernel_first // 2`. FBNetV3-A, B, C, E and F use 0 or 1 in
    one or two stages "for latency" (`first_depthwise_padding` in the published definitions)."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """MBPool: 1x1 convolution to `expand` x channels, activation, average pool, 1x1 to `channels`, activation."""

    expand: int = 6
    channels: int = 1984
    activation: str = "hard_swish"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A whole network and the image it takes."""

    resolution: int
    """Side of the square input, pixels."""
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head
    in_channels: int = 3
    classes: int = 1000

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON types; `from_dict` reads it back."""
        document = asdict(self)
        document["stages"] = list(document["stages"])
        return document

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> Architecture:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: a key is missing or unknown.
        """
        try:
            return Architecture(
                resolution=document["resolution"],
                stem=Stem(**document["stem"]),
                stages=tuple(Stage(**stage) for stage in document["stages"]),
                head=Head(**document["head"]),
                in_channels=document["in_channels"],
                classes=document["classes"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"an architecture needs resolution, stem, stages, head, in_channels and classes; reading it failed at "
                f"{error}. Take the dict that Architecture.to_dict() writes."
            ) from error
