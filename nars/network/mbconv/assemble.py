"""An `Architecture` put together from timm's own parts: `EfficientNetBuilder` for the trunk, `MobileNetV3` around it.

timm's recipe for FBNetV3 is `_gen_fbnetv3` in timm/models/mobilenetv3.py; what this module makes of the published
FBNetV3-D and G has the same state dict, name by name and shape by shape, so weights go both ways.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

from timm.layers.create_act import get_act_layer
from timm.layers.create_norm_act import get_norm_act_layer
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models._efficientnet_builder import EfficientNetBuilder, efficientnet_init_weights, round_channels
from timm.models.mobilenetv3 import MobileNetV3
from torch import nn

from nars.network.errors import NetworkError
from nars.space import Architecture, Head, Stage, family_of

SE_RATIO = 0.25
"""Width of the squeeze-excite bottleneck over the block's input channels."""

_BUILDER_STEM_STRIDE = 2
"""`EfficientNetBuilder` starts counting reductions from here, whatever the stem does."""

_NEVER_DILATE = 1 << 30
"""Output stride past which the builder would turn strides into dilation: out of reach, a stride stays a stride."""

_SQUEEZE_EXCITE = partial(
    SqueezeExcite, gate_layer="hard_sigmoid", rd_round_fn=partial(round_channels, round_limit=0.95)
)
"""SE bottleneck to the nearest multiple of 8, one step up if that loses more than 5 % (as published)."""


def _as_given(channels: int) -> int:
    """Widths are the architecture's own; the builder must not round them."""
    return channels


def _block(stage: Stage, index: int) -> dict[str, Any]:
    """timm's arguments for block `index` of a stage (0 is the one that changes width and stride)."""
    first = index == 0
    expand = float(stage.expand_first if first else stage.expand_rest)
    block: dict[str, Any] = {
        "block_type": "ir",
        "dw_kernel_size": stage.kernel_first if first else stage.kernel_rest,
        "stride": stage.stride if first else 1,
        "out_chs": stage.channels,
        "se_ratio": SE_RATIO if stage.se else 0.0,
        "act_layer": get_act_layer(stage.activation),
        "noskip": False,
    }
    # Ratio 1 has no expansion convolution: timm's depthwise-separable block, as in its FBNetV3 stage 1.
    return {**block, "block_type": "ds"} if expand == 1.0 else {**block, "exp_ratio": expand}


def stacks(stages: tuple[Stage, ...]) -> tuple[tuple[int, ...], ...]:
    """Which stages share a stack (an entry of timm's `model.blocks`), as tuples of stage indices.

    One rule: every stage is a stack of its own, but a *last* stage of stride 1 continues the stack before it. That is
    the layout of timm's `fbnetv3_*`, where the published stage 7 ends the stack of stage 6 while stages 1 and 5, stride
    1 as well, stand alone. Feature taps are the same either way: timm takes them before each stride and after the last
    stack.
    """
    if len(stages) > 1 and stages[-1].stride == 1:
        return (*((i,) for i in range(len(stages) - 2)), (len(stages) - 2, len(stages) - 1))
    return tuple((i,) for i in range(len(stages)))


def _head_block(head: Head, channels: int) -> dict[str, Any]:
    """MBPool's 1x1 convolution before the pooling, `channels` -> `head.expand` x `channels`."""
    return {
        "block_type": "cn",
        "kernel_size": 1,
        "stride": 1,
        "out_chs": head.expand * channels,
        "act_layer": get_act_layer(head.activation),
        "skip": False,
    }


def _override_padding(stage: Stage, block: nn.Module) -> None:
    """Give the stage's first depthwise convolution its `first_padding`; no identity where that changes the size."""
    if stage.first_padding is None or stage.first_padding == stage.kernel_first // 2:
        return
    depthwise: Any = block.conv_dw
    depthwise.padding = (stage.first_padding, stage.first_padding)
    block.has_skip = False  # type: ignore[assignment]  # a plain flag of timm's blocks


