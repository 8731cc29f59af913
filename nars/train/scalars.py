"""Curves for whoever watches: one small interface, and the watchers that people use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from nars.errors import require
from nars.train.member import EpochReport
from nars.train.result import TrainError


@dataclass(frozen=True)
class Scalars:
    """Takes numbers over epochs."""

    write: Callable[[int, Mapping[str, float]], object]
    """write(epoch, values), counted from 1; after an interruption an epoch may come again, with equal values."""
    close: Callable[[], object]
    """Flush what is not written yet."""


def scalars_of(report: EpochReport) -> dict[str, float]:
    """The numbers of an epoch under their names."""
    metric = report.metric
    values = {"loss": report.loss, metric.name: report.accuracy, "learning_rate": report.learning_rate}
    return values if report.ema_accuracy is None else values | {metric.averaged: report.ema_accuracy}


def _tensorboard(folder: Path, _: str) -> Scalars:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(str(folder))

    def write(epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, epoch)

    return Scalars(write, writer.close)


def _mlflow(_: Path, name: str) -> Scalars:
    mlflow: Any = import_module("mlflow")
    mlflow.start_run(run_name=name)  # on the server that its environment names

    def write(epoch: int, values: Mapping[str, float]) -> None:
        mlflow.log_metrics({_NO_NAME.sub("_", name): value for name, value in values.items()}, step=epoch)

    return Scalars(write, mlflow.end_run)


_NO_NAME = re.compile(r"[^\w\-. :/]")
"""What MLflow does not take in a name: the + and = of a budget."""


def _wandb(_: Path, name: str) -> Scalars:
    run: Any = import_module("wandb").init(name=name)
    # Its own step only grows, and what comes after a later one is dropped: trainings side by side have epochs each.
    run.define_metric("epoch", hidden=True)
    run.define_metric("*", step_metric="epoch")
    return Scalars(lambda epoch, values: run.log({"epoch": epoch, **values}), run.finish)


WATCHERS: Mapping[str, Callable[[Path, str], Scalars]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}


_OFFLINE = {"wandb": " (WANDB_MODE=offline needs no login)", "mlflow": " (MLFLOW_TRACKING_URI=sqlite:///mlflow.db)"}


def open_scalars(watcher: str, *, folder: Path, name: str) -> Scalars:
    """A watcher by name.

    Args:
        watcher: One of `WATCHERS`.
        folder: Where TensorBoard's files go.
        name: The training's name: the run of MLflow and Weights & Biases.

    Raises:
        TrainError: no such watcher, it is not installed, or it cannot begin, as its server is not reached.
    """
    require(TrainError, watcher in WATCHERS, "who watches", f"one of {', '.join(WATCHERS)}", watcher)
    try:
        return WATCHERS[watcher](folder, name)
    except ImportError as error:
        raise TrainError(
            f"{watcher} is not installed; pip install {watcher} (all of them: nars[trackers]), or watch with another."
        ) from error
    except Exception as error:  # of its own kinds: no login, no server, a broken setting
        brief = " ".join(str(error).split())[:300].rstrip(".")
        raise TrainError(
            f"{watcher} cannot begin: {brief}. Mend that, see its own settings{_OFFLINE.get(watcher, '')}, or go on "
            f"without it: --set final.watch=[]"
        ) from error
