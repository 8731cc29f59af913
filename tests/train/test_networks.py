from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nars.images import ImageData
from nars.recipe import Recipe, TrainingSettings
from nars.train import Renormalized, TrainError, timm_network, timm_teacher, train_network


def test_a_searched_recipe_trains_any_timm_model(
    digits: ImageData, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    model = timm_network("timm:resnet10t", digits, recipe=recipe, seed=1)
    assert model.num_classes == 10
    assert any(getattr(module, "drop_prob", 0.0) > 0.0 for module in model.modules())
    result = train_network(model, replace(recipe, ema=False), digits, settings, folder=tmp_path, seed=5)
    assert len(result.curve) == 3
    again = timm_network("resnet10t", digits, seed=9, checkpoint=result.weights)
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    taught = timm_teacher("timm:resnet10t", digits, checkpoint=result.weights)
    assert not taught.training


def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(digits: ImageData) -> None:
    before = torch.get_rng_state()
    a, b, c = (timm_network("resnet10t", digits, seed=seed).state_dict()["conv1.0.weight"] for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before)


def test_models_without_stochastic_depth_are_built_without(digits: ImageData) -> None:
    model = timm_network("timm:vgg11", replace(digits, classes=("a", "b")), recipe=Recipe(learning_rate=0.1), seed=0)
    assert model.num_classes == 2


def test_what_timm_does_not_have_or_does_not_fit_is_refused(digits: ImageData, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"close to it: .*resnet"):
        timm_network("timm:resnet1", digits, seed=0)
    with pytest.raises(TrainError, match="does not hold weights"):
        timm_network("timm:resnet10t", digits, seed=0, checkpoint=tmp_path / "missing.safetensors")


def test_a_teacher_sees_images_normalized_as_it_knows_them(digits: ImageData) -> None:
    theirs = torch.tensor([0.3]), torch.tensor([0.7])
    teacher = Renormalized(nn.Identity(), ours=(digits.mean, digits.std), theirs=theirs)
    raw = digits.train.images.float() / 255
    seen = teacher((raw - digits.mean.view(1, -1, 1, 1)) / digits.std.view(1, -1, 1, 1))
    torch.testing.assert_close(seen, (raw - 0.3) / 0.7)


def test_timm_weights_for_other_classes_do_not_teach(digits: ImageData) -> None:
    with pytest.raises(TrainError, match="know 1000 classes, digits has 10"):
        timm_teacher("timm:resnet10t", digits)
    with pytest.raises(TrainError, match="timm has no model"):
        timm_teacher("timm:resnet1", digits)
