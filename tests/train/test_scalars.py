from pathlib import Path

import pytest

from nars.train import EpochReport, TrainError, open_scalars, scalars_of

REPORT = EpochReport(epoch=2, epochs=3, loss=0.5, accuracy=90.0, ema_accuracy=91.0, learning_rate=0.01, seconds=4.0)


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
