"""What must hold before an `Architecture` can become a network, said before timm would trip over it."""

from __future__ import annotations

import math
from dataclasses import replace

from nars.network.errors import NetworkError
from nars.space import Architecture, family_of

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
