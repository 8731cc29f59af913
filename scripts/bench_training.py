"""How fast candidates are trained: against a plain PyTorch loop, against the limit, and two workers against one.

Command:  python scripts/bench_training.py [--images digits|cifar10] [--data DIR] [--rounds 5] [--trials 6]
Cost:     three to five minutes
Hardware: 2 CPU cores; one is used for the comparisons, two for the scaling, which wants them free of other programs
Result:   aims speedup_vs_plain >= 3, fraction_of_limit >= 0.9, scaling >= 1.8; the last line is one JSON object. On a
          Xeon with AVX-512, torch 2.14, one thread: ours / limit 0.91 to 0.98; ours / plain 2.3, 2.0, 1.7 for the
          small, median and large network of the digits space, 1.9, 1.6, 1.7 for cifar10. The plain loop loses to
          channels first and to its transforms; the larger the network, the less there is to win beside forward and
          backward.

First on one thread, the same networks (quantiles of the space's pool by FLOPs), batch size and optimiser in each
column:
 - limit: forward and backward on one fixed batch, channels last, nothing else;
 - ours: `TrainingLoop` as the search uses it, with crop, flip, mixup, label smoothing, RMSProp, moving average;
 - plain: what timm's training script does: `timm.data.create_loader` (DataLoader, PIL transforms, here with the same
   crop and flip), `timm.data.Mixup`, `timm.optim.create_optimizer_v2`, `ModelEmaV3`; loading in the same thread;
 - timm's defaults: the same with the transforms that the script has by default (resized crop, flip, colour jitter).
Times are CPU time of the process, which on one thread is wall time without what other programs took. Rounds interleave
the columns; the table has each one's best.

Then the whole machine in wall time, the median network: the engine with one worker and with one per core, and the plain
loop as it is fastest: one torch thread per core, loading in its own thread or in as many DataLoader workers; or one
torch thread, and DataLoader workers on the other cores. On a busy machine its threads wait for one another and it all
but stops. `speedup_vs_plain` is engine against plain loop on all cores, `one_thread` the same column by column.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from timm.data.loader import create_loader
from timm.data.mixup import Mixup
from timm.loss.cross_entropy import SoftTargetCrossEntropy
from timm.optim._optim_factory import create_optimizer_v2
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import transforms

from nars.data import ImageData, load_images, sample_key
from nars.evaluate import EvaluationSettings, Trial, open_engine
from nars.network import build
from nars.parallel import usable_cores
from nars.recipe import Augmentation, Normalizer, Recipe, Schedule, TrainingLoop
from nars.space import Architecture, load_space, sobol

BATCH = {"digits": 64, "cifar10": 128}
QUANTILES = {"small": 0.0, "median": 0.5, "large": 1.0}
RECIPE = Recipe(
    learning_rate=0.005, dropout=0.1, stochastic_depth=0.1, mixup=0.1, weight_decay=1e-5, label_smoothing=0.1
)
STEPS = 10
"""Per measurement."""


@dataclass(frozen=True)
class Candidate:
    """A network to measure."""

    name: str
    architecture: Architecture
    flops: float


class Encoded(Dataset[tuple[Image.Image, int]]):
    """Images as files hold them (PNG), decoded when asked for, as timm's readers do."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.files = []
        for image in images.permute(0, 2, 3, 1).squeeze(-1).numpy():
            file = io.BytesIO()
            Image.fromarray(image).save(file, format="png")
            self.files.append(file.getvalue())
        self.labels = labels.tolist()
        self.transform: Callable[[Image.Image], object] | None = None

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        image = Image.open(io.BytesIO(self.files[index]))
        image.load()
        assert self.transform is not None
        return self.transform(image), self.labels[index]  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self.labels)


