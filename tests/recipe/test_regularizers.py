"""DropBlock and Disout: what they do to a map, by their definitions, and where they do it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import timm
import torch
from torch import nn

from nars.images import ImageData
from nars.recipe import Recipe, RecipeError, Schedule, TrainingLoop, TrainingSettings
from nars.recipe.regularizers import REGULARIZERS, disout, disturb, drop_block, last_blocks
from nars.space.recipe import RECIPE_SETTINGS


def _maps(side: int) -> torch.Tensor:
    return 1.0 + torch.rand(2000, 4, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("side", "block"), [(4, 2), (8, 4), (14, 7)])
def test_dropblock_zeroes_blocks_in_all_channels_and_keeps_the_mean(side: int, block: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = _maps(side)
        dropped = drop_block(x, 0.2)
    zero = dropped == 0
    assert torch.equal(zero.any(1), zero.all(1))
    # Seeds are drawn with gamma = rate x area / (block^2 x places) (eq. 1); each takes a block around it.
    gamma = 0.2 * side**2 / block**2 / (side - block + 1) ** 2
    middle = zero[:, 0, side // 2, side // 2].float().mean().item()
    assert middle == pytest.approx(1 - (1 - gamma) ** (block**2), abs=0.04)
    assert zero[:, 0].float().mean().item() == pytest.approx(0.2, abs=0.06)
    assert dropped.mean().item() == pytest.approx(x.mean().item(), rel=0.02)
    kept = dropped[~zero] / x[~zero]
    assert kept.std().item() == pytest.approx(0.0, abs=1e-5)  # one factor for all that stays


def test_disout_puts_noise_of_the_maps_scale_into_blocks_of_single_channels() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = 5.0 + 2.0 * torch.randn(2000, 4, 8, 8)
        disturbed = disout(x, 0.2)
    scale = (disturbed / x).flatten().mode().values  # of what stays
    there = (disturbed - scale * x).abs() > 1e-3
    assert there.any(1).float().mean() > 1.5 * there.float().mean()  # channels have their own blocks
    share = there.float().mean().item()
    assert share == pytest.approx(0.2, abs=0.05)
    assert scale.item() == pytest.approx(1 / (1 - share), rel=0.01)
    noise = disturbed[there] / scale
    assert noise.mean().item() == pytest.approx(0.0, abs=0.02)
    assert noise.std().item() == pytest.approx(0.3 * 2.0, rel=0.03)


def test_blocks_of_the_last_sizes_are_found_in_any_network(network: nn.Module) -> None:
    found = last_blocks(network, (1, 1, 8, 8), stages=2)
    names = [name for block in found for name, module in network.named_modules() if module is block]
    assert all(name.startswith("blocks.") and name.count(".") == 2 for name in names)
    resnet = timm.create_model("resnet18", num_classes=10)
    layers = (resnet.layer4, resnet.layer3, resnet.layer2, resnet.layer1)
    for stages in (1, 2, 3, 4, 8):
        expected = [block for layer in reversed(layers[:stages]) for block in layer]
        assert last_blocks(resnet, (1, 3, 64, 64), stages=stages) == expected
    plain = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    assert last_blocks(plain, (1, 1, 8, 8), stages=2) == [plain[0]]
    with pytest.raises(RecipeError, match="feature maps"):
        last_blocks(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 1, 8, 8), stages=2)


def test_a_recipe_says_in_how_many_stages_maps_are_disturbed() -> None:
    def disturbed(stages: int) -> set[str]:
        resnet = timm.create_model("resnet10t", num_classes=10)
        recipe = Recipe(learning_rate=0.1, regularizer="dropblock", regularizer_stages=stages)
        disturb(resnet, recipe, (1, 3, 64, 64))
        return {name.split(".")[0] for name, module in resnet.named_modules() if module._forward_hooks}

    assert disturbed(1) == {"layer4"}
    assert disturbed(2) == {"layer3", "layer4"}
    assert disturbed(3) == {"layer2", "layer3", "layer4"}


@pytest.mark.parametrize("name", ["dropblock", "disout"])
def test_a_regularized_training_differs_and_its_network_answers_as_without(
    name: str, network: nn.Module, digits: ImageData
) -> None:
    def loop(model: nn.Module, **settings: Any) -> TrainingLoop:
        training = TrainingSettings(schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=32)
        return TrainingLoop(model, Recipe(learning_rate=0.01, **settings), digits, training, seed=0)

    plain, none, other = (copy.deepcopy(network) for _ in range(3))
    loss = loop(plain).train_epoch(max_steps=2).loss
    assert loop(none, regularizer=name, regularizer_rate=0.0).train_epoch(max_steps=2).loss == loss
    regularized = loop(other, regularizer=name, regularizer_rate=0.3)
    assert regularized.train_epoch(max_steps=2).loss != loss
    fresh = copy.deepcopy(network)
    fresh.load_state_dict(other.state_dict())
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(fresh.eval()(images), other.eval()(images))
    assert regularized.ema_model is not None
    fresh.load_state_dict(regularized.ema_model.state_dict())
    assert torch.equal(fresh(images), regularized.ema_model(images))


def test_every_regularizer_that_a_space_may_offer_is_there() -> None:
    assert ("none", *REGULARIZERS) == RECIPE_SETTINGS["regularizer"].words
