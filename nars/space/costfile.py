"""The costs of a generic space as its file gives them: sums over choices, or a table beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.space.dimension import Dimension
from nars.space.document import Document, KeyPath
from nars.space.errors import SpaceError
from nars.space.settings import CostTable
from nars.space.space import Space
from nars.space.tables import AdditiveCostTable, ArrayCostTable

_LARGEST = 1e15


def read_costs(entry: Any, space: Space, document: Document) -> CostTable:
    """The costs that a space file names under `costs`.

    Either the path of a .csv, .json or .parquet file, relative to the space file, with one column per setting that
    costs depend on (by its name) and one per cost; or {cost: {base: number, setting: [number per choice]}}, summed.

    Raises:
        SpaceError: with file, line and fix.
    """
    if isinstance(entry, str):
        path = Path(document.source).parent / entry
        try:
            return _from_frame(path, space)
        except SpaceError as error:
            raise SpaceError(f"{document.where(('costs',))}: {error}") from error
    if not isinstance(entry, Mapping) or not entry:
        raise SpaceError(
            f"{document.where(('costs',))}: takes the name of a .csv, .json or .parquet file, or a mapping of costs, "
            f"got {entry!r}"
        )
    return AdditiveCostTable(
        base={name: _base(parts, ("costs", name), document) for name, parts in entry.items()},
        parts={name: _parts(parts, ("costs", name), space, document) for name, parts in entry.items()},
    )


def _base(parts: Any, path: KeyPath, document: Document) -> float:
    if not isinstance(parts, Mapping):
        raise SpaceError(f"{document.where(path)}: takes base and a list of numbers per setting, got {parts!r}")
    return _number(parts.get("base", 0), (*path, "base"), document)


def _parts(parts: Mapping[str, Any], path: KeyPath, space: Space, document: Document) -> dict[int, NDArray[np.float64]]:
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


def _from_frame(path: Path, space: Space) -> ArrayCostTable:
    import pandas as pd

    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": pd.read_csv,
        ".json": pd.read_json,
        ".parquet": pd.read_parquet,
    }
    if path.suffix not in readers:
        raise SpaceError(f"a table of costs is a {', '.join(readers)} file, got {path.name}")
    try:
        frame = readers[path.suffix](path)
    except (OSError, ValueError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        raise SpaceError(f"{path} cannot be read as a table ({error}); check that it exists and is whole") from error
    columns = [space.index[name] for name in frame.columns if name in space.index]
    costs = [name for name in frame.columns if name not in space.index]
    if not columns or not costs:
        raise SpaceError(
            f"{path} needs one column per setting that costs depend on ({', '.join(space.index)}) and one per cost, "
            f"got {', '.join(map(str, frame.columns))}"
        )
    X = np.zeros((len(frame), len(space.dimensions)), dtype=np.int64)
    for column in columns:
        dimension = space.dimensions[column]
        X[:, column] = _indices(list(frame[dimension.name]), dimension, path)
    values = {}
    for name in costs:
        numbers = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise SpaceError(f"{path}, row {row + 1}: cost {name!r} is no number: {frame[name].iloc[row]!r}")
        values[str(name)] = numbers
    return ArrayCostTable.from_rows(space, X, values, columns=columns)


def _indices(values: list[Any], dimension: Dimension, path: Path) -> list[int]:
    """Choice index of each value of a column; numbers compare as numbers, everything else as text."""

    def key(value: Any) -> Any:
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        return float(f"{float(value):.9g}") if number else str(value)

    known = {key(value): choice for choice, value in enumerate(dimension.values)}
    found = [known.get(key(value)) for value in values]
    if None in found:
        row = found.index(None)
        raise SpaceError(
            f"{path}, row {row + 1}: {dimension.name} takes one of {list(dimension.values)}, got {values[row]!r}"
        )
    return [choice for choice in found if choice is not None]
