"""What trains the networks of `nars.predictors.network`: the same layers in torch, and gradient descent on them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import relu

from nars.arrays import Floats32
from nars.predictors.checks import Numbers

OnEpoch = Callable[[int, int], None]
"""Called with (epochs done, epochs in all)."""

Tensors = Mapping[str, Tensor]
"""Weights by name, as in `nars.predictors.network`."""


def tensor(values: Numbers) -> Tensor:
    """A copy in float32."""
    return torch.tensor(np.asarray(values, dtype=np.float32))


def tensors(weights: Mapping[str, Floats32], *parts: str) -> dict[str, Tensor]:
    """Copies of the weights of some parts."""
    return {name: tensor(value) for name, value in weights.items() if name.startswith(parts)}


def arrays(weights: Tensors) -> dict[str, Floats32]:
    """The same for NumPy."""
    return {name: value.contiguous().numpy() for name, value in weights.items()}


def initial_layers(part: str, widths: Sequence[int], *, members: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Random layers from widths[0] to widths[-1], He et al. 2015's uniform initialization; biases 0."""
    layers = {}
    for number, (wide_in, wide_out) in enumerate(itertools.pairwise(widths)):
        bound = math.sqrt(3.0 / max(1, wide_in)) * (math.sqrt(2.0) if number < len(widths) - 2 else 1.0)
        uniform = torch.rand((members, wide_in, wide_out), generator=generator)
        layers[f"{part}.{number}.weight"] = (2 * uniform - 1) * bound
        layers[f"{part}.{number}.bias"] = torch.zeros((members, 1, wide_out))
    return layers


def _apply_layers(part: str, weights: Tensors, x: Tensor) -> Tensor:
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


def statistics_of(weights: Tensors, architecture: Tensor) -> Tensor:
    """Standardized statistics (M, N, S) of encoded architectures (N, Ea), by encoder and proxy head."""
    return _apply_layers("proxy", weights, _apply_layers("encoder", weights, architecture))


def accuracy_of(weights: Tensors, architecture: Tensor, recipe: Tensor) -> Tensor:
    """Output of the accuracy head, (M, N), of encoded architectures (N, Ea) and recipes (N, Er); one may be empty."""
    if architecture.shape[1] == 0:
        return _apply_layers("accuracy", weights, recipe).squeeze(2)
    joined = _apply_layers("tuned", weights, architecture)
    if recipe.shape[1]:
        joined = torch.cat([joined, recipe.expand(len(joined), *recipe.shape)], dim=2)
    return _apply_layers("accuracy", weights, joined).squeeze(2)


def descend(
    weights: Tensors,
    loss: Callable[[Tensors, Tensor], Tensor],
    *,
    samples: int,
    trained: tuple[str, ...],
    epochs: int,
    batch: int,
    rate: float,
    weight_decay: float,
    generator: torch.Generator,
    on_epoch: Callable[[], None] = lambda: None,
) -> dict[str, Tensor]:
    """New weights after `epochs` passes of AdamW with a cosine-decayed rate; the given weights stay as they are.

    Args:
        weights: all weights by name.
        loss: scalar loss of the weights on the sample indices (B,). Losses of the members are summed, not averaged:
            each member's gradient is then what it would be alone.
        samples: number of samples; a shuffled pass over them is an epoch.
        trained: how the names of the weights to train start.
        epochs: number of passes, >= 0.
        batch: samples per step.
        rate: learning rate at the start; it falls to 0 along a half cosine.
        weight_decay: decoupled decay of the matrices, not of the biases.
        generator: of the order of the samples.
        on_epoch: called after each epoch.
    """
    current = {name: value.clone().requires_grad_(name.startswith(trained)) for name, value in weights.items()}
    free = [(name, value) for name, value in current.items() if value.requires_grad]
    if free and samples and epochs:
        optimizer = torch.optim.AdamW(
            [
                {"params": [value for name, value in free if name.endswith("weight")], "weight_decay": weight_decay},
                {"params": [value for name, value in free if name.endswith("bias")], "weight_decay": 0.0},
            ],
            lr=rate,
            foreach=True,
        )
        steps, step = epochs * math.ceil(samples / batch), 0
        for _ in range(epochs):
            order = torch.randperm(samples, generator=generator)
            for indices in torch.split(order, batch):
                for group in optimizer.param_groups:
                    group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
                optimizer.zero_grad(set_to_none=True)
                loss(current, indices).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                step += 1
            on_epoch()
    return {name: value.detach() for name, value in current.items()}


def generator_of(seed: int, *, stream: int) -> torch.Generator:
    """A generator of its own for each purpose, so that changing one part leaves the others' randomness alone."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
