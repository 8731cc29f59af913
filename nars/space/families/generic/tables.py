"""Costs that are looked up: of spaces whose choices have no network behind them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.printing import brief_repr
from nars.space.dimension import Condition, Population
from nars.space.errors import SpaceError, UnlistedError
from nars.space.space import Space

_MOST_ENTRIES = 100_000_000
_SMALL = 1 << 22
"""Up to so many combinations the place of each is kept, however few of them are listed."""
_FULL = 4
"""Beyond that, places are kept if at least one combination in so many is listed."""
_WORD = 2**62
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class ListedCostTable:
    """Costs of listed candidates: a `CostTable` for spaces of any size, most of whose combinations may be unknown."""

    __repr__ = brief_repr

    cardinalities: tuple[int, ...]
    """Number of choices of each of `columns`."""
    entries: NDArray[Any]
    """(M,) numbers of the candidates, ascending: sum_i x[columns[i]] * prod_{j > i} cardinalities[j] (mixed radix, C
    order); beyond 2**62 combinations several such numbers as one text of bytes."""
    costs: Mapping[str, Floats]
    """{name: float64 (M,)}; NaN where the table says nothing."""
    columns: tuple[int, ...] | None = None
    """Columns of X that the costs depend on; all when None."""

    @staticmethod
    def from_rows(
        space: Space, X: Population, costs: Mapping[str, Floats], *, columns: Sequence[int] | None = None
    ) -> ListedCostTable:
        """The table of candidates X (M, D) with {name: (M,)} costs, in any order; of equal rows the last one counts.

        The costs depend on the `columns` of X; on all of them when None.

        Raises:
            SpaceError: lengths differ.
        """
        X = space.canonical(space.check(X))
        depends = tuple(range(len(space.dimensions))) if columns is None else tuple(int(c) for c in columns)
        cardinalities = tuple(int(n) for n in space.cardinalities[list(depends)])
        for name, values in costs.items():
            if np.shape(values) != (len(X),):
                raise SpaceError(f"cost {name!r} needs one value per row, shape ({len(X)},), got {np.shape(values)}")
        entries, last = np.unique(_keys(X, depends, cardinalities)[::-1], return_index=True)
        rows = len(X) - 1 - last
        held = {name: np.asarray(values, dtype=np.float64)[rows] for name, values in costs.items()}
        return ListedCostTable(
            cardinalities=cardinalities, entries=entries, costs=held, columns=None if columns is None else depends
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs."""
        return tuple(self.costs)

    @property
    def rows(self) -> Population:
        """The listed candidates, (M, columns)."""
        at = self.entries
        words = [at] if at.dtype == np.int64 else list(at.view(">i8").reshape(len(at), -1).astype(np.int64).T)
        parts = []
        for (begin, end), word in zip(_words(self.cardinalities), words, strict=True):
            parts += list(np.unravel_index(word, self.cardinalities[begin:end]))
        return np.stack(parts, axis=1).astype(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of candidates and costs: of all combinations, unlisted ones as NaN, where `columns` are named."""
        size = math.prod(self.cardinalities)
        digest = hashlib.sha256(b"" if self.columns is None else repr((self.columns, self.cardinalities)).encode())
        if self.columns is None or size > _MOST_ENTRIES:
            digest.update(self.entries.tobytes())
            for name, values in sorted(self.costs.items()):
                digest.update(name.encode() + values.tobytes())
            return digest.hexdigest()[:16]
        for name in sorted(self.costs):
            digest.update(name.encode())
            for start in range(0, size, _CHUNK):
                part = np.full(min(_CHUNK, size - start), np.nan)
                here = slice(*np.searchsorted(self.entries, [start, start + _CHUNK]).tolist())
                part[self.entries[here] - start] = self.costs[name][here]
                digest.update(part.tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def _places(self) -> Ints | None:
        """The place of every combination among `entries`, so that a look-up is one access; None if that is large."""
        size, listed = math.prod(self.cardinalities), len(self.entries)
        if size > _SMALL and size > min(_MOST_ENTRIES, _FULL * listed):
            return None
        places = np.zeros(size, dtype=np.int64)
        places[self.entries] = np.arange(listed)
        return places

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Each cost (N,) of canonical rows X.

        Raises:
            UnlistedError: a row is not in the table, or without some cost there.
        """
        entries = _keys(X, range(len(self.cardinalities)) if self.columns is None else self.columns, self.cardinalities)
        at = np.searchsorted(self.entries, entries) if self._places is None else self._places[entries]
        at = np.minimum(at, len(self.entries) - 1)
        missing = self.entries[at] != entries if len(self.entries) else np.ones(len(entries), dtype=bool)
        if missing.any():
            raise UnlistedError(X, missing, listed=len(self.entries))
        found = {name: values[at] for name, values in self.costs.items()}
        for name, values in found.items():
            if (unknown := np.isnan(values)).any():
                raise UnlistedError(X, unknown, cost=name, listed=len(self.entries))
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class AdditiveCostTable:
    """Costs that are sums over the choices: a base, plus what each choice adds where it has an effect.

    For generic spaces of any size.
    """

    __repr__ = brief_repr

    base: Mapping[str, float]
    """{cost: what every candidate has}."""
    parts: Mapping[str, Mapping[int, Floats]]
    """{cost: {column of X: what each choice of it adds, (choices,)}}."""
    active_when: Mapping[int, tuple[Condition, ...]] = field(default_factory=dict)
    """{column of X: where its choice has an effect and so costs something: any of these}; always, where not named."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs."""
        return tuple(self.base)

    @property
    def columns(self) -> tuple[int, ...]:
        """Columns of X that the costs depend on."""
        own = {column for parts in self.parts.values() for column in parts}
        return tuple(sorted(own | {rule.dimension for column in own for rule in self.active_when.get(column, ())}))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of names and values."""
        content: Any = {
            name: [base, {column: values.tolist() for column, values in sorted(self.parts[name].items())}]
            for name, base in sorted(self.base.items())
        }
        # Without effect a choice is the first one. Where that adds nothing, it makes no difference that it is not
        # counted, and the hash is what it was before conditions were.
        telling = {
            column: [[rule.dimension, sorted(rule.choices)] for rule in rules]
            for column, rules in sorted(self.active_when.items())
            if any(column in parts and parts[column][0] != 0 for parts in self.parts.values())
        }
        content = [content, telling] if telling else content
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Each cost (N,) of canonical rows X; a choice without effect adds nothing."""
        active = {
            column: np.any([np.isin(X[:, rule.dimension], list(rule.choices)) for rule in rules], axis=0)
            for column, rules in self.active_when.items()
        }

        def added(column: int, values: Floats) -> Floats:
            own = values[X[:, column]]
            return np.where(active[column], own, 0.0) if column in active else own

        return {
            name: sum((added(column, values) for column, values in self.parts[name].items()), np.full(len(X), base))
            for name, base in self.base.items()
        }


def _keys(X: Population, columns: Sequence[int], cardinalities: Sequence[int]) -> NDArray[Any]:
    """What to find a row by, (N,): its mixed-radix number; where that is too large, several of them as bytes."""
    words = [_entries(X, columns[begin:end], cardinalities[begin:end]) for begin, end in _words(cardinalities)]
    if len(words) == 1:
        return words[0]
    # Of one length and with the highest byte first, bytes are ordered as the numbers are.
    return np.ascontiguousarray(np.stack(words, axis=1).astype(">i8")).view(f"S{8 * len(words)}").ravel()


def _words(cardinalities: Sequence[int]) -> list[tuple[int, int]]:
    """Which columns go into one number, as (begin, end), so that each stays below 2**62."""
    found = []
    begin, size = 0, 1
    for at, cardinality in enumerate(cardinalities):
        size *= cardinality
        if size > _WORD:
            found.append((begin, at))
            begin, size = at, cardinality
    return [*found, (begin, len(cardinalities))]


def _entries(X: Population, columns: Sequence[int], cardinalities: Sequence[int]) -> Ints:
    """Mixed-radix number of each row, (N,)."""
    at = np.zeros(len(X), dtype=np.int64)
    for column, cardinality in zip(columns, cardinalities, strict=True):
        at = at * cardinality + X[:, column]
    return at
