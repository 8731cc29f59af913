"""A table of finished trials: what was tried in a space, what it reached with each seed, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.data.errors import DataError
from nars.data.sample import COST_CONVENTION, Sample, sample_key
from nars.space import ListedCostTable, Population, Space

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


def with_costs(space: Space, X: Population, columns: Mapping[str, NDArray[Any]]) -> Space:
    """The generic space with looked-up costs of the rows X (N, D): {name: (N,)}; the last row of equal ones counts."""
    return replace(space, table=ListedCostTable.from_rows(space, X, columns))


def gather(name: str, space: Space, X: Population, accuracy: Floats) -> TrialTable:
    """A table of distinct candidates from trials X (T, D) with accuracies (T, k); NaN is a failed training.

    Raises:
        DataError: no training succeeded.
    """
    distinct, which = np.unique(X, axis=0, return_inverse=True)
    which = which.ravel()
    collected: list[list[float]] = [[] for _ in distinct]
    for row, values in zip(which, accuracy, strict=True):
        collected[row].extend(float(value) for value in values if np.isfinite(value))
    seeds = max(map(len, collected), default=0)
    if seeds == 0:
        raise DataError(
            f"{name}: none of its {len(X)} trials succeeded (failed status or no accuracy); check the columns of "
            f"accuracy and status"
        )
    padded = np.array([values + [np.nan] * (seeds - len(values)) for values in collected])
    good = np.isfinite(padded).any(axis=1)
    return TrialTable(
        name=name, space=space, X=distinct[good], accuracy=padded[good], failed=distinct[~good],
        failed_trials=int((~np.isfinite(accuracy)).sum()),
    )  # fmt: skip


def trials_of(samples: Sequence[Sample], space: Space, *, name: str = "store") -> TrialTable:
    """The samples of a store as a table: seeds of one candidate side by side, failures apart.

    Raises:
        DataError: samples of another space, or none that succeeded.
    """
    foreign = {sample.space for sample in samples} - {space.fingerprint}
    if foreign:
        raise DataError(
            f"the samples belong to the space with fingerprint {min(foreign)}, {space.name} has {space.fingerprint}; "
            f"give the space they were collected in"
        )
    X = np.array([sample.choices for sample in samples], dtype=np.int64).reshape(len(samples), len(space.dimensions))
    accuracy = np.array([[np.nan if sample.result is None else sample.result] for sample in samples]).reshape(-1, 1)
    return gather(name, space, X, accuracy)


def samples_of(table: TrialTable, *, data: str) -> list[Sample]:
    """The trials of a table as samples of a store, one for each seed; failed candidates as one failed sample each.

    Args:
        table: what to turn into samples.
        data: name or fingerprint of the data set they were measured on.
    """
    fidelity = f"imported: {table.name}, {table.unit}"
    failed = table.failed if table.failed is not None else table.X[:0]
    X = np.concatenate([table.X, failed])
    nothing = np.full((len(failed), table.seeds), np.nan)
    labels = np.concatenate([table.accuracy, nothing])
    costs = table.space.costs(X)
    fingerprint = table.space.fingerprint
    samples = []
    for row, record in enumerate(table.space.to_records(X)):
        measured = [float(value) for value in labels[row] if np.isfinite(value)]
        for seed, value in enumerate(measured or [None]):
            samples.append(
                Sample(
                    key=sample_key(space=fingerprint, record=record, fidelity=fidelity, data=data, seed=seed),
                    record=record,
                    choices=tuple(X[row]),
                    costs={cost: float(values[row]) for cost, values in costs.items()},
                    status="error" if value is None else "ok",
                    accuracy=value,
                    message="failed in the imported table" if value is None else "",
                    epochs=0,
                    planned_epochs=0,
                    seconds=0.0,
                    seed=seed,
                    space=fingerprint,
                    data=data,
                    fidelity=fidelity,
                    cost_convention=f"as in {table.name}" if table.space.kind == "generic" else COST_CONVENTION,
                )
            )
    return samples
