"""How fast this machine trains networks of a space: a step or two, measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from nars.images import ImageData, load_images
from nars.images.unsplit import TEST, TRAIN, VALIDATION, array_source
from nars.network import build
from nars.parallel import describe_device, resolve_device, torch_threads, worker_devices
from nars.recipe import Recipe, Schedule, TrainingLoop
from nars.run.config import Execution, RunConfig
from nars.run.fidelity import search_settings
from nars.run.starting import start_row
from nars.space import AnyArchitecture, Population, Space, sobol

_SECONDS = 0.4
"""Time for each network; steps that take longer are taken once."""

_OPERATIONS = 4e9
"""Multiply-accumulates of a step that is measured, at most; larger networks get fewer images."""

_CANDIDATES = 64

_WORTH = 1.2
"""Gain from which a training is to have all cores: on a machine that others use too, threads wait for each other."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds per image on one worker, as a straight line over FLOPs, and how many workers there are."""

    device: str
    """For people."""
    at_once: int
    """Trainings at once."""
    batch: int
    """Images of a measured step."""
    flops: tuple[float, float]
    """FLOPs of the two networks that were measured, ascending."""
    training: tuple[float, float]
    """Seconds per image of a training step."""
    evaluation: tuple[float, float]
    """Seconds per image of a look at the accuracy."""
    gain: float = 1.0
    """How many times as fast a training is with all cores as with one thread; 1 where that brings nothing."""

    @property
    def middle(self) -> float:
        """FLOPs halfway between the two networks."""
        return sum(self.flops) / 2

    @property
    def step_milliseconds(self) -> float:
        """The seconds of a step halfway."""
        return 1e3 * self.batch * self.train(self.middle)

    def train(self, flops: float) -> float:
        """Seconds per training image of a network of so many FLOPs."""
        return self._between(self.training, flops)

    def forward(self, flops: float) -> float:
        """Seconds per image of a look at the accuracy."""
        return self._between(self.evaluation, flops)

    def _between(self, ends: tuple[float, float], flops: float) -> float:
        """On the line through both ends; beyond them in proportion, so that it never falls below 0."""
        (low, high), (a, b) = self.flops, ends
        if high <= low or b <= a:
            return max(a, b) * max(1.0, flops / high)
        if flops < low:
            return a * max(flops / low, 0.5)
        return a + (b - a) * (flops - low) / (high - low)


def rehearse(
    config: RunConfig, execution: Execution, space: Space, *, images: ImageData | None = None, threads: int = 1
) -> Pace:
    """Train a small and a large network of stage 2's range on noise, and take the time.

    Args:
        config: range, batch size and augmentation are taken from it.
        execution: device and workers.
        space: with the classes and channels of the images.
        images: to train on in place of noise, so that cropping them counts.
        threads: on so many the large network is trained once more, for `Pace.gain`; not on a GPU.
    """
    X = sobol(space, _CANDIDATES, seed=config.seed, bounds=config.range)
    X = X[np.argsort(space.costs(X)["flops"], kind="stable")]
    rows = X[[len(X) // 4, 3 * len(X) // 4]]
    if config.collect.start:  # frozen layers are fast: what is planned is trained by this recipe
        recipe = space.columns_of("recipe")
        rows[:, recipe] = start_row(space, config.collect.start)[0, recipe]
    flops = space.costs(rows)["flops"]
    device = "cpu" if execution.engine == "ray" else resolve_device(execution.device)
    batch = max(2, min(config.collect.batch_size, int(_OPERATIONS / flops[1])))
    pairs = zip(space.architectures(rows), space.recipes(rows), strict=True)
    jobs = [(architecture, Recipe.from_dict(recipe)) for architecture, recipe in pairs]
    times = [_measured(config, *job, batch, device, images=images) for job in jobs]
    gain = 1.0
    if threads > 1 and device == "cpu":
        together, _ = _measured(config, *jobs[1], batch, device, images=images, threads=threads)
        gain = times[1][0] / together
    workers = execution.workers or None
    at_once = len(worker_devices(device, workers=workers, per_gpu=execution.per_gpu))
    return Pace(
        device=describe_device(device),
        at_once=1 if execution.engine == "in-process" else at_once,
        batch=batch,
        flops=(float(flops[0]), float(flops[1])),
        training=(times[0][0], times[1][0]),
        evaluation=(times[0][1], times[1][1]),
        gain=gain if gain >= _WORTH else 1.0,
    )


def slowness(
    config: RunConfig, execution: Execution, space: Space, row: Population, pace: Pace, *, images: ImageData | None
) -> float:
    """How many times as long the network of a row (1, D) takes to train as the pace says of its FLOPs; the other
    arguments are those of `rehearse`."""
    (architecture,), (recipe,) = space.architectures(row), space.recipes(row)
    flops = float(space.costs(row)["flops"][0])
    batch = max(2, min(config.collect.batch_size, int(_OPERATIONS / flops)))
    device = "cpu" if execution.engine == "ray" else resolve_device(execution.device)
    training, _ = _measured(config, architecture, Recipe.from_dict(recipe), batch, device, images=images)
    return training / pace.train(flops)


def _measured(
    config: RunConfig,
    architecture: AnyArchitecture,
    recipe: Recipe,
    batch: int,
    device: str,
    *,
    images: ImageData | None = None,
    threads: int = 1,
) -> tuple[float, float]:
    """Seconds per image of a training step and of an evaluation, by default one thread as in a worker."""
    data = _noise(architecture, batch) if images is None else images.seen_by(architecture)
    with torch_threads(threads):
        loop = TrainingLoop(
            build(
                architecture, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, seed=0, pretrained=False
            ),
            recipe,
            data,
            replace(
                search_settings(config, images=None),
                schedule=Schedule(epochs=1_000_000, warmup_epochs=1_000_000),  # so long that no step ends it
                batch_size=batch,
                compiler=None,
            ),
            seed=0,
            device=device,
        )
        batch = min(batch, len(data.train))
        training = _pace(lambda: loop.train_epoch(max_steps=1), _SECONDS)
        evaluation = _pace(lambda: loop.accuracy(data.validation), _SECONDS / 4)
    return training / batch, evaluation / len(data.validation)


def _noise(architecture: AnyArchitecture, count: int) -> ImageData:
    """Random pixels in the shape that a network takes; speed does not depend on what they show."""
    rng, side, classes = np.random.default_rng(0), architecture.resolution, architecture.classes
    pixels = rng.integers(0, 256, (3 * count, architecture.in_channels, side, side), dtype=np.uint8)
    source = array_source(
        classes=tuple(map(str, range(classes))),
        images=torch.from_numpy(pixels),
        labels=rng.integers(0, classes, 3 * count),
        part=np.repeat(np.array([TRAIN, VALIDATION, TEST], dtype=np.int8), count),
    )
    return load_images("noise", resolution=side, validation_fraction=0.5, seed=0, source=source)


def _pace(step: Callable[[], object], seconds: float) -> float:
    """Mean seconds of a step; the first, which sets things up, counts only where it takes all the time there is.

    The mean, not the best: where other programs use this machine too, the run will share it as well.
    """
    begin, times = time.perf_counter(), list[float]()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return float(np.mean(times[1:] or times))
