"""A table of finished trials: what was tried in a space, what it reached with each seed, what it costs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.data.errors import DataError
from nars.space import Population, Space, SpaceError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialTable:
    """N distinct candidates with their measured accuracies; failures are kept apart."""

    name: str
    space: Space
    X: Population
    """(N, D)"""
    accuracy: Floats
    """(N, seeds), in `unit`; NaN where a candidate has fewer seeds than others or one of its trainings failed. Every
    row has at least one number."""
    unit: str = "percent"
    failed: Population | None = None
    """(F, D) candidates none of whose trainings succeeded. They are failures, not zeros."""
    failed_trials: int = 0
    """Number of single trainings that failed."""

    @property
    def mean(self) -> Floats:
        """Mean over seeds, (N,)."""
        return np.asarray(np.nanmean(self.accuracy, axis=1), dtype=np.float64)

    @property
    def seeds(self) -> int:
        """Most seeds that any candidate has."""
        return int(self.accuracy.shape[1])

    @property
    def costs(self) -> dict[str, Floats]:
        """Each cost of the candidates, {name: (N,)}."""
        return self.space.costs(self.X)


class ColumnTable:
    """Costs by lookup: the `CostTable` of a generic space whose candidates are listed with their costs."""

    def __init__(self, cardinalities: Population, X: Population, columns: Mapping[str, NDArray[Any]]) -> None:
        keys = _keys(cardinalities, X)
        order = np.argsort(keys, kind="stable")
        self._cardinalities = cardinalities
        self._keys = keys[order]
        self._columns = {name: np.asarray(values, dtype=np.float64)[order] for name, values in columns.items()}
        digest = hashlib.sha256(self._keys.tobytes())
        for name, values in sorted(self._columns.items()):
            digest.update(name.encode() + values.tobytes())
        self._fingerprint = digest.hexdigest()[:16]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs."""
        return tuple(self._columns)

    @property
    def fingerprint(self) -> str:
        """Hash of keys and costs."""
        return self._fingerprint

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Each cost (N,) of the rows of X.

        Raises:
            SpaceError: a row is not in the table.
        """
        keys = _keys(self._cardinalities, X)
        at = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
        missing = self._keys[at] != keys if len(self._keys) else np.ones(len(keys), dtype=bool)
        if missing.any():
            raise SpaceError(
                f"the table has no candidate with the choices {X[int(np.flatnonzero(missing)[0])].tolist()}; its space "
                f"lists {len(self._keys)} candidates, take rows from there"
            )
        return {name: values[at] for name, values in self._columns.items()}


def _keys(cardinalities: Population, X: Population) -> NDArray[np.int64]:
    """One number per row."""
    if len(cardinalities) and float(np.prod(cardinalities.astype(np.float64))) >= 2.0**62:
        raise DataError("a space with a table of costs may have at most 2**62 combinations; split it")
    return np.asarray(np.ravel_multi_index(tuple(X.T), tuple(cardinalities)), dtype=np.int64)


def with_costs(space: Space, X: Population, columns: Mapping[str, NDArray[Any]]) -> Space:
    """The generic space with looked-up costs of the rows X (N, D): {name: (N,)}; the first row of equal ones counts."""
    X = space.canonical(space.check(X))
    return replace(space, table=ColumnTable(space.cardinalities, X, columns))
