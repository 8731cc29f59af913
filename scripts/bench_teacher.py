"""What a teacher costs and brings by what it is shown: every crop or each image once, resized or rendered for it.

Command:  python scripts/bench_teacher.py
Cost:     three minutes of one CPU core; CIFAR-10 in NARS_DATA
Result:   CPU milliseconds of a training step with EfficientNet-Lite0 as the teacher of a 4M network, whose answers are
          kept (final.teacher_sees: whole) or whose images are rendered at its side (final.teacher_images), and on
          labels alone; then the test accuracy of networks at 16 px by what their teacher, trained at 32 px, is shown.
          The last line is one JSON object. On a busy CPU, torch 2.14: 78 ms on labels, 202 resized, 223 rendered, 83
          and 84 with kept answers. The teacher at 32 px has 42.5 % on rendered images and 41.1 % on resized ones, its
          student at 16 px 40.9 and 40.6 %, on labels alone 40.8 %, two seeds each: no difference that two seeds show
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from nars.images import ImageData, load_images
from nars.network import build
from nars.recipe import Augmentation, Normalizer, Recipe, Schedule, Teaching, TrainingLoop, TrainingSettings
from nars.recipe.loss import answer
from nars.space import Bounds, load_space, sobol

TEACHER, SIDE = "tf_efficientnet_lite0", 64
BATCH, STEPS = 64, 6
SHOWN: dict[str, dict[str, Any]] = {
    "resized": {},
    "rendered": {"images": "rendered"},
    "whole": {"sees": "whole"},
    "whole, rendered": {"sees": "whole", "images": "rendered"},
}
RECIPE = Recipe(learning_rate=0.002, optimizer="adamw")
SMALL, LARGE, EPOCHS, SEEDS = 16, 32, 10, 2


def costs() -> dict[str, Any]:
    """Milliseconds of a step, and after how many epochs one look at all images has paid."""
    images = load_images("digits", resolution=32, validation_fraction=0.2, seed=0)
    space = load_space("cifar10", classes=len(images.classes), in_channels=images.in_channels)
    (student,) = space.architectures(sobol(space, 1, seed=0, bounds=Bounds({"flops": (3.5e6, 4.5e6)})))
    teacher = timm.create_model(TEACHER, num_classes=len(images.classes), in_chans=images.in_channels)
    settings = TrainingSettings(
        schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=BATCH, augmentation=Augmentation(flip=False)
    )
    milliseconds, looking = {}, {}
    taught: dict[str, Teaching | None] = {"labels": None}
    taught |= {name: Teaching(network=teacher, resolution=SIDE, **how) for name, how in SHOWN.items()}
    for name, teaching in taught.items():
        network, began = build(student, seed=0), time.process_time()
        loop = TrainingLoop(network, RECIPE, images, settings, seed=0, teaching=teaching)
        looking[name] = time.process_time() - began
        loop.train_epoch(max_steps=2)
        began = time.process_time()
        loop.train_epoch(max_steps=STEPS)
        milliseconds[name] = 1000 * (time.process_time() - began) / STEPS
        print(f"{name}: {milliseconds[name]:.1f} ms a step")
    saved = milliseconds["resized"] - milliseconds["whole"]
    epochs = looking["whole"] / (saved / 1000 * loop.steps_per_epoch)
    return {
        "teacher": f"{TEACHER} at {SIDE} px",
        "step_ms": {name: round(value, 1) for name, value in milliseconds.items()},
        "look_seconds": round(looking["whole"], 2),
        "saved_share": round(saved / milliseconds["resized"], 3),
        "once_looks_pay_after": round(epochs, 2),
    }


def trained(images: ImageData, flops: float, *, seed: int, teaching: Teaching | None = None) -> tuple[nn.Module, float]:
    """A network of about so many multiply-accumulates, and its test accuracy in percent."""
    space = load_space("cifar10")
    pool = sobol(space, 512, seed=0)
    nearest = int(np.abs(space.costs(pool)["flops"] - flops).argmin())
    (architecture,) = space.architectures(pool[[nearest]])
    settings = TrainingSettings(
        schedule=Schedule(epochs=EPOCHS, warmup_epochs=1, kind="cosine"), batch_size=BATCH, ema_decay=0.9
    )
    recipe = Recipe(learning_rate=0.01, optimizer="rmsprop", weight_decay=1e-5)
    loop = TrainingLoop(build(architecture, seed=seed), recipe, images, settings, seed=seed, teaching=teaching)
    while loop.epoch < EPOCHS:
        loop.train_epoch()
    return loop.model.eval(), loop.accuracy(images.test)


def gains() -> dict[str, Any]:
    """Accuracies where a teacher knows larger images than its student is given."""
    images = load_images("cifar10", resolution=SMALL, validation_fraction=0.2, max_train=3000, seed=0)
    teacher, alone = trained(images.at(LARGE), 4e6, seed=100)
    normalize = Normalizer(images.mean, images.std, device=torch.device("cpu"))
    small, labels = images.test.images[:2000], images.test.labels[:2000]
    said = answer(Teaching(network=teacher, resolution=LARGE), normalize(small)).argmax(1)
    found: dict[str, list[float]] = {name: [] for name in ("labels", *SHOWN)}
    seconds = dict.fromkeys(found, 0.0)
    for name, each in found.items():
        how = SHOWN.get(name)
        teaching = None if how is None else Teaching(network=teacher, resolution=LARGE, **how)
        for seed in range(SEEDS):
            began = time.process_time()
            each.append(round(trained(images, 1e6, seed=seed, teaching=teaching)[1], 2))
            seconds[name] += (time.process_time() - began) / SEEDS
        print(f"{name}: {', '.join(map(str, each))} % in {seconds[name]:.0f} s")
    resized = 100 * (said == labels).double().mean().item()
    return {
        "student_test": found,
        "student_seconds": {name: round(value, 1) for name, value in seconds.items()},
        "teacher_test": {"rendered": round(alone, 2), "resized": round(resized, 2)},
    }


def main() -> None:
    torch.set_num_threads(1)
    print(json.dumps(costs() | gains()))


if __name__ == "__main__":
    main()
