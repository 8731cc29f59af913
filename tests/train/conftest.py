"""A recipe and how to train with it."""

from typing import Any

import pytest

from nars.recipe import Augmentation, Recipe, Schedule


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        learning_rate=0.02, dropout=0.2, stochastic_depth=0.2, mixup=0.2, weight_decay=1e-5, label_smoothing=0.1
    )


@pytest.fixture
def options() -> dict[str, Any]:
    return {
        "seed": 5,
        "schedule": Schedule(epochs=3, warmup_epochs=1, kind="cosine"),
        "batch_size": 32,
        "ema_decay": 0.9,
        "augmentation": Augmentation(flip=False),
    }
