"""An `Architecture` as a timm model: the classifier, and the backbone that returns its feature pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from timm.models._builder import build_model_with_cfg
from timm.models.mobilenetv3 import MobileNetV3
from torch import nn

from nars.network.building import seeded, timm_config
from nars.network.mbconv.assemble import assemble
from nars.space import Architecture

LAYERS: dict[str, str] = {"first_conv": "conv_stem", "classifier": "classifier"}
"""The layers that timm exchanges for other numbers of channels or classes, as its configuration names them."""


def pretrained_config(architecture: Architecture) -> dict[str, Any]:
    """timm's `pretrained_cfg` of the architecture, with neutral normalization: which data it saw, it cannot know."""
    return timm_config(architecture) | LAYERS


def create(
    name: str,
    architecture: Architecture,
    *,
    pretrained: bool = False,
    pretrained_cfg: Any = None,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    **options: Any,
) -> nn.Module:
    """What a timm entry point does: `build_model_with_cfg` on this architecture.

    `options` go where timm sends them: `num_classes`, `in_chans`, `drop_rate`, `drop_path_rate`, `global_pool` to
    `assemble`, `pretrained_cfg_overlay` and `cache_dir` to the loading of weights. Unknown ones are a TypeError there.
    """
    if features_only:
        # All levels of the pyramid: one before each stride of a stage, one at the end.
        count = 1 + sum(stage.stride > 1 for stage in architecture.stages)
        levels = tuple(range(count) if out_indices is None else out_indices)
        options |= {"features_only": True, "feature_cfg": {"out_indices": levels, "flatten_sequential": True}}
    model = build_model_with_cfg(
        assemble,
        name,
        pretrained,
        pretrained_cfg=pretrained_cfg or pretrained_config(architecture),
        architecture=architecture,
        **options,
    )
    if features_only:
        model.register_load_state_dict_pre_hook(_classifier_to_features)
    return cast(nn.Module, model)


def _classifier_to_features(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Let a backbone load the classifier's weights: timm names its stacks `blocks_0`, and it has no head."""
    known = set(nn.Module.state_dict(module))
    for key in list(state):
        name = key.removeprefix(prefix)
        if name not in known:
            value = state.pop(key)
            renamed = name.replace("blocks.", "blocks_", 1)
            if renamed in known:
                state[prefix + renamed] = value


def classifier(architecture: Architecture, *, dropout: float, stochastic_depth: float) -> MobileNetV3:
    """The builder of the family, for `nars.network.build`."""
    return cast(MobileNetV3, create("nars", architecture, drop_rate=dropout, drop_path_rate=stochastic_depth))


def build_features(
    architecture: Architecture,
    *,
    stochastic_depth: float = 0.0,
    seed: int | None,
    out_indices: Sequence[int] | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> nn.Module:
    """The backbone of an architecture: its feature pyramid, finest level first.

    Args:
        architecture: What to build. Of its head only MBPool's 1x1 convolution is kept: it is the last level, as in
            timm's `fbnetv3_*`.
        stochastic_depth: As in `nars.network.build`.
        seed: As in `nars.network.build`.
        out_indices: Levels to return; None returns all: one before each stride, and the last.
        weights: A state dict of `build`'s network to start from.

    Returns:
        timm's `FeatureListNet`: float (N, in_channels, R, R) -> list of (N, channels, R / reduction, R / reduction);
        `.feature_info.channels()` and `.reduction()` say which.

    Raises:
        NetworkError: no network can be built from the architecture.
    """
    with seeded(seed):
        model = create(
            "nars", architecture, features_only=True, out_indices=out_indices, drop_path_rate=stochastic_depth
        )
    if weights is not None:
        model.load_state_dict(weights)
    return model
