"""Exact ends of a space against listing all of it."""

import re

import numpy as np
import pytest

from nars.space import (
    Bounds,
    InfeasibleError,
    SpaceError,
    check_reachable,
    cost_range,
    enumerate_architectures,
    load_space,
    parse_document,
    quantity,
    read_space,
    space_names,
    uniform,
)

TIGHT = """
name: tight
architecture:
  resolution: [23, 24, 25, 26]
  stem: {channels: 8, stride: [1, 2]}
  stages:
    - {kernel_first: [3, 5], kernel_rest: 3, expand: 1, channels: [8, 16], depth: [1, 2], stride: [1, 2],
       first_padding: [null, 0, 1]}
    - {kernel_first: [3, 5], kernel_rest: [3, 5], expand: [1, 4, 6], channels: [8, 16, 24], depth: [1, 2], stride: 2,
       se: [true, false], first_padding: [null, 1]}
  head: {expand: [1, 6], channels: 32}
"""
SEVERAL = """
name: several
kind: generic
architecture: {a: [x, y, z], b: [1, 2], c: {choices: [1, 2, 3], when: {a: [x]}}}
recipe: {d: [1, 2, 3]}
costs:
  size: {base: 2, a: [5, 1, 3], c: [0, 9, 4], recipe.d: [7, 8, 6]}
  time: {b: [1, 0]}
"""


def check(space):
    listed = space.costs(enumerate_architectures(space))
    for name, (low, high) in cost_range(space).items():
        assert (low, high) == (listed[name].min(), listed[name].max()), name


def test_small_spaces(listed):
    check(listed)


def test_short_paddings_change_the_side():
    check(read_space(parse_document(TIGHT, source="tight.yaml")))


def test_tables_and_sums():
    check(load_space("nas-bench-macro"))
    check(load_space("fcnet"))
    assert cost_range(read_space(parse_document(SEVERAL, source="s.yaml"))) == {"size": (9.0, 24.0), "time": (0.0, 1.0)}


LAYERS = """
name: layers
kind: generic
architecture:
  n: [1, 2, 3]
  w2: {choices: [64, 128], when: {n: [2, 3]}}
  w3: {choices: [32, 64], when: {n: [3]}}
recipe:
  optimizer: [sgd, adam]
  momentum: {choices: [0.8, 0.9], when: {optimizer: [sgd]}}
costs: {params: {base: 1, w2: [640, 1280], w3: [-5, 7], recipe.momentum: [2, 3]}}
"""


def test_a_setting_without_effect_costs_nothing():
    space = read_space(parse_document(LAYERS, source="layers.yaml"))
    own = {"w2": {64: 640, 128: 1280}, "w3": {32: -5, 64: 7}, "momentum": {0.8: 2, 0.9: 3}}
    X = uniform(space, 300, rng=np.random.default_rng(0))
    for record, cost in zip(space.to_records(X), space.costs(X)["params"].tolist(), strict=True):
        expected = 1 + own["momentum"][record["recipe.momentum"]] * (record["recipe.optimizer"] == "sgd")
        expected += own["w2"][record["w2"]] * (record["n"] >= 2) + own["w3"][record["w3"]] * (record["n"] == 3)
        assert cost == expected
    assert cost_range(space) == {"params": (1.0, 1291.0)}
    check_reachable(space, Bounds.at_most(params=1))
    with pytest.raises(InfeasibleError, match=r"params <= 1 \(asked: 0\.9\)"):
        check_reachable(space, Bounds.at_most(params=0.9))


def test_conditions_count_for_what_a_space_is_only_where_they_change_a_cost():
    def fingerprints(costs, when):
        text = LAYERS.replace("[640, 1280]", costs).replace("when: {n: [2, 3]}", when)
        space = read_space(parse_document(text, source="layers.yaml"))
        return space.table.fingerprint

    assert fingerprints("[640, 1280]", "when: {n: [2, 3]}") != fingerprints("[640, 1280]", "when: {n: [2]}")
    assert fingerprints("[0, 1280]", "when: {n: [2, 3]}") == fingerprints("[0, 1280]", "when: {n: [2]}")


@pytest.mark.parametrize("name", ["fbnetv3", "fbnetv3-cifar10", "cifar10", "fashion-mnist"])
def test_nothing_random_lies_outside(name):
    space = load_space(name)
    costs = space.costs(uniform(space, 30_000, rng=np.random.default_rng(0)))
    for cost, (low, high) in cost_range(space).items():
        assert low <= costs[cost].min() <= costs[cost].max() <= high


def test_too_large_to_list():
    with pytest.raises(SpaceError, match=r"has 4\.85e\+19 candidates to list"):
        enumerate_architectures(load_space("fbnetv3-arch"))


def test_built_in_spaces_say_how_large_their_networks_are():
    found = {}
    for name in space_names():
        space = load_space(name)
        if told := re.search(r"(\S+)( [MG])? to (\S+) ([MG]) multiply-accumulates", space.about):
            low, unit, high, last = told.groups()
            found[name] = [quantity(f"{low} {unit or last}"), quantity(f"{high} {last}")]
            assert found[name] == pytest.approx(cost_range(space)["flops"], rel=0.06), name
    assert len(found) >= 7
