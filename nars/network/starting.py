"""Weights from elsewhere that the training of a network starts from: those of timm's FBNetV3, of another training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from nars.network.errors import NetworkError

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation that the published weights want RGB images normalized by."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Weights to start from, and how they want images."""

    state: Mapping[str, Tensor]
    source: str
    """Where they are from, for people."""
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Mean and deviation per channel; None: as the images are."""


def read_start(file: Path, *, in_channels: int) -> Start:
    """The weights of a file (safetensors, or what torch saved), of a network that knows ImageNet where images are RGB.

    Raises:
        NetworkError: there is no such file, or it holds no weights.
    """
    from nars.network.timm_models import read_state

    return Start(state=read_state(file), source=str(file), normalization=IMAGENET if in_channels == 3 else None)


@torch.no_grad()
def start_from(network: nn.Module, start: Start) -> tuple[str, ...]:
    """Give a network these weights.

    Names and shapes agree, but for the last layer where it is for other classes, which stays as it is, and the first
    where it is for other channels, which is adapted as timm does it.

    Returns: the names that stay as they are.

    Raises:
        NetworkError: they are of another network.
    """
    own, first, last = network.state_dict(), _first(network), _last(network)
    taken: dict[str, Tensor] = {}
    left, wrong = [], []
    for name, value in own.items():
        given = start.state.get(name)
        if given is not None and name == first and given.shape[1] != value.shape[1]:
            given = adapt_input_conv(value.shape[1], given)
        if given is not None and given.shape == value.shape:
            taken[name] = given
        elif given is not None and name.rpartition(".")[0] == last and given.shape[1:] == value.shape[1:]:
            left.append(name)
        else:
            wrong.append(f"{name} {tuple(value.shape)}, there {'nothing' if given is None else tuple(given.shape)}")
    wrong += [f"{name}, which the network has not" for name in start.state if name not in own]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise NetworkError(
            f"{start.source} holds the weights of another network ({'; '.join(wrong[:3])}{more}): every name and shape "
            f"must be the network's; timm's fbnetv3_b, _d and _g fit the published B, D and G"
        )
    network.load_state_dict(own | taken)
    return tuple(left)


def _first(network: nn.Module) -> str:
    return next((f"{name}.weight" for name, part in network.named_modules() if isinstance(part, nn.Conv2d)), "")


def _last(network: nn.Module) -> str:
    return next((name for name, part in reversed([*network.named_modules()]) if isinstance(part, nn.Linear)), "")
