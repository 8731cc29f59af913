"""What must hold before an `Architecture` can become a network, said before timm would trip over it."""

from __future__ import annotations

from nars.errors import UserError
from nars.space import ACTIVATIONS, Architecture, Stage


class NetworkError(UserError):
    """No network can be built from this architecture; the message says which setting is wrong and what is allowed."""


def _require(holds: bool, where: str, rule: str, got: object) -> None:
    if not holds:
        raise NetworkError(f"{where} must be {rule}; got {got!r}.")


def _check_stage(stage: Stage, where: str) -> None:
    for name, kernel in (("kernel_first", stage.kernel_first), ("kernel_rest", stage.kernel_rest)):
        _require(kernel >= 1 and kernel % 2 == 1, f"{where}.{name}", "an odd number >= 1", kernel)
    for name, expand in (("expand_first", stage.expand_first), ("expand_rest", stage.expand_rest)):
        _require(expand >= 1, f"{where}.{name}", "a ratio >= 1", expand)
    _require(stage.channels >= 1, f"{where}.channels", ">= 1", stage.channels)
    _require(stage.depth >= 1, f"{where}.depth", ">= 1 (leave an unused stage out)", stage.depth)
    _require(stage.stride in (1, 2), f"{where}.stride", "1 or 2", stage.stride)
    _require(
        stage.activation in ACTIVATIONS, f"{where}.activation", f"one of {', '.join(ACTIVATIONS)}", stage.activation
    )
    padding = stage.first_padding
    _require(padding is None or padding >= 0, f"{where}.first_padding", "None or >= 0", padding)


def check(architecture: Architecture) -> None:
    """Refuse settings that make no network, or one whose feature map would vanish at the architecture's resolution.

    Raises:
        NetworkError: names the setting, what it got and what is allowed.
    """
    stem, head = architecture.stem, architecture.head
    _require(architecture.resolution >= 1, "resolution", ">= 1 pixel", architecture.resolution)
    _require(architecture.in_channels >= 1, "in_channels", ">= 1", architecture.in_channels)
    _require(architecture.classes >= 1, "classes", ">= 1", architecture.classes)
    _require(stem.channels >= 1, "stem.channels", ">= 1", stem.channels)
    _require(stem.stride in (1, 2), "stem.stride", "1 or 2", stem.stride)
    _require(stem.activation in ACTIVATIONS, "stem.activation", f"one of {', '.join(ACTIVATIONS)}", stem.activation)
    _require(
        head.expand >= 1 and head.channels >= 1, "head.expand and head.channels", ">= 1", (head.expand, head.channels)
    )
    _require(head.activation in ACTIVATIONS, "head.activation", f"one of {', '.join(ACTIVATIONS)}", head.activation)
    _require(len(architecture.stages) >= 1, "stages", "at least one stage", architecture.stages)
    side = (architecture.resolution - 1) // stem.stride + 1
    for number, stage in enumerate(architecture.stages, start=1):
        _check_stage(stage, f"stage{number}")
        padding = stage.kernel_first // 2 if stage.first_padding is None else stage.first_padding
        before, side = side, (side + 2 * padding - stage.kernel_first) // stage.stride + 1
        if side < 1:
            raise NetworkError(
                f"stage{number}: a {stage.kernel_first}x{stage.kernel_first} convolution with padding {padding} leaves "
                f"nothing of a {before}x{before} feature map (resolution {architecture.resolution}). Raise the "
                f"resolution, or leave first_padding out."
            )
