"""Latency tables: which blocks there are, that the sum is the sum, and measuring them for real."""

import json

import numpy as np
import pytest
import torch

from nars.network import LatencyError, build
from nars.network.mbconv.block_timing import build_block, measure_blocks
from nars.space import (
    ACTIVATIONS,
    BlockShape,
    Bounds,
    LatencyCosts,
    LatencyTable,
    SpaceError,
    cost_range,
    distinct_blocks,
    enumerate_architectures,
    load_space,
    parse_document,
    read_space,
    sobol,
)

TINY = """
name: tiny
architecture:
  in_channels: 1
  classes: 3
  resolution: [8, 12]
  stem: {channels: 8, stride: 2, activation: [relu, hard_swish]}
  stages:
    - {kernel: 3, expand: 1, channels: [8, 16], depth: [1, 2]}
    - {kernel: [3, 5], expand: 2.5, channels: 16, depth: 2, stride: 2, se: true, first_padding: [null, 1]}
  head: {expand: 1, channels: 8}
"""


def by_hand(architecture):
    """The blocks of one network, read off its description."""
    act = {name: number for number, name in enumerate(ACTIVATIONS)}
    side, c, found = architecture.resolution, architecture.stem.channels, []
    found.append(
        BlockShape(
            "stem", (architecture.in_channels, c, architecture.stem.stride, act[architecture.stem.activation], side)
        )
    )
    side = (side - 1) // architecture.stem.stride + 1
    for stage in architecture.stages:
        for number in range(stage.depth):
            first = number == 0
            kernel = stage.kernel_first if first else stage.kernel_rest
            expand = stage.expand_first if first else stage.expand_rest
            padding = stage.first_padding if first and stage.first_padding is not None else kernel // 2
            stride = stage.stride if first else 1
            shape = (
                c,
                stage.channels,
                kernel,
                padding,
                round(1000 * expand),
                stride,
                int(stage.se),
                act[stage.activation],
                side,
            )
            found.append(BlockShape("mbconv", shape))
            side, c = (side + 2 * padding - kernel) // stride + 1, stage.channels
    head = architecture.head
    found.append(BlockShape("head", (c, head.expand, head.channels, architecture.classes, act[head.activation], side)))
    return found


def tables(space):
    rng = np.random.default_rng(0)
    times = {shape: float(rng.uniform(0.1, 2)) for shape in distinct_blocks(space)}
    return LatencyTable(device="cpu: none", runtime="eager", batch=1, threads=1, versions={}, milliseconds=times)


def test_exactly_the_blocks_that_networks_contain():
    space = read_space(parse_document(TINY, source="tiny.yaml"))
    X = enumerate_architectures(space)
    # Every activation, too: enumerating architectures covers all dimensions.
    assert sorted({shape for a in space.architectures(X) for shape in by_hand(a)}) == distinct_blocks(space)


@pytest.mark.parametrize("name", ["digits", "fbnetv3"])
def test_a_candidate_is_the_sum_of_its_blocks(name):
    space = load_space(name)
    table = tables(space)
    costed = space.with_table(LatencyCosts(space=space, table=table))
    X = sobol(space, 60, seed=1)
    expected = [sum(table.milliseconds[shape] for shape in by_hand(a)) for a in space.architectures(X)]
    assert np.allclose(costed.costs(X)["latency"], expected, rtol=1e-12)
    assert costed.cost_names[-1] == "latency"
    assert costed.fingerprint == space.fingerprint  # the same candidates, with one more figure
    low, high = cost_range(costed)["latency"]
    assert low <= min(expected) <= max(expected) <= high
    bounds = Bounds({"latency": (0, low * 1.1), "flops": (0, 9e8)})
    assert bounds.admits(costed.costs(sobol(costed, 50, seed=0, bounds=bounds))).all()


def test_the_range_is_exact():
    space = read_space(parse_document(TINY, source="tiny.yaml"))
    costed = space.with_table(LatencyCosts(space=space, table=tables(space)))
    listed = costed.costs(enumerate_architectures(space))["latency"]
    assert cost_range(costed)["latency"] == (pytest.approx(listed.min()), pytest.approx(listed.max()))


