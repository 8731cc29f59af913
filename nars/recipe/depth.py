"""Where in a network a parameter is: what fine-tuning trains more gently, later or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Any, cast

from timm.optim._param_groups import param_groups_layer_decay
from torch import nn

from nars.recipe.recipe import Recipe, RecipeError


@dataclass(frozen=True)
class Treatment:
    """How a parameter is trained."""

    factor: float = 1.0
    """On the learning rate."""
    frozen: bool = False
    """Whether it stays as it is as long as the recipe freezes parts."""


def treatments(model: nn.Module, recipe: Recipe) -> dict[nn.Parameter, Treatment]:
    """What a recipe has of its own for parameters; none where all are trained alike.

    Raises:
        RecipeError: the recipe speaks of layers, and the network does not say which it has.
    """
    if recipe.layer_decay == 1.0 and recipe.head_factor == 1.0 and recipe.freeze == "none":
        return {}
    depths = _from_the_end(model) if recipe.layer_decay != 1.0 or recipe.freeze == "early" else {}
    head = _head(model) if recipe.head_factor != 1.0 or recipe.freeze == "features" else set()
    half = (max(depths.values(), default=0) + 2) // 2

    def frozen(parameter: nn.Parameter) -> bool:
        if recipe.freeze == "features":
            return parameter not in head
        return recipe.freeze == "early" and depths[parameter] >= half

    return {
        parameter: Treatment(
            factor=recipe.layer_decay ** depths.get(parameter, 0) * (recipe.head_factor if parameter in head else 1.0),
            frozen=frozen(parameter),
        )
        for parameter in model.parameters()
        if parameter.requires_grad
    }


def _from_the_end(model: nn.Module) -> dict[nn.Parameter, int]:
    """The layer of each trainable parameter as timm groups them: 0 the last one, with the head in it."""
    _require(model, "group_matcher", "layer_decay and freeze: early need a network that says which layers it has")
    # timm gives no numbers but factors: of 1/2, exact powers.
    groups: list[dict[str, Any]] = param_groups_layer_decay(model, layer_decay=0.5)
    return {parameter: round(-log2(group["lr_scale"])) for group in groups for parameter in group["params"]}


def _head(model: nn.Module) -> set[nn.Parameter]:
    """The parameters of the layer, or layers, that give logits."""
    _require(model, "get_classifier", "head_factor and freeze: features need a network that says what its head is")
    found = cast(Any, model).get_classifier()
    layers = found if isinstance(found, list | tuple) else [found]
    return {parameter for layer in layers for parameter in layer.parameters()}


def _require(model: nn.Module, method: str, rule: str) -> None:
    if not hasattr(model, method):
        raise RecipeError(
            f"{rule}, as timm's do (.{method}()), and {type(model).__name__} does not; leave them out of the recipe"
        )
