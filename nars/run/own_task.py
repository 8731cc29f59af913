"""What a run trains candidates for where that is not our own training on images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nars.run.config import OwnTask, RunConfig
from nars.run.identity import DataFacts

if TYPE_CHECKING:
    from nars.tasks import TrainerCommand, TrainerFunction


def own_task(
    config: RunConfig, *, epochs: int | None = None, out: Path | None = None
) -> TrainerFunction | TrainerCommand:
    """The user's function or command.

    Args:
        config: names it.
        epochs: of a whole training; those of the search when None.
        out: where a command may leave what it trains, in a folder for each training; None: nothing is kept.
    """
    from nars.tasks import TrainerCommand, TrainerFunction

    task, metric, epochs = config.task, config.measured, epochs or config.collect.epochs
    assert isinstance(task, OwnTask)
    if task.function is not None:
        return TrainerFunction(place=task.function, metric=metric, data_name=task.data, epochs=epochs)
    assert task.command is not None
    kept = None if out is None else str(out)
    return TrainerCommand(command=task.command, metric=metric, data_name=task.data, epochs=epochs, out=kept)


def own_facts(config: RunConfig) -> DataFacts:
    """What a run keeps of it."""
    task = config.task
    assert isinstance(task, OwnTask)
    return DataFacts(name=str(task.function or task.command), fingerprint=own_task(config).data)
