"""Costs that are looked up block by block are the closed form's, to the last digit."""

import numpy as np
import pytest

from nars.space import load_space, space_names, uniform


@pytest.mark.parametrize("name", [name for name in space_names() if load_space(name).kind == "mbconv"])
def test_tables_equal_the_closed_form(name):
    space = load_space(name)
    X = uniform(space, 5000, rng=np.random.default_rng(0))
    table, truth = space.quick_costs(X), space.costs(X)
    assert table.keys() == truth.keys()
    for cost, values in truth.items():
        assert np.array_equal(table[cost], values), cost


def test_no_rows():
    space = load_space("digits")
    assert all(
        column.shape == (0,)
        for column in space.quick_costs(uniform(space, 5000, rng=np.random.default_rng(0))[:0]).values()
    )
