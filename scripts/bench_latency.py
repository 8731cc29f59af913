"""Latency as a sum of blocks: how well does it predict whole networks? With --runner: are latency budgets kept?

Command   python scripts/bench_latency.py          (--space digits --runtime eager --networks 60)
          python scripts/bench_latency.py --runner 'python -m nars.network.timing {onnx}'   (--whole 40 --folder out)
Cost      about 1 minute for digits, 2 for cifar10, one core; ONNX Runtime adds a second per network for the export.
          With that runner about 8 minutes for digits; a second for each block of a space. Interrupted, with --folder,
          the same command goes on.
Machine   wants a quiet one: a neighbour on the same core adds noise to both sides.
Expected  eager: Spearman's rho >= 0.95, mean absolute error <= 10 %. By the runner: none of the answers to eight
          budgets is over its bound by the table, and measured again they are within 10 % of it (median).
Truth     the whole network, built by nars.network, timed call by call. Networks take turns, several rounds of them, and
          the fastest fifth of the calls counts, so that what else the machine does falls on none.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from nars.export.onnx import untrained_onnx
from nars.network import build, command_runner
from nars.network.mbconv.block_onnx import session_runner
from nars.network.mbconv.block_timing import RUNTIMES, device_name, measure_blocks
from nars.network.measured import measure_files, measurements_folder
from nars.network.timing import QUIET
from nars.predictors import PRESETS, Predictor
from nars.space import Architecture, LatencyCosts, Space, cost_range, device_table, latency_costs, load_space, sobol
from nars.stages import write_predictor

_ROUNDS = 12
_CALLS = 8
_WARMUP = 2


def runner(architecture: Architecture, runtime: str) -> Callable[[], object]:
    """A call that runs the whole network once on one image."""
    model = build(architecture, seed=0).eval()
    image = torch.zeros(1, architecture.in_channels, architecture.resolution, architecture.resolution)
    if runtime == "eager":
        return lambda: model(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about what it will do differently one day
        program = torch.onnx.export(model, (image,), dynamo=True, verbose=False)
    assert program is not None
    return session_runner(program.model_proto.SerializeToString(), threads=1)


def milliseconds(runs: list[Callable[[], object]]) -> list[float]:
    """Of one undisturbed call of each; a few calls at a time, all in turn."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in track(range(_ROUNDS), description="whole networks", transient=True):
        for run, found in zip(runs, times, strict=True):
            for call in range(_WARMUP + _CALLS):
                start = time.perf_counter()
                run()
                if call >= _WARMUP:
                    found.append(1e3 * (time.perf_counter() - start))
    return [float(np.quantile(found, QUIET)) for found in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="digits")
    parser.add_argument("--runtime", default="eager", choices=RUNTIMES)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runner", help="as nars latency takes it: answer latency budgets, and measure the answers")
    parser.add_argument("--whole", type=int, help="with --runner: fit latency to so many whole networks, not to blocks")
    parser.add_argument("--folder", type=Path, help="with --runner: where measurements are kept")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    space = load_space(arguments.space)
    if arguments.runner is not None:
        with tempfile.TemporaryDirectory() as folder:
            show(budgets(space, arguments.folder or Path(folder), arguments.runner, arguments.whole))
        return
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        table = measure_blocks(space, Path(folder) / "table.json", runtime=arguments.runtime)
    table_seconds = time.perf_counter() - start
    costed = space.with_table(LatencyCosts(space=space, table=table))
    X = sobol(space, arguments.networks, seed=arguments.seed)
    summed = costed.costs(X)["latency"]
    with torch.inference_mode():
        runs = [
            runner(a, arguments.runtime) for a in track(space.architectures(X), description="building", transient=True)
        ]
        whole = np.array(milliseconds(runs))
    many = sobol(space, 20_000, seed=arguments.seed)
    start = time.perf_counter()
    costed.costs(many)
    lookup_seconds = time.perf_counter() - start

    error = summed / whole - 1
    result = {
        "space": space.name,
        "runtime": arguments.runtime,
        "device": device_name("cpu"),
        "threads": 1,
        "blocks": len(table.milliseconds),
        "table_seconds": round(table_seconds, 1),
        "networks": len(X),
        "milliseconds": [round(float(whole.min()), 3), round(float(whole.max()), 3)],
        "spearman": round(float(spearmanr(summed, whole).statistic), 4),
        "kendall": round(float(kendalltau(summed, whole).statistic), 4),
        "mape": round(100 * float(np.abs(error).mean()), 2),
        "bias_percent": round(100 * float(error.mean()), 2),
        "mape_without_bias": round(100 * float(np.abs(summed / whole / np.mean(summed / whole) - 1).mean()), 2),
        "lookup_20k_seconds": round(lookup_seconds, 4),
        "versions": dict(table.versions),
    }
    show(result)


