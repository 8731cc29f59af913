"""One measured candidate: what was trained, how, and what came out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np

from nars.errors import StoreError
from nars.files import Value

Status = Literal["ok", "diverged", "out_of_memory", "timeout", "error"]
"""How a training ended."""

STATUSES: tuple[str, ...] = get_args(Status)

COST_CONVENTION = "multiply-accumulates of convolutions and linear layers"
"""What "flops" means unless a sample says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The outcome of one training, a row of the store. Accuracies are percentages, 0..100.

    Raises:
        StoreError: the fields contradict each other, such as an accuracy on a failed training.
    """

    key: str = ""
    """Content hash of what was trained, its own unless given: equal keys are the same training."""
    record: Mapping[str, Value]
    """Every setting by name, architecture and recipe."""
    choices: tuple[int, ...]
    """(D,), the candidate's row of choice indices in its space."""
    costs: Mapping[str, float]
    """Cost by name, such as flops and params."""
    status: Status
    epochs: int
    """Epochs trained, <= planned_epochs."""
    planned_epochs: int
    seconds: float
    """Wall time of training and evaluation."""
    seed: int
    space: str
    """Fingerprint of the search space."""
    data: str
    """Fingerprint of the image set."""
    fidelity: str
    """How thoroughly it was trained, as text: two samples are comparable when this is equal."""
    accuracy: float | None = None
    """Final validation accuracy of the raw weights; None unless `status` is "ok"."""
    ema_accuracy: float | None = None
    """Final validation accuracy of the averaged weights; None without them or unless `status` is "ok"."""
    curve: tuple[float, ...] = ()
    """(epochs,), validation accuracy after each epoch; a failed training keeps what it got to."""
    ema_curve: tuple[float, ...] = ()
    message: str = ""
    """What went wrong, for a person; empty when `status` is "ok"."""
    round: int = 0
    """Round of stage 2 that proposed it, from 0."""
    cost_convention: str = COST_CONVENTION
    """How `costs` were counted; stores that count differently do not mix."""
    host: str = ""
    device: str = "cpu"
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the packages that took part."""
    finished: str = ""
    """When, in ISO 8601."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise StoreError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}.")
        if self.status == "ok" and (self.accuracy is None or not math.isfinite(self.accuracy)):
            raise StoreError(
                f"a sample with status ok needs its accuracy, got {self.accuracy}. Give the percentage, or the status "
                f"that says what went wrong."
            )
        if self.status != "ok" and (self.accuracy is not None or self.ema_accuracy is not None):
            raise StoreError(
                f"a failed training has no accuracy (not even 0), got {self.accuracy} with status {self.status}. "
                f"Leave accuracy and ema_accuracy None."
            )
        if not self.key:
            what = {name: getattr(self, name) for name in ("space", "record", "fidelity", "data", "seed")}
            object.__setattr__(self, "key", sample_key(**what))
        for name, kind in (("choices", int), ("curve", float), ("ema_curve", float)):
            object.__setattr__(self, name, tuple(map(kind, getattr(self, name))))

    @property
    def result(self) -> float | None:
        """The accuracy that counts: of the averaged weights where the recipe has them; None unless `status` is "ok"."""
        return self.accuracy if self.ema_accuracy is None else self.ema_accuracy

    @property
    def result_curve(self) -> tuple[float, ...]:
        """(epochs,), the accuracy that counts after each epoch."""
        return self.ema_curve or self.curve


def sample_key(*, space: str, record: Mapping[str, Value], fidelity: str, data: str, seed: int) -> str:
    """Content hash of a training: 32 hexadecimal digits, the same in every process and on every machine.

    SHA-256 of canonical JSON. A whole number counts the same as int and as float, so a record that went through a table
    keeps its key.

    Raises:
        TypeError: a value of the record is not plain (string, number, truth value, None).
        ValueError: a number is NaN or infinite.
    """
    document = {
        "space": space,
        "record": {name: _canonical(value) for name, value in record.items()},
        "fidelity": fidelity,
        "data": data,
        "seed": int(seed),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def plain(value: Any) -> Value:
    """A NumPy scalar as the Python value it stands for; others as they are."""
    return cast(Value, value.item() if isinstance(value, np.generic) else value)


def _canonical(value: Value) -> Value:
    value = plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
