"""How the campaign trains: the candidate regimes, the two-way design, and how a training is measured and kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nars import network
from nars.evaluate import open_engine
from nars.files import Value
from nars.images import ImageData, Split, load_images
from nars.metric import ACCURACY, Metric
from nars.parallel import describe_device, start_device
from nars.recipe import Augmentation, Recipe, Schedule, Teaching, TrainingLoop, TrainingSettings
from nars.space import Bounds, Population, Space, load_space, sobol
from nars.store import Sample, SampleStore
from nars.tasks import Measured, Trial, make_trials
from nars.tasks.images import keep_weights

SEED = 0
"""Of the images and of the design."""

_EACH_EPOCH = 512
"""Validation images that the curve is measured on."""


@dataclass(frozen=True, kw_only=True)
class Regime:
    """How thoroughly every pair is trained, and which pairs there are."""

    image_set: str
    space: str
    images: int
    """Training images, a stratified subset."""
    validation: int
    """Validation images: all of them after the last epoch, the first 256 after each."""
    epochs: int
    flops: tuple[float, float]
    """Multiply-accumulates of the architectures, which choose the resolution of their images too."""
    batch_size: int = 64
    """For recipes that do not say."""

    def settings(self) -> TrainingSettings:
        """Cosine to zero; what the recipe says goes first."""
        return TrainingSettings(
            schedule=Schedule(epochs=self.epochs, warmup_epochs=1, kind="cosine"),
            batch_size=self.batch_size,
            augmentation=Augmentation(flip=self.image_set != "digits"),
        )

    def load(self) -> ImageData:
        """The image subset; read from the folder NARS_DATA or downloaded."""
        return load_images(
            self.image_set,
            resolution=8,  # until an architecture asks for its own
            validation_fraction=0.1,
            validation_images=self.validation,
            max_train=self.images,
            seed=SEED,
        )


_CIFAR10 = Regime(image_set="cifar10", space="campaign", images=1000, validation=5000, epochs=45, flops=(0.04e6, 1.6e6))

REGIMES = {
    "a": _CIFAR10,
    "b": replace(_CIFAR10, images=2000, epochs=15),
    "c": replace(_CIFAR10, images=4000, epochs=8),
    "d": replace(_CIFAR10, epochs=30),
    "rehearsal": Regime(
        image_set="digits", space="campaign", images=96, validation=100, epochs=2, flops=(0.04e6, 1.6e6)
    ),
}


@dataclass(frozen=True)
class RegimeTask:
    """Top-1 accuracy: of a few images after each epoch, of all of them after the last.

    Measuring thousands of images every epoch would take longer than training on a thousand. Weights are not averaged
    unless a decay is given: where the learning rate ends at zero the average of the last steps is the last weights.
    """

    images: ImageData
    regime: Regime
    teaching: Teaching | None = None
    """Who teaches beside the labels."""
    teacher: str = ""
    """Which teacher that is."""
    ema_decay: float | None = None
    """Of averaged weights, which then count."""
    tested: bool = False
    """Whether test images are looked at too, once, after the last epoch: the sample's `also["test"]`."""
    keep: Path | None = None
    """File that gets the weights at the end."""

    @property
    def metric(self) -> Metric:
        """As in `Task`."""
        return ACCURACY

    @property
    def data(self) -> str:
        """As in `Task`."""
        return self.images.fingerprint

    def fidelity(self, epochs: int) -> str:
        """As in `Task`: the settings, and who teaches."""
        text = self._settings(epochs).fidelity(epochs)
        if self.teaching is None:
            return text
        taught = self.teaching.described() | {"teacher": self.teacher}
        return json.dumps(json.loads(text) | taught, sort_keys=True, separators=(",", ":"))

    def _settings(self, epochs: int) -> TrainingSettings:
        """Shorter trainings than the regime's are those stopped early, longer ones have a schedule of their length."""
        settings = replace(self.regime, epochs=max(epochs, self.regime.epochs)).settings()
        return settings if self.ema_decay is None else replace(settings, ema_decay=self.ema_decay)

    def set_up(self, trial: Trial, *, device: str) -> None:
        """As in `Task`."""
        start_device(device)

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """As in `Task`."""
        assert trial.architecture is not None
        start = time.process_time()  # what it takes where nothing else runs
        averaged = self.ema_decay is not None
        recipe = replace(Recipe.from_dict(trial.recipe), ema=averaged)
        dropout, depth = recipe.dropout, recipe.stochastic_depth
        model = network.build(trial.architecture, seed=trial.seed, dropout=dropout, stochastic_depth=depth)
        images = self.images.at(trial.architecture.resolution)
        loop = TrainingLoop(
            model, recipe, images, self._settings(trial.epochs), seed=trial.seed, device=device, teaching=self.teaching
        )
        whole = images.validation
        assert isinstance(whole, Split)
        part = Split(images=whole.images[:_EACH_EPOCH], labels=whole.labels[:_EACH_EPOCH])
        for epoch in range(1, trial.epochs + 1):
            loop.train_epoch()
            check()
            last = epoch == trial.epochs
            on = whole if last else part
            value, mean = loop.accuracy(on), loop.accuracy(on, ema=True) if averaged else None
            also: dict[str, Value] = {"cpu_seconds": time.process_time() - start}
            if last and self.tested:
                also["test"] = loop.accuracy(images.test, ema=averaged)
            if last and self.keep is not None:
                keep_weights(loop, self.keep, averaged=averaged)
            yield Measured(value=value, averaged=mean, also=also)


