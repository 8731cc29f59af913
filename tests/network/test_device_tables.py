"""Device tables by a runner whose time is known from the graph: exact where they must be, kept, refused elsewhere."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "space"))

pytest.importorskip("onnx")

import macs
import two_layers

from nars.network import LatencyError, OnnxRunner
from nars.network.fitting_latency import fit_latency, measure_networks
from nars.network.mbconv.block_files import measure_block_files
from nars.network.mbconv.block_onnx import network_graph
from nars.space import (
    COMMAND,
    Population,
    Space,
    SpaceError,
    cost_range,
    distinct_blocks,
    enumerate_architectures,
    latency_costs,
    load_space,
    parse_document,
    read_space,
)

SMALL = """
name: small
architecture:
  in_channels: 1
  classes: 5
  resolution: [20, 27]
  stem: {channels: [8, 16], stride: 2}
  stages:
    - {kernel: [3, 5], expand: [1, 2.5], channels: [8, 12], depth: [1, 2], stride: 1}
    - {kernel: 3, expand: 3, channels: 16, depth: [1, 2], stride: 2, se: true}
  head: {expand: 1, channels: 16}
recipe:
  learning_rate: {low: 0.01, high: 0.1, count: 3, scale: log}
  optimizer: [rmsprop, sgd]
"""


class Device:
    """Counts its calls; fails from a given one on."""

    def __init__(self, name: str = "macs {onnx}", fails: int | None = None) -> None:
        self.calls, self.fails = 0, fails
        self.runner = OnnxRunner(device=name, runtime=COMMAND, threads=0, milliseconds=self.time)

    def time(self, path: Path) -> list[float]:
        if self.calls == self.fails:
            raise LatencyError("the board is gone")
        self.calls += 1
        return macs.milliseconds(path)


@pytest.fixture(scope="module")
def space() -> Space:
    return read_space(parse_document(SMALL, source="small.yaml"))


@pytest.fixture(scope="module")
def table(space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "board.json"
    measure_block_files(space, path, Device().runner)
    return path


def truth(space: Space, X: Population) -> np.ndarray:
    return macs.CONSTANT + macs.PER_MAC * space.costs(X)["flops"]


def test_blocks_and_a_constant_add_up_to_what_the_device_takes(space: Space, table: Path) -> None:
    costs = latency_costs(space, table)
    X = enumerate_architectures(space)
    assert np.allclose(space.with_table(costs).costs(X)["latency"], truth(space, X), rtol=1e-9)
    expected = truth(space, X)
    assert cost_range(space.with_table(costs))["latency"] == pytest.approx((expected.min(), expected.max()))
    assert costs.table.constant == pytest.approx(macs.CONSTANT)
    assert costs.table.agreement is not None
    assert costs.table.agreement.most < 1e-6
    # Three measurements at 0.99, 1 and 1.01 times the time.
    shape = next(shape for shape in distinct_blocks(space) if shape.kind == "stem")
    call_and_block = costs.table.milliseconds[shape] + macs.CONSTANT
    assert costs.table.spread[shape] == pytest.approx(0.01 * call_and_block)


def test_what_is_measured_is_kept_for_the_same_table_and_runner(space: Space, tmp_path: Path) -> None:
    path, total = tmp_path / "board.json", 1 + len(distinct_blocks(space)) + 24
    failing = Device(fails=2)
    with pytest.raises(
        LatencyError, match=rf"the board is gone.*2 files of {total - 24}, is kept in .*board\.measured"
    ):
        measure_block_files(space, path, failing.runner)
    assert not path.exists()
    late = Device(fails=total - 2 - 17)  # among the whole networks
    with pytest.raises(LatencyError, match="7 files of 24"):
        measure_block_files(space, path, late.runner)
    rest = Device()
    told: list[tuple[int, int]] = []
    whole = measure_block_files(space, path, rest.runner, progress=lambda done, of: told.append((done, of)))
    assert failing.calls + late.calls + rest.calls == total
    assert told[-1] == (total, total)
    assert measure_block_files(space, path, Device(fails=0).runner) == whole
    damaged = next((tmp_path / "board.measured").rglob("*.json"))
    damaged.write_text("{half")
    again = Device()
    measure_block_files(space, path, again.runner)
    assert again.calls == 1
    with pytest.raises(LatencyError, match=r"was measured with device 'macs {onnx}', now it is 'other {onnx}'"):
        measure_block_files(space, path, Device("other {onnx}").runner)
    for other in (Device("other {onnx}"), Device()):  # another table each
        measure_block_files(space, tmp_path / f"{other.runner.device[:5]}.json", other.runner)
        assert other.calls == total


def test_a_runner_is_called_until_it_has_measured_often_enough(space: Space, tmp_path: Path) -> None:
    single = Device()
    one = replace(single.runner, milliseconds=lambda path: single.time(path)[1:2])
    measure_networks(space, tmp_path / "t.json", one, networks=12, encode=encode, repeats=2)
    assert single.calls == 24
    measure_networks(space, tmp_path / "t.json", one, networks=12, encode=encode, repeats=3)
    assert single.calls == 36
    with pytest.raises(LatencyError, match="--repeats is at least 1"):
        measure_networks(space, tmp_path / "t.json", one, networks=12, encode=encode, repeats=0)


def encode(network: object) -> bytes:
    return network_graph(network, batch=1)


def test_whole_networks_of_mbconv(space: Space, tmp_path: Path) -> None:
    measure_networks(space, tmp_path / "t.json", Device().runner, networks=24, encode=encode)
    costed = space.with_table(latency_costs(space, tmp_path / "t.json"))
    X = enumerate_architectures(space)
    assert np.allclose(costed.costs(X)["latency"], truth(space, X), rtol=1e-6)
    assert cost_range(costed)["latency"] == pytest.approx((truth(space, X).min(), truth(space, X).max()))
    with pytest.raises(LatencyError, match="--networks at least 12, got 1 and 5"):
        measure_networks(space, tmp_path / "t.json", Device().runner, networks=5, encode=encode)
    with pytest.raises(SpaceError, match="no network behind them"):
        measure_networks(load_space("fcnet"), tmp_path / "x.json", Device().runner, networks=12, encode=encode)


LAYERS = """
name: layers
kind: two_layers:FAMILY
architecture:
  {classes: 10, in_channels: 1, resolution: [8, 12, 16], width: {low: 4, high: 32, step: 4}, kernel: [1, 3, 5]}
