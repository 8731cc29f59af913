"""Finished trials into a store: what is there already counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow.compute as pc

from nars.store import Sample, SampleStore
from nars.trials.trials import AS_IMPORTED, outcome

_EARLIER = "imported: "
"""How the fidelity of rows begins that were told apart by file name and position, in earlier versions."""
_CONVENTIONS = "as in "
"""The same of their cost convention."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did."""

    added: int
    """Trainings that the store did not have."""
    equal: int
    """Trainings that it had."""
    failed: int
    """Failed ones among those that were added."""


def add_trials(store: SampleStore, samples: Sequence[Sample]) -> Imported:
    """Add those of the samples that the store does not have.

    Raises:
        StoreError: the store is of another space or data set, or counts costs in another way.
    """
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
    failed = sum(sample.status != "ok" for sample in new)
    return Imported(added=len(new), equal=len(samples) - len(new), failed=failed)


def _earlier(store: SampleStore) -> Counter[tuple[tuple[int, ...], str]]:
    """How often the store has each content among rows of earlier versions."""
    if store.identity is None:
        return Counter()
    table = store.columns(["key", "choices", "status", "accuracy", "fidelity"])
    table = table.filter(pc.starts_with(pc.fill_null(table["fidelity"], ""), _EARLIER))
    return Counter(
        (tuple(choices), outcome(status, accuracy))
        for choices, status, accuracy in zip(
            table["choices"].to_pylist(), table["status"].to_pylist(), table["accuracy"].to_pylist(), strict=True
        )
    )
