"""Finished trials: single trainings as a file lists them, and the table of candidates that they make."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats
from nars.errors import DataError
from nars.metric import ACCURACY, Metric
from nars.printing import brief_repr
from nars.space import ListedCostTable, Population, Space, read_document, read_space, space_file
from nars.store import COST_CONVENTION, Sample, Status, sample_key

AS_IMPORTED = "as imported"
"""Cost convention of trials that come with costs of their own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """T single trainings, in the order of a file."""

    __repr__ = brief_repr

    name: str
    space: Space
    """Without the costs that stand beside the trials: they do not change what a choice means."""
    X: Population
    """(T, D), canonical."""
    values: Floats
    """(T,), what each came to; NaN for a failed training."""
    status: Sequence[Status]
    """(T,)"""
    metric: Metric = ACCURACY
    """What was measured."""
    message: Sequence[str] = ()
    """(T,), what a failure was called, or nothing."""
    seed: Sequence[int | None] = ()
    """(T,), None where the file does not say, or nothing."""
    fidelity: Sequence[str] = ()
    """(T,), how thoroughly each was trained, where the file says, or nothing."""
    costs: Mapping[str, Floats] = field(default_factory=dict)
    """{name: (T,)}, those of equal candidates equal; NaN where a failed one has none."""
    samples: Sequence[Sample] = ()
    """(T,), where the file has whole samples of a store, or nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialTable:
    """N distinct candidates with what they were measured to be; failures are kept apart."""

    __repr__ = brief_repr

    name: str
    space: Space
    X: Population
    """(N, D)"""
    values: Floats
    """(N, seeds); NaN where a candidate has fewer seeds than others or one of its trainings failed. Every row has at
    least one number."""
    metric: Metric = ACCURACY
    """What was measured."""
    failed: Population | None = None
    """(F, D) candidates none of whose trainings succeeded. They are failures, not zeros."""
    failed_trials: int = 0
    """Number of single trainings that failed."""
    trials: Trials | None = None
    """The single trainings behind it, where they are known."""
    remarks: tuple[str, ...] = ()
    """What was assumed or left out while reading it, for a person."""

    @property
    def mean(self) -> Floats:
        """Mean over seeds, (N,)."""
        return np.asarray(np.nanmean(self.values, axis=1), dtype=np.float64)

    @property
    def seeds(self) -> int:
        """Most seeds that any candidate has."""
        return int(self.values.shape[1])

    @property
    def costs(self) -> dict[str, Floats]:
        """Each cost of the candidates, {name: (N,)}; none where the space knows none."""
        return self.space.costs(self.X) if self.space.cost_names else {}


def space_without_costs(name: str) -> Space:
    """A built-in space whose file lists costs, without them: finished trials bring their own."""
    document = read_document(space_file(name))
    content = {key: part for key, part in document.content.items() if key not in ("costs", "range", "budgets")}
    return read_space(replace(document, content=content))


def with_costs(space: Space, X: Population, columns: Mapping[str, NDArray[Any]]) -> Space:
    """The generic space with looked-up costs of the rows X (N, D): {name: (N,)}; the last row of equal ones counts."""
    return replace(space, table=ListedCostTable.from_rows(space, X, columns))


def gather(name: str, space: Space, X: Population, values: Floats, metric: Metric = ACCURACY) -> TrialTable:
    """A table of distinct candidates from trials X (T, D) with values (T, k) of a metric; NaN is a failed training.

    Raises:
        DataError: no training succeeded.
    """
    distinct, which = np.unique(X, axis=0, return_inverse=True)
    collected: list[list[float]] = [[] for _ in distinct]
    for row, found in zip(which.ravel(), values, strict=True):
        collected[row].extend(found[np.isfinite(found)].tolist())
    seeds = max(map(len, collected), default=0)
    if seeds == 0:
        raise DataError(
            f"{name}: none of its {len(X)} trials succeeded (failed status or no {metric.name}); check the columns of "
            f"{metric.name} and status"
        )
    padded = np.array([found + [np.nan] * (seeds - len(found)) for found in collected])
    good = np.isfinite(padded).any(axis=1)
    return TrialTable(
        name=name,
        space=space,
        X=distinct[good],
        values=padded[good],
        metric=metric,
        failed=distinct[~good],
        failed_trials=int((~np.isfinite(values).any(axis=1)).sum()),  # else a seed is missing
    )


def trials_of(samples: Sequence[Sample], space: Space, *, name: str = "store") -> TrialTable:
    """The samples of a store as a table: seeds of one candidate side by side, failures apart.

    Costs that all successful samples have are those of a space that knows none.

    Raises:
        DataError: samples of another space, or none that succeeded.
    """
    # Costs that stand beside the trials do not change what a choice means.
    foreign = {sample.space for sample in samples} - {space.fingerprint, replace(space, table=None).fingerprint}
    if foreign:
        raise DataError(
            f"the samples belong to the space with fingerprint {min(foreign)}, {space.name} has {space.fingerprint}; "
            f"give the space they were collected in"
        )
    X = np.array([sample.choices for sample in samples], dtype=np.int64).reshape(len(samples), len(space.dimensions))
    values = np.array([np.nan if sample.result is None else sample.result for sample in samples], dtype=np.float64)
    metric = samples[0].metric if samples else ACCURACY
    trials = Trials(
        name=name,
        space=space if space.computes_costs else replace(space, table=None),
        X=X,
        values=values,
        status=[sample.status for sample in samples],
        metric=metric,
        samples=samples,
    )
    space = _with_costs_of(samples, space, X)
    return replace(gather(name, space, X, values[:, None], metric), trials=trials)


def _with_costs_of(samples: Sequence[Sample], space: Space, X: Population) -> Space:
    """A space without costs with those of its samples X (T, D), if they have any."""
    good = [sample for sample in samples if sample.status == "ok"]
    names = [name for name in (good[0].costs if good else ()) if all(name in sample.costs for sample in good)]
    if space.cost_names or not names:
        return space
    rows = [row for row, sample in enumerate(samples) if all(name in sample.costs for name in names)]
    return with_costs(space, X[rows], {name: np.array([samples[row].costs[name] for row in rows]) for name in names})


def samples_of(table: TrialTable, *, data: str | None = None) -> list[Sample]:
    """The trials of a table as samples of a store.

    What makes a training the same is its content: candidate, seed (where it is known), fidelity and value. Several
    trainings of one table that agree in all that are kept apart by a count, so that the same table in another order,
    under another name or in two parts gives the same keys.

    Args:
        table: what to turn into samples. Of candidates that failed there is one failed sample each where the single
            trainings are not known.
        data: name or fingerprint of the data set they were measured on; what the table says, else "imported", if None.
    """
    trials = table.trials or _single_trainings(table)
    if trials.samples:
        return [
            sample
            if data in (None, sample.data)
            else replace(sample, key=key_of([sample.key, data]), data=data or sample.data)
            for sample in trials.samples
        ]
    data = data or "imported"
    fingerprint = trials.space.fingerprint
    convention = COST_CONVENTION if trials.space.computes_costs else AS_IMPORTED
    metric = trials.metric
    unit = "percent" if metric.unit == "%" else metric.unit or metric.name  # as earlier versions have it in their keys
    numbers, seen = _numbers(trials), Counter[tuple[str, str]]()
    samples = []
    for row, record in enumerate(trials.space.to_records(trials.X)):
        seed = trials.seed[row] if trials.seed else None
        fidelity = ", ".join(["imported", unit, *([trials.fidelity[row]] if trials.fidelity else [])])
        trained = sample_key(
            space=fingerprint, record=record, fidelity=fidelity, data=data, seed=-1 if seed is None else seed
        )
        status, value = trials.status[row], float(trials.values[row])
        content = trained, outcome(status, value)
        samples.append(
            Sample(
                key=key_of([*content, seen[content]]),
                record=record,
                choices=tuple(trials.X[row]),
                costs={name: float(v[row]) for name, v in trials.costs.items() if np.isfinite(v[row])},
                status=status,
                metric=metric,
                value=value if status == "ok" else None,
                message=trials.message[row] if trials.message else "",
                epochs=0,
                planned_epochs=0,
                seconds=0.0,
                seed=numbers[row] if seed is None else seed,
                space=fingerprint,
                data=data,
                fidelity=fidelity,
                cost_convention=convention,
            )
        )
        seen[content] += 1
    return samples


def outcome(status: str, value: float | None) -> str:
    """What two records of one training have in common: six digits of its value, or that it failed."""
    return f"{value:.6g}" if status == "ok" and value is not None else "failed"


def key_of(content: list[Any]) -> str:
    """A key of a store for what tells one training from the others."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _numbers(trials: Trials) -> list[int]:
    """Seeds for trainings of which none is known: within a candidate from 0, in order of value."""
    numbers = [0] * len(trials.X)
    used: dict[bytes, int] = {}
    for row in np.argsort(trials.values, kind="stable").tolist():
        candidate = trials.X[row].tobytes()
        numbers[row] = used.get(candidate, 0)
        used[candidate] = numbers[row] + 1
    return numbers


def _single_trainings(table: TrialTable) -> Trials:
    """The trainings of a table that does not list them: one for each value, one for each candidate that failed."""
    failed = table.failed if table.failed is not None else table.X[:0]
    rows, columns = np.nonzero(np.isfinite(table.values))
    status: list[Status] = ["ok"] * len(rows)
    status += ["error"] * len(failed)
    X = np.concatenate([table.X[rows], failed])
    return Trials(
        name=table.name,
        space=table.space,
        X=X,
        values=np.concatenate([table.values[rows, columns], np.full(len(failed), np.nan)]),
        status=status,
        metric=table.metric,
        message=[""] * len(rows) + ["failed in the imported table"] * len(failed),
        costs=table.space.costs(X) if table.space.cost_names else {},
    )
