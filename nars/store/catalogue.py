"""What lies in a store's folder: which files count, what their footers say, and reading columns from all of them."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nars.errors import NarsWarning, StoreError
from nars.metric import ACCURACY
from nars.store.place import SET_ASIDE, Place
from nars.store.rows import SCHEMA_VERSION, Header, Identity, fixed

_SMALL = 1 << 18
"""Files up to this many bytes are read whole, once, and kept; of larger ones only the columns asked for are read."""

_MOST_WRITTEN = 2000
"""Files that a process which only writes remembers, at some 10 kB each."""

_PATIENCE_SECONDS = 60

_OWN_NAME = re.compile(r"(rows|joined)-[0-9a-f]+-[0-9a-f]{8}\.parquet")
"""What a store calls its files; files of other names are read too."""


class StoreWarning(NarsWarning):
    """A file in a store's folder that is broken or not the store's, and was set aside."""


@dataclass(frozen=True, kw_only=True)
class StoreFile:
    """A file of a store, as its footer describes it."""

    name: str
    rows: int
    bytes: int
    header: Header
    schema: pa.Schema


class _NotOursError(Exception):
    """Why a file is no file of a store."""


@final
class Catalogue:
    """The files of one folder. They never change, so each is looked at once."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.files: dict[str, StoreFile] = {}
        self.identity: Identity | None = None
        """None while there are no rows."""
        self.schema: pa.Schema = fixed(ACCURACY)
        """Every column of any file, with a type that holds the values of all."""
        self._small: pa.Table | None = None
        """The rows of all small files."""
        self._written: dict[str, tuple[StoreFile, pa.Table]] = {}
        """Small files that this process has written and not looked at since."""
        self._passed_over: set[str] = set()
        """Broken files that could not be moved away."""

    def refresh(self) -> None:
        """Take in the files that are new, forget those that are gone, set aside what is not a file of a store.

        Raises:
            StoreError: files of different spaces, image sets or cost conventions, or of a newer version, or no access;
                or there are Parquet files and none is a store's.
        """
        for _ in attempts(self.place.address):
            earlier, present = self.place.names(), self.place.names()
            if any(name not in present for name in earlier):
                # A long listing is not one moment: with a compaction in it, it can lack the old files, deleted by then,
                # and the new one, not there yet. So one in which nothing went away since the last is waited for.
                continue
            if any(name not in present for name in self.files):
                # Only after a compaction, when few files are left: to read those anew beats keeping accounts.
                self.files, self._small, self.identity, self.schema = {}, None, None, fixed(ACCURACY)
            new = [name for name in present if name not in self.files and name not in self._passed_over]
            if not new:
                return
            opened = self._open_all({name: present[name] for name in new})
            taken = [found for found in opened if isinstance(found, tuple)]
            outcomes = zip(new, opened, strict=True)
            strangers = {name: found for name, found in outcomes if isinstance(found, _NotOursError)}
            if strangers and not taken and not self.files:
                _refuse_foreign_folder(strangers, self.place.address)
            for name, reason in strangers.items():
                self._set_aside(name, reason)
            if taken:
                self._agree([file for file, _ in taken])
                self.files |= {file.name: file for file, _ in taken}
                self._keep([table for _, table in taken if table is not None])
            if None not in opened:
                return

    def written(self, file: StoreFile, table: pa.Table) -> None:
        """Remember the rows of a small file that was just written, so that the next reading need not open it."""
        if file.bytes <= _SMALL and len(self._written) < _MOST_WRITTEN:
            self._written[file.name] = file, table

    def _open_all(self, sizes: Mapping[str, int]) -> list[tuple[StoreFile, pa.Table | None] | _NotOursError | None]:
        """Each of these files, as `_open` gives it."""
        known = {name: self._written.pop(name) for name in sizes if name in self._written}
        new = [name for name in sizes if name not in known]
        with ThreadPoolExecutor(max_workers=min(16, 1 + len(new) // 8)) as pool:
            opened = dict(zip(new, pool.map(self._open, new, (sizes[name] for name in new)), strict=True))
        return [known.get(name) or opened[name] for name in sizes]

    def _keep(self, tables: Sequence[pa.Table]) -> None:
        """Add rows of small files to those in memory."""
        by_schema: dict[pa.Schema, list[pa.Table]] = {}
        for table in [*tables, *([] if self._small is None else [self._small])]:
            by_schema.setdefault(table.schema, []).append(table)
        # To bring a table to the common schema takes longer than to read it, so equal ones go together first.
        joined = [_cast(pa.concat_tables(equal), self.schema) for equal in by_schema.values()]
        if joined:
            self._small = pa.concat_tables(joined).combine_chunks()

    def read(
        self, names: Sequence[str] | None, where: pc.Expression | None = None, *, without: frozenset[str] = frozenset()
    ) -> pa.Table:
        """The rows of all files as they are, repetitions included.

        Args:
            names: Columns; those that no file has are left out. None for all.
            where: Rows, an expression over any columns.
            without: Names of large files to leave out.

        Raises:
            FileNotFoundError: a file went away meanwhile; begin anew.
        """
        columns = [name for name in self.schema.names if names is None or name in set(names)]
        parts = []
        if self._small is not None:
            small = _cast(self._small, self.schema)
            parts.append((small if where is None else small.filter(where)).select(columns))
        large = [file.name for file in self.files.values() if file.bytes > _SMALL and file.name not in without]
        if large:
            parts.append(self._scan(large, columns, where))
        return pa.concat_tables(parts) if parts else self.schema.empty_table().select(columns)

    def _scan(self, names: list[str], columns: list[str], where: pc.Expression | None) -> pa.Table:
        import pyarrow.dataset as ds  # brings pandas, and only large files need it

        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        dataset = ds.dataset(
            [self.place.path(name) for name in names],
            schema=self.schema,
            filesystem=self.place.filesystem,
            format=ds.ParquetFileFormat(default_fragment_scan_options=options),
        )
        try:
            return dataset.to_table(columns=columns, filter=where)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError):
            # Some page is damaged. Find the files, put them away, and let the caller begin anew without them.
            for name in names:
                try:
                    pq.read_table(
                        self.place.path(name), filesystem=self.place.filesystem, page_checksum_verification=True
                    )
                except FileNotFoundError:
                    raise
                except (pa.ArrowException, OSError) as error:
                    self._set_aside(name, _not_ours_or_raise(error, name, self.place.address))
                    del self.files[name]
            raise FileNotFoundError(names[0]) from None

    def _open(self, name: str, size: int) -> tuple[StoreFile, pa.Table | None] | _NotOursError | None:
        """Footer, and for a small file all rows; None when it is gone (its rows are in a new file then)."""
        try:
            source = pa.BufferReader(self.place.read(name)) if size <= _SMALL else self.place.path(name)
            filesystem = None if size <= _SMALL else self.place.filesystem
            with pq.ParquetFile(source, filesystem=filesystem, page_checksum_verification=True) as parquet:
                header = Header.from_metadata(parquet.metadata.metadata)
                if header is None:
                    return _NotOursError("it is a Parquet file, but not of a sample store")
                table = parquet.read(use_threads=False).replace_schema_metadata() if size <= _SMALL else None
                schema = parquet.schema_arrow.remove_metadata()
                file = StoreFile(name=name, rows=parquet.metadata.num_rows, bytes=size, header=header, schema=schema)
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as error:
            return _not_ours_or_raise(error, name, self.place.address)
        if header.version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.place.address}/{name} was written by a newer nars (schema {header.version}, this one reads "
                f"up to {SCHEMA_VERSION}). Upgrade nars."
            )
        missing = {"key", "status", "choices"} - set(schema.names)
        return _NotOursError(f"it lacks the column {min(missing)}") if missing else (file, table)

    def _set_aside(self, name: str, reason: _NotOursError) -> None:
        self._passed_over.add(name)
        moved = self.place.set_aside(name)
        where = f"moved to {SET_ASIDE}/" if moved else f"passed over (it could not be moved to {SET_ASIDE}/)"
        warnings.warn(
            f"{self.place.address}/{name} is not a readable file of a sample store ({reason}); {where}. "
            f"The other files are used.",
            StoreWarning,
            stacklevel=2,
        )

    def _agree(self, files: Sequence[StoreFile]) -> None:
        """Take one identity and one type per column from new files, or refuse."""
        here, identity = f"the store {self.place.address}", self.identity
        for file in files:
            if identity is None:
                here, identity = f"{self.place.address}/{file.name}", file.header.identity
            identity.refuse_mixing(file.header.identity, here=here, there=f"{self.place.address}/{file.name}")
        assert identity is not None
        # Thousands of files have a handful of different schemas.
        known = fixed(identity.metric) if self.identity is None else self.schema
        schemas = dict.fromkeys([known, *(file.schema for file in files)])
        self.schema, self.identity = unify(list(schemas), self.place.address), identity


