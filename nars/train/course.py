"""How a training goes through its epochs: straight on, with augmentation drawn as it goes, or learned (`online`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, final

import numpy as np

from nars.images import ImageData
from nars.recipe import Drawn, LearnedPolicy, Recipe, TrainingLoop

_DRAWS = 0x0D4A
"""Number of the random stream that `Drawn` draws from."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What an epoch has shown on validation images, in the unit of the metric: accuracy, unless a run has another."""

    loss: float
    accuracy: float
    ema_accuracy: float | None
    learning_rate: float
    """In its last step."""


class Course(Protocol):
    """Takes a training loop to the end of its schedule."""

    @property
    def done(self) -> bool:
        """Whether the loop holds what the training ends with."""

    @property
    def steps(self) -> tuple[int, int]:
        """Steps done, and in all."""

    @property
    def policy(self) -> LearnedPolicy | None:
        """The distribution that settings of augmentation are drawn from, as it stands; None where none are drawn."""

    def advance(self, max_steps: int | None) -> list[Epoch]:
        """Train to the end of the epoch under way, or for at most so many steps of it.

        Returns: the epochs that count from now on, in their order.
        """

    def state_dict(self) -> dict[str, Any]:
        """All that it needs to go on, as tensors and plain types."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` of one with the same arguments returned."""


@final
class Straight:
    """Epoch after epoch; where settings of augmentation are drawn, anew after each chunk.

    A draw is a function of seed and chunk, so there is nothing to save beside the loop.
    """

    def __init__(
        self, loop: TrainingLoop, data: ImageData, recipe: Recipe, *, epochs: int, seed: int, drawn: Drawn | None
    ) -> None:
        """A course of `epochs` epochs; `recipe` is the one that draws change."""
        self._loop, self._data, self._recipe, self._epochs = loop, data, recipe, epochs
        self._seed, self._drawn = seed, drawn
        self._vary()

    @property
    def epochs(self) -> int:
        """Of the whole training, as it stands."""
        return self._epochs

    def end_after(self, epochs: int) -> None:
        """End after so many epochs in all, as `TrainingLoop.end_after` has it."""
        self._loop.end_after(epochs)
        self._epochs = self._loop.epochs

    @property
    def done(self) -> bool:
        """As in `Course`."""
        return self._loop.epoch >= self._epochs

    @property
    def steps(self) -> tuple[int, int]:
        """As in `Course`."""
        per_epoch = self._loop.steps_per_epoch
        return self._loop.epoch * per_epoch + self._loop.step, self._epochs * per_epoch

    @property
    def policy(self) -> LearnedPolicy | None:
        """As in `Course`."""
        return None if self._drawn is None else self._drawn.policy

    def advance(self, max_steps: int | None) -> list[Epoch]:
        """As in `Course`."""
        epoch = train(self._loop, self._data, max_steps)
        if epoch is None:
            return []
        self._vary()
        return [epoch]

    def state_dict(self) -> dict[str, Any]:
        """As in `Course`."""
        return self._loop.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As in `Course`."""
        self._loop.load_state_dict(state)
        self._vary()

    def _vary(self) -> None:
        if self._drawn is not None:
            rng = np.random.default_rng([self._seed, _DRAWS, self._loop.epoch // self._drawn.chunk])
            self._loop.vary(replace(self._recipe, **self._drawn.policy.draw(rng)))  # type: ignore[arg-type]


def train(loop: TrainingLoop, data: ImageData, max_steps: int | None) -> Epoch | None:
    """Train to the end of the epoch, or for at most so many steps; what an epoch has shown that is at its end."""
    stats = loop.train_epoch(max_steps=max_steps)
    if loop.step > 0:
        return None
    value, averaged = loop.measure_both(data.validation)
    return Epoch(loss=stats.loss, accuracy=value, ema_accuracy=averaged, learning_rate=stats.learning_rate)
