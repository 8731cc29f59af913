"""Curves of final training for whoever watches: TensorBoard, MLflow, Weights & Biases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nars.train import EpochReport, open_scalars, scalars_of

Watch = Callable[[str, EpochReport], None]
"""watch(name of the training, how it stands), after every epoch."""


@contextmanager
def watching(watchers: Sequence[str], *, folder: Path, name: str) -> Iterator[Watch]:
    """Send the curves of all trainings inside to the watchers, as "TRAINING/accuracy" and so on.

    One run of the watcher for all of them, since they train side by side and MLflow knows one active run at a time.

    Args:
        watchers: Of `nars.train.WATCHERS`; none sends nothing.
        folder: Of the run; TensorBoard's files go to tensorboard/ in it.
        name: Of the run.

    Raises:
        TrainError: a watcher is not installed.
    """
    with ExitStack() as stack:
        opened = [open_scalars(watcher, folder=folder / "tensorboard", name=name) for watcher in watchers]
        for scalars in opened:
            stack.callback(scalars.close)

        def watch(training: str, report: EpochReport) -> None:
            for scalars in opened:
                scalars.write(report.epoch, {f"{training}/{key}": v for key, v in scalars_of(report).items()})

        yield watch
