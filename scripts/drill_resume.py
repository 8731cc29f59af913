"""Does a killed final training end in the same weights? SIGKILL at random moments, against one that nobody disturbed.

Command:  python scripts/drill_resume.py            (--kills 10 --epochs 40 --seed 0)
Cost:     under a minute on one CPU core
Expected: kills 10, identical_weights = runs
Method:   a small network learns the scanned digits by distillation, with moving average, mixup, dropout and stochastic
          depth, a checkpoint every other step. Each life is a process of its own that is killed after a random time and
          started again; a training that reaches its end before all kills are spent is followed by another one. The
          weights' file must then be that of the undisturbed training byte for byte, and so must losses and accuracies.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from drill_process import ended, start
from nars.images import ImageData, load_images
from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule, Teaching, TrainingSettings
from nars.space import Architecture, Head, Stage, Stem
from nars.train import CHECKPOINT, RESULT, WEIGHTS, MemberResult, train_network

STAGE = Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=2, stride=2, se=True)
NETWORK = Architecture(
    resolution=8,
    stem=Stem(channels=8, stride=1),
    stages=(STAGE,),
    head=Head(expand=2, channels=16),
    in_channels=1,
    classes=10,
)
RECIPE = Recipe(
    learning_rate=0.02, dropout=0.2, stochastic_depth=0.2, mixup=0.2, weight_decay=1e-5, label_smoothing=0.1
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of killing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # before the first fork: a child must not inherit a pool of threads
    data = load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160)
    with tempfile.TemporaryDirectory() as scratch:
        figures = drill(Path(scratch), data, arguments.epochs, arguments.kills, random.Random(arguments.seed))
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    print(json.dumps(figures))


def drill(scratch: Path, data: ImageData, epochs: int, kills: int, chance: random.Random) -> dict[str, Any]:
    """Train undisturbed; then train, kill, go on, until all kills are spent and the last training is done."""
    started = time.perf_counter()
    ended(start(partial(once, scratch / "reference", data, epochs)), None)
    life = time.perf_counter() - started
    moments: list[str] = []
    runs = identical = 0
    while len(moments) < kills:
        folder = scratch / f"run-{runs}"
        work = partial(once, folder, data, epochs)
        while not ended(start(work), chance.uniform(0.02, life / 4) if len(moments) < kills else None):
            moments.append(moment(folder))
        runs += 1
        identical += same(folder, scratch / "reference")
    return {
        "runs": runs,
        "kills": len(moments),
        "killed_after": moments,
        "identical_weights": identical,
        "seconds_uninterrupted": round(life, 2),
    }


def once(folder: Path, data: ImageData, epochs: int) -> None:
    """One training, from where the folder has it."""
    train_network(
        build(NETWORK, dropout=RECIPE.dropout, stochastic_depth=RECIPE.stochastic_depth, seed=5),
        RECIPE,
        data,
        TrainingSettings(
            schedule=Schedule(epochs=epochs, warmup_epochs=1, kind="cosine"),
            batch_size=32,
            ema_decay=0.9,
            augmentation=Augmentation(flip=False),
        ),
        folder=folder,
        seed=5,
        teaching=Teaching(network=build(NETWORK, seed=8)),
        checkpoint_every=2,
    )


def moment(folder: Path) -> str:
    """How far the killed process had come, by its last checkpoint."""
    if (folder / RESULT).is_file():
        return "the end"
    if not (folder / CHECKPOINT).is_file():
        return "nothing"
    loop = torch.load(folder / CHECKPOINT, weights_only=True, map_location="cpu")["loop"]
    return f"epoch {loop['epoch']} step {loop['step']}"


def same(folder: Path, reference: Path) -> bool:
    """Equal weights, byte for byte, and equal results apart from the time they took."""
    ours, theirs = (MemberResult.load(path / RESULT) for path in (folder, reference))
    figures = [(r.losses, r.curve, r.ema_curve, r.test_accuracy, r.validation_accuracy) for r in (ours, theirs)]
    return figures[0] == figures[1] and (folder / WEIGHTS).read_bytes() == (reference / WEIGHTS).read_bytes()


if __name__ == "__main__":
    main()
