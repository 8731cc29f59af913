"""Gradient descent on a dictionary of weights: the loop that pretraining and fitting share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

Progress = Callable[[int, int], None]
"""Called with (epochs done, epochs in all)."""


def descend(
    weights: Mapping[str, Tensor],
    loss: Callable[[Mapping[str, Tensor], Tensor], Tensor],
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
        optimiser = torch.optim.AdamW(
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
                for group in optimiser.param_groups:
                    group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
                optimiser.zero_grad(set_to_none=True)
                loss(current, indices).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                step += 1
            on_epoch()
    return {name: value.detach() for name, value in current.items()}


def generator_of(seed: int, *, stream: int) -> torch.Generator:
    """A generator of its own for each purpose, so that changing one part leaves the others' randomness alone."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
