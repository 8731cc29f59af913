"""Finished trials into a store: what is there already counts once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.compute as pc

from nars.errors import DataError, expect
from nars.store import Sample, SampleStore, keep_space
from nars.trials.trials import AS_IMPORTED, TrialTable, outcome, samples_of

_EARLIER = "imported: "
"""How the fidelity of rows begins that were told apart by file name and position, in earlier versions."""
_CONVENTIONS = "as in "
"""How the cost convention of such rows begins."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did."""

    added: int
    """Trainings that the store did not have."""
    equal: int
    """Trainings that it had."""
    failed: int
    """Failed ones among those that were added."""


def import_trials(table: TrialTable, store: SampleStore | str | Path, *, data: str | None = None) -> Imported:
    """Add finished trials to a sample store, which then keeps their space; what it has already counts once.

    Args:
        table: the trials, as `read_trials` gives them.
        store: an open store, or the folder or address of one; it is created if it is not there.
        data: name or fingerprint of the data set they were measured on; what the table says, else "imported", if None.

    Raises:
        StoreError: the store is of another space or data set, or counts costs in another way.
    """
    expect(table, TrialTable, "import_trials takes trials, e.g. read_trials('trials.csv', space)", error=DataError)
    store = store if isinstance(store, SampleStore) else SampleStore(store)
    samples = samples_of(table, data=data)
    identity = store.identity
    if identity is not None and identity.cost_convention.startswith(_CONVENTIONS):
        here = identity.cost_convention
        samples = [replace(s, cost_convention=here) if s.cost_convention == AS_IMPORTED else s for s in samples]
    present = set(store.keys())
    earlier = _earlier(store)
    new: list[Sample] = []
    for sample in samples:
        content = sample.choices, outcome(sample.status, sample.result)
        if sample.key in present:
            continue
        if sample.fidelity.startswith("imported, ") and earlier[content] > 0:
            earlier[content] -= 1
            continue
        present.add(sample.key)
        new.append(sample)
    store.append(new)
    keep_space(store.path, table.space if table.trials is None else table.trials.space)
    failed = sum(sample.status != "ok" for sample in new)
    return Imported(added=len(new), equal=len(samples) - len(new), failed=failed)


def _earlier(store: SampleStore) -> Counter[tuple[tuple[int, ...], str]]:
    """How often the store has each content among rows of earlier versions."""
    if store.identity is None:
        return Counter()
    metric = store.metric.name
    table = store.columns(["key", "choices", "status", metric, "fidelity"])
    table = table.filter(pc.starts_with(pc.fill_null(table["fidelity"], ""), _EARLIER))
    return Counter(
        (tuple(choices), outcome(status, value))
        for choices, status, value in zip(
            table["choices"].to_pylist(), table["status"].to_pylist(), table[metric].to_pylist(), strict=True
        )
    )
