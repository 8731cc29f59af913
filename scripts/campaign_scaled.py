"""Networks that people made, each at its best for a budget: as deep and as large as it likes, as wide as it may.

MobileNetV2, MobileNetV3 and EfficientNet as `campaign_networks.py` has them. ResNet as its authors built it for small
images (He et al. 2015, section 4.2): three stages of basic blocks, each twice as wide at half of the side.
RegNetX-200MF (Radosavovic et al. 2020) with the strides that small images allow, 8 in all. Both are of timm's blocks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from torch import nn

from campaign_arms import costs_of
from campaign_networks import NAMES, published
from nars.space import AnyArchitecture, Flat, Scaling, Space, scale
from nars.space.families.generic.flat import FlatArchitecture

SCALED = Flat(builder="campaign_scaled:build")
"""The family of the two that are no MBConv networks."""

PEOPLES = (*NAMES, "ResNet", "RegNet")

_RESOLUTIONS = (12, 16, 24, 32)
"""Pixels; from 24 on the stem halves them."""

_DEPTHS: dict[str, tuple[float, ...]] = {"ResNet": (1, 2, 3)}
_USUAL_DEPTHS = (0.34, 0.5, 1.0)
"""Shares of the published depth; of ResNet, blocks in each stage."""

_WIDTHS = [round(float(width), 4) for width in np.geomspace(0.05, 4.0, 60)]
_FULLEST = 0.65
"""Share of its budget that a network uses at least."""

_REGNET = ((24, 1, 1), (56, 1, 2), (152, 4, 2), (368, 7, 2))
"""Of RegNetX-200MF: width, depth, stride of each stage; the first stride is 2 with photographs."""
_GROUP = 8


def shapes(name: str, space: Space, *, flops: float, count: int) -> list[tuple[str, AnyArchitecture]]:
    """At most `count` networks (what it looks like, network) of one of `PEOPLES`, as wide as the FLOPs allow.

    A random choice of depths and resolutions, the same each time.

    Raises:
        SystemExit: there is none of so few FLOPs.
    """
    found = list(_fitting(name, space, flops))
    if not found:
        raise SystemExit(f"{name} cannot be scaled to {flops:,.0f} multiply-accumulates; take a larger budget")
    order = np.random.default_rng(0).permutation(len(found))[:count]
    return [found[number] for number in sorted(order)]


def _fitting(name: str, space: Space, flops: float) -> Iterator[tuple[str, AnyArchitecture]]:
    for depth in _DEPTHS.get(name, _USUAL_DEPTHS):
        for resolution in _RESOLUTIONS:
            side = resolution // _stem_stride(resolution)
            width = _widest(name, space.in_channels, space.classes, depth, side, flops)
            network = _network(name, space.in_channels, space.classes, depth=depth, resolution=resolution, width=width)
            if _FULLEST * flops <= costs_of(network)["flops"] <= flops:
                yield f"depth {depth:g}, {resolution} px", network


def _stem_stride(resolution: int) -> int:
    return 2 if resolution >= 24 else 1


@cache
def _widest(name: str, in_channels: int, classes: int, depth: float, side: int, flops: float) -> float:
    """The largest width that fits; as a stem that halves images costs what one that takes them halved does."""
    make = partial(_network, name, in_channels, classes, depth=depth, resolution=side)
    fitting = bisect_right(_WIDTHS, flops, key=lambda width: costs_of(make(width=width))["flops"])
    return _WIDTHS[max(fitting - 1, 0)]


def _network(
    name: str, in_channels: int, classes: int, *, depth: float, resolution: int, width: float
) -> AnyArchitecture:
    stem_stride = _stem_stride(resolution)
    if name in NAMES:
        shape = {"in_channels": in_channels, "classes": classes}
        full = published(name, resolution=resolution, stem_stride=stem_stride, **shape)
        return scale(full, Scaling(depth=depth, width=max(width, 0.1)))
    return FlatArchitecture(
        family="campaign_scaled:SCALED",
        resolution=resolution,
        settings={"name": name, "depth": float(depth), "width": width, "stem_stride": stem_stride},
        in_channels=in_channels,
        classes=classes,
    )


def build(architecture: FlatArchitecture, *, dropout: float, stochastic_depth: float) -> nn.Module:
    """As in `Family.builder`."""
    from timm.layers.classifier import ClassifierHead
    from timm.layers.conv_bn_act import ConvNormAct

    how = architecture.settings
    make = {"ResNet": _resnet, "RegNet": _regnet}[str(how["name"])]
    stem, stages, last = make(float(str(how["width"])), float(str(how["depth"])), stochastic_depth)
    first = ConvNormAct(architecture.in_channels, stem, 3, stride=int(str(how["stem_stride"])))
    return nn.Sequential(first, *stages, ClassifierHead(last, architecture.classes, drop_rate=dropout))


def _resnet(width: float, depth: float, stochastic_depth: float) -> tuple[int, list[nn.Module], int]:
    """Channels of the stem, the stages, channels at the end."""
    from timm.models.resnet import BasicBlock, make_blocks

    base = max(round(16 * width), 2)
    channels, repeats = (base, 2 * base, 4 * base), (round(depth),) * 3
    blocks = make_blocks((BasicBlock,) * 3, channels, repeats, base, drop_path_rate=stochastic_depth)[0]
    return base, [stage for _, stage in blocks], channels[-1]


def _regnet(width: float, depth: float, stochastic_depth: float) -> tuple[int, list[nn.Module], int]:
    """As `_resnet`."""
    from timm.models.regnet import RegStage

    def wide(channels: int) -> int:
        return max(round(channels * width / _GROUP), 1) * _GROUP

    counts = [max(round(blocks * depth), 1) for _, blocks, _ in _REGNET]
    rates = np.split(np.linspace(0.0, stochastic_depth, sum(counts)), np.cumsum(counts)[:-1])
    stem = before = wide(32)
    stages: list[Any] = []
    for (channels, _, stride), count, drops in zip(_REGNET, counts, rates, strict=True):
        stages.append(
            RegStage(
                count,
                before,
                wide(channels),
                stride,
                1,
                drop_path_rates=drops.tolist(),
                group_size=_GROUP,
                se_ratio=0.0,
            )
        )
        before = wide(channels)
    return stem, stages, before
