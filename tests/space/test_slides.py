"""Layers that may be left out: which of equal neighbours it is makes no difference, and rows say so."""

import itertools

import numpy as np
import pytest

from nars.space import SpaceError, load_space, parse_document, read_space, sobol, uniform

CHAIN = """
name: chain
kind: generic
architecture:
  a: {choices: [x, none, y], slides: {none: b}}
  b: {choices: [x, none, y], slides: {none: c}}
  c: [x, none, y]
  d: [x, none, y]
recipe: {rate: [1, 2]}
"""


def read(text: str):
    return read_space(parse_document(text, source="chain.yaml"))


def test_equal_rows_are_equal_networks_and_the_other_way_round() -> None:
    space = read(CHAIN)
    X = np.array(list(itertools.product(*[range(n) for n in space.cardinalities])))
    names = [[space.dimensions[column].values[choice] for column, choice in enumerate(row)] for row in X]
    # The network behind a row: the layers of the chain that are there, in order, then the last layer and the recipe.
    networks = [(tuple(name for name in row[:3] if name != "none"), *row[3:]) for row in names]
    rows = [tuple(row) for row in space.canonical(X).tolist()]
    assert len(set(rows)) == len(set(networks)) == (1 + 2 + 4 + 8) * 3 * 2
    assert len(set(zip(rows, networks, strict=True))) == len(set(rows))
    assert space.size("architecture") * space.size("recipe") == len(set(rows))
    assert (space.canonical(space.canonical(X)) == space.canonical(X)).all()
    assert (space.decode(space.encode(X)) == space.canonical(X)).all()
    assert (space.from_records(space.to_records(X)) == space.canonical(X)).all()


def test_pools_hold_no_network_twice() -> None:
    space = read(CHAIN)
    everything = sobol(space, 90, seed=0)
    assert len(np.unique(everything, axis=0)) == 90
    drawn = uniform(space, 500, rng=np.random.default_rng(0))
    assert (space.canonical(drawn) == drawn).all()


def test_nas_bench_macro_has_3969_networks() -> None:
    assert load_space("nas-bench-macro").size("architecture") == 9 * 21 * 21


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("slides: {none: c}", "slides: {none: a}", "slides names a later choice, got 'a'; there are c, d"),
        ("slides: {none: c}", "slides: {none: e}", "slides names a later choice, got 'e'"),
        ("slides: {none: c}", "slides: {skip: c}", "slides needs 'skip' in"),
        ("slides: {none: c}", "slides: [none, c]", "slides takes one choice with the next setting"),
        ("c: [x, none, y]", "c: [x, none]", "the same choices in c"),
        ("  d: [x, none, y]", "  d: {choices: [x, y], when: {b: [x]}}", "slides and when exclude each other"),
        ("{rate: [1, 2]}", "{rate: {choices: [1, 2], slides: {1: d}}}", "slides is for the layers of generic spaces"),
    ],
)
def test_wrong_slides(old: str, new: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message) as caught:
        read(CHAIN.replace(old, new))
    assert "chain.yaml:" in str(caught.value)
