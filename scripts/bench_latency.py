"""Latency as a sum of blocks: how well does it predict whole networks?

Command   python scripts/bench_latency.py          (--space digits --runtime eager --networks 60)
Cost      about 1 minute for digits, 2 for cifar10, one core; ONNX Runtime adds a second per network for the export.
Machine   wants a quiet one: a neighbour on the same core adds noise to both sides.
Expected  eager: Spearman's rho >= 0.95, mean absolute error <= 10 %.
Truth     the whole network, built by nars.network, timed call by call. Networks take turns, several rounds of them, and
          the fastest fifth of the calls counts, so that what else the machine does falls on none.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from nars.network import build
from nars.network.mbconv.block_onnx import session_runner
from nars.network.mbconv.block_timing import QUIET, RUNTIMES, device_name, measure_blocks
from nars.space import Architecture, LatencyCosts, load_space, sobol

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
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    space = load_space(arguments.space)
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
    figures = Table("figure", "value")
    for name, value in result.items():
        figures.add_row(name, str(value))
    Console().print(figures)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
