"""What a run trains candidates for where that is not our own training on images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nars.metric import Metric
from nars.run.config import OwnTask, RunConfig
from nars.run.identity import DataFacts
from nars.tasks import Measured, TaskError, TrainerCommand, TrainerFunction, Trial, digest, spell_epochs


@dataclass(frozen=True, kw_only=True)
class LoopTask:
    """What a loop trains for that asks for candidates and tells their outcomes: no engine can run it."""

    name: str
    metric: Metric
    data: str
    """Fingerprint of the name, and of what the loop trains on."""
    epochs: int

    def fidelity(self, epochs: int) -> str:
        """How thoroughly a trial of so many epochs is trained."""
        return f"{self.metric.name} of {self.name}, {spell_epochs(epochs, self.epochs)}"

    def prepare(self) -> None:
        """Nothing to load."""

    def set_up(self, trial: Trial, *, device: str) -> None:
        """As in `Task`: nothing is trained here."""

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """Refuse: whoever owns the loop trains.

        Raises:
            TaskError: always.
        """
        raise TaskError(f"the candidates of {self.name} are trained by a loop of your own: nars.open_loop, from Python")


OwnTrainer = TrainerFunction | TrainerCommand | LoopTask


def own_task(config: RunConfig, *, epochs: int | None = None, out: Path | None = None) -> OwnTrainer:
    """The user's function, command or loop.

    Args:
        config: names it.
        epochs: of a whole training; those of the search when None.
        out: where a command may leave what it trains, in a folder for each training; None: nothing is kept.
    """
    task, metric, epochs = config.task, config.measured, epochs or config.collect.epochs
    assert isinstance(task, OwnTask)
    if task.function is not None:
        return TrainerFunction(place=task.function, metric=metric, data_name=task.data, epochs=epochs)
    if task.loop is not None:
        data = digest("loop", task.loop, task.data)
        return LoopTask(name=task.loop, metric=metric, data=data, epochs=epochs)
    assert task.command is not None
    kept = None if out is None else str(out)
    return TrainerCommand(command=task.command, metric=metric, data_name=task.data, epochs=epochs, out=kept)


def own_facts(config: RunConfig) -> DataFacts:
    """What a run keeps of it."""
    task = config.task
    assert isinstance(task, OwnTask)
    return DataFacts(name=str(task.function or task.command or task.loop), fingerprint=own_task(config).data)
