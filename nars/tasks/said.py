"""What a user's trainer says of an epoch, read strictly: every mistake has its rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nars.errors import EvaluationError
from nars.files import Value
from nars.metric import Metric
from nars.tasks.task import Measured

_KEY = "metric"
"""What the value may be called whatever the metric's name."""
_SHOWN = 100
"""Characters of a wrong value that a message repeats."""


def read_said(said: object, metric: Metric, *, epoch: int) -> Measured:
    """What a trainer says after an epoch: a number, or a mapping with one under the metric's name or "metric".

    More keys are kept: numbers as floats, truth values and texts as they are; None is nothing. A key "epoch" has to be
    right.

    Raises:
        EvaluationError: it is something else.
    """
    if not isinstance(said, Mapping):
        return Measured(value=_number(said, metric.name, epoch))
    names = [name for name in (metric.name, _KEY) if name in said]
    if not names:
        raise EvaluationError(
            f"a trainer gives the {metric.name} after each epoch, as {metric.name!r} or {_KEY!r}; after epoch {epoch} "
            f"it gave {_short(list(said)) if said else 'nothing'}."
        )
    values = [_number(said[name], metric.name, epoch) for name in names]
    if values[0] != values[-1] and values[0] == values[0]:
        raise EvaluationError(
            f"{metric.name!r} and {_KEY!r} are the same; after epoch {epoch} they are {values[0]} and {values[-1]}. "
            f"Give one of them."
        )
    if "epoch" in said and (isinstance(said["epoch"], bool) or said["epoch"] != epoch):
        raise EvaluationError(
            f"epochs are counted from 1, each said once; after epoch {epoch - 1} comes {epoch}, got "
            f"{_short(said['epoch'])}."
        )
    also = {key: _kept(key, value, epoch) for key, value in said.items() if key not in (metric.name, _KEY, "epoch")}
    return Measured(value=values[0], also={key: value for key, value in also.items() if value is not None})


def digest(*what: str) -> str:
    """Fingerprint of what decides which values can be compared: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def spell_epochs(epochs: int, whole: int) -> str:
    """ "10 epochs", or "4 of 10 epochs" where a training stops early."""
    of = "" if epochs == whole else f" of {whole}"
    return f"{epochs}{of} epoch{'s' * (whole > 1)}"


def _number(value: object, name: str, epoch: int) -> float:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EvaluationError(f"the {name} after each epoch is a number; after epoch {epoch} got {_short(value)}.")
    try:
        return float(value)
    except OverflowError:
        raise EvaluationError(f"the {name} after epoch {epoch} is too large a number: {_short(value)}.") from None


def _kept(key: object, value: object, epoch: int) -> Value:
    value = _plain(value)
    if not isinstance(key, str) or not key:
        raise EvaluationError(f"what is kept beside the metric has a name of letters; after epoch {epoch} got {key!r}.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _number(value, key, epoch)
    if isinstance(value, str):
        return value
    raise EvaluationError(
        f"{key!r} after epoch {epoch} must be a number, a truth value or text, to be kept in a column; got "
        f"{_short(value)}. Leave it out, or give each part a name."
    )


def _plain(value: object) -> object:
    """A scalar of NumPy, torch or the like as the Python value it stands for."""
    scalar: Any = value
    return scalar.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