@dataclass(frozen=True)
class Design:
    """Every architecture with every recipe, some seeds each."""

    space: Space
    architectures: Population
    """(A, D) rows whose architecture counts, in the order of their multiply-accumulates."""
    recipes: Population
    """(R, D) rows whose recipe counts."""
    seeds: int

    @property
    def size(self) -> int:
        """Trainings in all."""
        return len(self.architectures) * len(self.recipes) * self.seeds

    def trials(self, task: RegimeTask) -> Iterator[Trial]:
        """Recipe by recipe, so that what is there is complete for the first recipes; `round` is the recipe's number."""
        columns = self.space.columns_of("recipe")
        for number, recipe in enumerate(self.recipes):
            rows = self.architectures.copy()
            rows[:, columns] = recipe[columns]
            for seed in range(self.seeds):
                yield from make_trials(
                    self.space,
                    self.space.canonical(rows),
                    data=task.data,
                    fidelity=task.fidelity(task.regime.epochs),
                    epochs=task.regime.epochs,
                    seed=SEED + seed,
                    number=number,
                )


def space_of(regime: Regime, data: ImageData) -> Space:
    """The regime's space, for its images."""
    return load_space(regime.space, classes=len(data.classes), in_channels=data.in_channels)


def design(regime: Regime, data: ImageData, *, architectures: int, recipes: int, seeds: int) -> Design:
    """Architectures evenly over the regime's multiply-accumulates (on a log scale), recipes from a Sobol sequence.

    Raises:
        SystemExit: the space has no such architectures.
    """
    space = space_of(regime, data)
    chosen = []
    for number, wanted in enumerate(np.geomspace(*regime.flops, architectures)):
        pool = sobol(space, 32, seed=SEED + number, bounds=Bounds({"flops": (0.85 * wanted, 1.15 * wanted)}))
        if len(pool) == 0:
            raise SystemExit(f"{space.name} has no network of {wanted:,.0f} multiply-accumulates; change the regime's")
        chosen.append(pool[np.argmin(np.abs(space.costs(pool)["flops"] - wanted))])
    return Design(space, np.stack(chosen), sobol(space, recipes, seed=SEED + 1), seeds)


def collect(
    task: RegimeTask, trials: Sequence[Trial], store: Path, *, workers: int, device: str = "cpu"
) -> Iterator[Sample]:
    """Train what the store lacks; each outcome is a file of its own at once, so that it can be stopped at any time."""
    samples = SampleStore(store)
    known = samples.keys()
    waiting = [trial for trial in trials if trial.key not in known]
    at_once = 4 * workers  # said together, kept one by one
    host = f"{os.cpu_count()} CPU cores, {'no GPU' if device == 'cpu' else describe_device(device)}"
    with open_engine("in-process" if workers == 1 else "processes", task, workers=workers, device=device) as engine:
        for start in range(0, len(waiting), at_once):
            done: list[Sample] = []

            def keep(sample: Sample, done: list[Sample] = done) -> None:
                done.append(replace(sample, host=host))  # not the machine's name
                samples.append(done[-1:])

            engine.run(waiting[start : start + at_once], on_result=keep)
            yield from done
