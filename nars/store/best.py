"""The best measured candidate within each budget, from a million rows in well under a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nars.arrays import Floats
from nars.errors import StoreError
from nars.space import loosened
from nars.store.rows import COST, to_samples
from nars.store.sample import Sample
from nars.store.store import SampleStore


def best_per_budget(store: SampleStore, *, cost: str = "flops", budgets: Sequence[float]) -> tuple[Sample | None, ...]:
    """The best measured candidate within each budget, by `Sample.result`. Reads three columns and the rows
    that won.

    Args:
        store: N rows.
        cost: Name of a cost.
        budgets: (B,) upper bounds, included, in the unit of the cost.

    Returns: (B,) samples; None where nothing successful is that cheap. Of equally good ones the cheapest, and of
        those the one with the smallest key.

    Raises:
        StoreError: no row has that cost.
    """
    column = COST + cost
    metric = store.metric
    # Looking for repetitions among all keys would take longer than all the rest, so it is done for the winners only.
    table = store.columns(["key", column, metric.name, metric.averaged], repetitions=True)
    if len(table) == 0:
        return (None,) * len(budgets)
    if column not in table.column_names:
        names = {name for file in store.files() for name in file.schema.names}
        known = sorted(name.removeprefix(COST) for name in names if name.startswith(COST))
        raise StoreError(f"the store {store.path} has no cost {cost!r}; it has {', '.join(known) or 'none'}.")
    keys, costs = table["key"], table[column].to_numpy()
    results = pc.coalesce(table[metric.averaged], table[metric.name]).to_numpy()
    scores = np.nan_to_num(metric.score(results), nan=-np.inf)  # null, a failed training, reads as NaN
    while True:
        winners = [_best_row(keys, costs, scores, budget) for budget in budgets]
        rows = sorted({row for row in winners if row is not None})
        wanted = keys.take(pa.array(rows, type=pa.int64()))
        found = to_samples(store.columns(None, where=pc.field("key").isin(wanted)), metric) if rows else ()
        samples = {sample.key: sample for sample in found}
        stale = [
            (key, sample)
            for key, row in zip(wanted.to_pylist(), rows, strict=True)
            if (sample := samples.get(key)) is None or _score(sample) != scores[row]
        ]
        if not stale:
            return tuple(None if row is None else samples[keys[row].as_py()] for row in winners)
        # A repetition won whose key counts with another outcome: give all rows of the key that one and choose again.
        for key, sample in stale:
            scores[pc.equal(keys, key).to_numpy()] = -np.inf if sample is None else _score(sample)


def _score(sample: Sample) -> float:
    return -np.inf if sample.result is None else sample.metric.score(sample.result)


def _best_row(keys: pa.ChunkedArray, costs: Floats, scores: Floats, budget: float) -> int | None:
    within = np.where(costs <= loosened(budget), scores, -np.inf)
    best = within.max()
    if best == -np.inf:
        return None
    tied = np.flatnonzero(within == best)
    tied = tied[costs[tied] == costs[tied].min()]
    return int(min(tied, key=lambda row: keys[row].as_py()))
