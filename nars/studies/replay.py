"""Running a strategy offline against measured rows: what would it have found, after how many trainings?

A strategy proposes, the store answers; nothing is trained. The strategy sees the values of what it has asked for and of
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nars.arrays import Floats, Ints
from nars.errors import StoreError
from nars.metric import ACCURACY, Metric
from nars.printing import brief_repr
from nars.search import Strategy
from nars.space import Population, loosened
from nars.store import SampleStore
from nars.store.rows import COST


@dataclass(frozen=True, kw_only=True)
class Measured:
    """N measured candidates to choose from, in the order in which they were measured (round, then time)."""

    __repr__ = brief_repr

    choices: Ints
    """(N, D), rows of choice indices, no two equal."""
    costs: Mapping[str, Floats]
    """Cost by name, each (N,)."""
    values: Floats
    """(N,), what each was measured to be; NaN where the training failed."""
    metric: Metric = ACCURACY
    """What was measured."""
    epochs: Ints
    """(N,), epochs that asking for it costs."""
    seconds: Floats
    """(N,), training time that asking for it costs."""

    @staticmethod
    def of(store: SampleStore, *, epoch: int | None = None) -> Measured:
        """The candidates of a store as a table to replay against, with the values that count (`Sample.result`).

        A candidate that was measured more than once (seeds, fidelities) counts as its longest successful training;
        several seeds of that length are averaged.

        Args:
            store: Rows of candidates with the same number of choices.
            epoch: Use the value after this many epochs (from 1) instead of the final one, as if each training had
                been stopped there. Trainings that were stopped earlier are left out.

        Raises:
            StoreError: the store is empty, or no training reached that epoch.
        """
        table = store.table().sort_by([(name, "ascending") for name in ("round", "finished", "key")])
        epochs = table["epochs"].to_numpy().astype(np.int64)
        ok = pc.equal(table["status"], "ok").to_numpy()
        metric = store.metric
        results = pc.coalesce(table[metric.averaged], table[metric.name])
        values = np.array(results.to_numpy(), dtype=np.float64)
        if epoch is not None:
            lengths = pc.list_value_length(table["curve"]).to_numpy()
            reached = ~ok | (lengths >= epoch)
            table = table.filter(pa.array(reached))
            values, epochs, ok = values[reached], epochs[reached], ok[reached]
            averaged = pc.fill_null(pc.greater(pc.list_value_length(table["ema_curve"]), 0), False)
            curves = pc.if_else(averaged, table["ema_curve"], table["curve"]).filter(pa.array(ok))
            values[ok] = pc.list_element(curves, epoch - 1).to_numpy()
            seconds = table["seconds"].to_numpy() * np.minimum(1, epoch / np.maximum(epochs, 1))
            epochs = np.minimum(epochs, epoch)
        else:
            seconds = table["seconds"].to_numpy()
        if not ok.any():
            what = "no successful training" if epoch is None else f"no successful training of {epoch} epochs or more"
            raise StoreError(f"the store {store.path} has {what}. Collect samples first, or choose a smaller epoch.")
        rows = table["choices"].combine_chunks()
        choices = rows.flatten().to_numpy().reshape(len(table), -1)
        _, first, group = np.unique(choices, axis=0, return_index=True, return_inverse=True)
        # The longest success of each candidate, all of its seeds; the longest failure where nothing succeeded.
        length = np.where(ok, epochs + epochs.max() + 1, epochs)
        longest = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(longest, group, length)
        counts = length == longest[group]
        weight = np.bincount(group[counts], minlength=len(first)).astype(np.float64)

        def average(column: Floats) -> Floats:
            return np.bincount(group[counts], weights=column[counts], minlength=len(first)) / weight

        order = np.argsort(first, kind="stable")
        costs = [name for name in table.column_names if name.startswith(COST)]
        return Measured(
            choices=choices[first][order],
            costs={name.removeprefix(COST): table[name].to_numpy()[first][order] for name in costs},
            values=average(values)[order],
            metric=metric,
            epochs=np.rint(average(epochs.astype(np.float64))).astype(np.int64)[order],
            seconds=average(seconds)[order],
        )

    def places(self, X: Population) -> list[int]:
        """Where candidates (N, D) are in the table; -1 where they are not."""
        return [self._at.get(row.tobytes(), -1) for row in np.ascontiguousarray(X, dtype=np.int64)]

    @cached_property
    def _at(self) -> dict[bytes, int]:
        return {row.tobytes(): place for place, row in enumerate(self.choices)}

    def within(self, budgets: Mapping[str, float]) -> Measured:
        """Only the candidates whose costs are at most these.

        Raises:
            StoreError: there is no such cost, or no candidate is left.
        """
        keep = np.ones(len(self.values), dtype=np.bool_)
        for name, budget in budgets.items():
            if not self.costs:
                raise StoreError(f"a budget of {name} needs samples with costs, and these have none; leave it out.")
            if name not in self.costs:
                raise StoreError(f"there is no cost {name!r} among {', '.join(self.costs)}.")
            keep &= self.costs[name] <= loosened(budget)
        if not keep.any():
            limits = ", ".join(f"{name} <= {budget:g}" for name, budget in budgets.items())
            raise StoreError(f"no measured candidate is within {limits}. Raise the budget.")
        kept = {name: getattr(self, name)[keep] for name in ("choices", "values", "epochs", "seconds")}
        costs = {name: column[keep] for name, column in self.costs.items()}
        return Measured(costs=costs, metric=self.metric, **kept)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a strategy did with T trainings."""

    __repr__ = brief_repr

    asked: Ints
    """(T,), indices into `Measured`, in order."""
    best: Floats
    """(T,), the best value found after each training; NaN until the first success."""
    epochs: Ints
    """(T,), epochs spent after each training."""
    seconds: Floats
    """(T,), training time spent after each training."""
    regret: Floats
    """(T,), how far `best` is behind the best value there is, >= 0 whichever way is better."""


def replay(table: Measured, strategy: Strategy, *, trainings: int, batch: int) -> Replay:
    """Let a strategy spend `trainings` on measured candidates, `batch` at a time; it is told what it asked for.

    Raises:
        StoreError: more trainings than candidates, or the strategy proposes what it must not.
    """
    check_trainings(table, trainings, batch)
    asked: list[int] = []
    while len(asked) < trainings:
        count = min(batch, trainings - len(asked))
        X = strategy.ask(count)
        places = table.places(X)
        if len(set(asked + places)) != len(asked) + count or -1 in places:
            raise StoreError(
                f"a strategy must propose {count} different measured candidates that it has not asked for before, got "
                f"{X.tolist()}."
            )
        strategy.tell(X, table.metric.score(table.values[places]))
        asked += places
    return spent(table, asked)


def check_trainings(table: Measured, trainings: int, batch: int) -> None:
    """Refuse what a replay cannot spend.

    Raises:
        StoreError: more trainings than candidates, or no candidate at a time.
    """
    total = len(table.values)
    if not 1 <= trainings <= total or batch < 1:
        raise StoreError(
            f"trainings must lie between 1 and the {total} measured candidates and batch be at least 1, got "
            f"{trainings} and {batch}."
        )


def spent(table: Measured, asked: Sequence[int]) -> Replay:
    """What trainings have found, by the places of their candidates in the table."""
    at = np.array(asked, dtype=np.int64)
    scores = table.metric.score(table.values)
    found = np.fmax.accumulate(scores[at])
    return Replay(
        asked=at,
        best=table.metric.score(found),
        epochs=np.cumsum(table.epochs[at]),
        seconds=np.cumsum(table.seconds[at]),
        regret=float(np.nanmax(scores)) - found,
    )