"""


@pytest.mark.parametrize("form", ["costs", "choices"])
def test_the_form_that_is_true_is_found_and_its_error_is_that_of_the_noise(form: str) -> None:
    space = read_space(parse_document(LAYERS, source="layers.yaml"))
    everything = enumerate_architectures(space)
    rng = np.random.default_rng(0)
    if form == "costs":
        exact = truth(space, everything)
    else:  # a device that has a fast path for some choices; no cost knows of it
        added = {name: rng.uniform(0, 2, size=space.cardinalities[at]) for name, at in space.index.items()}
        exact = 1.0 + sum(values[everything[:, space.index[name]]] for name, values in added.items())
    seen = rng.permutation(len(everything))[:40]
    noisy = exact[seen] * rng.normal(1, 0.01, size=40)
    fitted = fit_latency(space, everything[seen], noisy, runner=Device().runner)
    off = np.abs(fitted.lookup(everything)["latency"] / exact - 1)
    assert np.median(off) < 0.01
    assert 0.3 < fitted.agreement.median < 2  # percent; noise of 1 % alone gives 0.67
    assert bool(fitted.choices) == (form == "choices")
    assert cost_range(space.with_table(fitted))["latency"][0] > 0


def test_a_network_of_any_family_is_the_same_file_each_time(tmp_path: Path) -> None:
    from nars.export.onnx import untrained_onnx

    space = read_space(parse_document(two_layers.SPACE, source="x"))
    rows = enumerate_architectures(space)[[5]]
    (network,) = space.architectures(rows)
    first = untrained_onnx(network, batch=2)
    assert first == untrained_onnx(network, batch=2)
    (tmp_path / "x.onnx").write_bytes(first)
    (flops,) = space.costs(rows)["flops"]
    last = network.settings["width"] * network.classes  # of the linear layer, which the count takes once for a batch
    assert macs.milliseconds(tmp_path / "x.onnx")[1] == pytest.approx(0.5 + 1e-6 * (2 * (flops - last) + last))


def test_files_that_are_no_table_of_the_space(space: Space, table: Path, tmp_path: Path) -> None:
    document = json.loads(table.read_text(encoding="utf-8"))
    edited = tmp_path / "edited.json"
    document["milliseconds"][3]["milliseconds"] *= 2
    edited.write_text(json.dumps(document))
    with pytest.raises(SpaceError, match=r"edited\.json has been edited since nars wrote it"):
        latency_costs(space, edited)
    del document["seal"]
    document["milliseconds"] = document["milliseconds"][:-1]
    edited.write_text(json.dumps(document))
    with pytest.raises(SpaceError, match=r"lacks {'kind': 'stem'.*nars latency small .*--runner 'macs {onnx}'"):
        latency_costs(space, edited)
    document["milliseconds"][0]["milliseconds"] = -1
    edited.write_text(json.dumps(document))
    with pytest.raises(SpaceError, match=r"edited\.json: this is no latency table"):
        latency_costs(space, edited)
    with pytest.raises(SpaceError, match=r"lacks .* and \d+ more of 266 blocks; complete it by: nars latency digits"):
        latency_costs(load_space("digits"), table)
    with pytest.raises(SpaceError, match=r"two_layers:FAMILY space, and latency is measured for blocks of kind mbconv"):
        latency_costs(read_space(parse_document(LAYERS, source="x")), table)
    with pytest.raises(SpaceError, match=r"there is no device table gone\.json; make it by: nars latency small"):
        latency_costs(space, "gone.json")
    with pytest.raises(SpaceError, match="holds no latency fitted to whole networks"):
        measure_networks(space, table, Device().runner, networks=12, encode=encode)
    fitted = tmp_path / "fitted.json"
    measure_networks(space, fitted, Device().runner, networks=12, encode=encode)
    other = read_space(parse_document(SMALL, source="small.yaml"), classes=7)
    with pytest.raises(SpaceError, match=r"networks of small, and those of small with 7 classes .*--networks 12"):
        latency_costs(other, fitted)
    recipe = read_space(parse_document(SMALL.replace("[rmsprop, sgd]", "[sgd, adamw]"), source="small.yaml"))
    assert latency_costs(recipe, fitted).names == ("latency",)
