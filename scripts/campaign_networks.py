"""Networks that people scale by hand, written in the terms of the search space, for images of 32 pixels.

Published stages, kernels, expansions and activations of MobileNetV2 (arXiv 1801.04381, table 2), MobileNetV3-Large
(arXiv 1905.02244, table 1) and EfficientNet-B0 (arXiv 1905.11946, table 1). Two changes for all alike, which the
searched networks have as well: 32-pixel images are reduced by 8 instead of 32 (the strides of the last stages are 1),
and the head is MobileNetV3's with 256 features, since 1,280 would take most of a few million multiply-accumulates.
"""

from __future__ import annotations

from nars.space import Architecture, Head, Stage, Stem

Row = tuple[int, float, int, int, int, bool, str]
"""kernel, expansion, channels, depth, stride, squeeze-excite, activation."""

_STAGES: dict[str, tuple[int, str, tuple[Row, ...]]] = {
    "MobileNetV2": (
        32,
        "relu6",
        (
            (3, 1, 16, 1, 1, False, "relu6"),
            (3, 6, 24, 2, 2, False, "relu6"),
            (3, 6, 32, 3, 2, False, "relu6"),
            (3, 6, 64, 4, 1, False, "relu6"),
            (3, 6, 96, 3, 1, False, "relu6"),
            (3, 6, 160, 3, 1, False, "relu6"),
            (3, 6, 320, 1, 1, False, "relu6"),
        ),
    ),
    "MobileNetV3": (
        16,
        "hard_swish",
        (
            (3, 1, 16, 1, 1, False, "relu"),
            (3, 4, 24, 2, 2, False, "relu"),
            (5, 3, 40, 3, 2, True, "relu"),
            (3, 4, 80, 4, 1, False, "hard_swish"),
            (3, 6, 112, 2, 1, True, "hard_swish"),
            (5, 6, 160, 3, 1, True, "hard_swish"),
        ),
    ),
    "EfficientNet": (
        32,
        "swish",
        (
            (3, 1, 16, 1, 1, True, "swish"),
            (3, 6, 24, 2, 2, True, "swish"),
            (5, 6, 40, 2, 2, True, "swish"),
            (3, 6, 80, 3, 1, True, "swish"),
            (5, 6, 112, 3, 1, True, "swish"),
            (5, 6, 192, 4, 1, True, "swish"),
            (3, 6, 320, 1, 1, True, "swish"),
        ),
    ),
}

NAMES = tuple(_STAGES)


def published(
    name: str, *, resolution: int = 32, stem_stride: int = 2, in_channels: int = 3, classes: int = 10
) -> Architecture:
    """The network of that name, one of `NAMES`, at its whole depth and width."""
    stem, activation, rows = _STAGES[name]
    return Architecture(
        resolution=resolution,
        stem=Stem(channels=stem, stride=stem_stride, activation=activation),
        stages=tuple(
            Stage(
                kernel_first=kernel,
                kernel_rest=kernel,
                expand_first=expand,
                expand_rest=expand,
                channels=channels,
                depth=depth,
                stride=stride,
                se=se,
                activation=own,
            )
            for kernel, expand, channels, depth, stride, se, own in rows
        ),
        head=Head(expand=3, channels=256, activation=activation),
        in_channels=in_channels,
        classes=classes,
    )
