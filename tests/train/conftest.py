"""A recipe and how to train with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nars.images import ImageData
from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule, TrainingSettings
from nars.space import Architecture
from nars.train import MemberResult, train_network

Train = Callable[..., MemberResult]
"""train(folder, recipe, settings, **more arguments of `train_network`)"""


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        learning_rate=0.02, dropout=0.2, stochastic_depth=0.2, mixup=0.2, weight_decay=1e-5, label_smoothing=0.1
    )


@pytest.fixture
def settings() -> TrainingSettings:
    return TrainingSettings(
        schedule=Schedule(epochs=3, warmup_epochs=1, kind="cosine"),
        batch_size=32,
        ema_decay=0.9,
        augmentation=Augmentation(flip=False),
    )


@pytest.fixture
def train(architecture: Architecture, digits: ImageData) -> Train:
    """A fresh network of the tests' architecture, trained by recipe and settings."""

    def trained(
        folder: Path, recipe: Recipe, settings: TrainingSettings, *, seed: int = 5, **more: Any
    ) -> MemberResult:
        drops = {"dropout": recipe.dropout, "stochastic_depth": recipe.stochastic_depth}
        model = build(architecture, seed=seed, **drops)
        return train_network(model, recipe, digits, settings, folder=folder, seed=seed, **more)

    return trained
