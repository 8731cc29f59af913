"""What `nars store export` wrote, as the samples that it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from nars.arrays import Ints
from nars.errors import DataError
from nars.files import TableFile, number_of
from nars.metric import ACCURACY, Metric
from nars.space import Space, SpaceError, one_message
from nars.store import Sample
from nars.store.rows import ALSO, CHOICE, COST, METRIC, NOTE, fields_of, fixed
from nars.trials.trials import Trials, TrialTable, gather, key_of, with_costs

_MARKS = frozenset({"key", "space", "data", "fidelity", "cost_convention", "choices", "status", "seed", "curve"})


def is_export(file: TableFile) -> bool:
    """Whether the file is an exported store."""
    return set(file.columns) >= _MARKS and any(name.startswith(CHOICE) for name in file.columns)


def read_export(file: TableFile, space: Space) -> TrialTable:
    """The samples of an exported store; with those of an older version of the space, where their choices still exist.

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
    X, faults, _ = space.cells(choices, rows=file.rows, literal=False).read()
    if faults:
        lines = [f"row {fault.row + 1}: {fault.setting} {fault.text}" for fault in faults]
        raise SpaceError(f"{file.path}: {one_message(f'cells that are no choices of {space.name}', lines)}")
    X = space.canonical(X)
    bare = space if space.computes_costs else replace(space, table=None)
    known = {space.fingerprint, bare.fingerprint}
    metric = _metric(file)
    columns = _fixed(file, metric)
    costs = {name.removeprefix(COST): file[name] for name in file.columns if name.startswith(COST)}
    also = {name: file[name] for name in file.columns if name.startswith((ALSO, NOTE))}
    called = {"versions": "versions", **fields_of(metric)}
    del called["choices"]
    samples = []
    for row, record in enumerate(space.to_records(X)):
        given = {
            called[name]: cells[row] for name, cells in columns.items() if name in called and cells[row] is not None
        }
        more = {name.partition(".")[2]: cells[row] for name, cells in also.items() if cells[row] not in (None, "")}
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
    return _table(file, space, bare, X, samples, tuple(remarks))


def _table(
    file: TableFile, space: Space, bare: Space, X: Ints, samples: list[Sample], remarks: tuple[str, ...]
) -> TrialTable:
    accuracy = np.array([np.nan if sample.result is None else sample.result for sample in samples])
    names = [
        name for name in samples[0].costs if all(name in sample.costs for sample in samples if sample.status == "ok")
    ]
    if not space.cost_names and names:
        rows = [row for row, sample in enumerate(samples) if all(name in sample.costs for name in names)]
        space = with_costs(
            space, X[rows], {name: np.array([samples[row].costs[name] for row in rows]) for name in names}
        )
    trials = Trials(
        name=file.path.stem, space=bare, X=X, accuracy=accuracy, status=[s.status for s in samples], samples=samples
    )
    return replace(gather(trials.name, space, X, accuracy[:, None]), trials=trials, remarks=remarks)


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


def _whole(cell: Any) -> int | None:
    number = _real(cell)
    if number is not None and not number.is_integer():
        raise ValueError
    return None if number is None else int(cell) if isinstance(cell, int) else int(number)


def _list(cell: Any) -> tuple[float, ...]:
    values = json.loads(cell or "[]") if isinstance(cell, str) else cell or ()
    return tuple(map(float, values))


def _document(cell: Any) -> dict[str, str]:
    return dict(json.loads(cell or "{}") if isinstance(cell, str) or cell is None else cell)
