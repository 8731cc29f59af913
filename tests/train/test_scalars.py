import json
import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nars.errors import NarsWarning
from nars.stages.watching import watching
from nars.train import EpochReport, TrainError, open_scalars, scalars_of

REPORT = EpochReport(epoch=2, epochs=3, loss=0.5, accuracy=90.0, ema_accuracy=91.0, learning_rate=0.01, seconds=4.0)
SIDE_BY_SIDE = (("teacher", 1), ("teacher", 2), ("flops=200k", 1), ("400k", 1), ("400k", 2), ("flops=200k", 2))
"""Trainings with the epochs that they report, as they come."""


def watched(watcher: str, folder: Path) -> None:
    """Real trainings' reports through the real watcher."""
    with watching([watcher], folder=folder, name="digits") as watch:
        for training, epoch in SIDE_BY_SIDE:
            watch(training, replace(REPORT, epoch=epoch, loss=1 / epoch))


@pytest.mark.filterwarnings("default")  # TensorBoard's reader warns of its own code
def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    scalars = open_scalars("tensorboard", folder=tmp_path, name="x")
    scalars.write(REPORT.epoch, scalars_of(REPORT))
    scalars.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    found = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert found == {
        "loss": [(2, 0.5)],
        "accuracy": [(2, 90.0)],
        "ema_accuracy": [(2, 91.0)],
        "learning_rate": [(2, pytest.approx(0.01))],
    }


def test_an_unknown_or_missing_watcher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="tensorboard, mlflow, wandb"):
        open_scalars("visdom", folder=tmp_path, name="x")
    try:
        import mlflow  # noqa: F401
    except ImportError:
        with pytest.raises(TrainError, match="pip install mlflow"):
            open_scalars("mlflow", folder=tmp_path, name="x")


@pytest.mark.filterwarnings("default")  # of its own code
def test_mlflow_keeps_the_curves_of_trainings_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed: pip install nars[trackers]")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    watched("mlflow", tmp_path)
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("Default").experiment_id])
    assert (run.info.run_name, run.info.status) == ("digits", "FINISHED")
    for training in ("teacher", "flops_200k", "400k"):
        found = client.get_metric_history(run.info.run_id, f"{training}/loss")
        assert [(one.step, one.value) for one in found] == [(1, 1.0), (2, 0.5)]


@pytest.mark.filterwarnings("default")
def test_wandb_keeps_the_curves_of_trainings_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="Weights & Biases is not installed: pip install nars[trackers]")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    watched("wandb", tmp_path)
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    rows = list(history_in(file))
    for training in ("teacher", "flops=200k", "400k"):
        found = [(row["epoch"], row[f"{training}/loss"]) for row in rows if f"{training}/loss" in row]
        assert found == [(1, 1.0), (2, 0.5)]


def history_in(file: Path) -> Iterator[dict[str, Any]]:
    """What was logged, from the file that `wandb sync` uploads: LevelDB's log of protobuf records."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, held = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32_768 - at % 32_768 < 7:
            at += 32_768 - at % 32_768
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        held += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            record = Record.FromString(held)
            held = b""
            if record.WhichOneof("record_type") == "history":
                yield {
                    "/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item
                }


def test_a_watcher_that_fails_later_ends_no_training(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with watching(["tensorboard"], folder=tmp_path, name="digits") as watch:
        watch("400k", REPORT)
        with pytest.warns(NarsWarning, match="tensorboard gets no more curves: .*; training goes on"):
            watch("400k", replace(REPORT, loss="none"))  # type: ignore[arg-type]
        watch("400k", replace(REPORT, loss=math.nan))
