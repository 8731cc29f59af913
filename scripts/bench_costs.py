"""Closed-form costs: are they exact, and how fast?

Command   python scripts/bench_costs.py            (--networks 40 for a quick look)
Cost      about 4 minutes on one core, 1 GB; nearly all of it is fvcore tracing networks.
Expected  every published model exact, no mismatch among 300+ random networks of all built-in spaces, 20,000 candidates
          costed in under 0.1 s and sampled inside a FLOPs range in under 1 s, over 10,000 times as fast as fvcore.
Truth     networks built by nars.network (timm), multiply-accumulates counted by fvcore, parameters by PyTorch.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from nars.network import build, count
from nars.space import (
    Architecture,
    Bounds,
    architecture_costs,
    load_space,
    published_flops,
    published_models,
    sobol,
    space_names,
)

_REPEATS = 7


def fastest(run: Callable[[], object]) -> float:
    """Median seconds of several runs."""
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def counted(architecture: Architecture) -> tuple[dict[str, int], float]:
    """flops and params by fvcore and PyTorch, and the seconds that building and counting took."""
    start = time.perf_counter()
    found = count(build(architecture, seed=None), architecture.resolution, architecture.in_channels)
    return {name: int(found[name]) for name in ("flops", "params")}, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=308, help="random networks to check, over all spaces")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", FutureWarning)  # fvcore compiles a loss with torch.jit when imported

    models = published_models()
    params = sum(architecture_costs(m.architecture)["weights"] == round(m.params_m * 1e6) for m in models)
    flops = sum(published_flops(m.architecture) == round(m.flops_m * 1e6) for m in models)

    space = load_space("fbnetv3")
    pool = sobol(space, 20_000, seed=arguments.seed)
    million = np.tile(pool, (50, 1))
    bounds = Bounds({"flops": (4e8, 8e8)})
    costs_seconds = fastest(lambda: space.costs(pool))
    sampled_seconds = fastest(lambda: space.costs(sobol(space, 20_000, seed=arguments.seed, bounds=bounds)))
    start = time.perf_counter()
    space.costs(million)
    million_seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    checked = mismatches = 0
    seconds = []
    names = [name for name in space_names() if load_space(name).kind == "mbconv"]
    table = Table("space", "networks", "mismatches", "fvcore, s per network")
    for name in names:
        each = -(-arguments.networks // len(names))
        own = load_space(name)
        X = sobol(own, each, seed=arguments.seed)
        costs, wrong, own_seconds = own.costs(X), 0, []
        for row, architecture in enumerate(track(own.architectures(X), description=name, transient=True)):
            found, took = counted(architecture)
            wrong += any(int(costs[cost][row]) != value for cost, value in found.items())
            own_seconds.append(took)
        table.add_row(name, str(len(X)), str(wrong), f"{median(own_seconds):.3f}")
        checked, mismatches = checked + len(X), mismatches + wrong
        if name == "fbnetv3":
            seconds = own_seconds

    console = Console()
    console.print(table)
    result = {
        "published_params_exact": params,
        "published_flops_exact": flops,
        "random_networks_checked": checked,
        "random_mismatches": mismatches,
        "pool_20k_seconds": round(costs_seconds, 4),
        "pool_20k_sampled_in_range_seconds": round(sampled_seconds, 3),
        "fvcore_seconds_per_network": round(median(seconds), 4),
        "speedup": round(median(seconds) / (costs_seconds / len(pool))),
        "million_seconds": round(million_seconds, 2),
        "peak_mb": round(peak_mb),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    figures = Table("figure", "value")
    for name, value in result.items():
        figures.add_row(name, str(value))
    console.print(figures)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
