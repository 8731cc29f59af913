"""FBNetV2-L2 put together from timm's own parts, block by block as published (`nars.space.families.fbnetv2`)."""

from __future__ import annotations

from functools import partial
from typing import Any

from timm.layers.create_act import get_act_layer
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models._efficientnet_builder import round_channels
from timm.models.mobilenetv3 import MobileNetV3
from torch import nn

from nars.space import AnyArchitecture
from nars.space.families.fbnetv2 import KEEP, Block, published_blocks, rounded

_ROUND = partial(round_channels, round_limit=KEEP)
_SQUEEZE_EXCITE = partial(SqueezeExcite, gate_layer="hard_sigmoid", rd_round_fn=_ROUND)


def build_l2(architecture: AnyArchitecture, *, dropout: float, stochastic_depth: float) -> nn.Module:
    """The network for an architecture's image channels and classes."""
    stem, *trunk, head = published_blocks()
    stacks: list[list[dict[str, Any]]] = []
    width = stem.channels
    for block in trunk:
        if block.stride == 2 or not stacks:
            stacks.append([])
        if block.block != "skip" or block.channels != width:  # else the identity
            stacks[-1].append(_arguments(block, width))
        width = block.channels
    assert head.expand is not None
    pool = {"block_type": "cn", "kernel_size": 1, "stride": 1, "out_chs": int(head.expand * width), "skip": False}
    model: nn.Module = MobileNetV3(
        block_args=[*stacks, [pool | {"act_layer": get_act_layer(_timm(head.activation))}]],
        num_classes=architecture.classes,
        in_chans=architecture.in_channels,
        stem_size=stem.channels,
        fix_stem=True,
        num_features=head.channels,
        head_bias=False,
        act_layer=get_act_layer(_timm(head.activation)),
        norm_layer=nn.BatchNorm2d,
        round_chs_fn=_ROUND,
        se_layer=_SQUEEZE_EXCITE,
        se_from_exp=True,
        drop_rate=dropout,
        drop_path_rate=stochastic_depth,
    )
    return model


def _arguments(block: Block, width: int) -> dict[str, Any]:
    """timm's arguments for one block that is given `width` channels."""
    common = {"stride": block.stride, "out_chs": block.channels, "act_layer": get_act_layer(_timm(block.activation))}
    if block.block == "skip":
        return {**common, "block_type": "cn", "kernel_size": 1, "skip": False}
    kernel = {"dw_kernel_size": block.kernel, "se_ratio": 0.25 if block.se else 0.0, "noskip": False}
    if block.expand is None or block.expand == 1.0:
        return {**common, **kernel, "block_type": "ds"}
    return {**common, **kernel, "block_type": "ir", "exp_ratio": rounded(width * block.expand) / width}


def _timm(activation: str) -> str:
    return {"hswish": "hard_swish"}.get(activation, activation)
