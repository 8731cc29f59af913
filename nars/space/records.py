"""Candidates as people read them: one flat dict of settings each, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nars.space.architecture import Architecture
from nars.space.dimension import Dimension, Value
from nars.space.errors import SpaceError
from nars.space.settings import Fixed, Population, Setting

Record = Mapping[str, Value]


def to_records(
    dimensions: Sequence[Dimension], settings: Mapping[str, Setting], X: Population
) -> list[dict[str, Value]]:
    """Each row of X as {setting: value}, fixed settings included."""
    columns = []
    for setting in settings.values():
        if isinstance(setting, Fixed):
            columns.append([setting.value] * len(X))
        else:
            values = dimensions[setting.dimension].values
            columns.append([values[choice] for choice in X[:, setting.dimension].tolist()])
    return [dict(zip(settings, row, strict=True)) for row in zip(*columns, strict=True)]


def from_records(
    name: str, dimensions: Sequence[Dimension], settings: Mapping[str, Setting], records: Sequence[Record]
) -> Population:
    """The rows of readable candidates, not yet canonical; settings that are fixed or without effect may be left out.

    Raises:
        SpaceError: a setting is missing, unknown, or its value is none of the choices.
    """
    X = np.zeros((len(records), len(dimensions)), dtype=np.int64)
    for row, record in enumerate(records):
        unknown = sorted(set(record) - set(settings))
        if unknown:
            raise SpaceError(f"{name} has no setting {unknown[0]!r} (candidate {row}); it has {', '.join(settings)}")
        decided: dict[int, str] = {}
        for key, setting in settings.items():
            if _without_effect(key, record):
                continue
            if isinstance(setting, Fixed):
                if key in record and not _same(key, record, setting.value):
                    raise SpaceError(
                        f"{key} is fixed at {setting.value!r} in {name}, candidate {row} has {record[key]!r}; leave it "
                        f"out or widen the space"
                    )
                continue
            dimension = dimensions[setting.dimension]
            if key not in record:
                raise SpaceError(f"candidate {row} lacks {key!r}; choose one of {list(dimension.values)}")
            matches = [i for i, value in enumerate(dimension.values) if _same(key, record, value)]
            if not matches:
                raise SpaceError(
                    f"{key} takes one of {list(dimension.values)} in {name}, candidate {row} has {record[key]!r}"
                )
            first = decided.setdefault(setting.dimension, key)
            if first != key and X[row, setting.dimension] != matches[0]:
                raise SpaceError(
                    f"{first} and {key} are one choice in {name}, candidate {row} has {record[first]!r} and "
                    f"{record[key]!r}; make them equal, or give the two settings choices of their own"
                )
            X[row, setting.dimension] = matches[0]
    return X


def record_of(architecture: Architecture, recipe: Record) -> dict[str, Value]:
    """A written-out network and its recipe as one flat record."""
    document = architecture.to_dict()
    record: dict[str, Value] = {"resolution": architecture.resolution}
    record |= {f"{part}.{key}": value for part in ("stem", "head") for key, value in document[part].items()}
    for number, stage in enumerate(document["stages"], 1):
        record |= {f"stage{number}.{key}": value for key, value in stage.items()}
    return record | {f"recipe.{key}": value for key, value in recipe.items()}


def _without_effect(key: str, record: Record) -> bool:
    """What the later blocks read, in a stage of one block."""
    stage, _, tail = key.rpartition(".")
    return tail in ("kernel_rest", "expand_rest") and record.get(f"{stage}.depth") == 1


def _same(key: str, record: Record, choice: Value) -> bool:
    """Whether the record means this choice; a padding of kernel // 2 is the default padding, None."""
    given = record[key]
    stage, _, tail = key.rpartition(".")
    kernel = record.get(f"{stage}.kernel_first")
    if tail == "first_padding" and isinstance(kernel, int):
        given, choice = (kernel // 2 if value is None else value for value in (given, choice))
    return _equal(given, choice)


def _equal(a: Value, b: Value) -> bool:
    """Equality of choices: numbers up to rounding, True is not 1."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool) | isinstance(b, bool):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-15)
    return type(a) is type(b) and a == b
