"""Costs from a user's function: its own arithmetic on arrays of choices, and what is wrong has its rule."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import own_costs
import pytest

from nars.space import (
    Bounds,
    InfeasibleError,
    SpaceError,
    check_reachable,
    cost_range,
    exact_ends,
    load_space,
    parse_document,
    read_space,
    space_files,
    uniform,
)
from nars.space.families.generic import functions

SMALL = """
name: computed
kind: generic
architecture: {units: {low: 16, high: 64, step: 16}, layers: [1, 2, 3], act: [relu, tanh], bias: [true, false]}
recipe: {rate: [0.1, 0.2], decay: [0.0, 0.1]}
costs: {function: own_costs:of_layers}
"""
LARGE = "name: large\nkind: generic\ncosts: {function: own_costs:deep}\narchitecture:\n" + "".join(
    f"  c{column}: {{low: 1, high: 8}}\n" for column in range(12)
)


def test_choices_come_as_arrays_of_their_types_and_costs_are_their_arithmetic() -> None:
    space = read_space(parse_document(SMALL, source="x.yaml"))
    X = uniform(space, 100, rng=np.random.default_rng(0))
    records, costs = space.to_records(X), space.costs(X)
    for row in range(len(X)):
        one = {name: np.array([value]) for name, value in records[row].items()}
        assert {name: values[row] for name, values in costs.items()} == {
            name: values[0] for name, values in own_costs.of_layers(one).items()
        }
    seen = {name: values.dtype.kind for name, values in pickle.loads(pickle.dumps(space)).table._choices(X).items()}
    expected = {"units": "i", "layers": "i", "act": "U", "bias": "b", "recipe.rate": "f", "recipe.decay": "f"}
    assert seen == expected
    assert exact_ends(space)


def test_seconds_may_be_a_cost_of_the_users_own() -> None:
    space = read_space(parse_document(SMALL.replace("of_layers", "timed"), source="x.yaml"))
    assert cost_range(space) == {"seconds": (32.0, 384.0)}
    with pytest.raises(InfeasibleError, match="nothing in computed keeps seconds <= 30"):
        check_reachable(space, Bounds.read("seconds=30s"))


def test_ends_of_what_is_too_large_to_list_are_looked_for_and_no_proof() -> None:
    space = read_space(parse_document(LARGE, source="x.yaml"))
    assert cost_range(space) == {"depth": (12.0, 768.0)}
    assert not exact_ends(space)
    check_reachable(space, Bounds.at_most(depth=3))


def test_a_function_that_has_changed_makes_another_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found beside the space file."""
    for folder, factor in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "sizes.py").write_text(f"def of(c): return {{'size': {factor} * c['units']}}\n")
        (tmp_path / folder / "x.yaml").write_text(SMALL.replace("own_costs:of_layers", "sizes:of"))
    found = []
    for folder in ("a", "b", "a"):
        monkeypatch.delitem(sys.modules, "sizes", raising=False)  # each time as if in a process of its own
        functions._loaded.cache_clear()
        monkeypatch.setattr(sys, "path", list(sys.path))
        space = load_space(tmp_path / folder / "x.yaml")
        found.append(space.fingerprint)
        for name, content in space_files(space, "kept.yaml").items():
            (tmp_path / folder / name).write_bytes(content)
        assert load_space(tmp_path / folder / "kept.yaml").fingerprint == space.fingerprint
        sys.path.remove(str(tmp_path / folder))
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("own_costs", r"is named as package\.module:name"),
        ("no_such_costs:f", r"cannot be loaded \(ModuleNotFoundError.*put that folder on PYTHONPATH"),
        ("own_costs:version", "is no function but int"),
        ("own_costs:fails", r"takes {setting: \(N,\) array} of units, layers, act, .*; got KeyError: 'unit'"),
        ("own_costs:nothing", r"must give {cost: \(N,\) numbers}; got None"),
        ("own_costs:one_number", r"must give params as one number per row, shape \(17,\); got shape \(\)"),
        ("own_costs:words", "must give params as finite numbers; got .*'relu'"),
        ("own_costs:infinite", "must give params as finite numbers; got .*inf"),
        ("own_costs:changing", "must give the same params to the same choices; got 0 and 1"),
        ("own_costs:by_place", "must give each candidate a params of its own; got others in another order of rows"),
        ("own_costs:unnamed", "must give each cost a name; got 1"),
    ],
)
def test_a_function_that_gives_no_costs_is_refused_with_its_line(place: str, says: str) -> None:
    text = SMALL.replace("own_costs:of_layers", place)
    with pytest.raises(SpaceError, match=rf"^x\.yaml:6: costs\.function: .*{says}"):
        read_space(parse_document(text, source="x.yaml"))


def test_a_function_gives_all_costs() -> None:
    text = SMALL.replace("of_layers}", "of_layers, size: {base: 1}}")
    with pytest.raises(SpaceError, match=r"x\.yaml:6: costs\.size: a function gives all costs; drop size"):
        read_space(parse_document(text, source="x.yaml"))


def test_functions_of_one_name_are_those_beside_their_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    spaces = []
    for folder, factor in (("one", 10), ("other", 1000)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "alike.py").write_text(
            f"def of(choices):\n    return {{'cost': {factor} * choices['a']}}\n"
        )
        text = "name: s\nkind: generic\narchitecture: {a: [1, 2, 3]}\ncosts: {function: alike:of}\n"
        (tmp_path / folder / "s.yaml").write_text(text)
        spaces.append(load_space(tmp_path / folder / "s.yaml"))
    assert [cost_range(space)["cost"] for space in spaces] == [(10, 30), (1000, 3000)]
    assert len({space.fingerprint for space in spaces}) == 2
    monkeypatch.delitem(sys.modules, "alike")
    for name, content in space_files(spaces[0], "space.yaml").items():  # which knows where it came from
        (tmp_path / name).write_bytes(content)
    kept = load_space(tmp_path / "space.yaml")
    assert (cost_range(kept), kept.fingerprint) == (cost_range(spaces[0]), spaces[0].fingerprint)
    monkeypatch.delitem(sys.modules, "alike")
