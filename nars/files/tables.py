"""Tables from files as they are: CSV cells as text, typed cells as they are."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nars.errors import UserError
from nars.files.cells import HALF, SINGLE

if TYPE_CHECKING:
    import pyarrow as pa

_DELIMITERS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_MOST_SHOWN = 40
_DAMAGE = (ValueError, OSError, KeyError, EOFError, csv.Error, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What the readers raise for a file that is not whole, or not what its name says."""

_ENCRYPTED = 1
"""Bit of a member of a .zip file."""


class TableFileError(UserError):
    """A file that holds no table, or not a clear one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TableFile:
    """The columns of a file, all of one length."""

    path: Path
    columns: Mapping[str, Sequence[Any]]
    """{heading: (rows,) cells}: text in CSV, else what the file holds; None for what it leaves out."""
    rows: int
    repeated: frozenset[str] = frozenset()
    """Headings that several columns have; the cells are the first one's."""
    tolerance: Mapping[str, float]
    """{heading: relative precision of its numbers}."""
    remarks: tuple[str, ...] = ()
    """What was assumed."""

    def __getitem__(self, heading: str) -> Sequence[Any]:
        """The cells of a column.

        Raises:
            TableFileError: several columns have this heading.
        """
        if heading in self.repeated:
            raise TableFileError(
                f"{self.path} has several columns called {heading!r}; rename them, so that it is clear which counts"
            )
        return self.columns[heading]

    @property
    def headings(self) -> str:
        """The headings for a message."""
        names = [repr(name) if name != name.strip() or not name else name for name in self.columns]
        more = f", and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
        return ", ".join(names[:_MOST_SHOWN]) + more


def read_table(path: Path, *, what: str = "a table") -> TableFile:
    """A table from a .csv, .tsv, .parquet, .json or .jsonl file; text may be packed (.gz, .zip).

    CSV: comma, semicolon, tab or bar, found by the heading; UTF-8 or UTF-16 with a mark. JSON: a list of records,
    {column: values}, or one record a line; nested records become columns with dots, "config.lr".

    Args:
        path: the file.
        what: what it should be, for messages.

    Raises:
        TableFileError: the file is missing, of another form, damaged, or has no rows.
    """
    packed = path.suffix.lower() in (".gz", ".zip")
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    reader = _READERS.get(suffix)
    if reader is None or (packed and suffix == ".parquet"):
        raise TableFileError(f"{what} is read from {', '.join(_READERS)} files, got {path.name!r}; convert it to one")
    if not path.is_file():
        raise TableFileError(f"there is no file {path}" + ("; it is a folder" if path.is_dir() else "; check the path"))
    try:
        table = reader(path)
    except (*_DAMAGE, RuntimeError) as error:  # a RuntimeError: nested too deeply, or packed in an unknown way
        if isinstance(error, TableFileError):
            raise
        raise TableFileError(f"{path} was not read as {suffix[1:]}: {error}; check that it is whole") from None
    if table.rows == 0:
        raise TableFileError(f"{path} has no rows" + (" below its heading" if table.columns else "") + "; give a table")
    return table


def _bytes(path: Path) -> bytes:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
            if len(names) != 1:
                raise ValueError(f"it holds {len(names)} files, not one")
            if archive.getinfo(names[0]).flag_bits & _ENCRYPTED:
                raise TableFileError(f"{path} is encrypted; unpack it and give the file in it")
            return archive.read(names[0])
    return path.read_bytes()


def _text(path: Path) -> str:
    content = _bytes(path)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableFileError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None


def _csv(path: Path) -> TableFile:
    text = _text(path)
    said = re.match(r'\s*"?sep=([,;|\t])"?[ \t]*\r?\n', text)  # Excel's way to name the delimiter
    text = text[said.end() :] if said else text
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise TableFileError(f"{path} is empty; give a table with a heading")
    bare = re.sub(r'"[^"]*"', "", first)
    delimiter = said[1] if said else max(_DELIMITERS, key=bare.count)
    csv.field_size_limit(1 << 30)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    heading: list[str] = []
    rows: list[list[str]] = []
    again = 0
    for fields in reader:
        if not fields or (len(fields) == 1 and not fields[0].strip()):
            continue
        if not heading:
            heading = [name.strip() for name in fields]
        elif len(fields) != len(heading) and not (len(fields) > len(heading) and not any(fields[len(heading) :])):
            raise TableFileError(
                f"{path}, line {reader.line_num}: {len(fields)} fields under a heading of {len(heading)}; check quotes "
                f"and the delimiter, which was taken to be {delimiter!r}"
            )
        elif [name.strip() for name in fields[: len(heading)]] == heading:
            again += 1  # files joined with their headings
        else:
            rows.append(fields)
    if heading[:1] == ["number"] and "params" in heading and rows and not rows[0][0]:  # Optuna, multi_index=True
        heading = [f"{name}_{rest}" if rest else name for name, rest in zip(heading, rows.pop(0), strict=False)]
    columns: dict[str, list[Any]] = {}
    for at, name in enumerate(heading):
        columns.setdefault(name, [row[at] for row in rows])
    if delimiter != ",":
        columns = {name: [_with_point(cell) for cell in cells] for name, cells in columns.items()}
    remarks = (f"its heading stands {again} times more among the rows; those lines are left out",) if again else ()
    return TableFile(
        path=path, columns=columns, rows=len(rows), tolerance={}, remarks=remarks, repeated=_repeated(heading)
    )


