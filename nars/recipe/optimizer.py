"""The optimizers of the search space, on a network's parameters laid out in two long vectors.

The networks of a search are small: a hundred tensors of a few hundred numbers, on which an optimizer spends its time in
the calls, not in the arithmetic. With parameters and gradients being views of two vectors (those with weight decay, and
the rest; of more where layers have learning rates of their own), every elementwise optimizer takes the same step with a
handful of calls; measured on a network of 26k parameters, RMSProp: 0.08 ms a step instead of 1.4 (0.65 with torch's
foreach). Summing gradients over processes is one call as well, where torch's DistributedDataParallel sums them in
buckets. torch's own flat parameters belong to its fully sharded training, which needs a process group and cuts networks
in pieces.

LAMB weighs the step of each layer by the layer's norm: it is the one that gets the parameters as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from timm.optim._param_groups import param_groups_weight_decay
from timm.optim.lamb import Lamb
from timm.optim.rmsprop_tf import RMSpropTF
from torch import Tensor, nn

from nars.recipe.depth import Treatment
from nars.recipe.recipe import Recipe

MOMENTUM = 0.9
"""For SGD (plain, not Nesterov's) and RMSProp."""


@dataclass(frozen=True)
class FlatGroup:
    """Some parameters of a network as one."""

    vector: nn.Parameter
    """(n,) all their numbers. Its `.grad` (n,) holds their gradients: clear it with `zero_()`, never by None."""
    weight_decay: float
    members: tuple[nn.Parameter, ...]
    """The parameters themselves, views of the vector."""
    factor: float = 1.0
    """On the learning rate."""
    frozen: bool = False
    """Whether they are out of the training as long as the recipe freezes parts."""


def flatten(
    model: nn.Module, *, weight_decay: float, treatments: Mapping[nn.Parameter, Treatment] | None = None
) -> tuple[FlatGroup, ...]:
    """Make the trainable parameters of `model` views of two vectors, and their gradients too: of two for each way in
    which parameters are to be treated.

    Which parameters decay is timm's rule (`param_groups_weight_decay`: none with at most one dimension, no bias, none
    that the model names in `no_weight_decay`). The model keeps its values and works as before, but must no longer be
    moved or cast.

    Args:
        model: On its final device; changed in place.
        weight_decay: >= 0, of the parameters that decay.
        treatments: Of the parameters that are not trained like the others; none without any.
    """
    excluded: set[str] = getattr(model, "no_weight_decay", set)()
    groups = param_groups_weight_decay(model, weight_decay, no_weight_decay_list=excluded)
    found = []
    for group in groups:
        alike: dict[Treatment, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            alike.setdefault((treatments or {}).get(parameter, Treatment()), []).append(parameter)
        for way, members in alike.items():
            vector = _join(members)
            found.append(FlatGroup(vector, group["weight_decay"], tuple(members), way.factor, way.frozen))
    return tuple(found)


def _join(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    vector = nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in parameters]))
    vector.grad = torch.zeros_like(vector)
    values, gradients = _views(vector.detach(), parameters), _views(vector.grad, parameters)
    for parameter, value, gradient in zip(parameters, values, gradients, strict=True):
        parameter.data = value
        parameter.grad = gradient
    return vector


def _views(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    parts = torch.split(vector, [tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def build_optimizer(recipe: Recipe, groups: Iterable[FlatGroup], *, learning_rate: float) -> torch.optim.Optimizer:
    """The recipe's optimizer over flattened parameters.

    RMSProp is TensorFlow's (timm's `RMSpropTF`: epsilon under the root, squares start at 1), with decay 0.9, momentum
    0.9 and epsilon 1e-3, the constants that the MobileNetV3 and EfficientNet line of networks is trained with. Weight
    decay is an L2 term for SGD and RMSProp, decoupled for AdamW, and part of the direction for LAMB (arXiv 1904.00962),
    timm's, which clips the gradient to a norm of 1.

    Args:
        recipe: Names the optimizer.
        groups: What `flatten` made of the network; each brings its weight decay.
        learning_rate: The initial one, factors for SGD and batch size included.
    """
    if recipe.optimizer == "lamb":
        layers = [{"params": [*group.members], "weight_decay": group.weight_decay} for group in groups]
        return Lamb(layers, lr=learning_rate)
    parameters = [{"params": [group.vector], "weight_decay": group.weight_decay} for group in groups]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=MOMENTUM)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate)
    optimizer: torch.optim.Optimizer = RMSpropTF(parameters, lr=learning_rate, alpha=0.9, eps=1e-3, momentum=MOMENTUM)
    return optimizer
