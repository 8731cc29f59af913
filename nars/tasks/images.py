"""Classification of images: a network learns by its recipe, and is measured on validation images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, final

from nars import network, recipe
from nars.metric import ACCURACY, Metric
from nars.parallel import start_device
from nars.tasks.task import Measured
from nars.tasks.trial import Trial

if TYPE_CHECKING:
    from nars.images import ImageData

_STEPS_BETWEEN_CHECKS = 16


def keep_weights(loop: recipe.TrainingLoop, file: Path, *, averaged: bool) -> None:
    """Write the weights that count: the averaged ones where the recipe has them."""
    from safetensors.torch import save

    from nars.files.atomic import write_bytes

    model = loop.ema_model if averaged else loop.model
    assert model is not None
    write_bytes(file, save({name: value.contiguous().cpu() for name, value in model.state_dict().items()}))


@final
@dataclass(frozen=True)
class ImageClassification:
    """A metric on validation images after each epoch, of the network and of its moving average."""

    images: ImageData
    """At any resolution; a candidate is trained at its own."""
    settings: recipe.TrainingSettings

    metric: Metric = ACCURACY
    """One of `nars.metric.IMAGE_METRICS`."""

    keep: Path | None = None
    """Folder that gets the weights of each candidate that was trained to its end, KEY.safetensors: the averaged ones
    where the recipe has them, as they are what counts. None keeps none."""

    @property
    def data(self) -> str:
        """Fingerprint of the images."""
        return self.images.fingerprint

    def fidelity(self, epochs: int) -> str:
        """As in `Task`: of the settings."""
        return self.settings.fidelity(epochs)

    def set_up(self, trial: Trial, *, device: str) -> None:
        """As in `Task`: the device is started."""
        start_device(device)

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """As in `Task`. A recipe of fewer epochs is measured as often, at the same shares of its training.

        Raises:
            RecipeError, NetworkError: the trial's recipe or network cannot be.
        """
        assert trial.architecture is not None, "images are classified by networks"
        by = recipe.Recipe.from_dict(trial.recipe)
        images = self.images.seen_by(trial.architecture)
        model = network.build(
            trial.architecture, dropout=by.dropout, stochastic_depth=by.stochastic_depth, seed=trial.seed
        )
        loop = recipe.TrainingLoop(model, by, images, self.settings, seed=trial.seed, device=device, metric=self.metric)
        configured = self.settings.schedule.epochs
        for epoch in range(1, trial.epochs + 1):
            # A shorter training is looked at when it has come as far as a whole one has after this epoch.
            if loop.epoch < (wanted := ceil(epoch * loop.epochs / configured)):
                while loop.epoch < wanted:
                    loop.train_epoch(max_steps=_STEPS_BETWEEN_CHECKS)
                    check()
                value, averaged = loop.measure_both(images.validation)
                measured = Measured(value=value, averaged=averaged)
            if self.keep is not None and epoch == trial.epochs:
                keep_weights(loop, self.keep / f"{trial.key}.safetensors", averaged=by.ema)
            yield measured
