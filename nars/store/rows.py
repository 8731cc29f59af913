"""Samples as rows of a table: a readable column per setting and cost, under a header that says whose rows they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from nars.errors import StoreError, require
from nars.metric import ACCURACY, Metric
from nars.store.sample import COST_CONVENTION, Sample, plain

SCHEMA_VERSION = 1
"""Raised when the meaning of a column changes. Files of every older version are read."""

CHOICE, COST, ALSO, NOTE = "choice.", "cost.", "also.", "note."
"""Prefixes of the columns of `Sample.record`, `Sample.costs`, and of `Sample.also`: its numbers and its texts apart, as
a trainer may say one and the other under one name."""

METRIC = "metric"
"""Column of an exported store that says what was measured, as JSON; without it, accuracy."""

_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
_WHOLES, _REALS = (pa.list_(pa.field("element", kind)) for kind in (_WHOLE, _REAL))  # named as Parquet names them


def fixed(metric: Metric) -> pa.Schema:
    """The columns that every file has, apart from those of choices, costs and what else a trainer says.

    The values are in a column of the metric's name. `versions` is JSON.
    """
    return pa.schema(
        [
            *[("key", _TEXT), ("space", _TEXT), ("data", _TEXT), ("fidelity", _TEXT), ("cost_convention", _TEXT)],
            *[("seed", _WHOLE), ("round", _WHOLE), ("status", _TEXT), ("message", _TEXT)],
            *[(metric.name, _REAL), (metric.averaged, _REAL), ("epochs", _WHOLE), ("planned_epochs", _WHOLE)],
            *[("seconds", _REAL), ("curve", _REALS), ("ema_curve", _REALS)],
            *[("choices", _WHOLES), ("host", _TEXT), ("device", _TEXT), ("versions", _TEXT), ("finished", _TEXT)],
        ]
    )


def fields_of(metric: Metric) -> dict[str, str]:
    """The columns of `fixed` that hold a field of a sample as it is, {column: field}."""
    called = {metric.name: "value", metric.averaged: "averaged", "ema_curve": "averaged_curve"}
    return {name: called.get(name, name) for name in fixed(metric).names if name != "versions"}


def check_metric(metric: Metric) -> Metric:
    """Refuse a metric whose column would be taken.

    Raises:
        StoreError: the store has another column of its name.
    """
    taken = {METRIC, *fixed(ACCURACY).names} - {ACCURACY.name, ACCURACY.averaged}
    for name in (metric.name, metric.averaged):
        require(StoreError, name not in taken, "the name of a metric", "no other column of a store", name)
    return metric


DEFAULTS: Mapping[str, Any] = {
    **{"message": "", "host": "", "device": "", "versions": "{}", "finished": "", "fidelity": ""},
    **{"round": 0, "epochs": 0, "planned_epochs": 0, "seconds": 0.0},
    **{"curve": [], "ema_curve": [], "cost_convention": COST_CONVENTION},
}
"""What a column reads as where a file does not have it."""

_HEADER = b"nars"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What the rows of one store have in common; without it, values and costs cannot be compared."""

    space: str
    data: str
    cost_convention: str
    metric: Metric = ACCURACY

    def refuse_mixing(self, other: Identity, *, here: str, there: str) -> None:
        """Raises: StoreError when `other` is not the same; `here` and `there` name the two in the message."""
        names = {"space": "search space", "data": "data set", "cost_convention": "cost convention", "metric": "metric"}
        for field, what in names.items():
            one, two = getattr(self, field), getattr(other, field)
            if one != two:
                one, two = (one.title, two.title) if isinstance(one, Metric) else (one, two)
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
        document = asdict(self)
        document["identity"]["metric"] = self.identity.metric.document
        if self.identity.metric == ACCURACY:  # which earlier versions do not know as one of many
            del document["identity"]["metric"]
        return {_HEADER: json.dumps(document, sort_keys=True).encode()}

    @staticmethod
    def from_metadata(metadata: Mapping[bytes, bytes] | None) -> Header | None:
        """Read what `to_metadata` wrote; None when it is not there, so the file is not one of ours."""
        try:
            document = json.loads((metadata or {})[_HEADER])
            known = dict(document["identity"])
            metric = Metric(**known.pop("metric")) if "metric" in known else ACCURACY
            identity = Identity(**known, metric=metric)
            return Header(version=int(document["version"]), identity=identity, unique=bool(document["unique"]))
        except (KeyError, TypeError, ValueError):
            return None


def identity_of(sample: Sample) -> Identity:
    """The identity of the store this sample belongs to."""
    return Identity(space=sample.space, data=sample.data, cost_convention=sample.cost_convention, metric=sample.metric)


def to_table(samples: Sequence[Sample], *, known: pa.Schema | None) -> pa.Table:
    """Samples as a table.

    Args:
        samples: (n,), n >= 1, of one metric.
        known: The columns the store has already; a whole number goes into a column of reals as a real.

    Raises:
        StoreError: a setting is of another type than the store has, or of no plain type.
    """
    metric = samples[0].metric
    schema = fixed(metric)
    columns = {
        column: pa.array([getattr(sample, name) for sample in samples], type=schema.field(column).type)
        for column, name in fields_of(metric).items()
    }
    types = {} if known is None else dict(zip(known.names, known.types, strict=True))
    columns["versions"] = pa.array([json.dumps(dict(sample.versions), sort_keys=True) for sample in samples])
    for prefix, mappings in (
        (CHOICE, [sample.record for sample in samples]),
        (COST, [sample.costs for sample in samples]),
        (ALSO, [_numbers(sample.also) for sample in samples]),
        (NOTE, [_texts(sample.also) for sample in samples]),
    ):
        for name in dict.fromkeys(name for mapping in mappings for name in mapping):
            values = [plain(mapping.get(name)) for mapping in mappings]
            expected = _REAL if prefix == COST else types.get(prefix + name)
            columns[prefix + name] = _column(prefix + name, values, expected)
    return pa.table(columns)


def _numbers(also: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in also.items() if isinstance(value, (int, float))}


def _texts(also: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in also.items() if isinstance(value, str)}


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


def to_samples(table: pa.Table, metric: Metric) -> tuple[Sample, ...]:
    """The rows of a table as samples; columns that an older file lacks take their defaults."""
    count = len(table)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name in fixed(metric).names:
        default = DEFAULTS.get(name)
        values = columns.get(name, [None] * count)
        columns[name] = values if default is None else [default if value is None else value for value in values]

    def under(prefix: str, row: int) -> dict[str, Any]:
        cells = {name: columns[name][row] for name in table.column_names if name.startswith(prefix)}
        return {name.removeprefix(prefix): cell for name, cell in cells.items() if prefix == CHOICE or cell is not None}

    return tuple(
        Sample(
            record=under(CHOICE, row),
            costs=under(COST, row),
            also=under(ALSO, row) | under(NOTE, row),
            metric=metric,
            versions=json.loads(columns["versions"][row]),
            **{name: columns[column][row] for column, name in fields_of(metric).items()},
        )
        for row in range(count)
    )
