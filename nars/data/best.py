"""The best measured candidate within each budget, from a million rows in well under a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from nars.data.errors import StoreError
from nars.data.rows import COST, to_samples
from nars.data.sample import Sample
from nars.data.store import SampleStore


def best_per_budget(store: SampleStore, *, cost: str = "flops", budgets: Sequence[float]) -> tuple[Sample | None, ...]:
    """The most accurate measured candidate within each budget. Reads two columns and the rows that won.

    Args:
        store: N rows.
        cost: name of a cost.
        budgets: (B,) upper bounds, included, in the unit of the cost.

    Returns: (B,) samples; None where nothing successful is that cheap. Of equally accurate ones the cheapest, and of
        those the one with the smallest key.

    Raises:
        StoreError: no row has that cost.
    """
    column = COST + cost
    table = store.columns(["key", column, "accuracy"])
    if len(table) == 0:
        return (None,) * len(budgets)
    if column not in table.column_names:
        names = {name for file in store.files() for name in file.schema.names}
        known = sorted(name.removeprefix(COST) for name in names if name.startswith(COST))
        raise StoreError(f"the store {store.path} has no cost {cost!r}; it has {', '.join(known) or 'none'}.")
    costs = table[column].to_numpy()
    accuracies = np.nan_to_num(table["accuracy"].to_numpy(), nan=-np.inf)  # null reads as NaN: failed
    keys: list[str | None] = []
    for budget in budgets:
        within = np.where(costs <= budget, accuracies, -np.inf)
        best = within.max()
        tied = np.flatnonzero(within == best)
        tied = tied[costs[tied] == costs[tied].min()]
        keys.append(None if best == -np.inf else min(table["key"].take(tied).to_pylist()))
    wanted = sorted({key for key in keys if key is not None})
    rows = store.columns(None, where=pc.field("key").isin(wanted)) if wanted else table.slice(0, 0)
    samples = {sample.key: sample for sample in to_samples(rows)} if wanted else {}
    return tuple(None if key is None else samples[key] for key in keys)