def unify(schemas: Sequence[pa.Schema], where: str) -> pa.Schema:
    """The schema that holds the rows of all of these; whole numbers and reals become reals.

    Raises:
        StoreError: a column is text in one and a number in another.
    """
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StoreError(
            f"rows do not go into one table at {where}: {error}. Give all values of a choice one type."
        ) from error


def attempts(address: str) -> Iterator[int]:
    """Counts the readings that are begun anew because a compaction elsewhere deleted files meanwhile.

    Raises:
        StoreError: it has been going on for a minute.
    """
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < _PATIENCE_SECONDS:
        yield number
        number += 1
        time.sleep(min(0.001 * number, 0.1))
    raise StoreError(f"files of the store {address} keep vanishing while it is read. Is something deleting them?")


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly these columns, null where it has none."""
    if table.schema.equals(schema):
        return table
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _refuse_foreign_folder(strangers: Mapping[str, _NotOursError], address: str) -> None:
    """Files are put away in stores only: a mistyped path must not clear out somebody's data set."""
    if not any(_OWN_NAME.fullmatch(name) for name in strangers):
        name, reason = next(iter(strangers.items()))
        raise StoreError(
            f"{address} is no sample store: none of its {len(strangers)} Parquet files is one's ({name}: {reason}). "
            f"Nothing was touched; give the folder of a store, or one without Parquet files for a new store."
        )


def _not_ours_or_raise(error: Exception, name: str, address: str) -> _NotOursError:
    """Tell a broken file from a disk, network or permission at fault: the latter say nothing about the file.

    Errors of the operating system carry its number; those of the Parquet parser, some of them OSError too, do not.
    """
    if isinstance(error, OSError) and error.errno is not None:
        raise StoreError(f"{address}/{name} cannot be read: {error}. Check disk, network and permissions.") from error
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return _NotOursError(first_line)
