"""How fast candidates are trained: against a plain PyTorch loop, against the limit, and two workers against one.

Command:  python scripts/bench_training.py [--images digits|cifar10] [--data DIR] [--networks 0.3M,1M,2.4M]
Cost:     ten minutes for digits, half an hour for cifar10
Hardware: 2 CPU cores; one is used for the comparisons, two for the scaling, which wants them free of other programs
Result:   aims speedup_vs_plain >= 3, fraction_of_limit >= 0.9, scaling >= 1.8; the last line is one JSON object. On a
          Xeon with AVX-512, torch 2.15 (results/training/README.md): digits 3.1 to 4.0, 0.92 to 0.99, 1.9 to 2.05;
          CIFAR-10 1.9 to 2.4, 0.95 to 0.97, 1.7 to 2.0. The plain loop loses to channels last, to its transforms and,
          on all cores, to two threads on one small network.

First on one thread, the same networks (those of a Sobol pool nearest to `--networks`), batch size and optimizer in
each column:
 - limit: forward and backward on one fixed batch, channels last, nothing else;
 - ours: `TrainingLoop` as the search uses it, with crop, flip, mixup, label smoothing, RMSProp, moving average;
 - plain: what timm's training script does: `timm.data.create_loader` (DataLoader, PIL transforms, here with the same
   crop and flip), `timm.data.Mixup`, `timm.optim.create_optimizer_v2`, `ModelEmaV3`; loading in the same thread;
 - timm's defaults: the same with the transforms that the script has by default (resized crop, flip, color jitter).
Times are CPU time of the process, which on one thread is wall time without what other programs took. Rounds interleave
the columns; the table has each one's best.

Then the whole machine in wall time, training images per second, with the validation after each epoch of the weights and
of their moving average that both do: the engine with one worker and with one per core, and the plain loop as it is
fastest: one torch thread per core, loading in its own thread or in as many DataLoader workers; or one torch thread, and
DataLoader workers on the other cores. On a busy machine its threads wait for one another and it all but stops. Of each
network: `speedup_vs_plain` is engine against the fastest plain loop on all cores, `scaling` the engine with one worker
per core against one worker, `fraction_of_limit` ours against the limit on one thread. At the top level stands the
network in the middle.
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

from nars.evaluate import open_engine
from nars.images import ImageData, Split, StreamedSplit, load_images
from nars.network import build
from nars.parallel import usable_cores
from nars.recipe import Normalizer, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.space import Architecture, load_space, quantity, shorten, sobol
from nars.tasks import ImageClassification, Trial

BATCH = {"digits": 64, "cifar10": 128}
NETWORKS = {"digits": "0.3M,1M,2.4M", "cifar10": "1M,4M,12M"}
RECIPE = Recipe(
    learning_rate=0.005, dropout=0.1, stochastic_depth=0.1, mixup=0.1, weight_decay=1e-5, label_smoothing=0.1
)
STEPS = 10
"""Per measurement."""


@dataclass(frozen=True)
class Candidate:
    """A network to measure."""

    name: str
    """Its FLOPs as people write them."""
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
        _network(candidate),
        RECIPE,
        data,
        TrainingSettings(schedule=Schedule(epochs=10_000), batch_size=batch, ema_decay=0.999),
        seed=0,
    )

    def steps() -> int:
        images = 0
        while images < STEPS * batch:
            images += loop.train_epoch(max_steps=STEPS - images // batch).images
        return images

    return steps


class Plain:
    """timm's training script in its own parts."""

    def __init__(
        self, candidate: Candidate, data: ImageData, batch: int, *, defaults: bool = False, workers: int = 0
    ) -> None:
        self._batch, self._done = batch, 0
        self._model = _network(candidate).train()
        self._loader = _loader(data, data.train, batch, training=True, workers=workers)
        self._validation = _loader(data, data.validation, batch, training=False, workers=workers)
        if not defaults:
            dataset: Any = self._loader.dataset
            crop = transforms.RandomCrop(data.resolution, padding=round(data.resolution / 8), padding_mode="reflect")
            to_numpy = dataset.transform.transforms[-1]
            dataset.transform = transforms.Compose([crop, transforms.RandomHorizontalFlip(), to_numpy])
        self._mixup: Any = Mixup(
            mixup_alpha=RECIPE.mixup, label_smoothing=RECIPE.label_smoothing, num_classes=len(data.classes)
        )  # type: ignore[no-untyped-call]
        self._criterion = SoftTargetCrossEntropy()  # type: ignore[no-untyped-call]
        self._optimizer = create_optimizer_v2(
            self._model, opt="rmsproptf", lr=0.005, weight_decay=1e-5, momentum=0.9, eps=1e-3
        )
        self._average = ModelEmaV3(self._model, decay=0.999, use_warmup=True)
        self._forever = self._batches()

    def steps(self) -> int:
        """Train for some steps; returns the number of images."""
        for _ in range(STEPS):
            self._step(*next(self._forever))
        return STEPS * self._batch

    def epoch(self) -> int:
        """Train for an epoch and validate; returns the number of training images."""
        self._model.train()
        images = 0
        for batch in self._loader:
            self._step(*batch)
            images += len(batch[0])
        with torch.inference_mode():
            for model in (self._model.eval(), self._average.module.eval()):
                right = 0.0
                for images_of_batch, labels in self._validation:
                    right += (model(images_of_batch).argmax(1) == labels).sum().item()
        return images

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self._loader

    def _step(self, images: Tensor, labels: Tensor) -> None:
        images, labels = self._mixup(images, labels)
        loss = self._criterion(self._model(images), labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._done += 1
        self._average.update(self._model, step=self._done)


def _loader(data: ImageData, split: Split | StreamedSplit, batch: int, *, training: bool, workers: int) -> Any:
    dataset: Any = Encoded(split.images, split.labels)
    return create_loader(
        dataset,
        (data.in_channels, data.resolution, data.resolution),
        batch,
        is_training=training,
        num_workers=workers,
        persistent_workers=workers > 0,
        mean=tuple(data.mean.tolist()),
        std=tuple(data.std.tolist()),
        device=torch.device("cpu"),
        pin_memory=False,
    )


COLUMNS: dict[str, Callable[[Candidate, ImageData, int], Callable[[], int]]] = {
    "limit": limit,
    "ours": ours,
    "plain": lambda *arguments: Plain(*arguments).steps,
    "timm's defaults": lambda *arguments: Plain(*arguments, defaults=True).steps,
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


def machine(candidates: list[Candidate], data: ImageData, batch: int, trials: int) -> dict[str, dict[str, float]]:
    """Training images per second of wall time, by network: the engine with one worker and with all, the plain loop."""
    cores = len(usable_cores())
    task = ImageClassification(data, TrainingSettings(schedule=Schedule(epochs=3, warmup_epochs=1), batch_size=batch))
    found: dict[str, dict[str, float]] = {candidate.name: {} for candidate in candidates}
    for workers in (1, cores):
        with open_engine("processes", task, workers=workers) as engine:
            for candidate in candidates:
                # These only start the workers and warm up.
                engine.run(_trials(candidate, task, 2 * workers), on_result=lambda _: None)
                start = time.perf_counter()
                engine.run(_trials(candidate, task, trials * workers), on_result=lambda _: None)
                images = trials * workers * 3 * (len(data.train) // batch) * batch
                found[candidate.name][f"engine, {workers} workers"] = images / (time.perf_counter() - start)
    for threads, workers in ((cores, 0), (cores, cores), (1, max(1, cores - 1))):
        torch.set_num_threads(threads)
        for candidate in candidates:
            loop = Plain(candidate, data, batch, workers=workers)
            loop.epoch()
            start, images = time.perf_counter(), 0
            while time.perf_counter() < start + 8.0:
                images += loop.epoch()
            rate = images / (time.perf_counter() - start)
            found[candidate.name][f"plain, {threads} threads, {workers} loaders"] = rate
    torch.set_num_threads(1)
    return found


def _trials(candidate: Candidate, task: ImageClassification, count: int) -> Iterator[Trial]:
    for seed in range(count):
        yield Trial(
            choices=(),
            record={"network": candidate.name},
            costs={},
            architecture=candidate.architecture,
            recipe=RECIPE.to_dict(),
            space="bench",
            data=task.data,
            fidelity=task.fidelity(3),
            epochs=3,
            seed=seed,
        )


def _network(candidate: Candidate) -> nn.Module:
    return build(candidate.architecture, dropout=RECIPE.dropout, stochastic_depth=RECIPE.stochastic_depth, seed=0)


def candidates(name: str, sizes: list[float]) -> list[Candidate]:
    """The networks of a Sobol pool whose FLOPs are nearest to these."""
    space = load_space(name)
    X = sobol(space, 4096, seed=0)
    flops = space.costs(X)["flops"]
    rows = [int(np.argmin(np.abs(np.log(flops / size)))) for size in sizes]
    return [Candidate(shorten(flops[row]), space.architectures(X[[row]])[0], float(flops[row])) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", choices=sorted(BATCH), default="digits")
    parser.add_argument("--data", help="folder of image sets, for cifar10; else the environment variable NARS_DATA")
    parser.add_argument("--networks", help="multiply-accumulates, e.g. 0.3M,1M,2.4M")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=6, help="for each worker, when all cores are measured")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    batch, sizes = BATCH[arguments.images], arguments.networks or NETWORKS[arguments.images]
    found = candidates(arguments.images, [quantity(size) for size in sizes.split(",")])
    data = load_images(
        arguments.images,
        resolution=found[0].architecture.resolution,
        validation_fraction=0.2,
        seed=0,
        root=arguments.data,
        max_train=None if arguments.images == "digits" else 2048,
    )
    table = Table(title=f"images per second on one thread: {arguments.images}, {data.resolution} px, batch {batch}")
    for column in ("network", *COLUMNS, "ours / plain", "ours / timm's defaults", "ours / limit"):
        table.add_column(column, justify="right")
    networks: dict[str, dict[str, float]] = {}
    for candidate in found:
        rate = rates(candidate, data, batch, arguments.rounds)
        against = {name: rate["ours"] / rate[name] for name in ("plain", "timm's defaults", "limit")}
        table.add_row(
            candidate.name, *(f"{rate[name]:.0f}" for name in COLUMNS), *(f"{ratio:.2f}" for ratio in against.values())
        )
        networks[candidate.name] = {f"one thread, ours / {name}": round(ratio, 3) for name, ratio in against.items()}
    Console().print(table)
    wall = machine(found, data, batch, arguments.trials)
    table = Table(
        "network", *wall[found[0].name], title="training images per second of wall time, all cores, validation included"
    )
    for name, rate in wall.items():
        table.add_row(name, *(f"{value:.0f}" for value in rate.values()))
        one, every, *plains = rate.values()
        networks[name] |= {
            "speedup_vs_plain": round(every / max(plains), 3),
            "scaling": round(every / one, 3),
            "fraction_of_limit": networks[name]["one thread, ours / limit"],
        }
    Console().print(table)
    middle = networks[found[len(found) // 2].name]
    result = {
        "images": arguments.images,
        **{name: middle[name] for name in ("speedup_vs_plain", "fraction_of_limit", "scaling")},
        "networks": networks,
        "cores": len(usable_cores()),
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
