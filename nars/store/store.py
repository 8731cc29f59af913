"""The sample store: a folder of immutable Parquet files, written by many processes at once without locks.

Each append is one new file, written under a temporary name and renamed, so a reader sees all of its rows or none and a
killed writer leaves nothing that counts. A row is never changed. The same training twice (two files, or a compaction
that was killed between writing and deleting) shows as one row: the first successful outcome, else the first outcome.
pandas, DuckDB and Polars read the folder as it is, then with such repetitions still in it until `compact`; DuckDB and
Polars by the pattern `folder/*.parquet`, which passes over what was set aside.

In place of a table format (Delta Lake, Iceberg), whose commits need a log that all writers agree on, and of SQLite,
whose locks do not hold on network file systems: rows that never change need neither.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nars.errors import StoreError
from nars.metric import ACCURACY, Metric
from nars.store.catalogue import Catalogue, StoreFile, attempts, unify
from nars.store.place import Place
from nars.store.rows import SCHEMA_VERSION, Header, Identity, identity_of, to_samples, to_table
from nars.store.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

_Result = TypeVar("_Result")

_FULL = 100_000
"""Rows of a full file: compaction makes them this large and leaves them alone from then on."""

_ROW_GROUP = 20_000
"""The least that is read to get at one row: smaller is faster there, larger takes less space (8 % less at 50,000)."""

_RANKING = ("status", "finished", "seconds")
"""Columns that tell which of the rows of one key counts."""


@final
class SampleStore:
    """Measured samples of one search space on one data set, by one metric.

    Args:
        path: A local folder, or any address that pyarrow or fsspec know (`s3://bucket/folder`). It is created by the
            first append.
        must_exist: Refuse a folder that is not there, which else counts as an empty store.

    Raises:
        StoreError: the folder is missing though it must exist, or the address makes no sense.
    """

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self._place = Place(path)
        if must_exist and not self._place.exists():
            raise StoreError(f"there is no sample store at {self.path!r}. Check it; collecting samples makes one.")
        self._catalogue = Catalogue(self._place)
        self._written: tuple[Identity, pa.Schema] | None = None
        """What the next append has to agree with."""

    @property
    def path(self) -> str:
        """The folder or address."""
        return self._place.address

    def append(self, samples: Sequence[Sample]) -> None:
        """Add rows. When this returns they are on the disk for good, whatever happens to this process or machine.

        Raises:
            StoreError: the samples belong to another space, data set or metric, or count costs in another way than the
                store.
        """
        if not samples:
            return
        if self._written is None:  # once: an append must not take longer because the store is large
            self._refresh()
        identity, schema = self._written or (identity_of(samples[0]), None)
        for sample in samples:
            identity.refuse_mixing(identity_of(sample), here=f"the store {self.path}", there=f"sample {sample.key}")
        table = to_table(samples, known=schema)
        unified = table.schema if schema is None else unify([schema, table.schema], self.path)
        unique = len({sample.key for sample in samples}) == len(samples)
        self._write(table, Header(version=SCHEMA_VERSION, identity=identity, unique=unique), compact=False)
        self._written = identity, unified

    def append_table(self, table: pa.Table, identity: Identity) -> None:
        """Add rows that come from a store's `table()`, each key once; many rows become several files.

        Raises:
            StoreError: they do not belong to this store.
        """
        self._refresh()
        if self._written is not None:
            self._written[0].refuse_mixing(identity, here=f"the store {self.path}", there="the rows to add")
        header = Header(version=SCHEMA_VERSION, identity=identity, unique=True)
        table = table.sort_by("key")  # so that a row group's statistics tell whether it can hold a key
        for start in range(0, len(table), _FULL):
            self._write(table.slice(start, _FULL), header, compact=True)

    def compact(self) -> None:
        """Join many small files into few large ones. Safe at any time, beside writers, readers and other compactions.

        The joined files are complete before the first old one is deleted; killed in between, the rows are there twice
        and show once. Files that are full are left alone, so the effort per row stays small over a store's life.
        """

        def join() -> list[StoreFile]:
            files = self._refresh()
            old = [file for file in files if file.rows < _FULL]
            if len(old) < 2 or self._catalogue.identity is None:
                return []
            full = frozenset(file.name for file in files) - {file.name for file in old}
            table = first_of_each_key(self._catalogue.read(None, without=full))
            self.append_table(table, self._catalogue.identity)
            return old

        for file in self._again_when_files_vanish(join):
            self._place.remove(file.name)

    def table(self) -> pa.Table:
        """All rows, each key once, in order of round and key whoever wrote them when.

        Columns: those of `nars.store.rows.fixed`, `choice.NAME` for every setting, `cost.NAME` for every cost,
        `also.NAME` for what else a trainer says.
        """
        return self.columns(None).sort_by([("round", "ascending"), ("key", "ascending")])

    def samples(self) -> tuple[Sample, ...]:
        """All rows as samples, in the order of `table`."""
        return to_samples(self.table(), self.metric)

    def frame(self) -> pd.DataFrame:
        """All rows as a pandas frame, in the order of `table`."""
        frame: pd.DataFrame = self.table().to_pandas()
        return frame

    def keys(self) -> frozenset[str]:
        """The keys of all rows."""
        return frozenset(self.columns(["key"])["key"].to_pylist())

    def __len__(self) -> int:
        """Number of rows, each key once."""
        return len(self.columns(["key"]))

    def columns(
        self, names: Sequence[str] | None, *, where: pc.Expression | None = None, repetitions: bool = False
    ) -> pa.Table:
        """Some columns of all rows, each key once, in no particular order; None for all columns.

        Only these columns are read from the disk. A column that the store does not have is left out.

        Args:
            names: The columns wanted.
            where: Rows wanted, an expression over columns in which rows of one key do not differ.
            repetitions: Leave them in, which saves looking for them.
        """

        def read() -> pa.Table:
            files = self._refresh()
            read_columns = self._catalogue.read
            if repetitions or (len(files) == 1 and files[0].header.unique):
                table = read_columns(names, where)
            else:
                table = read_columns(None if names is None else ["key", *names], where)
                if len(table) != pc.count_distinct(table["key"]).as_py():
                    table = first_of_each_key(
                        read_columns(None if names is None else ["key", *_RANKING, *names], where)
                    )
            return table if names is None else table.select([name for name in names if name in table.column_names])

        return self._again_when_files_vanish(read)

    def files(self) -> tuple[StoreFile, ...]:
        """The files as they are now, in order of name."""
        return tuple(self._refresh())

    @property
    def identity(self) -> Identity | None:
        """The space, data set, cost convention and metric of the rows; None while there are none."""
        self._refresh()
        return self._catalogue.identity

    @property
    def metric(self) -> Metric:
        """What the rows measure; accuracy while there are none."""
        return ACCURACY if self.identity is None else self.identity.metric

    def _refresh(self) -> list[StoreFile]:
        self._catalogue.refresh()
        if self._catalogue.identity is not None:
            self._written = self._catalogue.identity, self._catalogue.schema
        return sorted(self._catalogue.files.values(), key=lambda file: file.name)

    def _again_when_files_vanish(self, work: Callable[[], _Result]) -> _Result:
        """A compaction elsewhere may delete a file between listing and reading it; its rows are in a new file then."""
        for _ in attempts(self.path):
            with suppress(FileNotFoundError):
                return work()
        raise AssertionError("attempts() ends by raising")

    def _write(self, table: pa.Table, header: Header, *, compact: bool) -> None:
        sink = pa.BufferOutputStream()
        writer = pq.ParquetWriter(
            sink,
            table.schema,
            # For a row or two, compression and dictionaries take three times as long and make the file larger.
            compression="zstd" if compact else "none",
            use_dictionary=compact,
            write_statistics=compact,
            write_page_checksum=True,
            # Arrow's own copy of the schema: nothing new, a third of a small file, half the time to open one.
            store_schema=False,
        )
        with writer:
            writer.write_table(table, row_group_size=_ROW_GROUP)
            writer.add_key_value_metadata(header.to_metadata())
        kind = "joined" if compact else "rows"
        name, content = f"{kind}-{time.time_ns():x}-{secrets.token_hex(4)}.parquet", sink.getvalue()
        self._place.write(name, content)
        file = StoreFile(name=name, rows=len(table), bytes=content.size, header=header, schema=table.schema)
        self._catalogue.written(file, table)


def first_of_each_key(table: pa.Table, *, tie: str | None = None) -> pa.Table:
    """One row per key, sorted by key: the first successful one to finish, or if all failed the first to finish.

    Args:
        table: Rows with at least the columns key, status, finished, seconds.
        tie: Column whose smaller value decides among rows that are equal in all that.
    """
    if len(table) == 0:
        return table
    names = ["key", "_failed", "finished", "seconds", *([] if tie is None else [tie])]
    ranked = table.append_column("_failed", pc.not_equal(table["status"], "ok"))
    ranked = ranked.sort_by([(name, "ascending") for name in names]).drop_columns("_failed").combine_chunks()
    keys = ranked["key"]
    new = pc.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1))
    return ranked.filter(pa.chunked_array([pa.array([True]), *new.chunks]))
