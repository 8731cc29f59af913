"""What the tests share: one torch thread, real images, a network small enough to train in a test, and its trials."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from nars.images import ImageData, load_images
from nars.recipe import Augmentation, Schedule, TrainingSettings
from nars.space import Architecture, Head, Stage, Stem
from nars.tasks import ImageClassification, Trial

if "NARS_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # torch has not looked yet: what is tested is the same on every machine

# Small networks gain nothing from more threads, and a busy machine loses much.
torch.set_num_threads(1)

_STAGE = Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=2, stride=2, se=True)
_TINY = Architecture(
    resolution=8,
    stem=Stem(channels=8, stride=1),
    stages=(_STAGE,),
    head=Head(expand=2, channels=16),
    in_channels=1,
    classes=10,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: one that begins last would be waited for with all other workers idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160)


@pytest.fixture(scope="session")
def architecture() -> Architecture:
    return _TINY


@pytest.fixture(scope="session")
def task(digits: ImageData) -> ImageClassification:
    settings = TrainingSettings(
        schedule=Schedule(epochs=3, warmup_epochs=1, kind="cosine"),
        batch_size=32,
        augmentation=Augmentation(flip=False),
        ema_decay=0.9,
    )
    return ImageClassification(digits, settings)


@pytest.fixture(scope="session")
def make_trial(task: ImageClassification, architecture: Architecture) -> Callable[..., Trial]:
    """make_trial(seed, recipe changes..., **changes of the architecture in `architecture`)"""
    base = architecture
    recipe_ = {"learning_rate": 0.02, "optimizer": "rmsprop", "dropout": 0.1, "stochastic_depth": 0.1, "mixup": 0.1}

    def make(
        seed: int = 0,
        *,
        architecture: dict[str, Any] | None = None,
        epochs: int = 3,
        recipe: Any = None,
        **changes: Any,
    ) -> Trial:
        settings = {f"recipe.{name}": value for name, value in (recipe_ | changes).items()}
        return Trial(
            choices=(seed, 1),
            record={"resolution": 8, "extra": str(architecture)} | settings,
            costs={"flops": 1e5},
            architecture=replace(base, **architecture or {}),
            recipe=recipe_ | changes if recipe is None else recipe,
            space="test",
            data=task.data,
            fidelity=task.fidelity(epochs),
            epochs=epochs,
            seed=seed,
            round=2,
        )

    return make
