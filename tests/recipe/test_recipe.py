import math
from typing import get_args

import numpy as np
import pytest
import torch

from nars.recipe import FINAL_DECAY, SEARCH_DECAY, Augmentation, Recipe, RecipeError, Schedule, TrainingSettings
from nars.recipe.settings import Decay, settings_by
from nars.space.recipe import RECIPE_SETTINGS


def test_sgd_trains_with_four_times_the_learning_rate() -> None:
    assert Recipe(learning_rate=0.026, optimizer="sgd").effective_learning_rate == pytest.approx(0.104)
    assert Recipe(learning_rate=0.026, optimizer="rmsprop").effective_learning_rate == 0.026


def test_recipe_survives_a_round_trip_and_numpy_scalars() -> None:
    document = {
        "learning_rate": np.float64(0.026),
        "optimizer": "rmsprop",
        "ema": np.bool_(True),
        "dropout": np.float32(0.25),
        "stochastic_depth": 0.09,
        "mixup": 0.19,
        "weight_decay": 7e-6,
        "label_smoothing": 0,
    }
    recipe = Recipe.from_dict(document)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert all(type(value) in (float, str, bool) for value in recipe.to_dict().values())


def test_a_recipe_is_written_as_before_until_it_says_more() -> None:
    first = ["learning_rate", "optimizer", "ema", "dropout", "stochastic_depth", "mixup", "weight_decay"]
    assert list(Recipe(learning_rate=0.1).to_dict()) == [*first, "label_smoothing"]
    rich = Recipe(learning_rate=0.1, augment="randaugment", magnitude=12, crop=0.0, batch_size=32, loss="focal")
    added = {"augment": "randaugment", "magnitude": 12, "crop": 0.0, "loss": "focal", "batch_size": 32}
    assert rich.to_dict() == Recipe(learning_rate=0.1).to_dict() | added
    assert Recipe.from_dict(rich.to_dict()) == rich
    unread = Recipe(learning_rate=0.1, augment="none", magnitude=12, focal_gamma=3.0, regularizer_rate=0.5)
    assert unread == Recipe(learning_rate=0.1, augment="none")


def test_what_a_recipe_says_takes_the_place_of_what_the_run_says() -> None:
    run = TrainingSettings(
        schedule=Schedule(epochs=20, warmup_epochs=5),
        learning_rate_scale=2.0,
        augmentation=Augmentation(policy="randaugment"),
    )
    assert settings_by(Recipe(learning_rate=0.1), run) == run
    said = Recipe(
        learning_rate=0.1, batch_size=32, schedule="cosine", warmup=0.1, augment="none", crop=0.25, erasing=0.5
    )
    assert settings_by(said, run) == TrainingSettings(
        schedule=Schedule(epochs=20, warmup_epochs=2.0, kind="cosine"),
        batch_size=32,
        augmentation=Augmentation(crop=0.25, erasing=0.5),
    )


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"learning_rate": 0.1, "momentum": 0.9}, "'momentum'"),
        ({"optimizer": "sgd"}, "learning_rate"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"learning_rate": "0.1"}, "learning_rate"),
        ({"learning_rate": True}, "learning_rate"),
        ({"learning_rate": 0.1, "optimizer": "adam"}, "rmsprop, sgd, adamw"),
        ({"learning_rate": 0.1, "dropout": 1.0}, "dropout"),
        ({"learning_rate": 0.1, "stochastic_depth": -0.1}, "stochastic_depth"),
        ({"learning_rate": 0.1, "mixup": math.inf}, "mixup"),
        ({"learning_rate": 0.1, "ema": "yes"}, "ema"),
        ({"learning_rate": 0.1, "augment": "auto"}, "augment must be one of none, randaugment"),
        ({"learning_rate": 0.1, "magnitude": 31}, "magnitude must be a whole number from 0 to 30"),
        ({"learning_rate": 0.1, "magnitude": 2.5}, "magnitude"),
        ({"learning_rate": 0.1, "erasing": 1.1}, "erasing must be a number from 0 to 1"),
        ({"learning_rate": 0.1, "batch_size": 0}, "batch_size"),
        ({"learning_rate": 0.1, "loss": None}, "loss"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_name(document: dict[str, object], named: str) -> None:
    with pytest.raises(RecipeError, match=named):
        Recipe.from_dict(document)


def test_search_schedule_is_the_papers() -> None:
    schedule = Schedule(epochs=150, decay=SEARCH_DECAY)
    assert [schedule.factor(e) for e in (0.0, 1.0, 2.5, 5.0, 5.9)] == pytest.approx([0.0, 0.2, 0.5, 1.0, 1.0])
    assert schedule.factor(108.5) == pytest.approx(0.963**103)
    assert Schedule(epochs=400, decay=FINAL_DECAY).factor(399.99) == pytest.approx(0.9875**394)


def test_exponential_schedule_is_torchs() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    schedule = Schedule(epochs=20, warmup_epochs=0, decay=0.9)
    for epoch in range(20):
        assert schedule.factor(epoch + 0.5) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


def test_cosine_comes_down_to_zero_whatever_the_length() -> None:
    for epochs in (2, 7, 300):
        schedule = Schedule(epochs=epochs, warmup_epochs=1, kind="cosine")
        assert schedule.factor(1.0) == 1.0
        assert schedule.factor(1 + (epochs - 1) / 2) == pytest.approx(0.5)
        assert schedule.factor(epochs) == pytest.approx(0.0)


def test_linear_is_torchs_after_warm_up() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=8)
    schedule = Schedule(epochs=10, warmup_epochs=2, kind="linear")
    for epoch in range(2, 11):
        assert schedule.factor(epoch) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    assert schedule.factor(1.0) == 0.5
    assert Schedule(epochs=3, warmup_epochs=3, kind="linear").factor(3.0) == 1.0


def test_a_space_may_offer_every_schedule_that_there_is() -> None:
    assert RECIPE_SETTINGS["schedule"].words == get_args(Decay)
    for kind in get_args(Decay):
        recipe = Recipe(learning_rate=0.1, schedule=kind)
        settings = settings_by(recipe, TrainingSettings(schedule=Schedule(epochs=20, decay=0.5)))
        assert settings.schedule == Schedule(epochs=20, decay=0.5, kind=kind)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"epochs": 3, "warmup_epochs": 4},
        {"epochs": 3, "warmup_epochs": 0, "decay": 0.0},
        {"epochs": 3, "warmup_epochs": 0, "kind": "step"},
    ],
)
def test_a_schedule_that_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Schedule(**options)  # type: ignore[arg-type]
