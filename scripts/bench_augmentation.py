"""How fast images are varied: random resized crops and AutoAugment for each image, against timm's loader.

Command:  python scripts/bench_augmentation.py [--images 256] [--rounds 5]
Cost:     two minutes
Hardware: one CPU core
Result:   aims ratio_to_timm >= 1.5 from memory, >= 1.0 from JPEG files; the last line is one JSON object. On a busy
          Xeon with AVX-512, torch 2.15: 1.76 and 1.19, on an idle EPYC, torch 2.14: 1.80 and 1.32; 11 to 12 % of a
          training step of 4 M multiply-accumulates

Photographs of 500 x 375 pixels (cuts from scikit-learn's two), as they are held by a training: decoded in memory, or as
JPEG files. To 224 pixels and normalized, in batches of 64:
 - ours: `Batches` as a training uses it (cropping "resized", flips, policy "autoaugment");
 - timm: `timm.data.create_loader` with the same transforms (RandomResizedCrop, flips, auto_augment "original"),
   reading in the same thread.
Images per second of CPU time of the process, on one torch thread; rounds interleave the columns, the table has the best
of each. Then the share that the same augmentation has of a training step: 32 pixels, the network of the
space cifar10 that is nearest to 4 M multiply-accumulates.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images
from timm.data.loader import create_loader
from torch.utils.data import Dataset

from nars.images import ImageData, load_images
from nars.images.unsplit import TEST, TRAIN, VALIDATION, array_source
from nars.network import build
from nars.recipe import ALONE, Augmentation, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.recipe.batches import Batches
from nars.space import load_space, sobol

SIDE, BATCH, FLOPS = 224, 64, 4e6
AUGMENTATION = Augmentation(cropping="resized", policy="autoaugment")
CPU = torch.device("cpu")


class Photos(Dataset[Any]):
    """Training images for timm: decoded, or files that are decoded when they are asked for."""

    def __init__(self, photos: list[Image.Image] | list[Path]) -> None:
        self.photos = photos
        self.transform: Any = None  # the loader gives it

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Any:
        photo = self.photos[index]
        if isinstance(photo, Path):
            with Image.open(photo) as opened:
                photo = opened.convert("RGB")
        return self.transform(photo), index % 2


def photographs(folder: Path, count: int) -> None:
    """JPEG files in two classes."""
    rng, scenes = np.random.default_rng(0), load_sample_images().images
    for number in range(count):
        label = number % 2
        (folder / str(label)).mkdir(exist_ok=True)
        top, left = int(rng.integers(427 - 375)), int(rng.integers(640 - 500))
        cut = np.ascontiguousarray(scenes[label][top : top + 375, left : left + 500])
        Image.fromarray(cut).save(folder / str(label) / f"{number:05d}.jpg", quality=90)


def batches_of(data: ImageData, batch: int) -> Batches:
    """As a training makes them."""
    return Batches(
        data,
        batch_size=batch,
        augmentation=AUGMENTATION,
        recipe=Recipe(learning_rate=0.1),
        seed=0,
        peers=ALONE,
        device=CPU,
    )


def ours(data: ImageData) -> Callable[[], int]:
    """An epoch of ours."""
    made, epoch = batches_of(data, BATCH), iter(range(10_000))

    def run() -> int:
        plan = made.plan(next(epoch))
        return sum(len(made.batch(plan, step).images) for step in range(made.steps))

    return run


def timm_loader(photos: list[Image.Image] | list[Path]) -> Callable[[], int]:
    """An epoch of timm's."""
    loader = create_loader(
        Photos(photos),  # type: ignore[arg-type]  # any data set does
        (3, SIDE, SIDE),
        BATCH,
        is_training=True,
        scale=AUGMENTATION.scale,
        ratio=AUGMENTATION.ratio,
        color_jitter=0.0,
        auto_augment="original",
        interpolation="bilinear",
        num_workers=0,
        persistent_workers=False,
        device=CPU,
        pin_memory=False,
    )
    return lambda: sum(len(images) for images, _ in loader)


