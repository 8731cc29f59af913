"""Curves of final training for whoever watches: TensorBoard, MLflow, Weights & Biases."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from nars.errors import NarsWarning
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

    One that fails later is warned of and left out.

    Raises:
        TrainError: a watcher is not installed, or cannot begin.
    """
    with ExitStack() as stack:
        opened = {
            watcher: open_scalars(watcher, folder=folder / "tensorboard", name=name)
            for watcher in dict.fromkeys(watchers)
        }
        for watcher, scalars in opened.items():
            stack.callback(_tried, watcher, scalars.close)

        def watch(training: str, report: EpochReport) -> None:
            values = {f"{training}/{key}": value for key, value in scalars_of(report).items()}
            for watcher, scalars in tuple(opened.items()):
                if not _tried(watcher, partial(scalars.write, report.epoch, values)):
                    del opened[watcher]

        yield watch


def _tried(watcher: str, act: Callable[[], object]) -> bool:
    """Do it; a watcher that fails, as when its server is gone, is no reason to end a training."""
    try:
        act()
    except Exception as error:  # of its own kinds
        brief = " ".join(str(error).split())[:300]
        warnings.warn(f"{watcher} gets no more curves: {brief}; training goes on", NarsWarning, stacklevel=3)
        return False
    return True
