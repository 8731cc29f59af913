"""Curves for whoever watches: one small interface, and the watchers people use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, final

from nars.train.member import EpochReport
from nars.train.result import TrainError

WATCHERS = ("tensorboard", "mlflow", "wandb")


class Scalars(Protocol):
    """Takes numbers over epochs."""

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """The values after an epoch, counted from 1; after an interruption one may come again, with equal values."""

    def close(self) -> None:
        """Flush what is not written yet."""


def scalars_of(report: EpochReport) -> dict[str, float]:
    """The numbers of an epoch under their names."""
    values = {"loss": report.loss, "accuracy": report.accuracy, "learning_rate": report.learning_rate}
    return values if report.ema_accuracy is None else values | {"ema_accuracy": report.ema_accuracy}


def open_scalars(watcher: str, *, folder: Path, name: str) -> Scalars:
    """A watcher by name.

    Args:
        watcher: One of `WATCHERS`.
        folder: Where TensorBoard's files go.
        name: Of the training: the run of MLflow and Weights & Biases.

    Raises:
        TrainError: no such watcher, or it is not installed.
    """
    makers: dict[str, Callable[[], Scalars]] = {
        "tensorboard": lambda: TensorBoard(folder),
        "mlflow": lambda: MLflow(name),
        "wandb": lambda: WandB(name),
    }
    if watcher not in makers:
        raise TrainError(f"curves can go to {', '.join(WATCHERS)}; got {watcher!r}.")
    try:
        return makers[watcher]()
    except ImportError as error:
        raise TrainError(f"{watcher} is not installed; pip install {watcher}, or watch with another.") from error


@final
class TensorBoard:
    """Event files that TensorBoard reads."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """As in `Scalars`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)

    def close(self) -> None:
        """As in `Scalars`."""
        self._writer.close()


@final
class MLflow:
    """A run of MLflow, on the server that its environment names."""

    def __init__(self, name: str) -> None:
        self._mlflow: Any = import_module("mlflow")
        self._mlflow.start_run(run_name=name)

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """As in `Scalars`."""
        self._mlflow.log_metrics(dict(values), step=epoch)

    def close(self) -> None:
        """As in `Scalars`."""
        self._mlflow.end_run()


@final
class WandB:
    """A run of Weights & Biases."""

    def __init__(self, name: str) -> None:
        self._run: Any = import_module("wandb").init(name=name)

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """As in `Scalars`."""
        self._run.log(dict(values), step=epoch)

    def close(self) -> None:
        """As in `Scalars`."""
        self._run.finish()
