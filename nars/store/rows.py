"""Samples as rows of a table: a readable column per setting and cost, under a header that says whose rows they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from nars.errors import StoreError
from nars.store.sample import COST_CONVENTION, Sample, plain

SCHEMA_VERSION = 1
"""Raised when the meaning of a column changes. Files of every older version are read."""

CHOICE, COST = "choice.", "cost."
"""Prefixes of the columns of `Sample.record` and `Sample.costs`."""

_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
_WHOLES, _REALS = (pa.list_(pa.field("element", kind)) for kind in (_WHOLE, _REAL))  # named as Parquet names them

FIXED = pa.schema(
    [
        *[("key", _TEXT), ("space", _TEXT), ("data", _TEXT), ("fidelity", _TEXT), ("cost_convention", _TEXT)],
        *[("seed", _WHOLE), ("round", _WHOLE), ("status", _TEXT), ("message", _TEXT)],
        *[("accuracy", _REAL), ("ema_accuracy", _REAL), ("epochs", _WHOLE), ("planned_epochs", _WHOLE)],
        *[("seconds", _REAL), ("curve", _REALS), ("ema_curve", _REALS)],
        *[("choices", _WHOLES), ("host", _TEXT), ("device", _TEXT), ("versions", _TEXT), ("finished", _TEXT)],
    ]
)
"""The columns every file has, apart from those of the choices and costs. `versions` is JSON."""

_PLAIN = [name for name in FIXED.names if name != "versions"]

_DEFAULTS: Mapping[str, Any] = {
    **{"message": "", "host": "", "device": "", "versions": "{}", "finished": "", "fidelity": ""},
    **{"round": 0, "curve": [], "ema_curve": [], "cost_convention": COST_CONVENTION},
}
"""What a column reads as where a file does not have it."""

_HEADER = b"nars"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What the rows of one store have in common; without it, accuracies and costs cannot be compared."""

    space: str
    data: str
    cost_convention: str

    def refuse_mixing(self, other: Identity, *, here: str, there: str) -> None:
        """Raises: StoreError when `other` is not the same; `here` and `there` name the two in the message."""
        names = {"space": "search space", "data": "image set", "cost_convention": "cost convention"}
        for field, what in names.items():
            one, two = getattr(self, field), getattr(other, field)
            if one != two:
                raise StoreError(
                    f"rows of one store must share one {what}, but {here} has {one!r} and {there} has {two!r}. "
                    f"Keep them in separate stores."
                )


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself in its Parquet metadata."""

    version: int
    identity: Identity
    unique: bool
    """No key occurs twice in the file (it comes from a compaction)."""

    def to_metadata(self) -> dict[bytes, bytes]:
        """As Parquet key-value metadata."""
        return {_HEADER: json.dumps(asdict(self), sort_keys=True).encode()}

    @staticmethod
    def from_metadata(metadata: Mapping[bytes, bytes] | None) -> Header | None:
        """Read what `to_metadata` wrote; None when it is not there, so the file is not one of ours."""
        try:
            document = json.loads((metadata or {})[_HEADER])
            identity = Identity(**document["identity"])
            return Header(version=int(document["version"]), identity=identity, unique=bool(document["unique"]))
        except (KeyError, TypeError, ValueError):
            return None


def identity_of(sample: Sample) -> Identity:
    """The identity of the store this sample belongs to."""
    return Identity(space=sample.space, data=sample.data, cost_convention=sample.cost_convention)


def to_table(samples: Sequence[Sample], *, known: pa.Schema | None) -> pa.Table:
    """Samples as a table.

    Args:
        samples: (n,).
        known: The columns the store has already; a whole number goes into a column of reals as a real.

    Raises:
        StoreError: a setting is of another type than the store has, or of no plain type.
    """
    columns = {
        name: pa.array([getattr(sample, name) for sample in samples], type=FIXED.field(name).type) for name in _PLAIN
    }
    types = {} if known is None else dict(zip(known.names, known.types, strict=True))
    columns["versions"] = pa.array([json.dumps(dict(sample.versions), sort_keys=True) for sample in samples])
    for prefix, mappings in ((CHOICE, [sample.record for sample in samples]), (COST, [s.costs for s in samples])):
        for name in dict.fromkeys(name for mapping in mappings for name in mapping):
            values = [plain(mapping.get(name)) for mapping in mappings]
            expected = _REAL if prefix == COST else types.get(prefix + name)
            columns[prefix + name] = _column(prefix + name, values, expected)
    return pa.table(columns)


def _column(name: str, values: list[Any], expected: pa.DataType | None) -> pa.Array:
    """The values as a column; `expected` is the type that the store has for it."""
    try:
        # Never pa.array(values, type=...): it cuts 0.5 to 0 for a column of whole numbers and says nothing.
        found = pa.array(values)
        if expected is None or found.type == expected:
            return found
        if pa.types.is_null(found.type) or (pa.types.is_integer(found.type) and pa.types.is_floating(expected)):
            return found.cast(expected)
        # Reals after whole numbers are written as they are; reading makes the whole column one of reals.
        pa.unify_schemas([pa.schema([(name, expected)]), pa.schema([(name, found.type)])], promote_options="permissive")
        return found
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StoreError(
            f"column {name} must hold one plain type{f' ({expected})' if expected is not None else ''}, got "
            f"{sorted({type(value).__name__ for value in values})} ({error}). Give all values of the choice one type."
        ) from error


def to_samples(table: pa.Table) -> tuple[Sample, ...]:
    """The rows of a table as samples; columns that an older file lacks take their defaults."""
    count = len(table)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name in FIXED.names:
        default = _DEFAULTS.get(name)
        values = columns.get(name, [None] * count)
        columns[name] = values if default is None else [default if value is None else value for value in values]
    record_names = [name for name in table.column_names if name.startswith(CHOICE)]
    cost_names = [name for name in table.column_names if name.startswith(COST)]
    return tuple(
        Sample(
            record={name.removeprefix(CHOICE): columns[name][row] for name in record_names},
            costs={name.removeprefix(COST): cost for name in cost_names if (cost := columns[name][row]) is not None},
            versions=json.loads(columns["versions"][row]),
            **{name: columns[name][row] for name in _PLAIN},
        )
        for row in range(count)
    )
