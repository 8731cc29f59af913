"""DropBlock and Disout in the last stage, the last two, the last three: what each position is worth.

Command:  python scripts/bench_regularizers.py        (NARS_DATA: the folder that holds cifar10/)
Cost:     about 12 minutes of one CPU core, no GPU; killed, the same command goes on after the last finished training.
          With --work results/regularizers it trains nothing and prints what is committed
Result:   a table; the last line is one JSON object: test accuracy of each way, `gain` over no regularizer within a seed
          (mean, standard error)
Source:   DropBlock, arXiv 1810.12890; Disout, arXiv 2002.11022

A subset of CIFAR-10 that is learned by heart, and the network and recipe of bench_online.py, trained with one rate of
each regularizer. Seeds have other images, initial weights and draws, the same for all ways.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from bench_online import Journal, images, network, settings_of, training
from nars.run import Terminal

STAGES = (1, 2, 3)
WAYS = {
    "none": {"regularizer": "none"},
    **{
        f"{name}, {stages}": {"regularizer": name, "regularizer_stages": stages}
        for name in ("dropblock", "disout")
        for stages in STAGES
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds cifar10/; else the environment variable NARS_DATA")
    parser.add_argument("--images", type=int, default=1000, help="training images, and as many for validation")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/bench_regularizers"), help="finished trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    architecture = network()
    size = {"images": arguments.images, "epochs": arguments.epochs, "percent": round(100 * arguments.rate)}
    journal = Journal(arguments.work / "trainings.jsonl", size)
    with Terminal().bar("trainings", len(WAYS) * arguments.seeds) as advance:
        for seed in range(arguments.seeds):
            for way, regularizing in WAYS.items():
                advance(0, f"{way}, seed {seed}")
                if journal.find(way, seed) is None:
                    settings, recipe, _ = settings_of("none", arguments.epochs)
                    recipe = replace(recipe, regularizer_rate=arguments.rate, **regularizing)  # type: ignore[arg-type]
                    data = images(arguments.data, arguments.images, seed=seed)
                    trained = training((settings, recipe, None), architecture, data, seed=seed)
                    journal.add(trained | {"way": way})
                advance(1, "")
    found = {way: [journal.find(way, seed) or {} for seed in range(arguments.seeds)] for way in WAYS}
    document = summary(found) | size
    Console().print(table(document))
    print(json.dumps(document))
    return 0


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Accuracies in percent of each way over seeds, and what it adds to no regularizer within a seed."""
    test = {way: [one["test"] for one in seeds] for way, seeds in found.items()}
    gains = {
        way: [ours - theirs for ours, theirs in zip(values, test["none"], strict=True)] for way, values in test.items()
    }
    return {
        "test": {way: _mean_and_error(values) for way, values in test.items()},
        "gain": {way: _mean_and_error(values) for way, values in gains.items() if way != "none"},
        "last_loss": {way: round(statistics.mean(one["loss"] for one in of), 3) for way, of in found.items()},
        "cpu_minutes": round(sum(one["cpu_seconds"] for of in found.values() for one in of) / 60, 1),
    }


def _mean_and_error(values: list[float]) -> tuple[float, float]:
    """The standard error is that of the mean over seeds; 0 of one seed."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return round(statistics.mean(values), 2), round(error, 2)


def table(document: dict[str, Any]) -> Table:
    """For the terminal."""
    shown = Table("regularizer, stages", "test accuracy, %", "gain", "last loss")
    for way, (mean, error) in document["test"].items():
        gain = document["gain"].get(way)
        ahead = "" if gain is None else f"{gain[0]:+.2f} ± {gain[1]:.2f}"
        shown.add_row(way, f"{mean:.2f} ± {error:.2f}", ahead, f"{document['last_loss'][way]}")
    return shown


if __name__ == "__main__":
    raise SystemExit(main())
