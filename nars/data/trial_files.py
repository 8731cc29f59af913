"""Finished trials from files of other tools: CSV, Parquet, JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nars.data.errors import DataError
from nars.data.sample import plain
from nars.data.trials import Floats, TrialTable, gather, with_costs
from nars.space import Fixed, Space, Value

if TYPE_CHECKING:
    import pandas as pd


def read_trials(
    path: str | Path,
    space: Space,
    *,
    accuracy: Sequence[str],
    status: str | None = None,
    succeeded: Collection[str] = ("ok", "success", "succeeded", "completed", "complete", "done", "true", "1"),
    columns: Mapping[str, str] | None = None,
    costs: Mapping[str, str] | None = None,
    scale: float = 1.0,
) -> TrialTable:
    """Finished trials from a CSV, Parquet or JSON file (a list of records, or {column: values}).

    Rows of the same candidate are further seeds. A row whose status is not one of `succeeded`, or whose accuracy is
    missing or NaN, is a failed training, not a zero.

    Args:
        path: the file; its suffix says the format.
        space: what the choices are choices of. Costs of the file become the costs of a generic space.
        accuracy: columns with accuracies, one per seed.
        status: column that says how a training ended; None if there is none.
        succeeded: statuses that count as success, in lower case.
        columns: {setting of the space: column}, where the names differ.
        costs: {cost: column}, for generic spaces.
        scale: factor on accuracies: 100 where the file has fractions.

    Raises:
        DataError: the file is missing or of no known form, a column is missing, or no row succeeded.
        SpaceError: a value is none of the space's choices.
    """
    frame = _frame(Path(path))
    names = {
        name: (columns or {}).get(name, name)
        for name, setting in space.settings.items()
        if not isinstance(setting, Fixed)
    }
    wanted = [*names.values(), *accuracy, *(costs or {}).values(), *([status] if status else [])]
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}; it has {', '.join(map(str, frame.columns))}. Name the columns of "
            f"choices, accuracies, costs and status as they stand there"
        )
    records = [
        {name: plain(value) for name, value in zip(names, row, strict=True)}
        for row in frame[list(names.values())].itertuples(index=False, name=None)
    ]
    X = space.from_records([_like_the_space(space, record) for record in records])
    values = np.stack([_numbers(frame[column]) for column in accuracy], axis=1) * scale
    if status is not None:
        values[~frame[status].astype(str).str.strip().str.lower().isin(set(succeeded)).to_numpy()] = np.nan
    if costs:
        if space.kind != "generic":
            raise DataError(f"{space.name} computes its costs itself; leave `costs` out, they are for generic spaces")
        space = with_costs(space, X, {name: _numbers(frame[column]) for name, column in costs.items()})
    return gather(Path(path).stem, space, X, values)


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"trials are read from {', '.join(readers)} files, got {path.name!r}; convert it to one")
    if not path.is_file():
        raise DataError(f"there is no file {path}; check the path")
    try:
        return reader(path)  # type: ignore[operator, no-any-return]
    except (ValueError, OSError) as error:
        raise DataError(f"{path} was not read as {path.suffix[1:]}: {error}; check that it is whole") from None


def _numbers(column: Any) -> Floats:
    """Numbers of a column, NaN for what is none."""
    import pandas as pd

    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)


def _like_the_space(space: Space, record: Mapping[str, Any]) -> dict[str, Value]:
    """Values of a file as the space writes them: CSV has no whole numbers beside a gap, nor yes and no."""
    out: dict[str, Value] = {}
    for name, value in record.items():
        setting = space.settings[name]
        assert not isinstance(setting, Fixed)
        values = space.dimensions[setting.dimension].values
        same = [choice for choice in values if str(choice).lower() == str(value).lower()]
        out[name] = same[0] if same else value
    return out
