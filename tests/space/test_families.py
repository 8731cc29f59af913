"""What every family of networks keeps: the conformance suite of `nars.space.families.family.Family`.

A new family joins it with a line in `SPACES`: a space small enough to be listed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_member
import torch
import two_layers
from small_spaces import SHARED, SMALL

from nars.network import build
from nars.space import (
    Population,
    Space,
    SpaceError,
    cost_range,
    enumerate_architectures,
    load_space,
    parse_document,
    read_architecture,
    read_space,
    sobol,
    space_files,
    uniform,
)
from nars.space.families.family import FAMILIES, family_of
from nars.space.files.builtin import space_file

GENERIC = """
name: table
kind: generic
architecture: {a: [x, y, z], b: [1, 2, 3], c: {choices: [x, y, z], when: {a: [x]}}}
recipe: {rate: [0.1, 0.2]}
costs: {size: {base: 1, a: [1, 2, 3], b: [5, 4, 3]}}
"""
FUNCTION = """
name: computed
kind: generic
architecture: {units: {low: 16, high: 64, step: 16}, layers: [1, 2, 3], act: [relu, tanh], bias: [true, false]}
recipe: {rate: [0.1, 0.2], decay: [0.0, 0.1]}
costs: {function: own_costs:of_layers}
"""
TIMM = """
name: of-timm
kind: timm
architecture: {model: [test_resnet, test_efficientnet.r160_in1k, test_vit4], resolution: [32, 48], classes: 5}
recipe: {learning_rate: [0.01, 0.02], dropout: [0.0, 0.1], stochastic_depth: [0.0, 0.1]}
"""
SPACES = {
    "mbconv": SMALL,
    "mbconv-shared": SHARED,
    "generic": GENERIC,
    "generic-function": FUNCTION,
    "timm": TIMM,
    "members": small_member.SPACE,
    "two_layers": two_layers.SPACE,
}


@pytest.fixture(params=SPACES, scope="module")
def space(request: pytest.FixtureRequest) -> Space:
    return read_space(parse_document(SPACES[request.param], source=request.param))


@pytest.fixture(scope="module")
def rows(space: Space) -> Population:
    return uniform(space, 300, rng=np.random.default_rng(0))


def test_every_family_takes_part() -> None:
    kinds = {read_space(parse_document(text, source="-")).kind for text in SPACES.values()}
    assert kinds == {*FAMILIES, "two_layers:FAMILY"}


def test_rows_come_back_from_encodings_and_records(space: Space, rows: Population) -> None:
    assert np.array_equal(space.decode(space.encode(rows)), rows)
    records = space.to_records(rows)
    assert np.array_equal(space.from_records(records), rows)
    assert np.array_equal(space.from_records(json.loads(json.dumps(records))), rows)
    assert list(records[0]) == list(space.settings)


def test_costs_of_many_rows_are_those_of_one_at_a_time(space: Space, rows: Population) -> None:
    costs = space.costs(rows)
    assert tuple(costs) == space.cost_names
    assert {name: (values.dtype, values.shape) for name, values in costs.items()} == {
        name: (np.float64, (len(rows),)) for name in space.cost_names
    }
    for row in range(0, len(rows), 7):
        assert {name: values[row] for name, values in costs.items()} == {
            name: values[0] for name, values in space.costs(rows[[row]]).items()
        }
    for name, values in space.quick_costs(rows).items():
        assert np.array_equal(values, costs[name]), name
    assert all(values.shape == (0,) for values in space.costs(rows[:0]).values())


def test_extremes_are_those_of_the_whole_space(space: Space) -> None:
    everything = space.costs(enumerate_architectures(space))
    assert cost_range(space) == {name: (v.min(), v.max()) for name, v in everything.items()}


def test_statistics_are_finite_numbers_per_row(space: Space, rows: Population) -> None:
    for name, values in space.family.statistics(space, rows).items():
        assert np.shape(values) == (len(rows),), name
        assert np.isfinite(values).all(), name


def test_a_recipe_changes_no_computed_cost(space: Space, rows: Population) -> None:
    if space.computes_costs:
        other = rows.copy()
        other[:, space.columns_of("recipe")] = 0
        assert all(np.array_equal(values, space.costs(other)[name]) for name, values in space.costs(rows).items())


def test_a_space_comes_back_from_its_files_and_means_the_same_in_another_process(space: Space, tmp_path: Path) -> None:
    for name, content in space_files(space, "space.yaml").items():
        (tmp_path / name).write_bytes(content)
    assert load_space(tmp_path / "space.yaml").fingerprint == space.fingerprint
    program = "import sys; from nars.space import load_space; print(load_space(sys.argv[1]).fingerprint)"
    command = [sys.executable, "-c", program, str(tmp_path / "space.yaml")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip() == (
        space.fingerprint
    )


def test_people_can_read_it(space: Space, rows: Population) -> None:
    layout = space.family.layout(space)
    if layout is not None:
        assert {len(row) for row in layout.rows} == {len(layout.headings)}
        assert layout.settings < set(space.settings)
    assert space.family.line(space, space.to_records(rows)[0])


def test_networks_are_what_their_architectures_say(space: Space, rows: Population) -> None:
    family = space.family
    if family.builder is None:
        with pytest.raises(SpaceError, match="no network behind them"):
            space.architectures(rows)
        return
    some = rows[::60]
    costs, recipes = space.costs(some), space.recipes(some)
    for number, architecture in enumerate(space.architectures(some)):
        assert architecture.family == space.kind
        assert read_architecture(json.loads(json.dumps(architecture.to_dict()))) == architecture
        assert family.architecture_costs(architecture) == {name: int(values[number]) for name, values in costs.items()}
        assert np.array_equal(space.row_of(architecture, recipes[number]), some[[number]])
        network = build(architecture, dropout=0.1, stochastic_depth=0.1, seed=0)
        twin = build(architecture, dropout=0.1, stochastic_depth=0.1, seed=0)
        assert all(map(torch.equal, network.state_dict().values(), twin.state_dict().values()))
        images = torch.rand(2, architecture.in_channels, architecture.resolution, architecture.resolution)
        assert network(images).shape == (2, architecture.classes)
        if "params" in family.cost_names:
            assert sum(p.numel() for p in network.parameters()) == costs["params"][number]


def test_mistakes_in_a_file_have_a_line(space: Space) -> None:
    text = SPACES[space.document.source]
    for broken in (text.replace("architecture:", "architecture: 3 #", 1), text + "\nstray: 1\n"):
        with pytest.raises(SpaceError, match=rf"{space.document.source}:\d+: "):
            read_space(parse_document(broken, source=space.document.source))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "mbcon",
            r"kind takes mbconv, generic, timm, members or package\.module:name of a family of your own, got 'mbcon'",
        ),
        ("[1]", r"kind takes mbconv, generic, timm, members or"),
        (
            "gone.layers:FAMILY",
            r"cannot be loaded \(ModuleNotFoundError: No module named 'gone'\); install its package",
        ),
        ("two_layers:GONE", r"cannot be loaded \(AttributeError: "),
        ("two_layers:build", r"is no family but function without cost_names; name an object that has what"),
    ],
)
def test_a_family_that_cannot_be_loaded(kind: str, message: str) -> None:
    text = two_layers.SPACE.replace("two_layers:FAMILY", kind)
    with pytest.raises(SpaceError, match=rf"^x\.yaml:3: kind: .*{message}"):
        read_space(parse_document(text, source="x.yaml"))


def test_choices_of_a_flat_family_keep_its_rules() -> None:
    text = two_layers.SPACE.replace("kernel: [1, 3, 5]", "kernel: [2, 3]").replace("width:", "wdith:")
    with pytest.raises(SpaceError) as caught:
        read_space(parse_document(text, source="x.yaml"))
    assert str(caught.value).splitlines() == [
        "x.yaml:4: architecture: 'width' is missing; add it",
        "x.yaml:8: architecture.wdith: unknown key; allowed are resolution, width, kernel, in_channels, classes; did "
        "you mean width?",
        "x.yaml:9: architecture.kernel: kernels are odd, so that a feature map keeps its size, got 2",
    ]


def test_the_space_room_loads_no_torch() -> None:
    program = (
        "import sys; from nars.space import load_space, sobol\n"
        "for name in sys.argv[1:]: space = load_space(name); space.costs(sobol(space, 8, seed=0))\n"
        "print([name for name in ('torch', 'timm', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, "digits", "nas-bench-macro", str(space_file("fcnet"))]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_families_are_found_once() -> None:
    assert family_of("mbconv") is load_space("digits").family
    assert len(sobol(load_space("digits"), 4, seed=0)) == 4
