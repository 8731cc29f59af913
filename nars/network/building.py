"""Any architecture as a network, by the builder that its family names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

import torch
from torch import nn

from nars.network.errors import NetworkError
from nars.space import AnyArchitecture, family_of


def build(
    architecture: AnyArchitecture,
    *,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    seed: int | None,
    pretrained: bool = True,
) -> nn.Module:
    """The classifier of an architecture.

    Args:
        architecture: What to build.
        dropout: Probability of dropping a feature before the last linear layer, 0 <= p < 1.
        stochastic_depth: Probability of dropping the residual branch of the last block, 0 <= p < 1; it grows linearly
            from 0 at the first block.
        seed: Of the initial weights: the same seed gives the same weights, and the global generators are left alone.
            None for a network whose weights are loaded next: its values are unspecified.
        pretrained: Whether the network gets the weights that its architecture names, where it names any; without a seed
            it gets none.

    Returns:
        A network in training mode, an `Architecture` as a timm `MobileNetV3`: float (N, in_channels, R, R) -> logits
        (N, classes). R may differ from `architecture.resolution`.

    Raises:
        NetworkError: no network can be built from the architecture, or its family's builder cannot be loaded.
    """
    family = family_of(architecture.family)
    if family.builder is None:
        raise NetworkError(f"the family {architecture.family} has no networks to build; choose a space of networks")
    builder = _named("builder", family.builder, architecture.family)
    with seeded(seed):
        network: nn.Module = builder(architecture, dropout=dropout, stochastic_depth=stochastic_depth)
        if family.initializer is not None and pretrained and seed is not None:
            _named("initializer", family.initializer, architecture.family)(network, architecture)
    return network


def _named(what: str, where: str, family: str) -> Any:
    """The function that a family names.

    Raises:
        NetworkError: it cannot be loaded.
    """
    try:
        return resolve_name(where)
    except (ImportError, AttributeError, ValueError) as error:
        raise NetworkError(
            f"the family {family} names the {what} {where!r}, which cannot be loaded ({error}); write "
            f"package.module:function"
        ) from error


def timm_config(architecture: AnyArchitecture) -> dict[str, Any]:
    """What timm's `pretrained_cfg` says of any network of ours: input, classes, and a neutral normalization."""
    channels, side = architecture.in_channels, architecture.resolution
    return {
        "input_size": (channels, side, side),
        "num_classes": architecture.classes,
        "mean": (0.0,) * channels,
        "std": (1.0,) * channels,
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "crop_mode": "center",
    }


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from `seed` inside, leave every global generator as it was.

    Only the CPU generator is seeded: networks are built on the CPU, and `torch.manual_seed` would touch all devices.
    """
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        yield
