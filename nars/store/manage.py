"""Looking after stores: what is in one, joining several, handing the rows on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from nars.errors import StoreError, require
from nars.files.atomic import replacing
from nars.metric import ACCURACY, Metric
from nars.store.kept_space import keep_space, kept_space
from nars.store.rows import COST, DEFAULTS, METRIC, Identity
from nars.store.store import SampleStore, first_of_each_key

_COUNTED_COSTS = ("flops", "params", "weights", "activations")
"""Costs that are counted, not measured, so that one training has one value."""


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """What is in a store."""

    path: str
    rows: int
    """Each key once."""
    repeated: int
    """Rows in the files beyond that; `compact` removes them."""
    files: int
    bytes: int
    identity: Identity | None
    versions: tuple[int, ...]
    """Schema versions of the files."""
    statuses: Mapping[str, int]
    """Rows by status, as below by round, by epochs trained and by fidelity."""
    rounds: Mapping[int, int]
    epochs: Mapping[int, int]
    fidelities: Mapping[str, int]
    metric: Metric
    best: float | None
    """Of the raw weights."""
    best_averaged: float | None
    """Of the averaged weights."""
    seconds: float
    """Training time paid for, all rows together."""
    costs: Mapping[str, tuple[float, float]]
    """Least and greatest of each cost."""


def store_info(store: SampleStore) -> StoreInfo:
    """Count what a store holds; reads a few columns.

    Raises:
        StoreError: the store cannot be read.
    """
    files, metric = store.files(), store.metric
    best = pc.max if metric.maximized else pc.min
    cost_names = sorted({name for file in files for name in file.schema.names if name.startswith(COST)})
    values = (metric.name, metric.averaged)
    table = store.columns(["status", "round", "epochs", "fidelity", *values, "seconds", *cost_names])
    return StoreInfo(
        path=store.path,
        rows=len(table),
        repeated=sum(file.rows for file in files) - len(table),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        identity=store.identity,
        versions=tuple(sorted({file.header.version for file in files})),
        statuses=_counts(table["status"]),
        rounds=_counts(table["round"], DEFAULTS["round"]),
        epochs=_counts(table["epochs"], DEFAULTS["epochs"]),
        fidelities=_counts(table["fidelity"], DEFAULTS["fidelity"]),
        metric=metric,
        best=best(table[metric.name]).as_py(),
        best_averaged=best(table[metric.averaged]).as_py(),
        seconds=pc.sum(table["seconds"], min_count=0).as_py(),
        costs={name.removeprefix(COST): tuple(pc.min_max(table[name]).as_py().values()) for name in cost_names},
    )


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge did."""

    added: int
    """Rows that the target did not have."""
    repeated: int
    """Rows that it had, or that several sources have."""


def merge_stores(sources: Sequence[SampleStore], target: SampleStore) -> Merged:
    """Add to `target` all rows of `sources`, each training once. Interrupted and repeated, it ends the same.

    A training that failed in one store and succeeded in another counts as succeeded.

    Raises:
        StoreError: the stores are of different spaces, data sets or metrics, or count costs differently: by what they
            say, or by giving one training two costs. Nothing has been written then.
    """
    held = [store for store in sources if store.identity is not None]
    if not held:
        return Merged(added=0, repeated=0)
    known = [(store.path, one) for store in [*held, target] if (one := store.identity) is not None]
    first, identity = known[0]
    for path, other in known[1:]:
        identity.refuse_mixing(other, here=first, there=path)
    _refuse_two_costs([*held, target])
    tables = [store.table() for store in held]
    rows = pa.concat_tables(tables, promote_options="permissive")
    # Every row competes by the store's own rule; the ones to write are the winners that are not in the target already.
    ranking = ["key", "status", "finished", "seconds"]
    contest = pa.concat_tables([target.columns(ranking), rows.select(ranking)]).append_column(
        "source", pa.array(np.arange(-len(target), len(rows)).clip(min=-1))
    )
    winners = first_of_each_key(contest, tie="source")["source"].to_numpy()
    winners = winners[winners >= 0]
    target.append_table(rows.take(winners), identity)
    kept = next((space for store in held if (space := kept_space(store.path)) is not None), None)
    if kept is not None:
        keep_space(target.path, kept)
    return Merged(added=len(winners), repeated=len(rows) - len(winners))


def _refuse_two_costs(stores: Sequence[SampleStore]) -> None:
    """Two stores that count alike give the same training the same costs."""
    tables = [store.columns(["key", *(COST + name for name in _COUNTED_COSTS)]) for store in stores]
    rows = pa.concat_tables(tables, promote_options="permissive")
    names = [name for name in rows.column_names if name != "key"]
    extremes = rows.group_by("key").aggregate([(name, "min") for name in names] + [(name, "max") for name in names])
    for name in names:
        low, high = extremes[f"{name}_min"].to_numpy(), extremes[f"{name}_max"].to_numpy()
        differ = np.flatnonzero(high > low * (1 + 1e-9))
        if len(differ):
            row = int(differ[0])
            raise StoreError(
                f"the stores {', '.join(store.path for store in stores)} count costs differently: training "
                f"{extremes['key'][row].as_py()} has {name.removeprefix(COST)} {low[row]:g} in one and {high[row]:g} "
                f"in another. Keep them in separate stores."
            )


def export_store(store: SampleStore, file: str | Path) -> int:
    """Write all rows to one file, in the store's order: `.parquet`, `.csv` (lists as JSON text) or `.jsonl`.

    Returns: the number of rows.

    Raises:
        StoreError: another suffix, or the file cannot be written.
    """
    path = Path(file)
    require(StoreError, path.suffix in _WRITERS, "the file's ending", f"one of {', '.join(_WRITERS)}", str(path))
    table = store.table()
    if store.metric != ACCURACY:
        table = table.append_column(METRIC, pa.array([json.dumps(store.metric.document)] * len(table), pa.string()))
    try:
        with replacing(path) as temporary:
            _WRITERS[path.suffix](table, temporary)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}. Choose another place.") from error
    return len(table)


def _counts(column: pa.ChunkedArray, default: Any = None) -> dict[Any, int]:
    """How often each value is there; null, of files without the column, stands for the default."""
    found: dict[Any, int] = {}
    for entry in column.value_counts().to_pylist():  # not fill_null, which loads pandas
        value = default if entry["values"] is None else entry["values"]
        found[value] = found.get(value, 0) + entry["counts"]
    return dict(sorted(found.items()))


def _write_csv(table: pa.Table, file: Path) -> None:
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [None if value is None else json.dumps(value) for value in table[field.name].to_pylist()]
            table = table.set_column(index, field.name, pa.array(texts, type=pa.string()))
    csv.write_csv(table, file)


def _write_lines(table: pa.Table, file: Path) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())


_WRITERS: Mapping[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": partial(pq.write_table, compression="zstd"),
    ".csv": _write_csv,
    ".jsonl": _write_lines,
}
