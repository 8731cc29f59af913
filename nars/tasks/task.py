"""The seam between search and training: what an engine must know of a task to run its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nars.errors import UserError
from nars.files import Value
from nars.metric import Metric
from nars.tasks.trial import Trial


class TaskError(UserError):
    """The task cannot be run here, whatever the candidate; the message says what is missing and the fix."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A candidate after an epoch, in the unit of the task's metric."""

    value: float
    averaged: float | None = None
    """The same of the averaged weights; None where the trial keeps none."""
    also: Mapping[str, Value] = field(default_factory=dict)
    """What else there is to say of the epoch, by name; a sample keeps the last of it."""


class Task(Protocol):
    """What a trial is trained for, on which data, measured by which metric. It travels to other processes by pickling;
    the tensors that it holds are mapped there, not copied."""

    @property
    def metric(self) -> Metric:
        """What `train` yields."""

    @property
    def data(self) -> str:
        """Fingerprint of the data; samples of other data do not mix."""

    def fidelity(self, epochs: int) -> str:
        """How thoroughly a trial of so many epochs is trained: equal text, comparable values."""

    def set_up(self, trial: Trial, *, device: str) -> None:
        """Make what the trials of this process share and this one needs, such as a GPU's context.

        It is called before a trial's time and memory are counted.

        Raises:
            TaskError: as `train`.
        """

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """Train a candidate, and measure it after each epoch: `trial.epochs` times.

        What comes out depends on the task and the trial only: on the CPU to the last bit, with the same number of
        threads.

        Args:
            trial: What to train.
            device: Where to train: "cpu", "cuda:0", ...
            check: To be called every few steps: raises when the trial has had its time, and must not be caught.

        Raises:
            TaskError: nothing can be trained here; it ends the run and counts against nobody.
            DivergedError: the training left the numbers; a value that is not finite says the same.
            MemoryError: there is not enough of it.
            Exception: anything else that this candidate cannot be trained for.
        """
