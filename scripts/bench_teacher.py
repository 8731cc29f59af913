"""What it saves that a teacher looks at each image once (final.teacher_sees: whole), not at every crop of it.

Command:  python scripts/bench_teacher.py
Cost:     a minute of one CPU core
Result:   CPU milliseconds of a step of distillation and of one on labels alone, and seconds of the one look at all
          images; the last line is one JSON object: `once_looks_pay_after` is the number of epochs after which it pays
"""

from __future__ import annotations

import json
import time

import timm
import torch

from nars.images import load_images
from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule, Teaching, TrainingLoop, TrainingSettings
from nars.recipe.settings import Sight
from nars.space import Bounds, load_space, sobol

TEACHER, SIDE = "tf_efficientnet_lite0", 64
BATCH, STEPS = 64, 6
SIGHTS: tuple[Sight, ...] = ("augmented", "whole")
RECIPE = Recipe(learning_rate=0.002, optimizer="adamw")


def main() -> None:
    torch.set_num_threads(1)
    images = load_images("digits", resolution=32, validation_fraction=0.2, seed=0)
    space = load_space("cifar10", classes=len(images.classes), in_channels=images.in_channels)
    (student,) = space.architectures(sobol(space, 1, seed=0, bounds=Bounds({"flops": (3.5e6, 4.5e6)})))
    teacher = timm.create_model(TEACHER, num_classes=len(images.classes), in_chans=images.in_channels)
    settings = TrainingSettings(
        schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=BATCH, augmentation=Augmentation(flip=False)
    )
    milliseconds, looking = {}, 0.0
    taught: dict[str, Teaching | None] = {"labels": None}
    taught |= {sees: Teaching(network=teacher, resolution=SIDE, sees=sees) for sees in SIGHTS}
    for name, teaching in taught.items():
        network, began = build(student, seed=0), time.process_time()
        loop = TrainingLoop(network, RECIPE, images, settings, seed=0, teaching=teaching)
        looking = time.process_time() - began
        loop.train_epoch(max_steps=2)
        began = time.process_time()
        loop.train_epoch(max_steps=STEPS)
        milliseconds[name] = 1000 * (time.process_time() - began) / STEPS
        print(f"{name}: {milliseconds[name]:.1f} ms a step")
    saved = milliseconds["augmented"] - milliseconds["whole"]
    epochs = looking / (saved / 1000 * loop.steps_per_epoch)
    found = {name: round(value, 1) for name, value in milliseconds.items()}
    shares = {"saved_share": round(saved / milliseconds["augmented"], 3), "once_looks_pay_after": round(epochs, 2)}
    print(
        json.dumps({"teacher": f"{TEACHER} at {SIDE} px", "step_ms": found, "look_seconds": round(looking, 2)} | shares)
    )


if __name__ == "__main__":
    main()
