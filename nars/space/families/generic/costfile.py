"""The costs of a generic space as its file gives them: sums over choices, a table beside it, or a function."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nars.arrays import Floats
from nars.files import TableFile, TableFileError, number_of, read_table
from nars.space.dimension import Choice, CostTable, Population
from nars.space.errors import SpaceError, SpaceWarning
from nars.space.families.generic.functions import FunctionCosts
from nars.space.families.generic.tables import AdditiveCostTable, ListedCostTable
from nars.space.files.document import Document, KeyPath
from nars.space.reading import Cells, one_message
from nars.space.space import Space

_LARGEST = 1e15
_ROW_NUMBERS = ("", "unnamed: 0", "__index_level_0__")
"""Headings of a frame's row numbers, which are no costs."""


def read_costs(entry: Any, space: Space, document: Document) -> CostTable:
    """The costs that a space file names under `costs`.

    Either the path of a .csv, .json or .parquet file, relative to the space file, with one column per setting that
    costs depend on (by its name) and one per cost; or {cost: {base: number, setting: [number per choice]}}, summed
    over the settings that have an effect (`when`); or {function: package.module:name}, of a module beside the space
    file, in the working folder, or installed; or in `folder`, which a copy of the space names.

    Raises:
        SpaceError: with file, line and fix.
    """
    if isinstance(entry, str):
        path = Path(document.source).parent / entry
        try:
            return _from_file(path, space)
        except (SpaceError, TableFileError) as error:
            raise SpaceError(f"{document.where(('costs',))}: {error}") from error
    if not isinstance(entry, Mapping) or not entry:
        raise SpaceError(
            f"{document.where(('costs',))}: takes the name of a .csv, .json or .parquet file, a mapping of costs, or "
            f"function: package.module:name, got {entry!r}"
        )
    if isinstance(entry.get("function"), str):
        return _from_function(entry, space, document)
    base = {name: _base(own, ("costs", name), document) for name, own in entry.items()}
    parts = {name: _parts(own, ("costs", name), space, document) for name, own in entry.items()}
    columns = {column for own in parts.values() for column in own}
    conditions = {column: space.dimensions[column].active_when for column in sorted(columns)}
    return AdditiveCostTable(
        base=base, parts=parts, active_when={column: rules for column, rules in conditions.items() if rules}
    )


def _from_function(entry: Mapping[str, Any], space: Space, document: Document) -> FunctionCosts:
    if other := [name for name in entry if name not in ("function", "folder")]:
        raise SpaceError(
            f"{document.where(('costs', other[0]))}: a function gives all costs; drop {other[0]}, or the function"
        )
    own = [entry["folder"]] if isinstance(entry.get("folder"), str) else []  # of a space that is kept elsewhere
    folders = (*own, str(Path(document.source).absolute().parent), str(Path.cwd()))
    costs = FunctionCosts(space=space, place=entry["function"], folders=tuple(dict.fromkeys(folders)))
    try:
        _ = costs.fingerprint  # which calls it
    except SpaceError as error:
        raise SpaceError(f"{document.where(('costs', 'function'))}: {error}") from error
    return costs


def _base(parts: Any, path: KeyPath, document: Document) -> float:
    if not isinstance(parts, Mapping):
        raise SpaceError(f"{document.where(path)}: takes base and a list of numbers per setting, got {parts!r}")
    return _number(parts.get("base", 0), (*path, "base"), document)


def _parts(parts: Mapping[str, Any], path: KeyPath, space: Space, document: Document) -> dict[int, Floats]:
    found = {}
    for name, values in parts.items():
        if name == "base":
            continue
        if name not in space.index:
            raise SpaceError(
                f"{document.where((*path, name))}: no choice is called {name!r}; there are {', '.join(space.index)}"
            )
        choices = space.dimensions[space.index[name]].values
        if not isinstance(values, list) or len(values) != len(choices):
            raise SpaceError(
                f"{document.where((*path, name))}: takes one number for each of {list(choices)}, in this order, got "
                f"{values!r}"
            )
        found[space.index[name]] = np.array([_number(value, (*path, name), document) for value in values])
    return found


def _number(value: Any, path: KeyPath, document: Document) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST:
        raise SpaceError(f"{document.where(path)}: takes numbers, got {value!r}")
    return float(value)


def _from_file(path: Path, space: Space) -> ListedCostTable:
    table = read_table(path, what="a table of costs")
    columns = [space.index[name] for name in table.columns if name in space.index]
    costs = [name for name in table.columns if name not in space.index and name.strip().casefold() not in _ROW_NUMBERS]
    if not columns or not costs:
        raise SpaceError(
            f"{path} needs one column per setting that costs depend on ({', '.join(space.index)}) and one per cost, "
            f"got {table.headings}"
        )
    X = _choices(table, columns, space)
    values, faults = {}, []
    for name in costs:
        numbers = [number_of(cell) for cell in table[name]]
        values[name] = np.array([np.nan if number is None else number for number in numbers])
        for row in np.flatnonzero(~np.isfinite(values[name])).tolist():
            faults.append(f"row {row + 1}: cost {name!r} is no number: {table[name][row]!r}")
    if faults:
        raise SpaceError(f"{path}: {one_message('cells that are no costs', faults)}")
    _warn_of_two_costs(path, X[:, columns], values)
    return ListedCostTable.from_rows(space, X, values, columns=columns)


def _choices(table: TableFile, columns: Sequence[int], space: Space) -> Population:
    """The rows (M, D) of the table, with the first choice of all settings that it does not have."""
    for column in columns:
        ruling = [condition.dimension for condition in space.dimensions[column].active_when]
        if absent := [space.dimensions[other].name for other in ruling if other not in columns]:
            name = space.dimensions[column].name
            raise SpaceError(
                f"{table.path} has {name}, which counts for some choices of {absent[0]} only; add a column {absent[0]}"
            )
    # Dimensions by their own names here: "stage1.kernel" for what two settings read.
    own = {dimension.name: Choice(column) for column, dimension in enumerate(space.dimensions) if column in columns}
    cells = Cells(
        dimensions=space.dimensions,
        settings=own,
        columns={name: table[name] for name in own},
        rows=table.rows,
        literal=False,
        tolerance={name: table.tolerance[name] for name in own if name in table.tolerance},
    )
    X, faults, _ = cells.read()
    if faults:
        lines = [f"row {fault.row + 1}: {fault.setting} {fault.text}" for fault in faults]
        raise SpaceError(f"{table.path}: {one_message(f'cells that are no choices of {space.name}', lines)}")
    return X


def _warn_of_two_costs(path: Path, X: Population, costs: Mapping[str, Floats]) -> None:
    _, which = np.unique(X, axis=0, return_inverse=True)
    which = which.ravel()
    for name, values in costs.items():
        low, high = np.full(len(X), np.inf), np.full(len(X), -np.inf)
        np.minimum.at(low, which, values)
        np.maximum.at(high, which, values)
        differ = np.flatnonzero((high - low > 1e-9 * np.maximum(np.abs(high), np.abs(low))) & np.isfinite(low))
        if len(differ):
            rows = (np.flatnonzero(which == differ[0])[:2] + 1).tolist()
            warnings.warn(
                f"{path}: {len(differ):,} candidates are listed with several values of {name}, the first in rows "
                f"{rows[0]} and {rows[1]}; the last one counts",
                SpaceWarning,
                stacklevel=2,
            )
