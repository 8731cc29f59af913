"""The pool: architecture-recipe pairs of a Sobol sequence, with what is known of them for free."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nars.arrays import Floats
from nars.errors import DataError
from nars.files.atomic import machine_at_fault, replacing
from nars.printing import brief_repr
from nars.run import Run
from nars.run.identity import of_another_run
from nars.run.starting import start_row
from nars.space import Population, distinct, sobol


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidatePool:
    """N candidates to choose from; of a run those of stage 1, inside the range of stage 2."""

    __repr__ = brief_repr

    X: Population
    """(N, D), canonical and distinct."""
    costs: dict[str, Floats]
    """{name: (N,)}."""


def sample_pool(run: Run) -> CandidatePool:
    """Sample the pool and keep it.

    Raises:
        InfeasibleError: nothing lies in the range.
    """
    X = sobol(run.space, run.config.pretraining.pool, seed=run.config.seed, bounds=run.config.range)
    if run.config.collect.start:
        X = _around(run, start_row(run.space, run.config.collect.start), X)
    pool = CandidatePool(X=X, costs=run.space.costs(X))
    columns: dict[str, NDArray[Any]] = {f"cost.{name}": values for name, values in pool.costs.items()}
    for column, dimension in enumerate(run.space.dimensions):
        columns[f"choice.{dimension.name}"] = X[:, column].astype(np.int32)
    about = {"nars.space": run.space.fingerprint, "nars.origin": run.origin, "nars.content": _content(X)}
    table = pa.table(columns).replace_schema_metadata(about)
    with replacing(run.folder.pool_file) as path:
        pq.write_table(table, path)
    return pool


def _around(run: Run, start: Population, X: Population) -> Population:
    """The start, then as many candidates near it as Sobol points X, in turns, of each the first; so many rows as X.

    Near it is what differs in about `_EXCHANGED` choices, in ordered ones by a step or two: whoever names a start knows
    something, and few trainings find little in the whole of a space.
    """
    space, rng = run.space, run.rng(5)
    near = np.repeat(start, 8 * len(X), axis=0)
    exchanged = rng.random(near.shape) < _EXCHANGED / near.shape[1]
    other = rng.integers(1, np.maximum(space.cardinalities, 2), size=near.shape)
    steps = rng.choice([-2, -1, 1, 2], size=near.shape)
    ordinal = np.array([dimension.ordinal for dimension in space.dimensions])
    stepped = np.clip(near + steps, 0, space.cardinalities - 1)
    moved = np.where(ordinal, stepped, (near + other) % space.cardinalities)
    near = distinct(space.canonical(np.where(exchanged, moved, near)))
    near = near[run.config.range.admits(space.costs(near), rows=len(near))][: len(X)]
    turns = np.concatenate([np.arange(len(near)) + 0.5, np.arange(len(X))]).argsort(kind="stable")
    return distinct(np.concatenate([start, np.concatenate([near, X])[turns]]))[: len(X)]


_EXCHANGED = 3.0
"""Choices in which a candidate near the start differs from it, on average."""


def load_pool(run: Run) -> CandidatePool | None:
    """The pool that the run has; None before it is sampled.

    Raises:
        DataError: the pool's file is damaged, or of another space or run.
    """
    file = run.folder.pool_file
    if not file.is_file():
        return None
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        if machine_at_fault(error):
            raise
        raise DataError(
            f"{file} must be a Parquet file that nars wrote, reading gave: {error}. Delete it to redo it."
        ) from error
    about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if about.get("nars.space") != run.space.fingerprint:
        raise DataError(f"{file} belongs to another space than {run.space.name}. Choose another folder.")
    if not run.is_own(about.get("nars.origin")):
        raise of_another_run(file, "it is sampled again")
    X = np.stack([table[f"choice.{dim.name}"].to_numpy() for dim in run.space.dimensions], axis=1).astype(np.int64)
    if about.get("nars.content", _content(X)) != _content(X):
        raise DataError(f"{file} has been edited since nars wrote it. Put it back, or delete it to have it made again.")
    return CandidatePool(X=X, costs=run.space.costs(X))


def _content(X: Population) -> str:
    return hashlib.sha256(np.ascontiguousarray(X, dtype="<i8").tobytes()).hexdigest()[:32]
