"""Small trials on real images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nars.evaluate import EvaluationSettings, Trial
from nars.images import ImageData
from nars.recipe import Augmentation, Schedule
from nars.space import Architecture
from nars.store import sample_key

RECIPE = {"learning_rate": 0.02, "optimizer": "rmsprop", "dropout": 0.1, "stochastic_depth": 0.1, "mixup": 0.1}

MakeTrial = Callable[..., Trial]


@pytest.fixture(scope="session")
def settings() -> EvaluationSettings:
    return EvaluationSettings(
        schedule=Schedule(epochs=3, warmup_epochs=1, kind="cosine"),
        batch_size=32,
        augmentation=Augmentation(flip=False),
        ema_decay=0.9,
    )


@pytest.fixture(scope="session")
def make_trial(digits: ImageData, architecture: Architecture, settings: EvaluationSettings) -> MakeTrial:
    """make_trial(seed, recipe changes..., **changes of the architecture in `architecture`)"""
    base = architecture

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
                space="test",
                record=record | {"extra": str(architecture)},
                fidelity=settings.fidelity(epochs),
                data=digits.fingerprint,
                seed=seed,
            ),
            choices=(seed, 1),
            record=record,
            costs={"flops": 1e5},
            architecture=replace(base, **architecture or {}),
            recipe=RECIPE | changes if recipe is None else recipe,
            space="test",
            epochs=epochs,
            seed=seed,
            round=2,
        )

    return make
