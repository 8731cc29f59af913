"""FBNetV3-B's shape against EfficientNet-B0's, both for small images, on CIFAR-10 at equal cost (section 4.3 in small).

Command:  python scripts/transfer_small.py FOLDER          Ctrl-C at any time, the same command goes on
Cost:     13 minutes of one CPU core
Data:     CIFAR-10 in NARS_DATA: 4,000 of its training images, all test images
Networks: published B as `nars transfer` takes it to 32 px; timm's EfficientNet-B0 with its second stride of 2 at 1,
          too, and as much wider as makes its multiply-accumulates B's
Result:   results/transfer/README.md; the last line is one JSON object
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from timm.models.efficientnet import _gen_efficientnet
from torch import nn

from campaign_tables import markdown
from nars.network import build, count
from nars.network.building import seeded
from nars.parallel import torch_threads
from nars.recipe import Recipe
from nars.run import load_config
from nars.run.fidelity import final_settings
from nars.run.run import read_images
from nars.space import published, shorten, small_forms
from nars.train import train_network

SEEDS = (0, 1)
SETTINGS = {
    "data.max_train": 4_000,
    "data.validation": 500,
    "final.epochs": 5,
    "final.warmup_epochs": 1,
    "final.batch_size": 64,
    "final.teacher": "none",
    "final.ema_decay": 0.999,
}
"""Beside those of `nars run cifar10`. EMA as the paper has it on CIFAR-10, reached slowly, as so few steps
need; no distillation."""
RECIPE = Recipe(learning_rate=0.002, optimizer="adamw", ema=True, weight_decay=0.01)
"""Of both: neither was searched with it."""


def fbnetv3(seed: int) -> nn.Module:
    (small,) = small_forms([published("B").architecture])
    return build(replace(small, classes=10), seed=seed)


def efficientnet(seed: int, *, width: float = 1.0) -> nn.Module:
    with seeded(seed):
        model: nn.Module = _gen_efficientnet(  # type: ignore[no-untyped-call]
            "efficientnet_b0", channel_multiplier=width, num_classes=10
        )
    second = model.get_submodule("blocks.2.0.conv_dw")
    assert isinstance(second, nn.Conv2d)
    second.stride = (1, 1)
    return model


def as_wide_as(flops: float) -> float:
    """The width in hundredths whose multiply-accumulates are nearest."""
    widths = [1.0 + 0.01 * step for step in range(30)]
    return min(widths, key=lambda width: abs(count(efficientnet(0, width=width), 32, 3)["flops"] - flops))


def main(folder: Path) -> None:
    config = load_config("cifar10", SETTINGS)
    images = read_images(config, resolution=32, whole=False)
    settings = final_settings(config, images=len(images.train))
    target = count(fbnetv3(0), 32, 3)["flops"]
    width = as_wide_as(target)
    networks: dict[str, Callable[[int], nn.Module]] = {
        "FBNetV3-B": fbnetv3,
        f"EfficientNet-B0 x {width:.2f}": lambda seed: efficientnet(seed, width=width),
    }
    began = time.process_time()
    found: dict[str, dict[str, Any]] = {
        name: dict(count(make(0), 32, 3)) | {"test": []} for name, make in networks.items()
    }
    for seed in SEEDS:
        for name, make in networks.items():
            place = folder / f"{name.replace(' ', '')}-{seed}"
            with torch_threads(1):
                result = train_network(make(seed), RECIPE, images, settings, folder=place, seed=seed)
            found[name]["test"].append(result.test_accuracy)
            print(f"{name}, seed {seed}: test {result.test_accuracy:.2f} %", file=sys.stderr, flush=True)
    seconds = time.process_time() - began
    rows = []
    for name, one in found.items():
        each = ", ".join(f"{value:.2f}" for value in one["test"])
        rows.append([name, shorten(one["flops"]), shorten(one["params"]), f"{np.mean(one['test']):.2f}", each])
    text = (
        "# transfer\n\nMade by `python scripts/transfer_small.py`: one CPU thread, "
        f"{len(images.train):,} training images of CIFAR-10, {config.final.epochs} epochs, {len(images.test):,} test "
        f"images, seeds {', '.join(map(str, SEEDS))}.\n\n"
        "Both networks at 32 px with their second stride of 2 at 1, from scratch, by one recipe that was searched with "
        "neither, averaged weights, no distillation. B0 is widened until its multiply-accumulates are B's. This is a "
        "training of minutes of networks that are trained for hundreds of epochs: it shows which of them learns faster "
        "from little, not which is better in the end.\n\n"
    )
    table = markdown(["network", "MACs", "parameters", "test, %", "each seed"], rows)
    home = Path(__file__).parents[1] / "results" / "transfer"
    home.mkdir(parents=True, exist_ok=True)
    (home / "README.md").write_text(text + table + "\n", encoding="utf-8")
    names = list(found)
    means = [float(np.mean(found[name]["test"])) for name in names]
    print(json.dumps({"networks": found, "gain": round(means[0] - means[1], 2), "cpu_seconds": round(seconds)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
