"""Augmentation learned while training against fixed, undirected and none, at equal training seconds.

Command:  python scripts/bench_online.py        (NARS_DATA: the folder that holds cifar10/)
Cost:     about 30 minutes of one CPU core, no GPU; killed, the same command goes on after the last finished training
Result:   a table and OUT/README.md; the last line is one JSON object: test accuracy of each way (mean, standard
          deviation, by seed), `gain` of online over each other within a seed, CPU seconds. Measured with the defaults
          so far: online is behind fixed and drawn, ahead of none (results/online/README.md)
Source:   OHL-Auto-Aug, arXiv 1905.07373

A subset of CIFAR-10 that is learned by heart: 1,000 training images of 24 px, the network of a Sobol pool of the space
`cifar10` that is nearest to 1 M multiply-accumulates (at 32 px), one recipe, cosine to zero. Ways:
 - none: images are mirrored, nothing else;
 - fixed: RandAugment of 2 operations at magnitude 9, crop 0.125, mirrored;
 - drawn: settings drawn anew for each epoch from the choices of `online`, all equally likely; nothing is learned;
 - online: `final.policy: online` as it comes: 4 copies, chunks of one epoch, the built-in choices.
Beside them, not of equal time:
 - reused: settings drawn for each epoch from what `online` has learned with the same seed
   (`final.policy: policy.json`); as long as the others, after the time of online itself;
 - short: fixed for the epochs of online, one copy instead of four.
Online trains four copies; the others train as many more epochs as take the same time, by the CPU seconds of an epoch
that are measured first (kept, so that a second start plans the same). Each way's learning rate falls over its own
epochs. Nothing is chosen by the accuracies in the table, which are of the whole test split, looked at once in each
training.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from nars.files.atomic import write_json, write_text
from nars.images import ImageData, load_images
from nars.network import build
from nars.recipe import (
    BUILT_IN,
    POLICY_FILE,
    Augmentation,
    Drawn,
    LearnedPolicy,
    Online,
    OnlinePolicy,
    Recipe,
    Schedule,
    TrainingLoop,
    TrainingSettings,
    likely,
    read_policy,
)
from nars.run import Terminal
from nars.space import Architecture, architecture_costs, load_space, shorten, sobol
from nars.train import train_network

FLOPS, RESOLUTION, BATCH = 1e6, 24, 64
RECIPE = Recipe(learning_rate=0.005, optimizer="rmsprop", label_smoothing=0.1, weight_decay=1e-5)
ONLINE = Online(choices=BUILT_IN)
WAYS = {
    "none": "none: mirrored",
    "fixed": "fixed: RandAugment 2 x 9, crop",
    "drawn": "drawn: anew each epoch, at random",
    "online": "online: learned, 4 copies",
    "reused": "reused: drawn from what online learned",
    "short": "short: fixed, for a quarter of the time",
}
_WARMUP = 0.05
"""Share of the epochs."""
_PARTS = ("choices", "probabilities")
_PACED = 12
"""Epochs that the pace of each way is measured by."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds cifar10/; else the environment variable NARS_DATA")
    parser.add_argument("--images", type=int, default=1000, help="training images, and as many for validation")
    parser.add_argument("--epochs", type=int, default=40, help="of online; the others have those that take as long")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/bench_online"), help="finished trainings")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results" / "online")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    architecture, size = network(), {"images": arguments.images, "epochs": arguments.epochs}
    journal = Journal(arguments.work / "trainings.jsonl", size)
    if journal.epochs is None:
        data = images(arguments.data, arguments.images, seed=0)
        journal.add({"epochs_of": epochs_of(architecture, data, online=arguments.epochs)})
    assert journal.epochs is not None
    epochs = journal.epochs | {"reused": journal.epochs["drawn"], "short": arguments.epochs}
    with Terminal().bar("trainings", len(WAYS) * arguments.seeds) as advance:
        for seed in range(arguments.seeds):
            data = images(arguments.data, arguments.images, seed=seed)
            for way in WAYS:
                if journal.find(way, seed) is None:
                    advance(0, f"{way}, seed {seed}, {epochs[way]} epochs")
                    settings = settings_of(way, epochs[way], learned=journal.find("online", seed))
                    journal.add(training(settings, architecture, data, seed=seed) | {"way": way})
                advance(1, "")
    found = {way: [journal.find(way, seed) or {} for seed in range(arguments.seeds)] for way in WAYS}
    document = summary(found) | size | {"costs": costs(architecture), "epochs_of": epochs}
    Console().print(table(document))
    write_json(arguments.out / "online.json", document)
    write_text(arguments.out / "README.md", readme(document))
    print(json.dumps(document))


