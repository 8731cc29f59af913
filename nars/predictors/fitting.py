"""Fitting the ensemble's accuracy heads, each member blind to a part of the samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from nars.arrays import Floats, Floats32
from nars.parallel import torch_threads
from nars.predictors.checks import Numbers
from nars.predictors.settings import PredictorSettings
from nars.predictors.training import (
    Tensors,
    accuracy_of,
    arrays,
    descend,
    generator_of,
    initial_layers,
    tensor,
    tensors,
)

_PARTS = 4
"""Least number of parts the samples are cut into."""
_STEPS = 32
"""Steps per epoch, about, from which on batches grow with the samples: with 2,000, batches of 64 and 128 instead of 32
gave the same tau to the third decimal on NAS-Bench-Macro and FCNet's protein, in half of the time."""


@torch_threads(1)
def fit_members(
    pretrained: Mapping[str, Floats32],
    architecture: Numbers,
    recipe: Numbers,
    target: Numbers,
    *,
    settings: PredictorSettings,
    seed: int,
) -> tuple[dict[str, Floats32], Floats]:
    """The weights "tuned" and "accuracy", and for each sample what a network that never saw it says, (n,).

    Of four or more members each is blind to one part of the samples, so that calibration comes with the training and
    costs nothing. A smaller ensemble sees everything, and four more networks are trained beside it for calibration.

    Args:
        pretrained: weights of the encoder; none for a recipe-only space.
        architecture: encoded architectures (n, Ea).
        recipe: encoded recipes (n, Er).
        target: accuracies (n,), in percent less their mean, or warped.
        settings: of the predictor.
        seed: of the heads' weights, the parts and the order of samples.
    """
    x_a, x_r, y = tensor(architecture), tensor(recipe), tensor(target)
    kept = settings.members
    networks = kept if kept >= _PARTS else kept + _PARTS
    parts = networks if kept >= _PARTS else _PARTS
    part = torch.from_numpy(np.random.default_rng([seed, 5]).permutation(len(target)) % parts)
    sees = torch.ones((networks, len(target)))
    sees[networks - parts + part, torch.arange(len(target))] = 0.0

    source = torch.arange(networks) % kept
    weights = {
        name.replace("encoder", "tuned"): value[source] for name, value in tensors(pretrained, "encoder").items()
    }
    wide_in = x_r.shape[1] + (settings.embedding if x_a.shape[1] else 0)
    heads = generator_of(seed, stream=3)
    weights |= initial_layers("accuracy", (wide_in, settings.head, 1), members=networks, generator=heads)

    def output(current: Tensors, indices: Tensor | slice) -> Tensor:
        return accuracy_of(current, x_a[indices], x_r[indices])

    def loss(current: Tensors, indices: Tensor) -> Tensor:
        said = output(current, indices)
        errors = huber_loss(said, y[indices].expand_as(said), reduction="none", delta=settings.huber_delta)
        return (errors * sees[:, indices]).sum() / len(indices)

    order = generator_of(seed, stream=4)
    batch = max(settings.batch, len(y) // _STEPS)
    for trained, epochs, rate in (
        (("accuracy",), settings.frozen_epochs, settings.frozen_rate),
        (("accuracy", "tuned"), settings.joint_epochs, settings.joint_rate),
    ):
        weights = descend(
            weights,
            loss,
            samples=len(y),
            trained=trained,
            epochs=epochs,
            batch=batch,
            rate=rate,
            weight_decay=settings.weight_decay,
            generator=order,
        )
    with torch.no_grad():
        blind = output(weights, slice(None))[networks - parts + part, torch.arange(len(y))]
    return arrays({name: value[:kept] for name, value in weights.items()}), blind.double().numpy()
