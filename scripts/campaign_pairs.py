"""Trains the evidence campaign: a complete table of architectures and recipes, and a random sample of the whole space.

Command:  python scripts/campaign_pairs.py FOLDER --regime a            (again, to go on; --plan prints the hours first)
          (--regime rehearsal --architectures 4 --recipes 4 --pairs 4 --thrice 1: the digits images, in a minute)
Cost:     some 15 s of CPU per training; 24 x 24 x 2 and 400 + 2 x 60 of them; run at the lowest priority
Hardware: 2 CPU cores, no GPU
Result:   FOLDER/table/ and FOLDER/sample/, a Parquet file per training, and FOLDER/design.json, which names what is
          usual: the recipes and architectures that a search of the other alone would keep fixed.
Order:    squares of the table, each complete before it grows (6, 12, 18, 24), most of the sample after the first, so
          that whatever is there when it stops is a design of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from campaign_trials import say
from nars.files.atomic import write_text
from nars.space import Bounds, Population, Space, sobol
from nars.store import Sample, SampleStore
from nars.tasks import Trial, make_trials
from regime_trials import REGIMES, SEED, Regime, RegimeTask, collect, design

USUAL_RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.025, "weight_decay": 5e-4, "crop": 0.125},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate": 0.01, "weight_decay": 1e-5, "crop": 0.125, "dropout": 0.2},
    "adamw": {
        "optimizer": "adamw",
        "learning_rate": 0.004,
        "weight_decay": 1e-2,
        "crop": 0.125,
        "augment": "randaugment",
        "label_smoothing": 0.1,
        "mixup": 0.2,
    },
}
"""What people start such trainings with, named before anything was measured: a ResNet's for CIFAR, a MobileNet's, and
one of today's. Every setting that is not named is off, the batch is 64."""

_OFF: dict[str, Any] = {
    "batch_size": 64,
    "warmup": 0.1,
    "augment": "none",
    "magnitude": 9,
    "operations": 2,
    "crop": 0.0,
    "erasing": 0.0,
    "color": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "dropout": 0.0,
    "stochastic_depth": 0.0,
    "regularizer": "none",
}

USUAL_RESOLUTIONS = (8, 12, 16)
"""Of the usual architectures: every other choice in the middle, as MobileNetV3's are."""


@dataclass(frozen=True)
class Pairs:
    """What is trained."""

    space: Space
    architectures: Population
    """(A, D) rows whose architecture counts; the usual ones first."""
    recipes: Population
    """(R, D) rows whose recipe counts; the usual ones first."""
    random: Population
    """(N, D) pairs."""

    def cell(self, architecture: int, recipe: int) -> Population:
        """A pair of the table, (1, D)."""
        columns = self.space.columns_of("recipe")
        row = self.architectures[architecture].copy()
        row[columns] = self.recipes[recipe][columns]
        return self.space.canonical(row[None])

    def square(self, side: int) -> list[tuple[int, int]]:
        """The cells that a square of the table has and the one before it has not."""
        count = (len(self.architectures), len(self.recipes))
        inside = {(a, r) for a in range(min(side, count[0])) for r in range(min(side, count[1]))}
        before = {(a, r) for a in range(side - STEP) for r in range(side - STEP)}
        return sorted(inside - before, key=lambda cell: (max(cell), cell))


STEP = 6
"""Rows and columns by which the square grows."""

_MOST_OF_SAMPLE = 0.75
"""Share of the random pairs that are trained before the table grows."""


def usual_recipe(space: Space, named: dict[str, Any]) -> Population:
    """A row (D,) with this recipe, or the nearest choices; the architecture's columns are 0."""
    row = np.zeros(len(space.dimensions), dtype=np.int64)
    for column, dimension in enumerate(space.dimensions):
        group, _, name = dimension.name.partition(".")
        wanted = (_OFF | named).get(name)
        if group != "recipe" or wanted is None:
            continue
        if isinstance(wanted, str):
            row[column] = dimension.values.index(wanted)
        else:
            row[column] = np.abs(np.array(dimension.values, dtype=np.float64) - wanted).argmin()
    return row


def usual_architecture(space: Space, resolution: int) -> Population:
    """A row (D,) with the middle of every choice (the lower one of two), at this resolution."""
    row = (space.cardinalities - 1) // 2
    row[space.index["resolution"]] = space.values("resolution").index(resolution)
    return row


def pairs_of(regime: Regime, arguments: argparse.Namespace) -> tuple[RegimeTask, Pairs]:
    """The design, which the same arguments give anew."""
    data = regime.load()
    few = {"architectures": arguments.architectures - len(USUAL_RESOLUTIONS), "seeds": 2}
    plan = design(regime, data, recipes=arguments.recipes - len(USUAL_RECIPES), **few)
    space, rng = plan.space, np.random.default_rng(SEED)
    sizes = [size for size in USUAL_RESOLUTIONS if size in space.values("resolution")]
    usual = [usual_architecture(space, size) for size in sizes]
    # In an order that has small and large networks in every square.
    order = rng.permutation(len(plan.architectures))
    recipes = [usual_recipe(space, named) for named in USUAL_RECIPES.values()]
    low, high = regime.flops
    return RegimeTask(data, regime), Pairs(
        space,
        np.stack([*usual, *plan.architectures[order]]),
        np.stack([*recipes, *plan.recipes]),
        sobol(space, arguments.pairs, seed=SEED + 2, bounds=Bounds({"flops": (low, high)})),
    )


