"""What a space file may say: keys, defaults, allowed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from nars.files import Value
from nars.space.architecture import ACTIVATIONS
from nars.space.files.scalars import as_whole, unquote

Limit = tuple[float, float] | tuple[str, ...] | Literal["switch"]
"""Lowest and highest number, the words allowed, or true / false."""

STEM: Mapping[str, Any] = {"channels": None, "stride": 2, "activation": "hard_swish"}
HEAD: Mapping[str, Any] = {"expand": 6, "channels": 1984, "activation": "hard_swish"}
STAGE: Mapping[str, Any] = {"stride": 1, "se": False, "activation": "hard_swish", "first_padding": None}

RECIPE_SETTINGS: Mapping[str, Limit] = {
    "learning_rate": (1e-7, 100.0),
    "optimizer": ("rmsprop", "sgd", "adamw"),
    "ema": "switch",
    "dropout": (0.0, 0.95),
    "stochastic_depth": (0.0, 0.95),
    "mixup": (0.0, 10.0),
    "weight_decay": (0.0, 1.0),
    "label_smoothing": (0.0, 0.95),
}
"""What a recipe may set, with the range or the words allowed."""

ARCHITECTURE_LIMITS: Mapping[str, Limit] = {
    "resolution": (4, 4096),
    "channels": (1, 16384),
    "stride": (1, 2),
    "activation": ACTIVATIONS,
    "kernel_first": (1, 31),
    "kernel_rest": (1, 31),
    "expand_first": (1, 32),
    "expand_rest": (1, 32),
    "depth": (1, 64),
    "se": "switch",
    "first_padding": (0, 15),
    "expand": (1, 32),
}

_WHOLE = {"resolution", "channels", "stride", "kernel_first", "kernel_rest", "depth", "first_padding", "expand"}


def fault(setting: str, value: Value, limit: Limit | None) -> str | None:
    """Why a value cannot be a choice of a setting, or None.

    Args:
        setting: its last name, e.g. "kernel_first" of "stage2.kernel_first".
        value: the choice.
        limit: what is allowed; None for the settings of generic spaces.
    """
    if limit is None or (setting == "first_padding" and value is None):
        return None
    if limit == "switch":
        return None if isinstance(value, bool) else f"takes true or false, got {value!r}"
    low, high = limit[0], limit[-1]
    if isinstance(low, str) or isinstance(high, str):
        return None if value in limit else f"takes one of {', '.join(map(str, limit))}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"takes a number from {low:g} to {high:g}, got {value!r}{unquote(value)}"
    if not low <= value <= high:
        return f"must lie in {low:g} .. {high:g}, got {value:g}"
    if setting in _WHOLE and not isinstance(value, int):
        return f"takes whole numbers, got {value!r}{as_whole(value)}"
    if setting in ("kernel_first", "kernel_rest") and int(value) % 2 == 0:
        return f"kernels are odd, so that a feature map keeps its size, got {value}"
    return None
