"""The trainers of `trainers.py` as tasks, and trials of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nars.metric import Metric
from nars.tasks import Task, TrainerCommand, TrainerFunction, Trial

HERE = str(Path(__file__).parent)
F1 = Metric(name="f1", low=0.0, high=1.0)
PROGRAM = f"{sys.executable} trainers.py {{settings}} {{epochs}} {{seed}} {{device}}"


def function(name: str = "learn", **changes: Any) -> TrainerFunction:
    return TrainerFunction(**{"place": f"trainers:{name}", "metric": F1, "folder": HERE} | changes)


def command(line: str = PROGRAM, **changes: Any) -> TrainerCommand:
    return TrainerCommand(**{"command": line, "metric": F1, "folder": HERE} | changes)


def trial_of(task: Task, seed: int = 0, *, epochs: int = 3, **settings: Any) -> Trial:
    """A trial of a trainer in `trainers.py`."""
    record = {"trainer": "learn", "level": 0.1, "f": 1.0, "words": 'a "b" {c}', **settings}
    return Trial(
        choices=(0,),
        record=record,
        costs={"size": 1.0},
        architecture=None,
        recipe={},
        space="test",
        data=task.data,
        metric=task.metric,
        fidelity=task.fidelity(epochs),
        epochs=epochs,
        seed=seed,
    )