class Journal:
    """What is done, a line of JSON each; lines of another size of the bench do not count."""

    def __init__(self, path: Path, size: dict[str, int]) -> None:
        self._path, self._size = path, size
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        whole = [line for line in lines if line.endswith("}")]  # the last one may be cut off
        self._entries = [entry for entry in map(json.loads, whole) if entry["size"] == size]

    @property
    def epochs(self) -> dict[str, int] | None:
        """Epochs of each way, once they are known."""
        return next((entry["epochs_of"] for entry in self._entries if "epochs_of" in entry), None)

    def find(self, way: str, seed: int) -> dict[str, Any] | None:
        """A finished training."""
        return next((e for e in self._entries if (e.get("way"), e.get("seed")) == (way, seed)), None)

    def add(self, entry: dict[str, Any]) -> None:
        """Keep it."""
        self._entries.append(entry | {"size": self._size})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._path, "".join(f"{json.dumps(kept)}\n" for kept in self._entries))


def network() -> Architecture:
    """The one that all train."""
    space = load_space("cifar10")
    pool = sobol(space, 4096, seed=0)
    nearest = int(np.argmin(np.abs(space.costs(pool)["flops"] - FLOPS)))
    architecture: Architecture
    (architecture,) = space.architectures(pool[[nearest]])
    return replace(architecture, resolution=RESOLUTION)


def costs(architecture: Architecture) -> dict[str, int]:
    """Multiply-accumulates and parameters."""
    found = architecture_costs(architecture)
    return {name: int(found[name]) for name in ("flops", "params")}


def images(root: Path | None, count: int, *, seed: int) -> ImageData:
    """Training and validation images of a seed; the test split is whole."""
    return load_images(
        "cifar10",
        resolution=RESOLUTION,
        root=root,
        validation_fraction=0.1,
        validation_images=count,
        seed=seed,
        max_train=count,
    )


Way = tuple[TrainingSettings, Recipe, Online | Drawn | None]


def settings_of(way: str, epochs: int, *, learned: dict[str, Any] | None = None) -> Way:
    """How a way trains; `learned` is online's finished training."""
    settings = TrainingSettings(
        schedule=Schedule(epochs=epochs, warmup_epochs=_WARMUP * epochs, kind="cosine"),
        batch_size=BATCH,
        augmentation=Augmentation(crop=0.0 if way == "none" else 0.125),
        ema_decay=0.99,
    )
    augmenting: dict[str, Online | Drawn] = {"online": ONLINE, "drawn": Drawn(policy=flat())}
    if learned is not None:
        policy = {key: {name: tuple(of[key]) for name, of in learned["policy"].items()} for key in _PARTS}
        augmenting["reused"] = Drawn(policy=LearnedPolicy(**policy, updates=epochs))
    recipe = replace(RECIPE, augment="randaugment", magnitude=9, operations=2) if way in ("fixed", "short") else RECIPE
    return settings, recipe, augmenting.get(way)


def flat() -> LearnedPolicy:
    """Every choice equally likely."""
    return OnlinePolicy(ONLINE.choices, learning_rate=1.0, rng=np.random.default_rng(0)).learned


def epochs_of(architecture: Architecture, data: ImageData, *, online: int) -> dict[str, int]:
    """Epochs of each way that take as long as all copies of online.

    Epochs of the ways are measured in turn, so that what else the machine does falls on all of them.
    """
    policy, rng = flat(), np.random.default_rng(0)
    loops, seconds = {}, dict.fromkeys(("none", "fixed", "drawn"), 0.0)
    for way in seconds:
        settings, recipe, _ = settings_of(way, _PACED)
        loops[way] = TrainingLoop(build(architecture, seed=0), recipe, data, settings, seed=0)
    for _ in range(_PACED):
        for way, loop in loops.items():
            if way == "drawn":
                loop.vary(replace(RECIPE, **policy.draw(rng)))  # type: ignore[arg-type]
            start = time.process_time()
            loop.train_epoch()
            loop.accuracy(data.validation)
            loop.accuracy(data.validation, ema=True)
            seconds[way] += time.process_time() - start
    whole = ONLINE.copies * online * seconds["drawn"]
    return {way: round(whole / spent) for way, spent in seconds.items()} | {"online": online}


