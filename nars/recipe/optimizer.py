"""The optimizers of the search space, with the constants that do not vary in it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from timm.optim.rmsprop_tf import RMSpropTF

from nars.recipe.flat import FlatGroup
from nars.recipe.recipe import Recipe

MOMENTUM = 0.9
"""Of SGD (plain, not Nesterov's) and RMSProp."""


def build_optimizer(recipe: Recipe, groups: Iterable[FlatGroup], *, learning_rate: float) -> torch.optim.Optimizer:
    """The recipe's optimizer over flattened parameters.

    RMSProp is TensorFlow's (timm's `RMSpropTF`: epsilon under the root, squares start at 1), with decay 0.9, momentum
    0.9 and epsilon 1e-3, the constants that the MobileNetV3 and EfficientNet line of networks is trained with. Weight
    decay is an L2 term for SGD and RMSProp, decoupled for AdamW.

    Args:
        recipe: Names the optimizer.
        groups: What `flatten` made of the network; each brings its weight decay.
        learning_rate: The initial one, factors for SGD and batch size included.
    """
    parameters = [{"params": [group.vector], "weight_decay": group.weight_decay} for group in groups]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=MOMENTUM)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate)
    optimizer: torch.optim.Optimizer = RMSpropTF(parameters, lr=learning_rate, alpha=0.9, eps=1e-3, momentum=MOMENTUM)
    return optimizer
