"""What do the moving average and distillation add in final training? The paper's ablation, at a size for CPUs.

Command:  python scripts/bench_final.py --data DIR        (DIR or NARS_DATA: the folder that holds cifar10/)
Cost:     about 25 minutes on one CPU core, no GPU; killed, the same command goes on
Result:   tables on the terminal and in OUT/README.md, one line of JSON at the end of the output; its `plain`, `ema`,
          `distillation` and `both` are of the small member. Measured with the defaults, unlike the paper's: moving
          average -0.1 and +0.1 (small, middle member), distillation -0.9 and -1.3, both -0.9 and -1.2.
          All are underfitted after 1,500 steps, the teacher too (52.7 %)
Source:   FBNetV3 (arXiv 2006.02049): FBNetV3-G 80.9 % plain, 82.8 % with moving average and distillation

A family of three on a subset of CIFAR-10, all trained by one recipe; per seed:
 - the largest member on labels; its averaged weights teach the others;
 - each other member on labels: `plain` are its weights at the end, `ema` the averaged ones of the same training;
 - each other member by distillation (0.8 teacher + 0.2 labels): `distillation` and `both` likewise.
The middle member is the network of a Sobol pool of the space `cifar10` that is nearest to 1.5 M multiply-accumulates;
the others are made from it by compound scaling, as A is from B and G from E. The schedule is the paper's, 5 of 400
epochs of warm-up and then x 0.9875 per epoch down to 0.7 %, pressed into the epochs here (warm-up 1 epoch); the average
reaches back over 3 % of the training, as the paper's does. Nothing is chosen by the accuracies in the tables: of the
whole test split after the last epoch; the spread is over seeds of subset, initial weights and training.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from nars.files.atomic import replacing, write_json, write_text
from nars.images import ImageData, load_images
from nars.network import build
from nars.recipe import FINAL_DECAY, Recipe, Schedule, Teaching, TrainingLoop, TrainingSettings
from nars.run import Terminal
from nars.space import Architecture, Scaling, architecture_costs, load_space, scale, scale_to, shorten, sobol

MIDDLE_FLOPS, SMALL_FLOPS, LARGER = 1.5e6, 0.4e6, Scaling(depth=1.5, width=1.4)
STUDENTS = ("small", "middle")
RECIPE = Recipe(learning_rate=0.005, optimizer="rmsprop", label_smoothing=0.1, weight_decay=1e-5)
BATCH = 64
ROWS = {
    "plain": "plain",
    "ema": "moving average",
    "distillation": "distillation",
    "both": "moving average and distillation",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds cifar10/; else the environment variable NARS_DATA")
    parser.add_argument("--images", type=int, default=8000, help="training images")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/bench_final"), help="checkpoints; a second start goes on"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results" / "final")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    members = family()
    done: dict[str, list[dict[str, float]]] = {name: [] for name in STUDENTS}
    seconds = 0.0
    with Terminal().bar("final training", 5 * arguments.seeds * arguments.epochs) as advance:
        for seed in range(arguments.seeds):
            data = load_images(
                "cifar10",
                resolution=32,
                root=arguments.data,
                validation_fraction=0.1,
                seed=seed,
                max_train=arguments.images,
            )
            bench = Bench(data, arguments.work / f"seed-{seed}", arguments.epochs, seed)
            teacher, of_teacher = bench.train("large-labels", members["large"], advance=advance)
            seconds += of_teacher["seconds"]
            for name in STUDENTS:
                _, labels = bench.train(f"{name}-labels", members[name], advance=advance)
                _, taught = bench.train(f"{name}-distillation", members[name], teacher=teacher, advance=advance)
                seconds += labels["seconds"] + taught["seconds"]
                done[name].append(
                    {
                        "plain": labels["plain"],
                        "ema": labels["ema"],
                        "distillation": taught["plain"],
                        "both": taught["ema"],
                        "teacher": of_teacher["ema"],
                    }
                )
    students = {name: summary(seeds) for name, seeds in done.items()}
    for name, figures in students.items():
        Console().print(terminal_table(name, figures))
    document = {
        **{row: students["small"][row] for row in ROWS},
        "students": students,
        "images": arguments.images,
        "epochs": arguments.epochs,
        "costs": costs(members),
        "cpu_minutes": round(seconds / 60, 1),
    }
    write_json(arguments.out / "final.json", document)
    write_text(arguments.out / "README.md", readme(document))
    print(json.dumps(document))


def family() -> dict[str, Architecture]:
    """The three networks."""
    space = load_space("cifar10")
    pool = sobol(space, 4096, seed=0)
    nearest = int(np.argmin(np.abs(space.costs(pool)["flops"] - MIDDLE_FLOPS)))
    (middle,) = space.architectures(pool[[nearest]])
    small, _ = scale_to(middle, LARGER, flops=SMALL_FLOPS)
    return {"small": small, "middle": middle, "large": scale(middle, LARGER)}


def costs(members: Mapping[str, Architecture]) -> dict[str, dict[str, int]]:
    """Multiply-accumulates and parameters of each."""
    found = {name: architecture_costs(member) for name, member in members.items()}
    return {name: {"flops": int(cost["flops"]), "params": int(cost["params"])} for name, cost in found.items()}


class Bench:
    """The trainings of one seed, each with its checkpoint and its result in a folder."""

    def __init__(self, data: ImageData, folder: Path, epochs: int, seed: int) -> None:
        self.data, self.folder, self.epochs, self.seed = data, folder, epochs, seed

    def train(
        self, name: str, architecture: Architecture, *, teacher: nn.Module | None = None, advance: Any
    ) -> tuple[nn.Module, dict[str, float]]:
        """Train to the end, from the last checkpoint if there is one; the averaged network, and test accuracies."""
        epochs = self.epochs
        steps = epochs * (len(self.data.train) // BATCH)
        decay = FINAL_DECAY ** (395 / (epochs - 1))
        settings = TrainingSettings(
            schedule=Schedule(epochs=epochs, warmup_epochs=1, decay=decay),
            batch_size=BATCH,
            ema_decay=1 - 1 / max(1.0, 0.03 * steps),
        )
        teaching = None if teacher is None else Teaching(network=teacher)
        network = build(architecture, seed=self.seed)
        loop = TrainingLoop(network, RECIPE, self.data, settings, seed=self.seed, teaching=teaching)
        checkpoint, seconds = self.folder / f"{name}.pt", 0.0
        if checkpoint.is_file():
            saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
            loop.load_state_dict(saved["loop"])
            seconds = saved["seconds"]
        note = f"seed {self.seed}, {name}"
        advance(loop.epoch, note)
        while loop.epoch < epochs:
            start = time.process_time()
            stats = loop.train_epoch()
            seconds += time.process_time() - start
            with replacing(checkpoint) as temporary:
                torch.save({"loop": loop.state_dict(), "seconds": seconds}, temporary)
            advance(1, f"{note}: loss {stats.loss:.3f}")
        averaged = loop.ema_model
        assert averaged is not None
        test = self.data.test
        return averaged, {"plain": loop.accuracy(test), "ema": loop.accuracy(test, ema=True), "seconds": seconds}


def summary(done: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Mean and sample standard deviation over seeds of each row, and of what each adds within a seed."""
    names = [*ROWS, "teacher"]
    found: dict[str, Any] = {name: spread([seed[name] for seed in done]) for name in names}
    found["gain"] = {name: spread([seed[name] - seed["plain"] for seed in done]) for name in ROWS if name != "plain"}
    return found


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Percent, over seeds; one seed alone has no deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {
        "mean": round(statistics.mean(values), 3),
        "std": round(deviation, 3),
        "seeds": [round(v, 2) for v in values],
    }


