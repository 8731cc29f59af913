"""The published FBNetV3 models: their figures to the last digit, and which of them the shipped space contains."""

import pytest

from nars.space import SpaceError, architecture_costs, load_space, published, published_flops, published_models

RECIPE = {
    "learning_rate": 0.026,
    "optimizer": "rmsprop",
    "dropout": 0.17,
    "stochastic_depth": 0.09,
    "mixup": 0.19,
    "weight_decay": 7e-6,
}


@pytest.mark.parametrize("model", published_models(), ids=lambda model: model.name)
def test_weights_and_flops_are_exact(model):
    assert architecture_costs(model.architecture)["weights"] == round(model.params_m * 1e6)
    assert published_flops(model.architecture) == round(model.flops_m * 1e6)
    assert 0.0015 < published_flops(model.architecture) / architecture_costs(model.architecture)["flops"] - 1 < 0.0035


@pytest.mark.parametrize("letter", "BCDE")
def test_members_come_back_unchanged_and_cost_the_same(letter):
    space, architecture = load_space("fbnetv3"), published(letter).architecture
    row = space.row_of(architecture, RECIPE)
    rebuilt = space.architectures(row)[0]
    assert architecture_costs(rebuilt) == architecture_costs(architecture)
    assert space.row_of(rebuilt, RECIPE).tolist() == row.tolist()
    assert {name: int(values[0]) for name, values in space.costs(row).items()} == architecture_costs(architecture)
    assert space.recipes(row)[0] == RECIPE | {"ema": True}


@pytest.mark.parametrize(("letter", "setting"), [("F", "stage3.channels"), ("G", "resolution")])
def test_scaled_models_lie_outside_and_the_error_says_where(letter, setting):
    with pytest.raises(SpaceError, match=setting):
        load_space("fbnetv3").row_of(published(letter).architecture, RECIPE)


def test_the_recipe_space_holds_b():
    space, b = load_space("fbnetv3-recipe"), published("B").architecture
    assert space.row_of(b, RECIPE | {"ema": False}).shape == (1, 7)
    assert architecture_costs(space.architectures(space.row_of(b, RECIPE | {"ema": True}))[0]) == architecture_costs(b)


def test_names():
    assert published("fbnetv3-g").name == published("G").name == "FBNetV3-G"
    with pytest.raises(SpaceError, match="there are FBNetV3-A"):
        published("FBNetV3-H")
