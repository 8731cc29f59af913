"""Networks of timm as a family: one architecture is timm's name of a model, at a resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nars.space import Flat, Rule
from nars.space.families.generic.flat import FlatArchitecture

if TYPE_CHECKING:
    from torch import nn

FAMILY = "nars.network.timm_models:TIMM"

TIMM = Flat(settings={"model": Rule()}, builder="nars.network.timm_models:build")
"""The family; its costs are counted, not computed."""


def timm_architecture(name: str, *, resolution: int, in_channels: int, classes: int) -> FlatArchitecture:
    """A model of timm for these images; `name` as timm has it, such as "resnet18"."""
    return FlatArchitecture(
        family=FAMILY, resolution=resolution, settings={"model": name}, in_channels=in_channels, classes=classes
    )


def build(architecture: FlatArchitecture, *, dropout: float, stochastic_depth: float) -> nn.Module:
    """As in `Family.builder`; stochastic depth is left out of models that have none."""
    return create(
        str(architecture.settings["model"]),
        {"num_classes": architecture.classes, "in_chans": architecture.in_channels},
        {"drop_rate": dropout, "drop_path_rate": stochastic_depth},
    )


def create(name: str, options: Mapping[str, Any], drops: Mapping[str, Any]) -> nn.Module:
    """timm's model with options of `timm.create_model`; of `drops`, those that it knows."""
    import timm

    try:
        model: nn.Module = timm.create_model(name, **options, **drops)
    except TypeError:  # a model without stochastic depth
        model = timm.create_model(name, **options, **{k: v for k, v in drops.items() if k != "drop_path_rate"})
    return model
