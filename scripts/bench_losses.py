"""Does the loss that a search chooses beat cross entropy where labels are wrong, or classes of unequal size?

Command:  python scripts/bench_losses.py --work FOLDER        (NARS_DATA: the folder that holds cifar10/)
Cost:     about 8 minutes on one CPU core, no GPU; killed, the same command goes on (FOLDER/trainings.jsonl). With
          --work results/losses it trains nothing and prints what is committed; more --trials go on from there
Result:   tables on the terminal, one line of JSON at the end of the output: test accuracy of `searched` and
          `cross_entropy` in `noise` and `imbalance`, and the `gain` within each seed
Method:   per seed 2,000 training and 1,000 validation images of CIFAR-10 at 16 px, both spoilt alike, as a user's
          would be: 20 % of the labels another class's, or classes in a geometric row down to a fiftieth. One network,
          20 epochs. As many trainings for both sides, in pairs: Sobol draws of the learning rate and of all that a
          recipe may say of the loss; and the same learning rates with plain cross entropy. Each side keeps its best
          by what the validation images say: accuracy on the wrong labels, or the mean accuracy of classes, in which
          the smallest have 7 images. That one counts, on all 10,000 test images, whose labels are right and whose
          classes are equal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from nars.arrays import Floats
from nars.files.atomic import append_line
from nars.images import ImageData, Split, load_images
from nars.network import build
from nars.recipe import Normalizer, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.run import Terminal
from nars.space import Space, parse_document, read_space, sobol

TRAINING, VALIDATION = 2000, 1000
WRONG = 0.2
"""Share of the labels that are another class's."""
RATIO = 50
"""Images of the largest class over those of the smallest."""
CLASSES = 10

SPACE = """
name: losses
architecture:
  classes: 10
  resolution: 16
  stem: {channels: 12, stride: 2}
  stages:
    - {kernel: 3, expand: 1, channels: 12, depth: 1}
    - {kernel: 3, expand: 3, channels: 20, depth: 1}
    - {kernel: 3, expand: 3, channels: 40, depth: 2, stride: 2, se: true}
  head: {expand: 3, channels: 128}
recipe:
  learning_rate: {low: 0.003, high: 0.03, count: 6, scale: log}
  weight_decay: 1.0e-4
  loss: [cross_entropy, focal, poly1, bce]
  focal_gamma: [0.5, 1.0, 2.0, 3.0]
  poly1_epsilon: [-0.5, 1.0, 2.0, 4.0]
  label_smoothing: [0.0, 0.1, 0.2, 0.4]
"""
BALANCE = """
  class_balance: [none, weights, logit_adjustment]
  balance_beta: [0.9, 0.99, 0.999]
  balance_tau: [0.5, 1.0, 1.5]
"""

Problem = Literal["noise", "imbalance"]
PROBLEMS: tuple[Problem, ...] = ("noise", "imbalance")
SIDES = ("searched", "cross_entropy")
KEY = ("problem", "seed", "trial", "side", "epochs")


