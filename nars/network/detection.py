"""A network as the backbone of a detector: its levels behind a feature pyramid (FPN, arXiv 1612.03144)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, final

import torch
from torch import nn

from nars.network.building import seeded


@final
class PyramidBackbone(nn.Module):
    """Feature levels brought to one width, as torchvision's detectors take them (`FasterRCNN(backbone, ...)`).

    Args:
        features: What `build_features` returns, or any timm model with `features_only=True`.
        channels: Width of every level that comes out.
        seed: Of the pyramid's own initial weights, as in `build`.
    """

    def __init__(self, features: nn.Module, *, channels: int, seed: int | None) -> None:
        from torchvision.ops import FeaturePyramidNetwork

        super().__init__()
        info: Any = features.feature_info
        self.features = features
        with seeded(seed):
            self.pyramid = FeaturePyramidNetwork(info.channels(), channels)
        self.out_channels = channels
        """torchvision reads it."""

    def forward(self, images: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """Float (N, C, H, W) -> level "0", "1", ... -> (N, channels, H / reduction, W / reduction), finest first."""
        levels = OrderedDict((str(i), level) for i, level in enumerate(self.features(images)))
        pyramid: OrderedDict[str, torch.Tensor] = self.pyramid(levels)
        return pyramid