def assemble(
    architecture: Architecture,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    global_pool: str = "avg",
) -> Any:
    """The network, initialized from torch's global generator as timm does (`efficientnet_init_weights`).

    The keyword names are timm's, so that `timm.create_model` can pass them on.

    Returns:
        A timm `MobileNetV3`: (N, in_chans, R, R) -> (N, num_classes) logits.

    Raises:
        NetworkError: no network can be built from these settings.
    """
    check(architecture)
    classes = architecture.classes if num_classes is None else num_classes
    channels = architecture.in_channels if in_chans is None else in_chans
    common: dict[str, Any] = {
        "norm_layer": nn.BatchNorm2d,
        "round_chs_fn": _as_given,
        "se_layer": _SQUEEZE_EXCITE,
        "se_from_exp": False,
    }
    stem, stages, head = architecture.stem, architecture.stages, architecture.head
    trunk = [[_block(stages[s], i) for s in stack for i in range(stages[s].depth)] for stack in stacks(stages)]
    pool = _head_block(head, stages[-1].channels)
    # MobileNetV3 fixes a stem of stride 2, one activation, and dilation beyond an output stride of 32. So it gives the
    # head and the methods, built around MBPool alone; stem and trunk, free of those limits, take their places below.
    model: Any = MobileNetV3(
        block_args=[[dict(pool)]],  # timm takes what it is given apart
        num_classes=classes,
        in_chans=channels,
        stem_size=stem.channels,
        num_features=head.channels,
        head_bias=False,
        act_layer=get_act_layer(head.activation),
        drop_rate=drop_rate,
        drop_path_rate=drop_path_rate,
        global_pool=global_pool,
        **common,
    )
    model.conv_stem = nn.Conv2d(channels, stem.channels, 3, stride=stem.stride, padding=1, bias=False)
    model.bn1 = get_norm_act_layer(nn.BatchNorm2d, get_act_layer(stem.activation))(stem.channels, inplace=True)
    builder = EfficientNetBuilder(
        output_stride=_NEVER_DILATE,
        act_layer=get_act_layer(head.activation),  # timm requires a default; each block brings its own
        drop_path_rate=drop_path_rate,
        **common,
    )
    model.blocks = nn.Sequential(*builder(stem.channels, [*trunk, [pool]]))
    model.feature_info = [
        {**level, "reduction": level["reduction"] * stem.stride // _BUILDER_STEM_STRIDE} for level in builder.features
    ]
    model.stage_ends = [level["stage"] for level in builder.features]
    for stack, blocks in zip(stacks(stages), model.blocks, strict=False):  # the last stack is MBPool's
        offset = 0
        for s in stack:
            _override_padding(stages[s], blocks[offset])
            offset += stages[s].depth
    efficientnet_init_weights(model)
    return model


_GROWING = ("channels", "depth")
"""Scaling goes beyond what a space file may ask for."""


def check(architecture: Architecture) -> None:
    """Refuse settings that make no network, or one whose feature map would vanish at the architecture's resolution.

    Raises:
        NetworkError: names the setting, what it got and what is allowed.
    """
    for name in ("resolution", "in_channels", "classes"):
        if (got := getattr(architecture, name)) < 1:
            raise NetworkError(f"{name} must be at least 1, got {got}; take that of the images")
    if not architecture.stages:
        raise NetworkError("stages must be at least one stage, got none; add one")
    for name, value in architecture.record().items():
        rule = family_of("mbconv").rule(name)
        if name.rpartition(".")[2] in _GROWING:
            rule = replace(rule, high=math.inf)
        if name != "resolution" and (mistake := rule.fault(value)):
            raise NetworkError(f"{name} {mistake}")
    side = (architecture.resolution - 1) // architecture.stem.stride + 1
    for number, stage in enumerate(architecture.stages, start=1):
        padding = stage.kernel_first // 2 if stage.first_padding is None else stage.first_padding
        before, side = side, (side + 2 * padding - stage.kernel_first) // stage.stride + 1
        if side < 1:
            raise NetworkError(
                f"stage{number}: a {stage.kernel_first}x{stage.kernel_first} convolution with padding {padding} leaves "
                f"nothing of a {before}x{before} feature map (resolution {architecture.resolution}); raise the "
                f"resolution, or leave first_padding out"
            )
