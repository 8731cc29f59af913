"""What `bench_rivals.py` trains: one network for a few of the digits, by any recipe of a space."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch

from nars.images import ImageData, load_images
from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.space import Space, load_space

SPACE = Path(__file__).with_name("rivals_space.yaml")
EPOCHS, FULL = 18, 12
BUDGET = EPOCHS * FULL
"""Epochs of a search: of so many full trainings."""
_RECIPE = "recipe."
_SETTINGS = TrainingSettings(
    schedule=Schedule(epochs=EPOCHS, warmup_epochs=1, kind="cosine"),
    batch_size=32,
    augmentation=Augmentation(flip=False, crop=0.0625),
    ema_decay=0.98,
)


class Found(TypedDict):
    """What a search has found."""

    value: float
    """Validation accuracy of the network that was best by it, percent."""
    test: float
    """Its test accuracy, percent."""
    whole: int
    """Trainings that came to their end."""
    epochs: int
    seconds: float
    """CPU seconds of all trainings, accuracies after each epoch included."""


@cache
def images() -> ImageData:
    """320 training, 400 validation and 360 test images."""
    return load_images("digits", resolution=16, validation_fraction=0.5, validation_images=400, max_train=320, seed=0)


@cache
def space() -> Space:
    """The recipes."""
    return load_space(str(SPACE))


class Training:
    """A network on its way."""

    def __init__(self, record: Mapping[str, Any], *, seed: int) -> None:
        """By the recipe in a record of the space, or in one of recipes alone."""
        torch.set_num_threads(1)
        said = {name.removeprefix(_RECIPE): value for name, value in record.items() if name.startswith(_RECIPE)}
        recipe = Recipe.from_dict(said)
        (architecture,) = space().architectures(np.zeros((1, len(space().dimensions)), dtype=np.int64))
        model = build(architecture, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, seed=seed)
        self.loop = TrainingLoop(model, recipe, images(), _SETTINGS, seed=seed)
        self.seconds = 0.0
        """CPU seconds of its last epoch."""

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return self.loop.epoch

    def epoch(self) -> float:
        """Train for an epoch: the averaged network's accuracy on the validation images, percent."""
        began = time.process_time()
        self.loop.train_epoch()
        value = self.loop.accuracy(images().validation, ema=True)
        self.seconds = time.process_time() - began
        return value

    @property
    def test(self) -> float:
        """Accuracy on the test images, percent."""
        return self.loop.accuracy(images().test, ema=True)


@dataclass
class Spent:
    """What a search has spent, and the best that it has trained to the end."""

    epochs: int = 0
    seconds: float = 0.0
    whole: int = 0
    best: tuple[float, float] = field(default=(-1.0, -1.0))
    """Validation and test accuracy, percent."""

    def on(self, training: Training) -> float:
        """An epoch of a training: its validation accuracy."""
        value = training.epoch()
        self.epochs, self.seconds = self.epochs + 1, self.seconds + training.seconds
        return value

    def finish(self, training: Training, value: float) -> None:
        """A training has come to its end."""
        self.whole += 1
        if value > self.best[0]:
            self.best = value, training.test

    @property
    def found(self) -> Found:
        """All of it."""
        value, test = self.best
        return Found(value=value, test=test, whole=self.whole, epochs=self.epochs, seconds=round(self.seconds, 2))
