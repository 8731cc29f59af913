"""What a space file may say of a recipe, when each setting has an effect, and how people see it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from nars.cli.space import app
from nars.recipe import Recipe
from nars.space import SpaceError, load_space, parse_document, read_space, recipe_in, sobol, space_file

RICH = ("cifar10-rich", "fashion-mnist-rich", "fbnetv3-rich")


@pytest.mark.parametrize("name", RICH)
def test_parameters_of_what_is_not_chosen_make_no_other_candidate(name):
    space = load_space(name)
    X = sobol(space, 200, seed=0)
    for setting, other, values in (
        ("magnitude", "augment", ["randaugment"]),
        ("operations", "augment", ["randaugment"]),
        ("focal_gamma", "loss", ["focal"]),
        ("poly1_epsilon", "loss", ["poly1"]),
        ("regularizer_rate", "regularizer", ["dropblock", "disout"]),
    ):
        column = space.index[f"recipe.{setting}"]
        changed = X.copy()
        changed[:, column] = (changed[:, column] + 1) % space.cardinalities[column]
        same = (space.canonical(changed) == space.canonical(X)).all(axis=1)
        chosen = np.array([recipe[other] in values for recipe in space.recipes(X)])
        np.testing.assert_array_equal(same, ~chosen)
    for recipe, record in zip(space.recipes(X), space.to_records(X), strict=True):
        assert Recipe.from_dict(recipe) == Recipe.from_dict(recipe_in(record))
        assert ("magnitude" in recipe_in(record)) == (recipe["augment"] == "randaugment")


@pytest.mark.parametrize("name", RICH)
def test_rich_spaces_hold_the_architectures_of_the_plain_ones_at_their_costs(name):
    space, plain = load_space(name), load_space(name.removesuffix("-rich"))
    assert (space.range, space.budgets) == (plain.range, plain.budgets)
    recipe = space.recipes(sobol(space, 1, seed=0))[0]
    X = sobol(plain, 20, seed=0)
    rows = np.concatenate([space.row_of(architecture, recipe) for architecture in plain.architectures(X)])
    assert space.architectures(rows) == plain.architectures(X)
    for cost, values in plain.costs(X).items():
        np.testing.assert_array_equal(values, space.costs(rows)[cost])
    activations = [name for name in space.index if name.endswith("activation")]
    assert space.size("architecture") >= 4 ** len(activations) * plain.size("architecture")


def _digits(recipe: str) -> str:
    text = space_file("digits").read_text(encoding="utf-8")
    return text[: text.index("recipe:")] + f"recipe:\n  learning_rate: [0.01, 0.02]\n{recipe}"


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("  focal_gamma: [1, 2]\n", "focal_gamma has no effect without recipe.loss; add recipe.loss, with focal"),
        ("  loss: poly1\n  focal_gamma: [1, 2]\n", "no effect: recipe.loss is fixed at poly1; give it one value"),
        ("  loss: [bce, poly1]\n  focal_gamma: [1, 2]\n", "no effect: recipe.loss is one of bce, poly1; give it one"),
        ("  class_balance: [none, weights]\n  balance_tau: [1, 2]\n", "no effect: recipe.class_balance is one"),
        ("  magnitude: [1, 40]\n", "must lie in 0 .. 30, got 40"),
        ("  augment: [none, mixup]\n", "takes one of none, randaugment, trivialaugment, autoaugment, autoaug"),
    ],
)
def test_what_could_have_no_effect_is_a_mistake(recipe, told):
    with pytest.raises(SpaceError, match=told):
        read_space(parse_document(_digits(recipe), source="d.yaml"))


def test_a_fixed_choice_makes_its_parameter_a_choice_of_every_candidate():
    space = read_space(parse_document(_digits("  focal_gamma: [1, 2]\n  loss: focal\n"), source="d.yaml"))
    (dimension,) = [d for d in space.dimensions if d.name == "recipe.focal_gamma"]
    assert dimension.active_when == ()
    stated = "  loss: [bce, focal]\n  focal_gamma: {choices: [1, 2], when: {loss: [focal]}}\n"
    implied = "  loss: [bce, focal]\n  focal_gamma: [1, 2]\n"
    one, two = (read_space(parse_document(_digits(recipe), source="d.yaml")) for recipe in (stated, implied))
    assert one.fingerprint == two.fingerprint


@pytest.mark.parametrize("first", ["magnitude", "augment"])
def test_a_condition_is_judged_by_canonical_choices_in_whatever_order_they_stand(first):
    entries = {
        "magnitude": "  magnitude: [5, 9]\n",
        "augment": "  augment: {choices: [none, randaugment], when: {optimizer: [sgd]}}\n",
    }
    recipe = "  optimizer: [sgd, adamw]\n" + entries.pop(first) + "".join(entries.values())
    space = read_space(parse_document(_digits(recipe), source="d.yaml"))
    columns = space.columns_of("recipe")
    X = np.array(list(np.ndindex(*space.cardinalities[columns])))
    X = space.canonical(np.concatenate([np.zeros((len(X), len(space.dimensions) - len(columns)), int), X], axis=1))
    np.testing.assert_array_equal(space.canonical(X), X)
    records = {tuple(recipe_in(record).items()) for record in space.to_records(X)}
    # Of sgd without an augmentation, with randaugment at 5 and at 9, and of adamw, at every other choice there is.
    free = np.prod([n for c, n in zip(columns, space.cardinalities[columns], strict=True) if _is_free(space, c)])
    assert len(records) == len(np.unique(X, axis=0)) == space.size("recipe") == 4 * free


def _is_free(space, column):
    return space.dimensions[column].name.split(".")[-1] not in ("optimizer", "augment", "magnitude")


def test_conditions_that_wait_for_each_other_are_a_mistake():
    recipe = "  magnitude: [5, 9]\n  augment: {choices: [none, randaugment], when: {magnitude: [9]}}\n"
    with pytest.raises(SpaceError, match=r"recipe.magnitude and recipe.augment each have an effect by") as caught:
        read_space(parse_document(_digits(recipe), source="d.yaml"))
    assert len(str(caught.value).splitlines()) == 1


def test_show_groups_settings_by_what_they_do():
    lines = CliRunner().invoke(app, ["show", "cifar10-rich"], env={"COLUMNS": "100"}).output.splitlines()
    cells = [line.split("│")[1].strip() for line in lines if "│" in line]
    groups = [cell for cell in cells if cell in ("optimization", "augmentation", "loss", "regularization")]
    assert groups == ["optimization", "augmentation", "loss", "regularization"]
    assert cells.index("augmentation") < cells.index("recipe.erasing") < cells.index("loss")
    assert any("(3, 21, 3) where augment is randaugment" in line for line in lines)
