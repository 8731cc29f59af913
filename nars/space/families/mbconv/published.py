"""FBNetV3-A to G as published: what every cost is checked against, and known points for users to start from."""

from __future__ import annotations

import json
from dataclasses import dataclass

from nars.space.errors import SpaceError
from nars.space.families.mbconv.architecture import Architecture, Head, Stage, Stem
from nars.space.files.builtin import shipped


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """One published network with the figures given for it."""

    name: str
    """e.g. "FBNetV3-B"."""
    architecture: Architecture
    flops_m: float
    """Millions of multiply-accumulates under the publication's convention (`published_flops`)."""
    params_m: float
    """Millions of convolution and linear weights; biases and batch norm are not counted (cost `weights`)."""
    top1: float
    """ImageNet accuracy in percent."""


def published_models() -> tuple[PublishedModel, ...]:
    """FBNetV3-A to G, in this order."""
    path = shipped("space") / "published" / "fbnetv3.json"
    return tuple(
        PublishedModel(
            name=model["name"],
            architecture=Architecture(
                resolution=model["resolution"],
                stem=Stem(channels=model["stem_channels"]),
                stages=tuple(Stage(**stage) for stage in model["stages"]),
                head=Head(),
            ),
            flops_m=model["flops_m"],
            params_m=model["params_m"],
            top1=model["top1"],
        )
        for model in json.loads(path.read_text(encoding="utf-8"))["models"]
    )


def published(name: str) -> PublishedModel:
    """One of them by name: "FBNetV3-B", "fbnetv3-b" or "B".

    Raises:
        SpaceError: there is no such model.
    """
    models = {model.name[-1].lower(): model for model in published_models()}
    key = name.lower().removeprefix("fbnetv3-").removeprefix("fbnetv3_")
    if key not in models:
        raise SpaceError(
            f"no published model is called {name!r}; there are {', '.join(m.name for m in models.values())}"
        )
    return models[key]
