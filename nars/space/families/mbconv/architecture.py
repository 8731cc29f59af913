"""One network, written out: what a person reads and what `nars.network` builds. Its fields are the family's settings.

A field of `Stem`, `Stage` or `Head` is all that there is to adding a setting: the space file, its limits, records,
columns, the chain of blocks and the table for people derive from them. What it does is said where blocks are built
(`nars.network.mbconv`) and costed (`costs.py`).

Inside the search a candidate is a row of choice indices; it becomes an `Architecture` only where a person or a training
loop meets it. The published FBNetV3-A to G are `Architecture`s as well, those outside every search space included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, Literal, get_args

from nars.files import Value
from nars.space.families.rules import RESOLUTION, Rule

Activation = Literal["hard_swish", "relu", "relu6", "swish", "gelu"]
"""Activations a stage may use; the names are timm's. Quantized, ONNX Runtime (1.32) computes relu, relu6 and the smooth
swish in int8 throughout; the sigmoid of hard_swish and the erf of gelu stay float32."""

ACTIVATIONS: tuple[str, ...] = get_args(Activation)


_CHANNELS = Rule(low=1, high=16384, whole=True)
_STRIDE = Rule(low=1, high=2, whole=True)
_WORDS = Rule(words=ACTIVATIONS)
_WIDER = Rule(low=1, high=32, whole=True)


def _kernel(**how: Any) -> Rule:
    return Rule(low=1, high=31, whole=True, odd=True, short="kernel", **how)


def _ratio(**how: Any) -> Rule:
    return Rule(low=1, high=32, short="expand", **how)


def _half(kernel: int) -> int:
    return kernel // 2


_SINGLE = ("depth", 1)
_FIRST, _REST = ("first",), ("rest",)


def _setting(rule: Rule, heading: str = "", *, read_by: tuple[str, ...] = (*_FIRST, *_REST)) -> dict[str, Any]:
    """What a field knows beside its type and default.

    Args:
        rule: what its choices may be.
        heading: of the column that shows it to people; without one it is shown with the first, unless left out.
        read_by: blocks of a stage that it decides.
    """
    return {"rule": rule, "heading": heading, "read_by": read_by}


@dataclass(frozen=True, kw_only=True)
class Stem:
    """The first convolution: 3x3, then batch norm and activation."""

    channels: int = field(metadata=_setting(_CHANNELS))
    """Output channels, > 0."""
    stride: int = field(default=2, metadata=_setting(_STRIDE))
    """1 or 2."""
    activation: str = field(default="hard_swish", metadata=_setting(_WORDS))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A run of `depth` MBConv blocks; the first one changes width and stride (FBNetV3, search-space table).

    A block is: 1x1 expansion (left out when the ratio is 1), depthwise k x k, squeeze-excite, 1x1 projection,
    and the identity added where the shape allows.
    """

    kernel_first: int = field(metadata=_setting(_kernel(), "k", read_by=_FIRST))
    """Depthwise kernel of the first block, odd."""
    kernel_rest: int = field(metadata=_setting(_kernel(unread=_SINGLE), "k", read_by=_REST))
    """Depthwise kernel of the other blocks, odd; without effect when `depth` is 1."""
    expand_first: float = field(metadata=_setting(_ratio(), "e", read_by=_FIRST))
    """Expansion ratio of the first block, >= 1."""
    expand_rest: float = field(metadata=_setting(_ratio(unread=_SINGLE), "e", read_by=_REST))
    """Expansion ratio of the other blocks, >= 1; without effect when `depth` is 1."""
    channels: int = field(metadata=_setting(_CHANNELS, "c", read_by=_FIRST))
    """Output channels of each block; the later blocks are handed their width."""
    depth: int = field(metadata=_setting(Rule(low=1, high=64, whole=True), "n", read_by=_REST))
    """Number of blocks, >= 1."""
    stride: int = field(default=1, metadata=_setting(_STRIDE, "s", read_by=_FIRST))
    """Stride of the first block, 1 or 2."""
    se: bool = field(default=False, metadata=_setting(Rule(switch=True), "SE"))
    """Squeeze-excite after the depthwise convolution, a quarter of the block's *input* channels wide."""
    activation: str = field(default="hard_swish", metadata=_setting(_WORDS, "act"))
    first_padding: int | None = field(
        default=None,
        metadata=_setting(Rule(low=0, high=15, whole=True, default=("kernel_first", _half)), read_by=_FIRST),
    )
    """Padding of the first depthwise convolution; None is `kernel_first // 2`. FBNetV3-A, B, C, E and F use 0 or 1 in
    one or two stages "for latency" (`first_depthwise_padding` in the published definitions)."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """MBPool: 1x1 convolution to `expand` x channels, activation, average pool, 1x1 to `channels`, activation."""

    expand: int = field(default=6, metadata=_setting(_WIDER))
    channels: int = field(default=1984, metadata=_setting(_CHANNELS))
    activation: str = field(default="hard_swish", metadata=_setting(_WORDS))


Part = type[Stem] | type[Stage] | type[Head]
STAGE_SETTINGS = tuple(setting.name for setting in fields(Stage))
PAIRS: Mapping[str, tuple[str, ...]] = {
    short: tuple(f.name for f in fields(Stage) if f.metadata["rule"].short == short) for short in ("kernel", "expand")
}
"""What a space file may say once for the first and the other blocks of a stage."""


def defaults(part: Part) -> dict[str, Value]:
    """The fields that may be left out, with what they are then."""
    return {f.name: f.default for f in fields(part) if f.default is not MISSING}


def read_by(block: str) -> tuple[str, ...]:
    """Settings of a stage that its "first" block, or the "rest", depends on."""
    return tuple(f.name for f in fields(Stage) if block in f.metadata["read_by"])


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A whole network and the image it takes."""

    family: ClassVar[str] = "mbconv"
    resolution: int
    """Side of the square input, pixels."""
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head
    in_channels: int = 3
    classes: int = 1000

    @property
    def normalization(self) -> None:
        """As the training images are."""

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

    def record(self) -> dict[str, Value]:
        """Every setting by its full name: {"resolution": 224, "stem.channels": 16, "stage1.kernel_first": 3, ...}."""
        stages: dict[str, Any] = {f"stage{number}": stage for number, stage in enumerate(self.stages, 1)}
        parts = {"stem": self.stem, **stages, "head": self.head}
        own = {f"{name}.{setting}": value for name, part in parts.items() for setting, value in vars(part).items()}
        return {"resolution": self.resolution} | own

    @staticmethod
    def of(record: Mapping[str, Any], *, in_channels: int, classes: int) -> Architecture:
        """The network of a record; names of a recipe in it are passed over."""

        def part(prefix: str) -> dict[str, Any]:
            return {name.split(".", 1)[1]: value for name, value in record.items() if name.startswith(prefix + ".")}

        stages = sum(name.startswith("stage") and name.endswith(".depth") for name in record)
        return Architecture(
            resolution=record["resolution"],
            stem=Stem(**part("stem")),
            stages=tuple(Stage(**part(f"stage{number}")) for number in range(1, stages + 1)),
            head=Head(**part("head")),
            in_channels=in_channels,
            classes=classes,
        )


@cache
def rule(setting: str) -> Rule:
    """What holds for a setting of an architecture, by its full name; what it refers to by full names too."""
    part, _, name = setting.rpartition(".")
    if not part:
        return RESOLUTION
    parts: dict[str, Part] = {"stem": Stem, "head": Head}
    found: Rule = parts.get(part, Stage).__dataclass_fields__[name].metadata["rule"]
    return replace(
        found,
        unread=found.unread and (f"{part}.{found.unread[0]}", found.unread[1]),
        default=found.default and (f"{part}.{found.default[0]}", found.default[1]),
        short=found.short and f"{part}.{found.short}",
    )