def lines(figures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Training, accuracy, gain, accuracies by seed."""
    rows = []
    for name, label in ROWS.items():
        gain = figures["gain"].get(name)
        rows.append(
            (
                label,
                f"{figures[name]['mean']:.2f} ± {figures[name]['std']:.2f}",
                f"{gain['mean']:+.2f} ± {gain['std']:.2f}" if gain else "",
                ", ".join(f"{value:.2f}" for value in figures[name]["seeds"]),
            )
        )
    return rows


HEAD = ("training", "test accuracy, %", "against plain", "by seed")


def terminal_table(name: str, figures: Mapping[str, Any]) -> Table:
    table = Table(*HEAD, title=f"the {name} member", title_justify="left")
    for row in lines(figures):
        table.add_row(*row)
    return table


def readme(document: Mapping[str, Any]) -> str:
    """The result as it is committed."""
    students = document["students"]
    seeds = len(document["plain"]["seeds"])
    settings = ", ".join(f"{key} {value}" for key, value in asdict(RECIPE).items())
    made = (
        f"Made by `python scripts/bench_final.py --images {document['images']} --epochs {document['epochs']} "
        f"--seeds {seeds}` on {time.strftime('%Y-%m-%d')}: {platform.machine()}, one of "
        f"{os.cpu_count()} CPU cores (other work beside it), no GPU, Python {platform.python_version()}, "
        f"torch {torch.__version__}; {document['cpu_minutes']} CPU-minutes of training."
    )
    what = (
        f"CIFAR-10 at 32 px, {document['images']:,} training images, {document['epochs']} epochs of batch {BATCH}, all "
        "10,000 test images. Accuracies are of the last epoch, mean ± standard deviation over seeds. Rows with and "
        "without the moving average are the same training; the gain is taken within each seed."
    )
    teacher = next(iter(students.values()))["teacher"]
    notes = (
        f"- The teacher: {_size(document, 'large')}, trained on labels by the same recipe for each seed; its averaged "
        f"weights have {teacher['mean']:.2f} ± {teacher['std']:.2f} % ({', '.join(map(str, teacher['seeds']))}).",
        f"- Recipe: {settings}.",
        "- The paper's row for FBNetV3-G on ImageNet: 80.9 % plain, 82.8 % with both (+1.9).",
    )
    tables = [line for name, figures in students.items() for line in _section(document, name, figures)]
    return "\n".join(("# What the moving average and distillation add", "", made, "", what, "", *tables, *notes, ""))


def _section(document: Mapping[str, Any], name: str, figures: Mapping[str, Any]) -> list[str]:
    """The table of one student."""
    ahead = figures["teacher"]["mean"] - figures["ema"]["mean"]
    title = f"## The {name} member: {_size(document, name)}; the teacher is {ahead:+.2f} % ahead of it"
    table = [HEAD, ("---",) * len(HEAD), *lines(figures)]
    return [title, "", *("| " + " | ".join(row) + " |" for row in table), ""]


def _size(document: Mapping[str, Any], name: str) -> str:
    of = document["costs"][name]
    return f"{shorten(of['flops'])} multiply-accumulates, {of['params']:,} parameters"


if __name__ == "__main__":
    main()