def _repeated(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name, count in Counter(names).items() if count > 1)


def _with_point(cell: str) -> str:
    """Where a semicolon or tab divides fields, a comma is a decimal one."""
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell.strip()) else cell


def _parquet(path: Path) -> TableFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except pa.ArrowException as error:
        raise ValueError(str(error).splitlines()[0]) from None
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    names: list[str] = table.column_names
    columns: dict[str, list[Any]] = {}
    for name, column in zip(names, table.columns, strict=True):
        columns.setdefault(name, _plain(column))
    return TableFile(
        path=path,
        columns=columns,
        rows=table.num_rows,
        repeated=_repeated(names),
        tolerance={field.name: HALF if pa.types.is_float16(field.type) else SINGLE for field in table.schema},
    )


def _plain(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return [value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value for value in values]


def _json(path: Path) -> TableFile:
    text = _text(path)
    if not text.strip():
        raise TableFileError(f"{path} is empty; give a table")
    try:
        return _of_document(path, json.loads(text))
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":  # a second document follows: one record a line, whatever the file is called
            raise
        return _lines(path)


def _lines(path: Path) -> TableFile:
    records = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise TableFileError(f"{path}, line {number}: {error.msg}; each line is one JSON record") from None
    return _of_records(path, records)


def _of_document(path: Path, document: Any) -> TableFile:
    if isinstance(document, Mapping):
        if set(document) >= {"columns", "data"} and isinstance(document["columns"], list):  # pandas: orient="split"
            names = [".".join(map(str, n)) if isinstance(n, list) else str(n) for n in document["columns"]]
            rows = document["data"]
            if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
                raise TableFileError(f"{path} is no table: beside its columns, data is a list of rows [cell, ...]")
            return _of_records(path, [dict(zip(names, row, strict=True)) for row in rows])
        if isinstance(records := document.get("data"), list) and "schema" in document:  # pandas: orient="table"
            return _of_records(path, records)
        if isinstance(records := document.get("trialMessage"), list):  # NNI's experiment summary
            return _of_records(path, records)
        lengths = {len(cells) if isinstance(cells, (list, Mapping)) else None for cells in document.values()}
        if len(lengths) != 1 or None in lengths:
            raise TableFileError(f"{path} is no table: it takes a list of records, or {{column: values}} of one length")
        # pandas' usual form has {row: value}
        cells = [list(c.values()) if isinstance(c, Mapping) else c for c in document.values()]
        return _of_records(path, [dict(zip(map(str, document), row, strict=True)) for row in zip(*cells, strict=True)])
    return _of_records(path, document)


def _of_records(path: Path, records: Any) -> TableFile:
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        raise TableFileError(
            f'{path} is no table: it takes a list of records, such as [{{"lr": 0.1, "accuracy": 91.2}}]'
        )
    flat = [_flat(_unpacked(record)) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    columns = {name: [record.get(name) for record in flat] for name in names}
    return TableFile(path=path, columns=columns, rows=len(flat), tolerance={})


def _unpacked(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A trial of NNI with its parameters and result as plain values; other records as they are."""
    given = next((record[key] for key in ("hyperParameters", "parameter", "parameters") if key in record), None)
    if given is None or not set(record) & {"trialJobId", "id", "sequenceId"}:
        return record
    parameters = _from_text(given)
    parameters = _from_text(parameters[0]) if isinstance(parameters, list) and parameters else parameters
    if isinstance(parameters, Mapping) and isinstance(parameters.get("parameters"), Mapping):
        parameters = parameters["parameters"]
    value = _from_text(record.get("value", record.get("finalMetricData")))
    if isinstance(value, list):
        value = value[-1] if value else None
    if isinstance(value, Mapping) and "data" in value:
        value = _from_text(value["data"])
    used = ("hyperParameters", "parameter", "parameters", "finalMetricData", "value", "intermediate")
    kept = {key: cell for key, cell in record.items() if key not in used}
    results = {"value": value["default"], **value} if isinstance(value, Mapping) and "default" in value else {}
    return {**kept, "value": value, **results, "parameters": parameters if isinstance(parameters, Mapping) else {}}


def _from_text(value: Any) -> Any:
    """What is written in a text of JSON, also when it was written twice."""
    for _ in range(3):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            break
    return value


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


_READERS: Mapping[str, Callable[[Path], TableFile]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonl": _lines,
    ".ndjson": _lines,
}
