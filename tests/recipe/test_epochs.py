"""Recipes that are trained for fewer epochs than the configuration says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nars.images import ImageData
from nars.network import build
from nars.recipe import Recipe, RecipeError, Schedule, TrainingLoop, TrainingSettings
from nars.space import Architecture
from nars.train import train_network

SETTINGS = TrainingSettings(schedule=Schedule(epochs=8, warmup_epochs=2.0, kind="cosine"), batch_size=64, ema_decay=0.9)
RECIPE = Recipe(learning_rate=0.02, optimizer="adamw", dropout=0.1)


def trained(network: nn.Module, recipe: Recipe, settings: TrainingSettings, data: ImageData) -> TrainingLoop:
    loop = TrainingLoop(network, recipe, data, settings, seed=1)
    while loop.epoch < loop.epochs:
        loop.train_epoch()
    return loop


@pytest.mark.parametrize(
    ("share", "schedule"),
    [
        (1.0, SETTINGS.schedule),
        (0.5, Schedule(epochs=4, warmup_epochs=1.0, kind="cosine")),
        (0.01, Schedule(epochs=1, warmup_epochs=0.25, kind="cosine")),
    ],
)
def test_a_share_of_the_epochs_is_a_configuration_of_fewer(
    share: float, schedule: Schedule, architecture: Architecture, digits: ImageData
) -> None:
    shorter = trained(build(architecture, dropout=0.1, seed=3), replace(RECIPE, epochs_share=share), SETTINGS, digits)
    told = replace(SETTINGS, schedule=schedule)
    same = trained(build(architecture, dropout=0.1, seed=3), RECIPE, told, digits)
    assert shorter.epoch == same.epoch == schedule.epochs
    for (name, one), other in zip(shorter.model.state_dict().items(), same.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_the_recipes_own_warm_up_is_a_share_of_its_epochs(architecture: Architecture, digits: ImageData) -> None:
    recipe = replace(RECIPE, epochs_share=0.5, warmup=0.5)
    loop = TrainingLoop(build(architecture, seed=3), recipe, digits, SETTINGS, seed=1)
    rates = [loop.train_epoch().learning_rate for _ in range(4)]
    steps = loop.steps_per_epoch  # the last step of the second epoch is the last of the warm-up
    assert rates[1] == pytest.approx(0.02 * (1 - 0.25 / steps))
    assert rates[1] == max(rates)
    assert rates[3] < 0.002


def test_final_training_is_shorter_too_and_goes_on_where_it_was_killed(
    architecture: Architecture, digits: ImageData, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, epochs_share=0.25)
    how = {"data": digits, "settings": SETTINGS, "seed": 1}
    whole = train_network(build(architecture, seed=3), recipe, folder=tmp_path / "whole", **how)  # type: ignore[arg-type]
    assert len(whole.curve) == 2

    class KilledError(Exception):
        """In the middle."""

    def stop(done: int, total: int) -> None:
        assert total == 2 * done
        raise KilledError

    with pytest.raises(KilledError):
        train_network(build(architecture, seed=3), recipe, folder=tmp_path / "cut", on_steps=stop, **how)  # type: ignore[arg-type]
    again = train_network(build(architecture, seed=3), recipe, folder=tmp_path / "cut", **how)  # type: ignore[arg-type]
    assert (again.curve, again.losses) == (whole.curve, whole.losses)


def test_nothing_is_no_share() -> None:
    with pytest.raises(RecipeError, match=r"epochs_share must be a number from 0.01 to 1; got 0"):
        Recipe(learning_rate=0.1, epochs_share=0.0)
