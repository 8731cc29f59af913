"""What `nars store export` wrote, as the samples that it was."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from nars.errors import DataError
from nars.files import TableFile, number_of
from nars.metric import ACCURACY, Metric
from nars.space import Space, SpaceError, one_message
from nars.store import Sample
from nars.store.rows import ALSO, CHOICE, COST, METRIC, NOTE, fields_of, fixed
from nars.trials.trials import TrialTable, key_of, trials_of

_MARKS = frozenset({"key", "space", "data", "fidelity", "status", "seed"})
"""Columns without which it is a table as others write it; the rest may have been taken out."""
_ABSENT: Mapping[str, Any] = {"epochs": 0, "planned_epochs": 0, "seconds": 0.0}
"""What is taken for columns that a sample must have."""


def is_export(file: TableFile) -> bool:
    """Whether the file is an exported store, some columns of which may have been left out."""
    return set(file.columns) >= _MARKS and any(name.startswith(CHOICE) for name in file.columns)


def read_export(file: TableFile, space: Space, *, nearest: bool = False) -> TrialTable:
    """The samples of an exported store; with those of an older version of the space, where their choices still exist.

    Args:
        file: the export.
        space: of its samples.
        nearest: take the nearest choice for numbers between two, as a tool may have rounded them.

    Raises:
        DataError: a row is damaged.
        SpaceError: a choice is none of the space's.
    """
    prefixed = {name: name.removeprefix(CHOICE) for name in file.columns if name.startswith(CHOICE)}
    if strange := [setting for setting in prefixed.values() if setting not in space.settings]:
        raise SpaceError(
            f"{file.path} is a store of another space: {space.name} has no setting {strange[0]!r}; give the space that "
            f"it was collected in"
        )
    choices = {setting: file[name] for name, setting in prefixed.items()}
    X, faults, _ = space.cells(choices, rows=file.rows, literal=False, nearest=nearest).read()
    if faults:
        lines = [f"row {fault.row + 1}: {fault.setting} {fault.text}" for fault in faults]
        rounded = not nearest and not space.cells(choices, rows=file.rows, literal=False, nearest=True).read()[1]
        hint = "; --nearest takes the nearest choice, where a tool has rounded the numbers" if rounded else ""
        raise SpaceError(f"{file.path}: {one_message(f'cells that are no choices of {space.name}', lines)}{hint}")
    X = space.canonical(X)
    bare = space if space.computes_costs else replace(space, table=None)
    known = {space.fingerprint, bare.fingerprint}
    metric = _metric(file)
    columns = _fixed(file, metric)
    costs = {name.removeprefix(COST): file[name] for name in file.columns if name.startswith(COST)}
    also = {name: file[name] for name in file.columns if name.startswith((ALSO, NOTE))}
    called = {"versions": "versions", **fields_of(metric)}
    del called["choices"]
    absent = {field: value for field, value in _ABSENT.items() if field not in columns}
    samples = []
    for row, record in enumerate(space.to_records(X)):
        given = absent | {
            called[name]: cells[row] for name, cells in columns.items() if name in called and cells[row] is not None
        }
        more = {
            name.partition(".")[2]: _said(cells[row]) if name.startswith(ALSO) else cells[row]
            for name, cells in also.items()
            if cells[row] not in (None, "")
        }
        own = {name: n for name, cells in costs.items() if (n := number_of(cells[row])) is not None and np.isfinite(n)}
        try:
            sample = Sample(record=record, choices=tuple(X[row]), costs=own, also=more, metric=metric, **given)
        except (TypeError, ValueError) as error:
            raise DataError(f"{file.path}: row {row + 1}: {error}") from None
        if sample.space not in known:
            sample = replace(sample, key=key_of([sample.key, space.fingerprint]), space=space.fingerprint)
        samples.append(sample)
    old = sum(there not in known for there in columns["space"])
    remarks = [*file.remarks, *([f"{old:,} rows were measured in another version of the space"] if old else [])]
    return replace(trials_of(samples, space, name=file.path.stem), remarks=tuple(remarks))


def _metric(file: TableFile) -> Metric:
    """What the rows measure."""
    said = next((text for text in file[METRIC] if text), None) if METRIC in file.columns else None
    if said is None:
        return ACCURACY
    try:
        return Metric(**json.loads(said))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{file.path}: {METRIC} must be the JSON of a metric; got {said!r:.200}; export it again"
        ) from error


def _fixed(file: TableFile, metric: Metric) -> dict[str, list[Any]]:
    """The columns that every store has, as Python values."""
    columns, faults = {}, []
    for entry in fixed(metric):
        name = entry.name
        if name not in file.columns:
            continue
        (convert, takes), found = _reader(entry), list[Any]()
        for row, cell in enumerate(file[name]):
            try:
                found.append(convert(cell))
            except (TypeError, ValueError, OverflowError):
                faults.append(f"row {row + 1}: {name} takes {takes}, got {cell!r}")
        columns[name] = found
    faults += [f"row {row + 1}: the key is missing" for row, key in enumerate(columns["key"]) if not key]
    if faults:
        raise DataError(f"{file.path}: {one_message('cells that are none of a store', faults)}; export it again")
    return columns


def _reader(column: pa.Field) -> tuple[Callable[[Any], Any], str]:
    """What reads the cells of a column that every store has, and what they have to be."""
    kind = column.type
    if column.name == "versions":
        return _document, "a JSON record"
    if pa.types.is_list(kind):
        return _list, "a JSON list of numbers"
    if pa.types.is_string(kind):
        return lambda cell: None if cell is None else str(cell), "text"
    return (_whole, "a whole number") if pa.types.is_integer(kind) else (_real, "a number")


def _real(cell: Any) -> float | None:
    if cell is None or cell == "":
        return None
    number = number_of(cell)
    if number is None:
        raise ValueError
    return number


def _said(cell: Any) -> Any:
    """What stands among the numbers that a trainer says: CSV has them as text."""
    number = math.nan if isinstance(cell, str) and cell.strip().casefold() == "nan" else number_of(cell)
    return cell if number is None else number


def _whole(cell: Any) -> int | None:
    if isinstance(cell, str) and re.fullmatch(r"\s*[-+]?\d+\s*", cell):
        return int(cell)  # a float of it would be rounded beyond 2**53
    number = _real(cell)
    if number is not None and not number.is_integer():
        raise ValueError
    return None if number is None else int(cell) if isinstance(cell, int) else int(number)


def _list(cell: Any) -> tuple[float, ...]:
    if isinstance(cell, str):
        text = cell.strip() or "[]"
        if (text[0], text[-1]) != ("[", "]"):
            raise ValueError
        cell = text[1:-1].replace(",", " ").split()  # also as NumPy prints it
    return tuple(map(float, cell or ()))


def _document(cell: Any) -> dict[str, str]:
    return dict(json.loads(cell or "{}") if isinstance(cell, str) or cell is None else cell)
