"""What fine-tuning trains more gently, later, or not at all: by timm's groups, and parameters that must not move."""

import copy
from dataclasses import replace

import pytest
import timm
import torch
from timm.optim._param_groups import param_groups_layer_decay
from torch import Tensor, nn

from nars.images import ImageData
from nars.recipe import Recipe, RecipeError, Schedule, TrainingLoop, TrainingSettings
from nars.recipe.depth import treatments
from nars.recipe.optimizer import build_optimizer, flatten

SETTINGS = TrainingSettings(schedule=Schedule(epochs=4, warmup_epochs=0.0, kind="cosine"), batch_size=64)
RECIPE = Recipe(learning_rate=0.01, optimizer="sgd", ema=False, weight_decay=0.01)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = timm.create_model("test_efficientnet", num_classes=10, in_chans=1)
    return model


@pytest.mark.parametrize("optimizer", ["sgd", "lamb"])
def test_layers_take_the_steps_of_timms_groups(model: nn.Module, optimizer: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, layer_decay=0.7, head_factor=5.0)
    plain = copy.deepcopy(model)
    head = {id(p) for p in plain.get_classifier().parameters()}  # type: ignore[operator]
    reference = [
        {"params": [p], "lr": 0.01 * group["lr_scale"] * (5.0 if id(p) in head else 1.0), "weight_decay": decay}
        for group in param_groups_layer_decay(plain, 0.01, layer_decay=0.7)
        for p in group["params"]
        for decay in [group["weight_decay"]]
    ]
    kind = {"sgd": lambda g: torch.optim.SGD(g, momentum=0.9), "lamb": timm.optim.Lamb}[optimizer]
    groups = flatten(model, weight_decay=0.01, treatments=treatments(model, recipe))
    flat = build_optimizer(recipe, groups, learning_rate=0.01)
    for group, own in zip(flat.param_groups, groups, strict=True):
        group["lr"] = 0.01 * own.factor
    images, labels = torch.rand(8, 1, 32, 32), torch.arange(8)
    for network, stepper in ((plain, kind(reference)), (model, flat)):
        for _ in range(2):
            for parameter in network.parameters():
                if parameter.grad is not None:
                    parameter.grad.zero_()
            nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
            stepper.step()
    for (name, expected), (_, found) in zip(plain.named_parameters(), model.named_parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6, msg=name)


def state(loop: TrainingLoop) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in loop.model.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "lamb"])
def test_features_are_frozen_for_their_share(model: nn.Module, digits: ImageData, optimizer: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, freeze="features", freeze_share=0.5)
    loop = TrainingLoop(model, recipe, digits, SETTINGS, seed=0)
    untouched = state(loop)
    for _ in range(2):
        loop.train_epoch()
    assert changed(untouched, state(loop)) == {"classifier.weight", "classifier.bias"}
    saved = copy.deepcopy(loop.state_dict())
    loop.train_epoch()
    thawed = state(loop)
    assert changed(untouched, thawed) == set(untouched)
    torch.manual_seed(9)
    other = timm.create_model("test_efficientnet", num_classes=10, in_chans=1)
    again = TrainingLoop(other, recipe, digits, SETTINGS, seed=0)
    again.load_state_dict(saved)
    again.train_epoch()
    assert changed(thawed, state(again)) == set()


def test_the_first_half_of_the_layers(model: nn.Module, digits: ImageData) -> None:
    loop = TrainingLoop(model, replace(RECIPE, freeze="early"), digits, SETTINGS, seed=0)
    before = state(loop)
    for _ in range(4):
        loop.train_epoch()
    moved = changed(before, state(loop))
    assert {"classifier.weight", "conv_head.weight", "bn2.running_mean"} <= moved
    assert not {name for name in moved if name.startswith(("conv_stem", "bn1", "blocks.0", "blocks.1"))}
    assert 0.3 < len(moved) / len(before) < 0.8


@pytest.mark.parametrize("setting", [{"layer_decay": 0.5}, {"head_factor": 2.0}, {"freeze": "early"}])
def test_networks_that_do_not_say_their_layers(setting: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"need a network that says .* and Sequential does not; leave them out"):
        treatments(nn.Sequential(nn.Linear(2, 2)), replace(RECIPE, **setting))  # type: ignore[arg-type]


def test_mbconv_networks_say_it(network: nn.Module) -> None:
    ways = treatments(network, replace(RECIPE, layer_decay=0.8, freeze="features"))
    factors = {name: ways[parameter].factor for name, parameter in network.named_parameters()}
    assert factors["classifier.weight"] == 1.0 > factors["blocks.0.0.conv_pw.weight"] > factors["conv_stem.weight"]
    assert {name for name, p in network.named_parameters() if not ways[p].frozen} == {
        "classifier.weight",
        "classifier.bias",
    }
