"""A small network, its recipe, and real images."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from nars.data import ImageData, load_images
from nars.recipe import Augmentation, Recipe, Schedule
from nars.space import Architecture, Head, Stage, Stem


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160)


@pytest.fixture
def architecture() -> Architecture:
    stage = Stage(
        kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=2, stride=2, se=True,
    )  # fmt: skip
    return Architecture(
        resolution=8, stem=Stem(channels=8, stride=1), stages=(stage,), head=Head(expand=2, channels=16), in_channels=1,
        classes=10,
    )  # fmt: skip


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        learning_rate=0.02, dropout=0.2, stochastic_depth=0.2, mixup=0.2, weight_decay=1e-5, label_smoothing=0.1
    )


@pytest.fixture
def options() -> dict[str, Any]:
    return {
        "seed": 5, "schedule": Schedule(epochs=3, warmup_epochs=1, kind="cosine"), "batch_size": 32, "ema_decay": 0.9,
        "augmentation": Augmentation(flip=False),
    }  # fmt: skip
