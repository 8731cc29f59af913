"""What the campaign trains: which pairs, how thoroughly, in which order. Shared by the campaign's scripts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nars.evaluate import evaluate_trial
from nars.images import ImageData, load_images
from nars.recipe import Augmentation, Schedule, TrainingSettings
from nars.space import Bounds, Population, Space, sobol
from nars.store import Sample, SampleStore
from nars.tasks import ImageClassification, Trial, make_trials

SEED = 0
"""Of the pairs, of the image subsets, and of every pair's first training."""


def raw_samples(folder: Path) -> tuple[Sample, ...]:
    """The samples of a store, judged by the raw weights: an average over 125 steps lags behind what it averages."""
    return tuple(
        replace(sample, averaged=None, averaged_curve=()) for sample in SampleStore(folder, must_exist=True).samples()
    )


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How thoroughly a pair is trained."""

    images: int
    """Training images, a stratified subset."""
    validation: int
    """Validation images, measured after every epoch."""
    epochs: int
    batch_size: int
    resolution: int
    """Side of the images, pixels, whatever the space says."""
    ema_decay: float

    def settings(self, *, flip: bool) -> TrainingSettings:
        """As the library wants it: cosine to zero after one epoch of warm-up."""
        return TrainingSettings(
            schedule=Schedule(epochs=self.epochs, warmup_epochs=1, kind="cosine"),
            batch_size=self.batch_size,
            augmentation=Augmentation(flip=flip),
            ema_decay=self.ema_decay,
        )


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """The image set, the space and the fidelity of one campaign."""

    image_set: str
    space: Space
    strata: tuple[Bounds, ...]
    """FLOPs ranges that get equally many pairs."""
    fidelity: Fidelity
    """Of the samples."""
    flip: bool
    """Whether mirroring an image keeps its label."""

    def images(self) -> ImageData:
        """The fidelity's image subset at its resolution; read from the folder NARS_DATA or downloaded."""
        return load_images(
            self.image_set,
            resolution=self.fidelity.resolution,
            validation_fraction=0.1,
            validation_images=self.fidelity.validation,
            max_train=self.fidelity.images,
            seed=SEED,
        )

    def pairs(self, per_stratum: int = 400) -> Population:
        """Sobol pairs, the strata in turn, so that any prefix covers the FLOPs range, (strata * per_stratum, D)."""
        parts = [
            sobol(self.space, per_stratum, seed=SEED + number, bounds=bounds)
            for number, bounds in enumerate(self.strata)
        ]
        shortest = min(map(len, parts))
        return np.stack([part[:shortest] for part in parts], axis=1).reshape(-1, len(self.space.dimensions))

    def trial(self, row: Population, images: ImageData, *, seed: int) -> Trial:
        """Training one pair, a row of choices (D,)."""
        (trial,) = make_trials(
            self.space,
            row[None],
            data=images.fingerprint,
            fidelity=self.described(),
            epochs=self.fidelity.epochs,
            seed=seed,
        )
        assert trial.architecture is not None
        return replace(trial, architecture=replace(trial.architecture, resolution=self.fidelity.resolution))

    def described(self) -> str:
        """The fidelity as a sample names it: the settings, and the resolution, which is not the record's."""
        settings = self.fidelity.settings(flip=self.flip).fidelity(self.fidelity.epochs)
        return f'{settings[:-1]},"resolution":{self.fidelity.resolution}}}'

    def train(self, trials: Iterable[Trial], images: ImageData, store: Path) -> Iterator[Sample]:
        """Train what the store lacks, one after the other in this process; each outcome is kept at once."""
        samples = SampleStore(store)
        known = samples.keys()
        task = ImageClassification(images, self.fidelity.settings(flip=self.flip))
        for trial in trials:
            if trial.key in known:
                continue
            sample = evaluate_trial(trial, task)
            sample = replace(sample, host=f"{os.cpu_count()} CPU cores, no GPU")  # not the machine's name
            samples.append([sample])
            yield sample


def repeated(number: int) -> bool:
    """Whether the pair at this place of `Campaign.pairs` is trained with three seeds: 60 of the first 300."""
    return number < 300 and (number // 5) % 5 == 0


def schedule(X: Population) -> Iterator[tuple[Population, int]]:
    """(row, seed) in the order of training; the repetitions of a pair follow at once."""
    for number, row in enumerate(X):
        for seed in range(3 if repeated(number) else 1):
            yield row, SEED + seed


def say(lines: Iterable[str]) -> int:
    """Print the lines as the work that yields them goes on; Ctrl-C stops it; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started this in the background, deaf to both
        signal.signal(number, signal.default_int_handler)
    try:
        for line in lines:
            print(line, flush=True)
    except KeyboardInterrupt:
        print("stopped; every finished training is kept, the same command goes on")
        return 130
    return 0
