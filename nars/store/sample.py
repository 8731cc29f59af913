"""One measured candidate: what was trained, how, and what came out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np

from nars.errors import StoreError
from nars.files import Value
from nars.metric import ACCURACY, Metric

Written = TypeVar("Written", bound=Value)

Status = Literal["ok", "diverged", "out_of_memory", "timeout", "error"]
"""How a training ended."""

STATUSES: tuple[str, ...] = get_args(Status)

COST_CONVENTION = "multiply-accumulates of convolutions and linear layers"
"""What "flops" means unless a sample says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The outcome of one training, a row of the store.

    Raises:
        StoreError: the fields contradict each other, such as a value on a failed training.
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
    """Fingerprint of the data."""
    fidelity: str
    """How thoroughly it was trained, as text: two samples are comparable when this is equal."""
    metric: Metric = ACCURACY
    """What was measured."""
    value: float | None = None
    """What the training came to (of images: validation accuracy of the raw weights); None unless `status` is "ok"."""
    averaged: float | None = None
    """The same of the averaged weights; None without them or unless `status` is "ok"."""
    curve: tuple[float, ...] = ()
    """(epochs,), the value after each epoch; a failed training keeps what it got to."""
    averaged_curve: tuple[float, ...] = ()
    also: Mapping[str, Value] = field(default_factory=dict)
    """What else a trainer says of its last epoch."""
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
        if self.status == "ok" and (self.value is None or not math.isfinite(self.value)):
            raise StoreError(
                f"a sample with status ok needs its {self.metric.name}, got {self.value}. Give the value, or the "
                f"status that says what went wrong."
            )
        if self.status != "ok" and (self.value is not None or self.averaged is not None):
            raise StoreError(
                f"a failed training has no {self.metric.name} (not even 0), got {self.value} with status "
                f"{self.status}. Leave value and averaged None."
            )
        if not self.key:
            what = {name: getattr(self, name) for name in ("space", "record", "fidelity", "data", "seed")}
            object.__setattr__(self, "key", sample_key(**what))
        for name, kind in (("choices", int), ("curve", float), ("averaged_curve", float)):
            object.__setattr__(self, name, tuple(map(kind, getattr(self, name))))
        object.__setattr__(self, "message", _encodable(self.message))
        object.__setattr__(self, "also", {_encodable(name): _encodable(value) for name, value in self.also.items()})

    @property
    def result(self) -> float | None:
        """The value that counts: of the averaged weights where the recipe has them; None unless `status` is "ok"."""
        return self.value if self.averaged is None else self.averaged

    @property
    def result_curve(self) -> tuple[float, ...]:
        """(epochs,), the value that counts after each epoch."""
        return self.averaged_curve or self.curve


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


def _encodable(value: Written) -> Written:
    """Text that fits a file, as half a surrogate pair (of a name that is no UTF-8) does not; others as they are."""
    return cast(Written, value.encode(errors="backslashreplace").decode()) if isinstance(value, str) else value


def _canonical(value: Value) -> Value:
    value = plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
