"""Looked-up costs against the arrays they were filled from."""

import pickle

import numpy as np
import pytest

from nars.space import ListedCostTable, SpaceError, parse_document, read_space

TEXT = """
name: toy
kind: generic
architecture:
  a: [x, y, z]
  b: [1, 2]
recipe:
  c: {low: 0, high: 3}
"""


def _space():
    return read_space(parse_document(TEXT, source="toy.yaml"))


def _everything(space):
    return np.stack(np.unravel_index(np.arange(24), (3, 2, 4)), axis=1)


def test_rows_come_back_with_their_costs_whatever_their_order():
    space, rng = _space(), np.random.default_rng(0)
    X = rng.permutation(_everything(space))
    size, seconds = rng.random(24), rng.random(24)
    table = ListedCostTable.from_rows(space, X, {"size": size, "seconds": seconds})
    found = space.with_table(table).costs(X)
    assert list(found) == ["size", "seconds"]
    assert np.array_equal(found["size"], size)
    assert np.array_equal(found["seconds"], seconds)


def test_a_table_over_some_columns_ignores_the_others():
    space = _space()
    X = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]])
    table = ListedCostTable.from_rows(space, X, {"size": np.arange(6.0)}, columns=[0, 1])
    everything = _everything(space)
    assert np.array_equal(table.lookup(everything)["size"], everything[:, 0] * 2 + everything[:, 1])


def test_what_the_table_lacks_is_an_error_and_not_a_number():
    space = _space()
    table = ListedCostTable.from_rows(space, np.zeros((1, 3), dtype=int), {"size": np.array([5.0])})
    assert table.lookup(np.zeros((2, 3), dtype=int))["size"].tolist() == [5.0, 5.0]
    with pytest.raises(SpaceError, match="lacks 1 of 1 candidates"):
        table.lookup(np.ones((1, 3), dtype=int))
    assert space.cost_names == ()
    assert space.costs(np.zeros((1, 3), dtype=int)) == {}


def test_the_fingerprint_follows_the_values_and_survives_pickling():
    space = _space()
    X = _everything(space)
    one = ListedCostTable.from_rows(space, X, {"size": np.arange(24.0)})
    same = ListedCostTable.from_rows(space, X[::-1], {"size": np.arange(24.0)[::-1]})
    other = ListedCostTable.from_rows(space, X, {"size": np.arange(24.0) + 1})
    assert one.fingerprint == same.fingerprint == pickle.loads(pickle.dumps(one)).fingerprint
    assert one.fingerprint != other.fingerprint
    assert space.with_table(one).fingerprint != space.with_table(other).fingerprint


def test_shapes_are_checked():
    space = _space()
    with pytest.raises(SpaceError, match="one value per row"):
        ListedCostTable.from_rows(space, np.zeros((2, 3), dtype=int), {"size": np.zeros(3)})
