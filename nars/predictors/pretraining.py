"""Stage 1 of a predictor: its encoder learns what is free to know of an architecture."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nars.arrays import Floats32
from nars.parallel import torch_threads
from nars.predictors.checks import Numbers
from nars.predictors.settings import PredictorSettings
from nars.predictors.training import (
    OnEpoch,
    Tensors,
    arrays,
    descend,
    generator_of,
    initial_layers,
    statistics_of,
    tensor,
    tensors,
)

_CHUNK = 1024


def initial_weights(
    settings: PredictorSettings, *, architecture_width: int, statistics: int, seed: int
) -> dict[str, Floats32]:
    """Random weights of an encoder, and of a proxy head for so many statistics."""
    generator = generator_of(seed, stream=0)
    weights: dict[str, Tensor] = {}
    if architecture_width:
        widths = (architecture_width, *settings.hidden, settings.embedding)
        weights |= initial_layers("encoder", widths, members=settings.members, generator=generator)
        if statistics:
            widths = (settings.embedding, statistics)
            weights |= initial_layers("proxy", widths, members=settings.members, generator=generator)
    return arrays(weights)


@torch_threads(1)
def train_encoder(
    weights: Mapping[str, Floats32],
    architecture: Numbers,
    statistics: Numbers,
    *,
    settings: PredictorSettings,
    seed: int,
    progress: OnEpoch | None,
) -> dict[str, Floats32]:
    """Weights that predict standardized statistics (N, S) of encoded architectures (N, Ea)."""
    x, y = tensor(architecture), tensor(statistics)
    done = 0

    def loss(weights: Tensors, indices: Tensor) -> Tensor:
        return (statistics_of(weights, x[indices]) - y[indices]).square().mean(dim=(1, 2)).sum()

    def on_epoch() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, settings.pretrain_epochs)

    trained = descend(
        tensors(weights, "encoder", "proxy"),
        loss,
        samples=len(x),
        trained=("encoder", "proxy"),
        epochs=settings.pretrain_epochs,
        batch=min(settings.pretrain_batch, max(16, len(x) // 16)),
        rate=settings.pretrain_rate,
        weight_decay=settings.weight_decay,
        generator=generator_of(seed, stream=2),
        on_epoch=on_epoch,
    )
    return arrays(trained)


@torch_threads(1)
def encoded_statistics(weights: Mapping[str, Floats32], architecture: Numbers, *, members: int) -> Floats32:
    """Standardized statistics (N, S) that the first members of an encoder predict, by the arithmetic of its training.

    A predictor's own differ by rounding, which is enough to change the last digits of a fit to them.
    """
    readers = {name: value[:members] for name, value in tensors(weights, "encoder", "proxy").items()}
    with torch.inference_mode():
        parts = [statistics_of(readers, part).mean(dim=0) for part in torch.split(tensor(architecture), _CHUNK)]
        return torch.cat(parts).numpy()
