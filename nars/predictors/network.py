"""M small networks as one: every weight has a leading member axis, so an ensemble costs one batched product per layer.

Notation: M members, N candidates, Ea / Er columns of the architecture's / recipe's encoding, S statistics.
    encoder        (N, Ea) -> hidden layers -> embedding (M, N, 24)
    proxy head     embedding -> statistics (M, N, S), linear (paper, figure 3: from the embedding alone)
    tuned          the encoder again, after it was fitted on accuracies; the proxy head stays with the pretrained one
    accuracy head  tuned embedding and recipe -> one hidden layer -> accuracy (M, N)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import relu

Weights = Mapping[str, Tensor]
"""Matrices "<part>.<layer>.weight" (M, in, out) and "<part>.<layer>.bias" (M, 1, out)."""


def initial_layers(part: str, widths: Sequence[int], *, members: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Random layers from widths[0] to widths[-1], He et al. 2015's uniform initialisation; biases 0."""
    layers = {}
    for number, (wide_in, wide_out) in enumerate(itertools.pairwise(widths)):
        bound = math.sqrt(3.0 / max(1, wide_in)) * (math.sqrt(2.0) if number < len(widths) - 2 else 1.0)
        uniform = torch.rand((members, wide_in, wide_out), generator=generator)
        layers[f"{part}.{number}.weight"] = (2 * uniform - 1) * bound
        layers[f"{part}.{number}.bias"] = torch.zeros((members, 1, wide_out))
    return layers


def apply_layers(part: str, weights: Weights, x: Tensor) -> Tensor:
    """The layers of a part, ReLU between them: (N, in) or (M, N, in) -> (M, N, out)."""
    count = sum(name.startswith(f"{part}.") and name.endswith(".weight") for name in weights)
    for number in range(count):
        weight, bias = weights[f"{part}.{number}.weight"], weights[f"{part}.{number}.bias"]
        if x.ndim == 2:
            x = x.expand(len(weight), *x.shape)
        x = torch.baddbmm(bias, x, weight)
        if number < count - 1:
            x = relu(x)
    return x


def tell_statistics(weights: Weights, architecture: Tensor) -> Tensor:
    """Standardised statistics (M, N, S) of encoded architectures (N, Ea), by encoder and proxy head."""
    return apply_layers("proxy", weights, apply_layers("encoder", weights, architecture))


def tell_accuracy(weights: Weights, architecture: Tensor, recipe: Tensor) -> Tensor:
    """Output of the accuracy head, (M, N), of encoded architectures (N, Ea) and recipes (N, Er); one may be empty."""
    if architecture.shape[1] == 0:
        return apply_layers("accuracy", weights, recipe).squeeze(2)
    joined = apply_layers("tuned", weights, architecture)
    if recipe.shape[1]:
        joined = torch.cat([joined, recipe.expand(len(joined), *recipe.shape)], dim=2)
    return apply_layers("accuracy", weights, joined).squeeze(2)