def rates(runs: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Images per second of CPU time, the best of the rounds."""
    best = dict.fromkeys(runs, 0.0)
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            images = run()
            if number > 0:  # the first round warms up
                best[name] = max(best[name], images / (time.process_time() - start))
    return best


def share_of_step(rounds: int) -> dict[str, float]:
    """Milliseconds of a training step, and the share that augmentation has of it."""
    space = load_space("cifar10")
    pool = sobol(space, 4096, seed=0)
    nearest = int(np.abs(space.costs(pool)["flops"] - FLOPS).argmin())
    (architecture,) = space.architectures(pool[[nearest]])
    rng, count = np.random.default_rng(0), 1024
    side = architecture.resolution
    source = array_source(
        classes=tuple("0123456789"),
        images=torch.from_numpy(rng.integers(0, 256, (3 * count, 3, side, side), dtype=np.uint8)),
        labels=rng.integers(0, 10, 3 * count),
        part=np.repeat(np.array([TRAIN, VALIDATION, TEST], dtype=np.int8), count),
    )
    data = load_images("noise", resolution=side, validation_fraction=0.5, seed=0, source=source)
    settings = TrainingSettings(schedule=Schedule(epochs=10_000), batch_size=BATCH, augmentation=AUGMENTATION)
    loop = TrainingLoop(build(architecture, seed=0), Recipe(learning_rate=0.01), data, settings, seed=0)
    made = batches_of(data, BATCH)
    plan = made.plan(0)

    def varied() -> int:
        return sum(len(made.batch(plan, step).images) for step in range(made.steps))

    found = rates({"step": lambda: loop.train_epoch().images, "augmentation": varied}, rounds)
    flops = float(space.costs(pool[[nearest]])["flops"][0])
    return {
        "flops": flops,
        "step_ms": 1e3 * BATCH / found["step"],
        "augmentation_ms": 1e3 * BATCH / found["augmentation"],
        "share_of_step": found["step"] / found["augmentation"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        photographs(Path(home), 2 * options.images)
        how: dict[str, Any] = {"resolution": SIDE, "validation_fraction": 0.2, "seed": 0, "whole": True}
        name = f"imagefolder:{home}"
        held = load_images(name, streaming=False, max_train=options.images, **how)
        streamed = load_images(name, streaming=True, loaders=0, max_train=options.images, **how)
        files = sorted(Path(home).rglob("*.jpg"))[: options.images]
        decoded = [Image.open(file).convert("RGB") for file in files]
        found = rates(
            {
                "memory": ours(held),
                "memory, timm": timm_loader(decoded),
                "files": ours(streamed),
                "files, timm": timm_loader(files),
            },
            options.rounds,
        )
    step = share_of_step(options.rounds)
    table = Table("from", "ours", "timm", "ratio", title="images per second of one core")
    ratios = {where: found[where] / found[f"{where}, timm"] for where in ("memory", "files")}
    for where, ratio in ratios.items():
        table.add_row(where, f"{found[where]:,.0f}", f"{found[f'{where}, timm']:,.0f}", f"{ratio:.2f}")
    table.caption = (
        f"At 32 pixels it is {step['augmentation_ms']:.1f} of {step['step_ms']:.0f} ms, {step['share_of_step']:.1%} "
        f"of a training step of {step['flops'] / 1e6:.1f} M multiply-accumulates."
    )
    Console().print(table)
    rounded = {name: round(value, 4) for name, value in step.items()}
    shown = {name: round(value, 1) for name, value in found.items()}
    ratio_to_timm = {name: round(value, 3) for name, value in ratios.items()}
    print(json.dumps({"ratio_to_timm": ratio_to_timm, "images_per_second": shown, **rounded}))


if __name__ == "__main__":
    main()