def budgets(space: Space, folder: Path, command: str, whole: int | None) -> dict[str, Any]:
    """Answers to latency budgets by `nars search`, measured again."""
    runner = command_runner(command)
    name, started = f"{space.name}-{'blocks' if whole is None else f'{whole}-networks'}", time.perf_counter()
    file = folder / f"{name}.json"
    nars("latency", space.name, "--runner", command, "--out", file, *(() if whole is None else ("--networks", whole)))
    seconds = time.perf_counter() - started
    costs = latency_costs(space, file)
    low, high = cost_range(space.with_table(costs))["latency"]
    bounds = [low + share * (high - low) for share in np.linspace(0.1, 0.8, 8)]
    make_predictor(space, folder / "predictor")
    asked = ("--predictor", folder / "predictor", "--latency", file, "--json", folder / "answers.json")
    nars("search", *asked, "--max-latency", ",".join(f"{bound:.6g}" for bound in bounds))
    members = json.loads((folder / "answers.json").read_text())["members"]
    told = np.array([member["costs"]["latency"] for member in members])
    networks = space.architectures(space.from_records([member["record"] for member in members]))
    files = [partial(untrained_onnx, network, batch=1) for network in networks]
    measured = measure_files(files, runner, measurements_folder(folder / "members.json", runner))
    took = np.array([one.undisturbed for one in measured])
    off, agreement = 100 * (told / took - 1), device_table(costs).agreement
    return {
        "space": space.name,
        "runner": command,
        "table": name,
        "device": device_name("cpu"),
        "table_seconds": round(seconds, 1),
        "range_ms": [round(low, 4), round(high, 4)],
        "left_out_median_percent": None if agreement is None else round(agreement.median, 2),
        "left_out_90_percent": None if agreement is None else round(agreement.most, 2),
        "budgets_ms": [round(bound, 4) for bound in bounds],
        "members": len(members),
        "over_their_bound": int((told > np.array([float(f"{bound:.6g}") for bound in bounds])).sum()),
        "table_ms": np.round(told, 4).tolist(),
        "measured_ms": np.round(took, 4).tolist(),
        "spread_percent": round(100 * float(np.median([one.spread / one.undisturbed for one in measured])), 2),
        "off_percent": np.round(off, 1).tolist(),
        "median_off_percent": round(float(np.median(np.abs(off))), 2),
    }


def nars(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "nars", *map(str, arguments)], check=True)


def make_predictor(space: Space, folder: Path) -> None:
    """Fitted to accuracies that rise with FLOPs, so that the answers are near their bounds."""
    X = sobol(space, 300, seed=0)
    encoded, flops = space.encode(X), space.costs(X)["flops"]
    noise = np.random.default_rng(0).normal(size=encoded.shape[1])
    model = Predictor.pretrained(space, X, settings=replace(PRESETS["default"], members=2, pretrain_epochs=20), seed=0)
    fitted = model.fit(encoded, 50 + 10 * np.log2(flops / flops.mean()) + encoded @ noise, seed=0)
    write_predictor(folder, fitted, space=space, data="made up", quality={})


def show(result: dict[str, Any]) -> None:
    """As a table, and as the last line."""
    figures = Table("figure", "value")
    for name, value in result.items():
        figures.add_row(name, str(value))
    Console().print(figures)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
