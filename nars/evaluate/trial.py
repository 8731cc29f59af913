"""What is trained in the search, and how: the same for every engine that runs it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nars.errors import UserError
from nars.recipe import IMAGENET_DECAY, Augmentation, Schedule
from nars.space import AnyArchitecture


class EvaluationError(UserError):
    """Settings that no candidate can be trained with, or an engine that cannot run; the message names the way out."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One candidate to train: plain values only, so that it travels to another process or machine."""

    key: str
    """Content hash, as in `Sample`: equal keys are the same training."""
    choices: tuple[int, ...]
    """(D,), its row of choice indices."""
    record: Mapping[str, Any]
    """Every setting by name."""
    costs: Mapping[str, float]
    architecture: AnyArchitecture
    recipe: Mapping[str, Any]
    """Settings of `nars.recipe.Recipe`."""
    space: str
    """Fingerprint of the search space."""
    epochs: int
    """Train for so many, 1 <= epochs <= the schedule's; the schedule stays the one of the whole training."""
    seed: int
    """Of initial weights and of everything random in the training, >= 0."""
    round: int = 0


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How the candidates of a search are trained: all alike, or their accuracies could not be compared."""

    schedule: Schedule
    batch_size: int = 256
    """Images per step, >= 1."""
    augmentation: Augmentation = Augmentation()  # noqa: RUF009  # frozen
    learning_rate_scale: float = 1.0
    """Factor on every recipe's learning rate, > 0."""
    ema_decay: float = IMAGENET_DECAY
    """In [0, 1)."""
    amp: bool = False
    """Compute in bfloat16: for GPUs; on CPUs without bfloat16 units it is slower."""
    compiler: str | None = None
    """Backend of `torch.compile`, such as "inductor"; None does not compile. It changes results in rounding only."""
    threads: int = 1
    """torch threads per training, >= 1; the small networks of a CPU search scale better by more workers."""
    time_limit: float | None = None
    """Seconds a training may take; longer ones end as a row with status "timeout"."""
    memory_limit: float | None = None
    """Gigabytes of memory a training may allocate; one that needs more ends as "out_of_memory". On Linux, and not for
    the memory of a GPU, which has an end of its own."""

    def __post_init__(self) -> None:
        _require(self.batch_size >= 1, "batch_size", ">= 1", self.batch_size)
        _require(self.threads >= 1, "threads", ">= 1", self.threads)
        for name in ("learning_rate_scale", "time_limit", "memory_limit"):
            value = getattr(self, name)
            _require(value is None or 0.0 < value < math.inf, name, "> 0", value)
        _require(0.0 <= self.ema_decay < 1.0, "ema_decay", ">= 0 and < 1", self.ema_decay)

    def fidelity(self, epochs: int) -> str:
        """How thoroughly these settings train for `epochs` epochs, as canonical JSON: equal text, comparable
        accuracies.

        Limits are not part of it: they decide whether there is an accuracy, not which.
        """
        document = {
            "epochs": epochs,
            "schedule": asdict(self.schedule),
            "batch_size": self.batch_size,
            "augmentation": asdict(self.augmentation),
            "learning_rate_scale": self.learning_rate_scale,
            "ema_decay": self.ema_decay,
            "amp": self.amp,
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _require(holds: bool, name: str, rule: str, got: object) -> None:
    if not holds:
        raise EvaluationError(f"{name} must be {rule}; got {got!r}.")