def trials_of_table(task: RegimeTask, pairs: Pairs, side: int) -> list[Trial]:
    """What the square has more than the one before: both seeds of each cell. `round` is the side."""
    cells = pairs.square(side)
    X = np.concatenate([pairs.cell(*cell) for cell in cells]) if cells else pairs.random[:0]
    return [trial for seed in (0, 1) for trial in _trials(task, pairs.space, X, seed=seed, number=side)]


def trials_of_sample(task: RegimeTask, pairs: Pairs, part: slice, *, thrice: int) -> list[Trial]:
    """A part of the random pairs, those among the first `thrice` with three seeds."""
    rows = np.arange(len(pairs.random))[part]
    again = pairs.random[rows[rows < thrice]]
    return [
        *(trial for seed in (1, 2) for trial in _trials(task, pairs.space, again, seed=seed)),
        *_trials(task, pairs.space, pairs.random[rows], seed=0),
    ]


def _trials(task: RegimeTask, space: Space, X: Population, *, seed: int, number: int = 0) -> list[Trial]:
    epochs = task.regime.epochs
    how = {"data": task.data, "fidelity": task.fidelity(epochs), "epochs": epochs}
    return make_trials(space, X, **how, seed=SEED + seed, number=number) if len(X) else []  # type: ignore[arg-type]


def steps_of(task: RegimeTask, pairs: Pairs, *, thrice: int) -> list[tuple[str, list[Trial]]]:
    """(table or sample, trainings) in their order."""
    sides = range(STEP, max(len(pairs.architectures), len(pairs.recipes)) + STEP, STEP)
    squares = [("table", trials_of_table(task, pairs, side)) for side in sides]
    most = round(_MOST_OF_SAMPLE * len(pairs.random))
    parts = [trials_of_sample(task, pairs, part, thrice=thrice) for part in (slice(0, most), slice(most, None))]
    return [squares[0], ("sample", parts[0]), *squares[1:], ("sample", parts[1])]


def hours(steps: Sequence[tuple[str, list[Trial]]], folder: Path, workers: int) -> str:
    """What is there, what is to come, and how long that takes."""
    done = {name: SampleStore(folder / name).keys() for name in ("table", "sample")}
    left = sum(trial.key not in done[name] for name, trials in steps for trial in trials)
    known = [sample for name in done for sample in SampleStore(folder / name).samples()]
    seconds = float(np.mean([seconds_of(sample) for sample in known])) if known else 15.0
    return (
        f"{len(known)} trainings are there, {left} to come: {left * seconds / 3600 / workers:.1f} h at {seconds:.0f} s"
    )


def seconds_of(sample: Sample) -> float:
    """Of CPU; a failed training does not say."""
    return float(str(sample.also.get("cpu_seconds", sample.seconds)))


def trained(folder: Path, regime: Regime, arguments: argparse.Namespace) -> Iterator[str]:
    """Train step by step, and say how it goes."""
    os.nice(19)
    task, pairs = pairs_of(regime, arguments)
    steps = steps_of(task, pairs, thrice=arguments.thrice)
    rows = {"architectures": pairs.architectures, "recipes": pairs.recipes, "random": pairs.random}
    described = {"regime": asdict(regime), **{name: X.tolist() for name, X in rows.items()}}
    usual = {"recipes": list(USUAL_RECIPES), "architectures": len(USUAL_RESOLUTIONS)}
    write_text(folder / "design.json", json.dumps(described | {"usual": usual}) + "\n")
    yield repr(task.images)
    yield hours(steps, folder, arguments.workers)
    if arguments.plan:
        return
    for name, trials in steps:
        yield f"{name}: {len(trials)} trainings"
        for number, sample in enumerate(collect(task, trials, folder / name, workers=arguments.workers), start=1):
            value = sample.status if sample.result is None else f"{sample.result:.2f} %"
            yield f"{name} +{number}: {value}, {seconds_of(sample):.0f} s"
        yield hours(steps, folder, arguments.workers)


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--regime", choices=REGIMES, default="a")
    counts = {"architectures": 24, "recipes": 24, "pairs": 400, "thrice": 60, "workers": 1}
    for name, default in counts.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--plan", action="store_true", help="train nothing; say how long it will take")
    arguments = parser.parse_args()
    return say(trained(arguments.folder, REGIMES[arguments.regime], arguments))


if __name__ == "__main__":
    sys.exit(main())
