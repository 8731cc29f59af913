"""Costs that are looked up: of spaces whose choices have no network behind them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nars.space.errors import SpaceError
from nars.space.settings import FloatArray, Population
from nars.space.space import Space

_MOST_ENTRIES = 100_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayCostTable:
    """Every cost as one array over all combinations of some columns of X: a `CostTable` for spaces that can be listed.

    The combination of choices x is entry sum_i x[columns[i]] * prod_{j > i} cardinalities[j] (mixed radix, C order).
    """

    columns: tuple[int, ...]
    """Columns of X that the costs depend on."""
    cardinalities: tuple[int, ...]
    """Number of choices of each of them."""
    costs: Mapping[str, FloatArray]
    """{name: float64 (prod(cardinalities),)}; NaN where the table says nothing."""

    def __post_init__(self) -> None:
        size = math.prod(self.cardinalities)
        if len(self.columns) != len(self.cardinalities) or not self.costs:
            raise SpaceError(
                f"a table of costs needs as many columns as cardinalities and at least one cost, got "
                f"{len(self.columns)}, {len(self.cardinalities)} and {len(self.costs)}"
            )
        held = {}
        for name, values in self.costs.items():
            array = np.array(values, dtype=np.float64)
            if array.shape != (size,):
                raise SpaceError(f"cost {name!r} needs one value per combination, shape ({size},), got {array.shape}")
            array.setflags(write=False)
            held[name] = array
        object.__setattr__(self, "costs", MappingProxyType(held))

    def __reduce__(self) -> tuple[object, ...]:
        return _array_cost_table, (self.columns, self.cardinalities, dict(self.costs))

    @staticmethod
    def from_rows(
        space: Space, X: Population, costs: Mapping[str, FloatArray], *, columns: Sequence[int] | None = None
    ) -> ArrayCostTable:
        """The table of a space from listed candidates, in any order; a candidate listed twice keeps its last costs.

        Args:
            space: whose rows will be looked up.
            X: (M, D) the listed candidates.
            costs: {name: (M,)} their costs.
            columns: columns of X that the costs depend on; all when None.

        Raises:
            SpaceError: lengths differ, or the table would have more than 100 million entries.
        """
        X = space.canonical(space.check(X))
        columns = tuple(range(len(space.dimensions))) if columns is None else tuple(int(c) for c in columns)
        cardinalities = tuple(int(n) for n in space.cardinalities[list(columns)])
        size = math.prod(cardinalities)
        if size > _MOST_ENTRIES:
            raise SpaceError(
                f"a table over {', '.join(space.dimensions[c].name for c in columns)} has {size:,} entries, at most "
                f"{_MOST_ENTRIES:,} are allowed; name fewer columns"
            )
        at = _entries(X, columns, cardinalities)
        filled = {}
        for name, values in costs.items():
            if np.shape(values) != (len(X),):
                raise SpaceError(f"cost {name!r} needs one value per row, shape ({len(X)},), got {np.shape(values)}")
            filled[name] = np.full(size, np.nan)
            filled[name][at] = values
        return ArrayCostTable(columns=columns, cardinalities=cardinalities, costs=filled)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs."""
        return tuple(self.costs)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of columns, names and values."""
        digest = hashlib.sha256(repr((self.columns, self.cardinalities)).encode())
        for name in sorted(self.costs):
            digest.update(name.encode())
            digest.update(self.costs[name].tobytes())
        return digest.hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, FloatArray]:
        """Each cost (N,) of canonical rows X.

        Raises:
            SpaceError: the table says nothing about one of the rows.
        """
        at = _entries(X, self.columns, self.cardinalities)
        found = {name: values[at] for name, values in self.costs.items()}
        for name, values in found.items():
            unknown = np.flatnonzero(np.isnan(values))
            if len(unknown):
                raise SpaceError(
                    f"the table of costs has no {name!r} for {len(unknown)} of {len(X)} candidates, the first with "
                    f"choices {X[unknown[0]].tolist()}; complete the table, or take what it lacks out of the space"
                )
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class ListedCostTable:
    """Costs of listed candidates only: a `CostTable` for spaces of up to 2**62 combinations, most of them unknown."""

    cardinalities: tuple[int, ...]
    """Number of choices of each column of X."""
    entries: NDArray[np.int64]
    """(M,) mixed-radix numbers of the candidates (as in `ArrayCostTable`), ascending."""
    costs: Mapping[str, FloatArray]
    """{name: float64 (M,)}."""

    @staticmethod
    def from_rows(space: Space, X: Population, costs: Mapping[str, FloatArray]) -> ListedCostTable:
        """The table of candidates X (M, D) with {name: (M,)} costs, in any order; of equal rows the last one counts.

        Raises:
            SpaceError: the space has more than 2**62 combinations.
        """
        cardinalities = tuple(int(n) for n in space.cardinalities)
        if math.prod(cardinalities) > 2**62:
            raise SpaceError(
                f"{space.name} has {float(math.prod(cardinalities)):.1e} combinations, a table of listed candidates "
                f"takes at most 2**62; give the costs as sums over the choices, or split the space"
            )
        X = space.canonical(space.check(X))
        entries, last = np.unique(_entries(X, range(len(cardinalities)), cardinalities)[::-1], return_index=True)
        rows = len(X) - 1 - last
        held = {name: np.asarray(values, dtype=np.float64)[rows] for name, values in costs.items()}
        return ListedCostTable(cardinalities=cardinalities, entries=entries, costs=held)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs."""
        return tuple(self.costs)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of candidates and costs."""
        digest = hashlib.sha256(self.entries.tobytes())
        for name, values in sorted(self.costs.items()):
            digest.update(name.encode() + values.tobytes())
        return digest.hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, FloatArray]:
        """Each cost (N,) of canonical rows X.

        Raises:
            SpaceError: a row is not in the table.
        """
        entries = _entries(X, range(len(self.cardinalities)), self.cardinalities)
        at = np.minimum(np.searchsorted(self.entries, entries), max(0, len(self.entries) - 1))
        missing = self.entries[at] != entries if len(self.entries) else np.ones(len(entries), dtype=bool)
        if missing.any():
            raise SpaceError(
                f"the table has no candidate with the choices {X[int(np.flatnonzero(missing)[0])].tolist()}; its space "
                f"lists {len(self.entries)} candidates, take rows from there"
            )
        return {name: values[at] for name, values in self.costs.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class AdditiveCostTable:
    """Costs that are sums over the choices: a base, plus what each choice adds. For generic spaces of any size."""

    base: Mapping[str, float]
    """{cost: what every candidate has}."""
    parts: Mapping[str, Mapping[int, FloatArray]]
    """{cost: {column of X: what each choice of it adds, (choices,)}}."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs."""
        return tuple(self.base)

    @property
    def columns(self) -> tuple[int, ...]:
        """Columns of X that the costs depend on."""
        return tuple(sorted({column for parts in self.parts.values() for column in parts}))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of names and values."""
        content = {
            name: [base, {column: values.tolist() for column, values in sorted(self.parts[name].items())}]
            for name, base in sorted(self.base.items())
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, FloatArray]:
        """Each cost (N,) of canonical rows X."""
        return {
            name: sum((values[X[:, column]] for column, values in self.parts[name].items()), np.full(len(X), base))
            for name, base in self.base.items()
        }


def _array_cost_table(
    columns: tuple[int, ...], cardinalities: tuple[int, ...], costs: dict[str, FloatArray]
) -> ArrayCostTable:
    return ArrayCostTable(columns=columns, cardinalities=cardinalities, costs=costs)


def _entries(X: Population, columns: Sequence[int], cardinalities: Sequence[int]) -> NDArray[np.int64]:
    """Mixed-radix number of each row, (N,)."""
    at = np.zeros(len(X), dtype=np.int64)
    for column, cardinality in zip(columns, cardinalities, strict=True):
        at = at * cardinality + X[:, column]
    return at
