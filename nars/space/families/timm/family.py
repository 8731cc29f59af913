"""The family of timm's networks, as `nars.space.families.family.Family` asks for it: this module is the family.

kind: timm
architecture:
  model: [resnet10t, mobilenetv3_small_100]    # or one: then only the recipe is searched
  resolution: [96, 128]
  weights: timm                                # or none (the default), or {resnet10t: FILE, ...}

`architecture: timm:resnet50`, without a kind, is short for one network from scratch at timm's own resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from nars.arrays import Floats
from nars.errors import UserError
from nars.files import Value
from nars.space.describe import summary
from nars.space.dimension import Population
from nars.space.errors import SpaceError
from nars.space.families.family import Costs
from nars.space.families.listed import listed_extremes, looked_up
from nars.space.families.rules import ANYTHING, RESOLUTION, Rule
from nars.space.families.timm.architecture import NO_WEIGHTS, TimmArchitecture
from nars.space.families.timm.counted import Count, costs_of, count_of
from nars.space.families.timm.weights import identity, read_weights
from nars.space.files.entries import SHAPE, Entries
from nars.space.recipe import RECIPE_SETTINGS
from nars.space.space import Space

cost_names = ("flops", "params", "activations", "resolution")
builder = "nars.network.timm_models:classifier"
initializer = "nars.network.timm_models:initial_weights"
standalone = False

_OWN = {"model": ANYTHING, "resolution": RESOLUTION}
_WEIGHTS = "weights"


def rule(setting: str) -> Rule:
    """What holds for a setting, by its full name."""
    return (_OWN | {f"recipe.{name}": own for name, own in RECIPE_SETTINGS.items()}).get(setting, ANYTHING)


# ---- the space file


def read(entries: Entries, architecture: Mapping[str, Any]) -> Sequence[str]:
    """Models, resolutions and weights of a space file."""
    entries.keys(("architecture",), architecture, required=tuple(_OWN), optional=(_WEIGHTS, *SHAPE))
    for name in _OWN:
        if name in architecture:
            entries.add(name, architecture[name], ("architecture", name))
    models = entries.settings["model"].spec.values if "model" in entries.settings else ()
    if wrong := [model for model in models if not isinstance(model, str)]:
        entries.problem(("architecture", "model"), f"takes names of timm's models, got {wrong[0]!r}")
        return []
    if architecture.get(_WEIGHTS, NO_WEIGHTS) == NO_WEIGHTS or not models:
        return [name for name in _OWN if name in entries.settings]
    try:
        sources = _sources(architecture, cast("tuple[str, ...]", models), entries.document.source)
    except SpaceError as error:
        entries.problem(("architecture", _WEIGHTS), str(error))
        return []
    entries.add(_WEIGHTS, identity(sources), ("architecture", _WEIGHTS))
    return [name for name in (*_OWN, _WEIGHTS) if name in entries.settings]


def _sources(architecture: Mapping[str, Any], models: tuple[str, ...], file: str) -> dict[str, str]:
    return read_weights(architecture.get(_WEIGHTS, NO_WEIGHTS), models=models, folder=Path(file).parent)


def check(entries: Entries, space: Space) -> None:
    """Count what was never counted, and note models that timm lacks, or that cannot be as the file has them."""
    sources = _sources_of(space)
    for model in space.values("model"):
        try:
            found = _count(space, model)
        except UserError as error:
            entries.problem(("architecture", "model"), str(error))
            continue
        if sources[str(model)] == "timm" and not found.has_weights:
            entries.problem(
                ("architecture", _WEIGHTS), f"timm has no weights of {model}; name a file of it, or write none"
            )


def relocated(space: Space) -> dict[str, Any]:
    """The files of weights by their whole path and content."""
    sources = _sources_of(space)
    if not isinstance(space.document.content["architecture"].get(_WEIGHTS), Mapping):
        return {}
    return {_WEIGHTS: sources}


def _sources_of(space: Space) -> dict[str, str]:
    models = cast("tuple[str, ...]", tuple(space.values("model")))
    return _sources(space.document.content["architecture"], models, space.document.source)


# ---- rows


def _count(space: Space, model: Value) -> Count:
    return count_of(str(model), sides=[int(side) for side in space.values("resolution")])


def costs(space: Space, X: Population) -> Costs:
    """Every cost in `cost_names`, each float64 (N,)."""
    return looked_up(space, X, _table(space), tuple(_OWN))


def _table(space: Space) -> dict[str, Floats]:
    """Each cost of each model at each side, (models, sides)."""
    models, sides = space.values("model"), space.values("resolution")
    rows = [
        [_count(space, model).costs(int(side), space.in_channels, space.classes) for side in sides] for model in models
    ]
    return {name: np.array([[at[name] for at in row] for row in rows], dtype=np.float64) for name in cost_names}


def quick_costs(space: Space) -> Callable[[Population], Costs]:
    """The space's own, which is a look-up."""
    return space.costs


def extremes(space: Space) -> dict[str, Population]:
    """By listing the architectures, which are few."""
    return listed_extremes(space, limit=5_000_000)


def statistics(space: Space, X: Population) -> Costs:
    """None: what a model is shows in its costs."""
    return {}


def architectures(space: Space, X: Population) -> list[TimmArchitecture]:
    """The networks of X, written out."""
    sources = _sources_of(space)
    found = []
    for record in space.to_records(X):
        model, side = str(record["model"]), cast(int, record["resolution"])
        pretrained = None if sources[model] == NO_WEIGHTS else _count(space, model)
        found.append(
            TimmArchitecture(
                model=model,
                resolution=side,
                weights=sources[model],
                mean=None if pretrained is None else pretrained.mean,
                std=None if pretrained is None else pretrained.std,
                in_channels=space.in_channels,
                classes=space.classes,
            )
        )
    return found


read_architecture = TimmArchitecture.from_dict
architecture_costs = costs_of


# ---- people


def layout(space: Space) -> None:
    """A list of settings says it all."""


def line(space: Space, record: Mapping[str, Value]) -> str:
    """Model and resolution."""
    return summary(list(_OWN), record)
