"""What do the moving average and distillation add in final training? The paper's ablation, at a size for CPUs.

Command:  python scripts/bench_final.py --data DIR        (DIR or NARS_DATA: the folder that holds cifar10/)
Cost:     about 20 minutes on one CPU core, no GPU; killed, the same command goes on
Result:   a table on the terminal and in OUT/README.md, one line of JSON at the end of the output
          Measured with the defaults: plain 52.6 %, moving average +0.1, distillation -1.3, both -1.2. In 1,500 steps
          the larger member gets no further than the smaller one (52.7 %): there is nothing yet that it could teach
Source:   FBNetV3 (arXiv 2006.02049): FBNetV3-G 80.9 % plain, 82.8 % with moving average and distillation

Per seed three trainings on a subset of CIFAR-10, all by one recipe:
 - the larger member on labels; its averaged weights are the teacher;
 - the smaller member on labels: `plain` are its weights at the end, `ema` the averaged ones of the same training;
 - the smaller member by distillation (0.8 teacher + 0.2 labels): `distillation` and `both` likewise.
The smaller member is the network of a Sobol pool of the space `cifar10` that is nearest to 1.5 M multiply-accumulates,
the larger one is made from it by compound scaling, as F and G are from E. The schedule is the paper's, 5 of 400 epochs
of warm-up and then x 0.9875 per epoch down to 0.7 %, pressed into the epochs here (warm-up 1 epoch); the average
reaches back over 3 % of the training, as the paper's does. Nothing is chosen by the accuracies in the table: of the
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

from nars.atomic import replacing, write_json, write_text
from nars.data import ImageData, load_images
from nars.network import build
from nars.recipe import FINAL_DECAY, Recipe, Schedule, TrainingLoop
from nars.space import Architecture, Scaling, architecture_costs, load_space, scale, shorten, sobol
from nars.stages import Terminal

STUDENT_FLOPS, LARGER = 1.5e6, Scaling(depth=1.5, width=1.4)
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
    done = []
    with Terminal().bar("final training", 3 * arguments.seeds * arguments.epochs) as advance:
        for seed in range(arguments.seeds):
            data = load_images(
                "cifar10", resolution=32, root=arguments.data, validation_fraction=0.1, seed=seed,
                max_train=arguments.images,
            )  # fmt: skip
            bench = Bench(data, arguments.work / f"seed-{seed}", arguments.epochs, seed)
            teacher, of_teacher = bench.train("larger", members["larger"], advance=advance)
            _, labels = bench.train("labels", members["smaller"], advance=advance)
            _, distilled = bench.train("distillation", members["smaller"], teacher=teacher, advance=advance)
            done.append(
                {
                    "plain": labels["plain"], "ema": labels["ema"], "distillation": distilled["plain"],
                    "both": distilled["ema"], "teacher": of_teacher["ema"],
                    "seconds": of_teacher["seconds"] + labels["seconds"] + distilled["seconds"],
                }
            )  # fmt: skip
    figures = summary(done)
    Console().print(terminal_table(figures))
    document = {**figures, "images": arguments.images, "epochs": arguments.epochs, "costs": costs(members)}
    write_json(arguments.out / "final.json", document)
    write_text(arguments.out / "README.md", readme(document))
    print(json.dumps(document))


def family() -> dict[str, Architecture]:
    """The two networks."""
    space = load_space("cifar10")
    pool = sobol(space, 4096, seed=0)
    nearest = int(np.argmin(np.abs(space.costs(pool)["flops"] - STUDENT_FLOPS)))
    (smaller,) = space.architectures(pool[[nearest]])
    return {"smaller": smaller, "larger": scale(smaller, LARGER)}


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
        loop = TrainingLoop(
            build(architecture, seed=self.seed), RECIPE, self.data, batch_size=BATCH, seed=self.seed, teacher=teacher,
            schedule=Schedule(epochs=epochs, warmup_epochs=1, decay=decay), ema_decay=1 - 1 / max(1.0, 0.03 * steps),
        )  # fmt: skip
        checkpoint, seconds = self.folder / f"{name}.pt", 0.0
        if checkpoint.is_file():
            saved = torch.load(checkpoint, weights_only=True)
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
    found["cpu_minutes"] = round(sum(seed["seconds"] for seed in done) / 60, 1)
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
                label, f"{figures[name]['mean']:.2f} ± {figures[name]['std']:.2f}",
                f"{gain['mean']:+.2f} ± {gain['std']:.2f}" if gain else "",
                ", ".join(f"{value:.2f}" for value in figures[name]["seeds"]),
            )
        )  # fmt: skip
    return rows


HEAD = ("the smaller member's training", "test accuracy, %", "against plain", "by seed")


def terminal_table(figures: Mapping[str, Any]) -> Table:
    table = Table(*HEAD)
    for row in lines(figures):
        table.add_row(*row)
    return table


def readme(document: Mapping[str, Any]) -> str:
    """The result as it is committed."""
    cost = {
        name: f"{shorten(of['flops'])} multiply-accumulates, {of['params']:,} parameters"
        for name, of in document["costs"].items()
    }
    table = [HEAD, ("---",) * len(HEAD), *lines(document)]
    teacher = document["teacher"]
    settings = ", ".join(f"{key} {value}" for key, value in asdict(RECIPE).items())
    made = (
        f"Made by `python scripts/bench_final.py --images {document['images']} --epochs {document['epochs']} "
        f"--seeds {len(teacher['seeds'])}` on {time.strftime('%Y-%m-%d')}: {platform.machine()}, one of "
        f"{os.cpu_count()} CPU cores (other work beside it), no GPU, Python {platform.python_version()}, "
        f"torch {torch.__version__}; {document['cpu_minutes']} CPU-minutes of training."
    )
    what = (
        f"CIFAR-10 at 32 px, {document['images']:,} training images, {document['epochs']} epochs of batch {BATCH}, all "
        "10,000 test images. Accuracies are of the last epoch, mean ± standard deviation over seeds. Rows with and "
        "without the moving average are the same training; the gain is taken within each seed."
    )
    notes = (
        f"- Smaller member: {cost['smaller']}. Teacher: the larger one, {cost['larger']}, trained on labels by the "
        f"same recipe for each seed; its averaged weights have {teacher['mean']:.2f} ± {teacher['std']:.2f} %, "
        f"{teacher['mean'] - document['ema']['mean']:+.2f} % against those of the smaller member.",
        f"- Recipe: {settings}.",
        "- The paper's row for FBNetV3-G on ImageNet: 80.9 % plain, 82.8 % with both (+1.9).",
    )
    rows = ("| " + " | ".join(row) + " |" for row in table)
    return "\n".join(("# What the moving average and distillation add", "", made, "", what, "", *rows, "", *notes, ""))


if __name__ == "__main__":
    main()