def limit(candidate: Candidate, data: ImageData, batch: int) -> Callable[[], int]:
    """Forward and backward on one fixed batch."""
    model = _network(candidate).train()
    images = Normalizer(data.mean, data.std, device=torch.device("cpu"))(
        data.train.images[:batch].permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    )
    labels = data.train.labels[:batch]

    def steps() -> int:
        for _ in range(STEPS):
            nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        return STEPS * batch

    return steps


def ours(candidate: Candidate, data: ImageData, batch: int) -> Callable[[], int]:
    """The loop of the package."""
    loop = TrainingLoop(
        _network(candidate), RECIPE, data, schedule=Schedule(epochs=10_000), batch_size=batch, seed=0,
        augmentation=Augmentation(), ema_decay=0.999,
    )  # fmt: skip

    def steps() -> int:
        images = 0
        while images < STEPS * batch:
            images += loop.train_epoch(max_steps=STEPS - images // batch).images
        return images

    return steps


def plain(candidate: Candidate, data: ImageData, batch: int, *, defaults: bool, workers: int = 0) -> Callable[[], int]:
    """timm's training script in its own parts."""
    model = _network(candidate).train()
    dataset: Any = Encoded(data.train.images, data.train.labels)
    side, channels = data.resolution, data.in_channels
    loader = create_loader(
        dataset, (channels, side, side), batch, is_training=True, num_workers=workers, persistent_workers=workers > 0,
        mean=tuple(data.mean.tolist()), std=tuple(data.std.tolist()), device=torch.device("cpu"), pin_memory=False,
    )  # fmt: skip
    if not defaults:
        crop = transforms.RandomCrop(side, padding=round(side / 8), padding_mode="reflect")
        to_numpy = dataset.transform.transforms[-1]
        dataset.transform = transforms.Compose([crop, transforms.RandomHorizontalFlip(), to_numpy])
    mixup: Any = Mixup(mixup_alpha=RECIPE.mixup, label_smoothing=RECIPE.label_smoothing, num_classes=len(data.classes))  # type: ignore[no-untyped-call]
    criterion = SoftTargetCrossEntropy()  # type: ignore[no-untyped-call]
    optimizer = create_optimizer_v2(model, opt="rmsproptf", lr=0.005, weight_decay=1e-5, momentum=0.9, eps=1e-3)
    average = ModelEmaV3(model, decay=0.999, use_warmup=True)

    def forever() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches, done = forever(), 0

    def steps() -> int:
        nonlocal done
        for _ in range(STEPS):
            images, labels = mixup(*next(batches))
            loss = criterion(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            average.update(model, step=done)
        return STEPS * batch

    return steps


COLUMNS: dict[str, Callable[[Candidate, ImageData, int], Callable[[], int]]] = {
    "limit": limit,
    "ours": ours,
    "plain": lambda *arguments: plain(*arguments, defaults=False),
    "timm's defaults": lambda *arguments: plain(*arguments, defaults=True),
}


def rates(candidate: Candidate, data: ImageData, batch: int, rounds: int) -> dict[str, float]:
    """Images per second of CPU time, the best of `rounds`."""
    runs = {name: make(candidate, data, batch) for name, make in COLUMNS.items()}
    best = dict.fromkeys(runs, 0.0)
    for number in range(rounds + 1):
        for name, steps in runs.items():
            start = time.process_time()
            images = steps()
            if number > 0:  # the first round warms up
                best[name] = max(best[name], images / (time.process_time() - start))
    return best


def machine(candidate: Candidate, data: ImageData, batch: int, trials: int) -> dict[str, float]:
    """Images per second of wall time on all cores: the engine with one worker and with all, the plain loop."""
    cores = len(usable_cores())
    settings = EvaluationSettings(schedule=Schedule(epochs=3, warmup_epochs=1), batch_size=batch)
    found = {}
    for workers in (1, cores):
        with open_engine("processes", data, settings, workers=workers) as engine:
            engine.run(_trials(candidate, settings, data, 2 * workers), on_result=lambda _: None)  # starts and warms up
            start = time.perf_counter()
            engine.run(_trials(candidate, settings, data, trials * workers), on_result=lambda _: None)
            images = trials * workers * 3 * (len(data.train) // batch) * batch
            found[f"engine, {workers} workers"] = images / (time.perf_counter() - start)
    for threads, workers in ((cores, 0), (cores, cores), (1, max(1, cores - 1))):
        torch.set_num_threads(threads)
        steps = plain(candidate, data, batch, defaults=False, workers=workers)
        steps()
        start, images = time.perf_counter(), 0
        while time.perf_counter() < start + 8.0:
            images += steps()
        found[f"plain, {threads} threads, {workers} loaders"] = images / (time.perf_counter() - start)
    torch.set_num_threads(1)
    return found


def _trials(candidate: Candidate, settings: EvaluationSettings, data: ImageData, count: int) -> Iterator[Trial]:
    for seed in range(count):
        record = {"network": candidate.name}
        yield Trial(
            key=sample_key(space="bench", record=record, fidelity=settings.fidelity(3), data=data.fingerprint,
            seed=seed), choices=(), record=record, costs={}, architecture=candidate.architecture,
            recipe=RECIPE.to_dict(), space="bench", epochs=3, seed=seed,
        )  # fmt: skip


def _network(candidate: Candidate) -> nn.Module:
    return build(candidate.architecture, dropout=RECIPE.dropout, stochastic_depth=RECIPE.stochastic_depth, seed=0)


def candidates(name: str) -> list[Candidate]:
    """Quantiles of the space by FLOPs."""
    space = load_space(name)
    X = sobol(space, 256, seed=0)
    flops = space.costs(X)["flops"]
    order = np.argsort(flops)
    rows = {label: int(order[round(q * (len(order) - 1))]) for label, q in QUANTILES.items()}
    return [Candidate(label, space.architectures(X[[row]])[0], float(flops[row])) for label, row in rows.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", choices=sorted(BATCH), default="digits")
    parser.add_argument("--data", help="folder of image sets, for cifar10; else the environment variable NARS_DATA")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=6, help="for each worker, when all cores are measured")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    batch = BATCH[arguments.images]
    found = candidates(arguments.images)
    data = load_images(
        arguments.images, resolution=found[0].architecture.resolution, validation_fraction=0.2, seed=0,
        root=arguments.data, max_train=None if arguments.images == "digits" else 2048,
    )  # fmt: skip
    table = Table(title=f"images per second on one thread: {arguments.images}, {data.resolution} px, batch {batch}")
    for column in ("network", "M multiply-adds", *COLUMNS, "ours / plain", "ours / timm's defaults", "ours / limit"):
        table.add_column(column, justify="right")
    measured = {}
    for candidate in found:
        rate = measured[candidate.name] = rates(candidate, data, batch, arguments.rounds)
        against = [rate["ours"] / rate[name] for name in ("plain", "timm's defaults", "limit")]
        table.add_row(
            candidate.name, f"{candidate.flops / 1e6:.2f}", *(f"{rate[name]:.0f}" for name in COLUMNS),
            *(f"{ratio:.2f}" for ratio in against),
        )  # fmt: skip
    Console().print(table)
    wall = machine(found[1], data, batch, arguments.trials)
    table = Table(title="images per second of wall time, all cores, median network")
    for name in wall:
        table.add_column(name, justify="right")
    table.add_row(*(f"{rate:.0f}" for rate in wall.values()))
    Console().print(table)
    one, every, *plains = wall.values()
    one_thread = {
        name: {f"ours / {column}": round(rate["ours"] / rate[column], 3) for column in COLUMNS if column != "ours"}
        for name, rate in measured.items()
    }
    result = {
        "images": arguments.images,
        "speedup_vs_plain": round(every / max(plains), 3),
        "fraction_of_limit": one_thread["median"]["ours / limit"],
        "scaling": round(every / one, 3),
        "one_thread": one_thread,
        "cores": len(usable_cores()),
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
