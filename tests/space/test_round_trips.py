"""Rows, encodings, records and networks say the same, in every built-in space."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from nars.space import Architecture, SpaceError, load_space, sobol, space_names, uniform

SPACES = {name: load_space(name) for name in space_names()}
MBCONV = [name for name, space in SPACES.items() if space.kind == "mbconv"]


@st.composite
def populations(draw, names=tuple(SPACES)):
    space = SPACES[draw(st.sampled_from(names))]
    return space, uniform(space, draw(st.integers(1, 20)), rng=np.random.default_rng(draw(st.integers(0, 2**32))))


@given(populations())
@settings(max_examples=60, deadline=None)
def test_everything_comes_back(case):
    space, X = case
    assert np.array_equal(space.canonical(X), X)
    assert ((X >= 0) & (space.cardinalities > X)).all()
    encoding = space.encode(X)
    assert encoding.shape == (len(X), space.architecture_width + space.recipe_width)
    assert encoding.dtype == np.float32
    assert (encoding >= 0).all()
    assert (encoding <= 1).all()
    assert np.array_equal(space.decode(encoding), X)
    assert np.array_equal(space.from_records(space.to_records(X)), X)


@given(populations(names=tuple(MBCONV)))
@settings(max_examples=30, deadline=None)
def test_networks_come_back(case):
    space, X = case
    for row, architecture, recipe in zip(X, space.architectures(X), space.recipes(X), strict=True):
        assert Architecture.from_dict(architecture.to_dict()) == architecture
        assert np.array_equal(space.row_of(architecture, recipe)[0], row)


@given(populations(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_choices_without_effect_change_nothing(case, seed):
    space, X = case
    other = X.copy()
    rng = np.random.default_rng(seed)
    column = rng.integers(X.shape[1], size=len(X))
    other[np.arange(len(X)), column] = rng.integers(space.cardinalities[column])
    same = (space.canonical(other) == X).all(axis=1)
    for a, b in zip(space.costs(X).values(), space.costs(other).values(), strict=True):
        assert np.array_equal(a[same], b[same])
    assert np.array_equal(space.encode(other)[same], space.encode(X)[same])


def test_equal_networks_are_equal_rows_and_different_networks_are_not(listed):
    grid = np.stack(
        np.unravel_index(np.arange(int(np.prod(listed.cardinalities))), tuple(listed.cardinalities)), axis=1
    )
    rows = np.random.default_rng(0).choice(grid, size=min(len(grid), 4000), replace=False)
    meaning, row_of = {}, {}
    for row, architecture, recipe in zip(
        listed.canonical(rows), listed.architectures(rows), listed.recipes(rows), strict=True
    ):
        network = architecture.to_dict()
        for stage in network["stages"]:
            if stage["depth"] == 1:
                del stage["kernel_rest"], stage["expand_rest"]
            if stage["first_padding"] is None:
                stage["first_padding"] = stage["kernel_first"] // 2
        key = str((network, recipe))
        assert row_of.setdefault(key, row.tolist()) == row.tolist()
        assert meaning.setdefault(tuple(row), key) == key
    assert listed.size("architecture") * listed.size("recipe") == len(np.unique(listed.canonical(grid), axis=0))


@pytest.mark.parametrize("name", SPACES)
def test_encoding_widths(name):
    space = SPACES[name]
    widths = {"architecture": 0, "recipe": 0}
    for dimension in space.dimensions:
        widths[dimension.group] += 1 if dimension.ordinal else len(dimension.values)
    assert (space.architecture_width, space.recipe_width) == (widths["architecture"], widths["recipe"])
    groups = [dimension.group for dimension in space.dimensions]
    assert groups == sorted(groups)  # architecture first


def test_spaces_of_one_kind_of_choice():
    recipe_only, architecture_only = SPACES["fbnetv3-recipe"], SPACES["fbnetv3-arch"]
    assert recipe_only.architecture_width == 0
    assert recipe_only.recipe_width > 0
    assert architecture_only.recipe_width == 0
    X = sobol(recipe_only, 50, seed=0)
    assert len(set(recipe_only.architectures(X))) == 1
    assert len(np.unique(recipe_only.costs(X)["flops"])) == 1
    assert architecture_only.recipes(sobol(architecture_only, 2, seed=0))[0]["learning_rate"] == 0.026


def test_the_files_of_one_family_agree():
    def dimensions(name, group):
        return [dimension for dimension in SPACES[name].dimensions if dimension.group == group]

    architecture = [(d.name, d.values, d.paper) for d in dimensions("fbnetv3", "architecture")]
    assert [(d.name, d.values, d.paper) for d in dimensions("fbnetv3-arch", "architecture")] == architecture
    recipe = [(d.name, d.values) for d in dimensions("fbnetv3", "recipe")]
    assert [(d.name, d.values) for d in dimensions("fbnetv3-cifar10", "recipe")] == recipe
    assert [(d.name, d.values) for d in dimensions("fbnetv3-recipe", "recipe") if d.name != "recipe.ema"] == recipe


def test_records_that_are_no_candidates():
    space = SPACES["digits"]
    record = space.to_records(sobol(space, 1, seed=0))[0]
    for change, message in [
        ({"stage9.kernel": 3}, "has no setting 'stage9.kernel'"),
        ({"recipe.optimizer": "adam"}, "recipe.optimizer takes one of"),
        ({"stage1.expand_first": 7}, "is fixed at 1"),
        ({"stage1.kernel_first": 3, "stage1.kernel_rest": 5, "stage1.depth": 2}, "are one choice"),
    ]:
        with pytest.raises(SpaceError, match=message):
            space.from_records([record | change])
    with pytest.raises(SpaceError, match=r"recipe\.dropout is missing"):
        space.from_records([{key: value for key, value in record.items() if key != "recipe.dropout"}])
    idle = record | {"stage1.depth": 1, "stage1.kernel_first": 3, "stage1.kernel_rest": 5}
    assert len(space.from_records([idle])) == 1  # one block: what later blocks would do does not matter
    with pytest.raises(SpaceError, match="integer matrix"):
        space.check(np.zeros((2, 3)))
    with pytest.raises(SpaceError, match="choices, row 0 asks for"):
        space.check(np.full((1, len(space.dimensions)), 99))
