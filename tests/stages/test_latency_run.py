"""A run whose range and budgets are milliseconds on a device: a command whose time follows from the graph."""

import json
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

sys.path.insert(0, str(Path(__file__).parent.parent / "network"))

import macs
from small_run import CONFIG, HOW, write_files

from nars import run_all
from nars.errors import ConfigError
from nars.network import OnnxRunner
from nars.network.fitting_latency import measure_networks
from nars.network.mbconv.block_onnx import network_graph
from nars.run import load_config, open_run
from nars.space import COMMAND, SpaceError, load_space
from nars.stages import load_pool, read_member_latency

LATENCY = CONFIG.replace(
    "flops: {low: 20k, high: 200k}", "latency: board.json\nrange: {latency: {low: 0.53, high: 0.7}}"
)
LATENCY = LATENCY.replace("[30k, 150k]", "[{latency: 0.56ms}, {latency: 0.65ms, params: 4k}]")


def expected(costs: dict[str, float]) -> float:
    return macs.CONSTANT + macs.PER_MAC * costs["flops"]


@pytest.mark.slow
def test_from_a_device_table_to_members_that_are_measured_again(tmp_path: Path) -> None:
    file, table = write_files(tmp_path, LATENCY), tmp_path / "board.json"
    with pytest.raises(ConfigError, match=r"latency: there is no device table .*board\.json; make it by: nars latency"):
        open_run(load_config(file), tmp_path / "run", execution=HOW)
    command = shlex.join([sys.executable, str(Path(macs.__file__)), "{onnx}"])
    device = OnnxRunner(device=command, runtime=COMMAND, threads=0, milliseconds=macs.milliseconds)
    space = load_space(tmp_path / "mine.yaml")
    measure_networks(space, table, device, networks=12, encode=partial(network_graph, batch=1))
    run = open_run(load_config(file), tmp_path / "run", execution=HOW)
    table.write_text(table.read_text().replace('"constant": 0.', '"constant": 0.9'))  # the run has its own copy
    run_all(run)

    pool = load_pool(run)
    assert pool is not None
    assert np.allclose(pool.costs["latency"], macs.CONSTANT + macs.PER_MAC * pool.costs["flops"], rtol=1e-6)
    assert pool.costs["latency"].min() >= 0.53
    assert pool.costs["latency"].max() <= 0.7
    members = json.loads(run.folder.family_file.read_text())["members"]
    for member, (latency, params) in zip(members, [(0.56, np.inf), (0.65, 4000)], strict=True):
        assert member["costs"]["latency"] == pytest.approx(expected(member["costs"]))
        assert member["costs"]["latency"] <= latency
        assert member["costs"]["params"] <= params
    found = read_member_latency(run.folder)
    assert found is not None
    assert found.device == command
    assert all(one.table == pytest.approx(one.measured.undisturbed) for one in found.members)

    # The table is part of the run, wherever that is and whatever became of the file.
    moved = shutil.move(run.folder.path, tmp_path / "elsewhere")
    asked = ("search", "--predictor", moved, "--max-latency", "0.6ms", "--json", tmp_path / "answer.json")
    program = "from nars.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, asked)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads((tmp_path / "answer.json").read_text())["members"]
    assert expected(answer["costs"]) == pytest.approx(answer["costs"]["latency"])
    assert answer["costs"]["latency"] <= 0.6
    own = Path(moved) / "space" / "latency.json"
    own.write_text(own.read_text().replace('"constant": 0.', '"constant": 0.9'))
    with pytest.raises((ConfigError, SpaceError), match=r"latency\.json has been edited since nars wrote it"):
        open_run(load_config(moved), moved, execution=HOW).space  # noqa: B018  # what is asked for is what fails