def test_tables_come_back_and_say_what_they_lack(tmp_path):
    space = load_space("digits")
    table = tables(space)
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table.to_dict()), encoding="utf-8")
    assert LatencyTable.read(path) == table
    few = dict(list(table.milliseconds.items())[:-1])
    costed = LatencyCosts(
        space=space,
        table=LatencyTable.from_dict(
            table.to_dict() | {"milliseconds": [s.to_dict() | {"milliseconds": t} for s, t in few.items()]}
        ),
    )
    command = "nars latency digits --classes 10 --channels 1 --device cpu --runtime eager --batch 1 --threads 1"
    with pytest.raises(SpaceError, match=f"lacks .*; complete it by: {command}$"):
        costed.lookup(sobol(space, 500, seed=0))
    for text in ("[]", "{}", '{"milliseconds": [{"kind": "x"}]}', "no"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SpaceError, match=r"table\.json"):
            LatencyTable.read(path)
    with pytest.raises(SpaceError, match="generic space"):
        distinct_blocks(load_space("fcnet"))


def test_built_blocks_are_those_of_the_network():
    space = read_space(parse_document(TINY, source="tiny.yaml"))
    for architecture in space.architectures(sobol(space, 4, seed=0)):
        model = build(architecture, seed=0)
        stem, *blocks, head = by_hand(architecture)
        mine = [*build_block(stem).parameters()]
        theirs = [*model.conv_stem.parameters(), *model.bn1.parameters()]
        stacked = [block for stack in model.blocks[:-1] for block in stack]
        for shape, block in zip(blocks, stacked, strict=True):
            mine += [*build_block(shape).parameters()]
            theirs += [*block.parameters()]
            x = torch.zeros(1, shape.settings[0], shape.settings[-1], shape.settings[-1])
            assert build_block(shape).eval()(x).shape == block.eval()(x).shape
        assert [p.shape for p in mine] == [p.shape for p in theirs]
        wanted = {k: v.shape for k, v in model.state_dict().items() if k.startswith(("conv_head", "classifier"))}
        built = build_block(head).state_dict()
        assert {key: built[key].shape for key in wanted} == wanted


@pytest.mark.parametrize("runtime", ["eager", "onnxruntime"])
def test_measuring_is_resumable(tmp_path, runtime):
    if runtime == "onnxruntime":
        pytest.importorskip("onnxruntime")
    space = read_space(parse_document(TINY, source="tiny.yaml"))
    path, calls = tmp_path / "t.json", []
    whole = measure_blocks(space, path, runtime=runtime, progress=lambda done, total: calls.append((done, total)))
    count = len(distinct_blocks(space))
    assert calls[-1] == (count, count)
    assert set(whole.milliseconds) == set(distinct_blocks(space))
    assert all(0 < value < 1000 for value in whole.milliseconds.values())
    assert LatencyTable.read(path) == whole
    again = measure_blocks(space, path, runtime=runtime, progress=lambda *_: pytest.fail("nothing was missing"))
    assert again == whole
    held = whole.to_dict()
    held["milliseconds"] = held["milliseconds"][:5]
    path.write_text(json.dumps(held), encoding="utf-8")
    completed = measure_blocks(space, path, runtime=runtime)
    assert set(completed.milliseconds) == set(whole.milliseconds)
    assert sum(completed.milliseconds[shape] == whole.milliseconds[shape] for shape in whole.milliseconds) >= 5
    with pytest.raises(LatencyError, match="threads"):
        measure_blocks(space, path, runtime=runtime, threads=2)


def test_what_cannot_be_measured(tmp_path):
    space = load_space("digits")
    for options, message in [
        ({"runtime": "tensorrt"}, "runtime takes eager or onnxruntime"),
        ({"device": "tpu9"}, "no device is called"),
        ({"device": "cuda", "runtime": "onnxruntime"}, "measured on the CPU here"),
        ({"batch": 0}, "at least 1"),
    ]:
        with pytest.raises(LatencyError, match=message):
            measure_blocks(space, tmp_path / "t.json", **options)


@pytest.mark.parametrize("channels", range(8, 105, 8))
def test_a_block_that_is_not_there_takes_no_time(channels):
    """Where a stage never has a second block, the table knows nothing like it, whatever place it would have there."""
    text = TINY.replace("channels: 16, depth: 2, stride: 2", f"channels: {channels}, depth: 1, stride: 2")
    space = read_space(parse_document(text, source="tiny.yaml"))
    table = tables(space)
    X = enumerate_architectures(space)
    expected = [sum(table.milliseconds[shape] for shape in by_hand(a)) for a in space.architectures(X)]
    found = space.with_table(LatencyCosts(space=space, table=table)).costs(X)["latency"]
    assert np.allclose(found, expected, rtol=1e-12)
