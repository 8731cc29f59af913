"""The tasks by name."""

from __future__ import annotations

from collections.abc import Mapping

from nars.tasks.command import TrainerCommand
from nars.tasks.function import TrainerFunction
from nars.tasks.images import ImageClassification
from nars.tasks.task import Task

TASKS: Mapping[str, type[Task]] = {
    "images": ImageClassification,
    "function": TrainerFunction,
    "command": TrainerCommand,
}