@dataclass(frozen=True)
class Job:
    """One training."""

    problem: Problem
    seed: int
    trial: int
    side: str
    epochs: int
    recipe: Recipe

    @property
    def key(self) -> tuple[Any, ...]:
        """By which its line is found again."""
        return tuple(getattr(self, name) for name in KEY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of trainings.jsonl")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=3, help="trainings of each side, per problem and seed")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = options.work / "trainings.jsonl"
    lines = read_lines(file)
    jobs = list(all_jobs(options.seeds, options.trials, options.epochs))
    waiting = [job for job in jobs if job.key not in lines]
    if waiting:
        train_all(waiting, file)
        lines = read_lines(file)
    found = [lines[job.key] for job in jobs]
    console = Console(width=100)
    for table in tables(found):
        console.print(table)
    print(json.dumps({problem: figures(found, problem) for problem in PROBLEMS}))


def all_jobs(seeds: int, trials: int, epochs: int) -> Iterator[Job]:
    """One trial of each seed after the other, so that one that is stopped has as many of all."""
    draws = {
        (problem, seed): list(space.recipes(sobol(space, trials, seed=seed)))
        for problem in PROBLEMS
        for space in (the_space(problem),)
        for seed in range(seeds)
    }
    for trial in range(trials):
        for (problem, seed), recipes in draws.items():
            recipe = Recipe.from_dict(recipes[trial])
            plain = Recipe(learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay)
            for side, its in zip(SIDES, (recipe, plain), strict=True):
                yield Job(problem, seed, trial, side, epochs, its)


def the_space(problem: Problem) -> Space:
    """Class balance is a choice where classes are of unequal size."""
    return read_space(parse_document(SPACE + (BALANCE if problem == "imbalance" else ""), source="losses.yaml"))


# ---- trainings


def train_all(jobs: Sequence[Job], file: Path) -> None:
    """A line for each as it ends."""
    whole = load_images("cifar10", resolution=16, validation_fraction=0.1, seed=0)
    file.parent.mkdir(parents=True, exist_ok=True)
    append_line(file, "")  # ends a line that a kill has cut
    with Terminal().bar("training", len(jobs)) as advance:
        for job in jobs:
            line = trained(job, spoilt(whole, job.problem, job.seed))
            append_line(file, json.dumps(line))
            advance(1, f"{job.problem} {job.side}: {line['test']:.1f} %")


def trained(job: Job, images: ImageData) -> dict[str, Any]:
    """What a training says, as a line of the file."""
    start = time.process_time()
    space = the_space(job.problem)
    (architecture,) = space.architectures(np.zeros((1, len(space.dimensions)), dtype=np.int64))
    settings = TrainingSettings(
        schedule=Schedule(epochs=job.epochs, warmup_epochs=2, kind="cosine"), batch_size=100, ema_decay=0.98
    )
    loop = TrainingLoop(build(architecture, seed=job.seed), job.recipe, images, settings, seed=job.seed)
    while loop.epoch < job.epochs:
        loop.train_epoch()
    assert loop.ema_model is not None
    shares = {name: class_shares(loop.ema_model, images, name) for name in ("validation", "test")}
    return {
        **dict(zip(KEY, job.key, strict=True)),
        "recipe": job.recipe.to_dict(),
        "validation": loop.accuracy(images.validation, ema=True),
        "validation_balanced": 100 * float(np.nanmean(shares["validation"])),
        "test": loop.accuracy(images.test, ema=True),
        "test_by_class": [round(100 * share, 1) for share in shares["test"]],
        "sizes": torch.bincount(images.train.labels, minlength=CLASSES).tolist(),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def class_shares(model: nn.Module, images: ImageData, name: str) -> Floats:
    """The share of right answers in each class, (classes,); NaN for a class without images."""
    split = getattr(images, name)
    normalize = Normalizer(images.mean, images.std, device=torch.device("cpu"))
    with torch.inference_mode():
        right = torch.cat([model(normalize(part)).argmax(1) for part in split.images.split(500)]) == split.labels
    counts = torch.bincount(split.labels, minlength=CLASSES)
    return (torch.bincount(split.labels, weights=right.double(), minlength=CLASSES) / counts).numpy()


# ---- images


def spoilt(whole: ImageData, problem: Problem, seed: int) -> ImageData:
    """Training and validation images of a seed, of CIFAR-10's training images; the test images stay as they are."""
    assert isinstance(whole.train, Split)
    rng = np.random.default_rng([seed, PROBLEMS.index(problem)])
    labels = whole.train.labels.numpy()
    order = rng.permutation(len(labels))
    shares = np.ones(CLASSES)
    if problem == "imbalance":
        shares = rng.permutation(RATIO ** -(np.arange(CLASSES) / (CLASSES - 1)))
    splits = []
    for count in (TRAINING, VALIDATION):
        sizes = np.round(count * shares / shares.sum()).astype(int)
        rows = np.concatenate([order[labels[order] == own][:size] for own, size in enumerate(sizes)])
        order = order[~np.isin(order, rows)]
        said = labels[rows]
        if problem == "noise":
            wrong = rng.random(len(rows)) < WRONG
            said = np.where(wrong, (said + rng.integers(1, CLASSES, size=len(rows))) % CLASSES, said)
        splits.append(Split(images=whole.train.images[rows], labels=torch.from_numpy(said)))
    return replace(whole, train=splits[0], validation=splits[1])


# ---- what came out


def read_lines(file: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The trainings that are done; a line that was being written when the script was killed does not count."""
    found = {}
    for text in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        found[tuple(line[name] for name in KEY)] = line
    return found


Line = Mapping[str, Any]


def chosen(lines: Sequence[Line], problem: Problem, seed: int, side: str, by: str = "") -> Line:
    """The training that a side keeps, by what its validation images say."""
    by = by or {"noise": "validation", "imbalance": "validation_balanced"}[problem]
    own = [line for line in lines if (line["problem"], line["seed"], line["side"]) == (problem, seed, side)]
    return max(own, key=lambda line: line[by])


def figures(lines: Sequence[Line], problem: Problem) -> dict[str, Any]:
    """Test accuracies of what both sides keep, by seed, and the gain within each seed."""
    seeds = sorted({line["seed"] for line in lines})
    kept = {side: [chosen(lines, problem, seed, side) for seed in seeds] for side in SIDES}
    tests = {side: [line["test"] for line in kept[side]] for side in SIDES}
    gain = [one - other for one, other in zip(*tests.values(), strict=True)]
    if problem == "imbalance":
        tests["searched_by_plain_accuracy"] = [
            chosen(lines, problem, seed, "searched", "validation")["test"] for seed in seeds
        ]
    return {
        **{side: spread(values) for side, values in tests.items()},
        "gain": spread(gain),
        "losses": [in_words(line["recipe"]) for line in kept["searched"]],
        "trainings_of_each_side": len({line["trial"] for line in lines}),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation over seeds."""
    std = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 2), "std": round(std, 2), "seeds": [round(v, 2) for v in values]}


def in_words(said: Mapping[str, Any]) -> str:
    """What a recipe says of the loss."""
    recipe = Recipe.from_dict(said)
    words = [recipe.loss.replace("_", " ")]
    words += {"focal": [f"gamma {recipe.focal_gamma:g}"], "poly1": [f"epsilon {recipe.poly1_epsilon:g}"]}.get(
        recipe.loss, []
    )
    words += [f"smoothing {recipe.label_smoothing:g}"] if recipe.label_smoothing else []
    words += {
        "weights": [f"weights, beta {recipe.balance_beta:g}"],
        "logit_adjustment": [f"adjusted logits, tau {recipe.balance_tau:g}"],
    }.get(recipe.class_balance, [])
    return ", ".join(words)


def tables(lines: Sequence[Line]) -> Iterator[Table]:
    """What both sides keep; and every pair, which differs in the loss alone."""
    for problem in PROBLEMS:
        shown = Table("test accuracy, %", "mean", "by seed", title=problem, title_justify="left")
        found = figures(lines, problem)
        for name in ("searched", "searched_by_plain_accuracy", "cross_entropy", "gain"):
            if name in found:
                of = found[name]
                cells = (f"{of['mean']:.1f} ± {of['std']:.1f}", ", ".join(f"{v:.1f}" for v in of["seeds"]))
                shown.add_row(name.replace("_", " "), *cells)
        for seed, words in enumerate(found["losses"]):
            shown.add_row(f"loss of seed {seed}", "", words)
        yield shown
        yield pairs(lines, problem)


def pairs(lines: Sequence[Line], problem: Problem) -> Table:
    """Test accuracy of each searched loss less that of cross entropy at the same learning rate, the best first."""
    by = {(line["seed"], line["trial"], line["side"]): line for line in lines if line["problem"] == problem}
    shown = Table("seed", "loss", "rate", "test, %", "against its pair", title="every pair", title_justify="left")
    rows = []
    for (seed, trial, side), line in by.items():
        if side == "searched":
            gain = line["test"] - by[seed, trial, "cross_entropy"]["test"]
            rows.append((gain, seed, line))
    for gain, seed, line in sorted(rows, key=lambda row: -row[0]):
        rate = f"{line['recipe']['learning_rate']:.3f}"
        shown.add_row(str(seed), in_words(line["recipe"]), rate, f"{line['test']:.1f}", f"{gain:+.1f}")
    return shown


if __name__ == "__main__":
    main()