def training(way: Way, architecture: Architecture, data: ImageData, *, seed: int) -> dict[str, Any]:
    """Train once; accuracies in percent, CPU seconds."""
    settings, recipe, augmenting = way
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        result = train_network(
            build(architecture, seed=seed),
            recipe,
            data,
            settings,
            folder=Path(folder),
            seed=seed,
            augmenting=augmenting,
        )
        found: dict[str, Any] = {
            "seed": seed,
            "test": result.test_accuracy,
            "validation": result.validation_accuracy,
            "loss": result.losses[-1],
            "cpu_seconds": time.process_time() - start,
        }
        if augmenting == ONLINE:
            learned = read_policy(Path(folder) / POLICY_FILE)
            found |= {"learned": likely(learned), "policy": learned.described()}
    return found


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Accuracies of each way over seeds, and what online adds to each other within a seed."""
    test = {way: [one["test"] for one in seeds] for way, seeds in found.items()}
    return {
        **{way: spread(values) for way, values in test.items()},
        "gain": {
            way: spread([ours - theirs for ours, theirs in zip(test["online"], values, strict=True)])
            for way, values in test.items()
            if way != "online"
        },
        "cpu_seconds": {way: round(statistics.mean(one["cpu_seconds"] for one in of)) for way, of in found.items()},
        "last_loss": {way: round(statistics.mean(one["loss"] for one in of), 3) for way, of in found.items()},
        "cpu_minutes": round(sum(one["cpu_seconds"] for of in found.values() for one in of) / 60, 1),
        "learned": [one["learned"] for one in found["online"]],
        "validation": {way: round(statistics.mean(one["validation"] for one in of), 2) for way, of in found.items()},
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and sample standard deviation over seeds; one seed alone has none."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    rounded = [round(value, 2) for value in values]
    return {"mean": round(statistics.mean(values), 2), "std": round(deviation, 2), "seeds": rounded}


HEADINGS = ("way", "epochs", "CPU s", "test accuracy, %", "online is ahead by")


def rows(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table."""
    found: list[tuple[str, ...]] = []
    for way, label in WAYS.items():
        accuracy, gain = document[way], document["gain"].get(way)
        epochs = f"{document['epochs_of'][way]}" + (f" x {ONLINE.copies}" if way == "online" else "")
        ahead = "" if gain is None else f"{gain['mean']:+.2f} ± {gain['std']:.2f}"
        mean = f"{accuracy['mean']:.2f} ± {accuracy['std']:.2f}"
        found.append((label, epochs, f"{document['cpu_seconds'][way]}", mean, ahead))
    return found


def table(document: dict[str, Any]) -> Table:
    """For the terminal."""
    shown = Table(*HEADINGS, title=f"{document['images']:,} images of CIFAR-10, {RESOLUTION} px")
    for row in rows(document):
        shown.add_row(*row)
    return shown


def readme(document: dict[str, Any]) -> str:
    """The same in Markdown."""
    count, size = len(document["online"]["seeds"]), document["costs"]
    lines = [f"| {' | '.join(row)} |" for row in (HEADINGS, ("---",) * len(HEADINGS), *rows(document))]
    by_seed = "; ".join(f"{way} {', '.join(f'{v:.2f}' for v in document[way]['seeds'])}" for way in WAYS)
    learned = [f"- seed {seed}: {text}" for seed, text in enumerate(document["learned"])]
    command = f"--images {document['images']} --epochs {document['epochs']} --seeds {count}"
    return "\n".join(
        (
            "# Augmentation learned while training\n",
            f"Made by `python scripts/bench_online.py {command}`: {platform.machine()}, one CPU core of "
            f"{os.cpu_count()} (other work beside it), Python {platform.python_version()}, torch {torch.__version__}; "
            f"{document['cpu_minutes']} CPU-minutes of training.\n",
            f"CIFAR-10 at {RESOLUTION} px, {document['images']:,} training and as many validation images, a network of "
            f"{shorten(size['flops'])} multiply-accumulates and {size['params']:,} parameters, all 10,000 test images. "
            f"Mean ± standard deviation over {count} seeds of subset, initial weights and training; gains are taken "
            f"within each seed. The first four have the same seconds, online for four copies; `reused` needs an online "
            f"training before it, `short` is one copy for online's epochs.\n",
            *lines,
            f"\nBy seed: {by_seed}. Mean validation accuracy: {_listed(document['validation'])}. Mean training loss of "
            f"the last epoch: {_listed(document['last_loss'])}.\n",
            "Learned, the likeliest of each setting:\n",
            *learned,
            "",
        )
    )


def _listed(figures: dict[str, float]) -> str:
    return ", ".join(f"{way} {figure}" for way, figure in figures.items())


if __name__ == "__main__":
    main()
