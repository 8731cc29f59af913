"""Small trials on real images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nars.data import ImageData, load_images, sample_key
from nars.evaluate import EvaluationSettings, Trial
from nars.recipe import Augmentation, Schedule
from nars.space import Architecture, Head, Stage, Stem

TINY = Architecture(
    resolution=8,
    stem=Stem(channels=8, stride=1),
    stages=(
        Stage(
            kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=1, stride=2, se=True,
        ),
    ),
    head=Head(expand=2, channels=16),
    in_channels=1,
    classes=10,
)  # fmt: skip

RECIPE = {"learning_rate": 0.02, "optimizer": "rmsprop", "dropout": 0.1, "stochastic_depth": 0.1, "mixup": 0.1}

MakeTrial = Callable[..., Trial]


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160)


@pytest.fixture(scope="session")
def settings() -> EvaluationSettings:
    return EvaluationSettings(
        schedule=Schedule(epochs=3, warmup_epochs=1, kind="cosine"), batch_size=32,
        augmentation=Augmentation(flip=False), ema_decay=0.9,
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_trial(digits: ImageData, settings: EvaluationSettings) -> MakeTrial:
    """make_trial(seed, recipe changes..., **changes of the architecture in `architecture`)"""

    def make(
        seed: int = 0,
        *,
        architecture: dict[str, Any] | None = None,
        epochs: int = 3,
        recipe: Any = None,
        **changes: Any,
    ) -> Trial:
        record = {"resolution": 8, **{f"recipe.{name}": value for name, value in (RECIPE | changes).items()}}
        return Trial(
            key=sample_key(
                space="test", record=record | {"extra": str(architecture)}, fidelity=settings.fidelity(epochs),
                data=digits.fingerprint, seed=seed,
            ),
            choices=(seed, 1),
            record=record,
            costs={"flops": 1e5},
            architecture=replace(TINY, **architecture or {}),
            recipe=RECIPE | changes if recipe is None else recipe,
            space="test",
            epochs=epochs,
            seed=seed,
            round=2,
        )  # fmt: skip

    return make
