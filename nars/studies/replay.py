"""Running a strategy offline against measured rows: what would it have found, after how many trainings?

A strategy proposes, the store answers; nothing is trained. The strategy sees the accuracy of what it has asked for and
of nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nars.errors import StoreError
from nars.printing import brief_repr
from nars.store import SampleStore
from nars.store.rows import COST

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """N measured candidates to choose from, in the order in which they were measured (round, then time)."""

    __repr__ = brief_repr

    choices: Indices
    """(N, D), rows of choice indices, no two equal."""
    costs: Mapping[str, Floats]
    """Cost by name, each (N,)."""
    accuracy: Floats
    """(N,), percent; NaN where the training failed."""
    epochs: Indices
    """(N,), epochs that asking for it costs."""
    seconds: Floats
    """(N,), training time that asking for it costs."""

    def within(self, budgets: Mapping[str, float]) -> Measured:
        """Only the candidates whose costs are at most these.

        Raises:
            StoreError: there is no such cost, or no candidate is left.
        """
        keep = np.ones(len(self.accuracy), dtype=np.bool_)
        for name, budget in budgets.items():
            if name not in self.costs:
                raise StoreError(f"there is no cost {name!r} among {', '.join(self.costs)}.")
            keep &= self.costs[name] <= budget
        if not keep.any():
            limits = ", ".join(f"{name} <= {budget:g}" for name, budget in budgets.items())
            raise StoreError(f"no measured candidate is within {limits}. Raise the budget.")
        return Measured(
            choices=self.choices[keep],
            costs={name: values[keep] for name, values in self.costs.items()},
            accuracy=self.accuracy[keep],
            epochs=self.epochs[keep],
            seconds=self.seconds[keep],
        )


class Strategy(Protocol):
    """Decides what to train next."""

    def __call__(
        self, measured: Measured, known: Floats, failed: NDArray[np.bool_], count: int, *, rng: np.random.Generator
    ) -> Sequence[int] | Indices:
        """Choose candidates.

        Args:
            measured: what there is to choose from; its `accuracy` is all NaN here.
            known: (N,) accuracy in percent of what was asked for before and succeeded, else NaN.
            failed: (N,) whether it was asked for before and failed.
            count: how many to choose.
            rng: the only source of chance to use.

        Returns: `count` different indices that were not asked for before.
        """


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a strategy did with T trainings."""

    __repr__ = brief_repr

    asked: Indices
    """(T,), indices into `Measured`, in order."""
    best: Floats
    """(T,), the best accuracy found after each training, percent; NaN until the first success."""
    epochs: Indices
    """(T,), epochs spent after each training."""
    seconds: Floats
    """(T,), training time spent after each training."""
    regret: Floats
    """(T,), the best accuracy there is minus `best`."""


def measured(store: SampleStore, *, epoch: int | None = None) -> Measured:
    """The candidates of a store as a table to replay against, with the accuracies that count (`Sample.result`).

    A candidate that was measured more than once (seeds, fidelities) counts as its longest successful training; several
    seeds of that length are averaged.

    Args:
        store: rows of candidates with the same number of choices.
        epoch: use the accuracy after this many epochs (from 1) instead of the final one, as if each training had been
            stopped there. Trainings that were stopped earlier are left out.

    Raises:
        StoreError: the store is empty, or no training reached that epoch.
    """
    table = store.table()
    table = table.sort_by([("round", "ascending"), ("finished", "ascending"), ("key", "ascending")])
    epochs = table["epochs"].to_numpy().astype(np.int64)
    ok = pc.equal(table["status"], "ok").to_numpy()
    results = pc.coalesce(table["ema_accuracy"], table["accuracy"])
    accuracy = np.array(results.to_numpy(), dtype=np.float64)
    if epoch is not None:
        lengths = pc.list_value_length(table["curve"]).to_numpy()
        reached = ~ok | (lengths >= epoch)
        table, accuracy, epochs, ok = table.filter(pa.array(reached)), accuracy[reached], epochs[reached], ok[reached]
        averaged = pc.fill_null(pc.greater(pc.list_value_length(table["ema_curve"]), 0), False)
        curves = pc.if_else(averaged, table["ema_curve"], table["curve"]).filter(pa.array(ok))
        accuracy[ok] = pc.list_element(curves, epoch - 1).to_numpy()
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

    def average(values: Floats) -> Floats:
        return np.bincount(group[counts], weights=values[counts], minlength=len(first)) / weight

    order = np.argsort(first, kind="stable")
    return Measured(
        choices=choices[first][order],
        costs={
            name.removeprefix(COST): table[name].to_numpy()[first][order]
            for name in table.column_names
            if name.startswith(COST)
        },
        accuracy=average(accuracy)[order],
        epochs=np.rint(average(epochs.astype(np.float64))).astype(np.int64)[order],
        seconds=average(seconds)[order],
    )


def replay(pool: Measured, strategy: Strategy, *, trainings: int, batch: int, rng: np.random.Generator) -> Replay:
    """Let a strategy spend `trainings` on measured candidates, `batch` at a time.

    Raises:
        StoreError: more trainings than candidates, or the strategy proposes what it must not.
    """
    total = len(pool.accuracy)
    if not 1 <= trainings <= total or batch < 1:
        raise StoreError(
            f"trainings must lie between 1 and the {total} measured candidates and batch be at least 1, got "
            f"{trainings} and {batch}."
        )
    hidden = Measured(
        choices=pool.choices,
        costs=pool.costs,
        accuracy=np.full(total, np.nan),
        epochs=pool.epochs,
        seconds=pool.seconds,
    )
    asked = np.zeros(0, dtype=np.int64)
    while len(asked) < trainings:
        seen = np.zeros(total, dtype=np.bool_)
        seen[asked] = True
        known = np.where(seen, pool.accuracy, np.nan)
        count = min(batch, trainings - len(asked))
        chosen = np.asarray(strategy(hidden, known, seen & np.isnan(pool.accuracy), count, rng=rng), dtype=np.int64)
        legal = len(chosen) == count == len(np.unique(chosen)) and chosen.min() >= 0 and chosen.max() < total
        if not legal or seen[chosen].any():
            raise StoreError(
                f"a strategy must propose {count} different candidates between 0 and {total - 1} that it has not asked "
                f"for before, got {chosen.tolist()}."
            )
        asked = np.concatenate([asked, chosen])
    found = np.fmax.accumulate(pool.accuracy[asked])
    return Replay(
        asked=asked,
        best=found,
        epochs=np.cumsum(pool.epochs[asked]),
        seconds=np.cumsum(pool.seconds[asked]),
        regret=float(np.nanmax(pool.accuracy)) - found,
    )


def as_measured(
    measured: Measured, known: Floats, failed: NDArray[np.bool_], count: int, *, rng: np.random.Generator
) -> Indices:
    """The strategy that asks in the order of the store: the run as it was, ended after fewer trainings."""
    return np.flatnonzero(np.isnan(known) & ~failed)[:count]


def at_random(
    measured: Measured, known: Floats, failed: NDArray[np.bool_], count: int, *, rng: np.random.Generator
) -> Indices:
    """The strategy to beat: uniform without repetition."""
    return rng.choice(np.flatnonzero(np.isnan(known) & ~failed), size=count, replace=False)


class Evolution:
    """Regularised evolution (Real et al. 2019) among measured candidates; one instance for one replay.

    Population 20, tournaments of 5, one choice mutated. Measured are rarely all neighbours: the child is the candidate,
    not asked for before, that differs from the mutant in the fewest choices.
    """

    population, tournament = 20, 5

    def __init__(self) -> None:
        self._proposed: list[int] = []

    def __call__(
        self, measured: Measured, known: Floats, failed: NDArray[np.bool_], count: int, *, rng: np.random.Generator
    ) -> Indices:
        """As in `Strategy`."""
        fitness = np.nan_to_num(known, nan=-np.inf)
        alive = np.array(self._proposed[-self.population :], dtype=np.int64)
        free = np.isnan(known) & ~failed
        chosen: list[int] = []
        for _ in range(count):
            candidates = np.flatnonzero(free)
            if len(alive) < self.population:
                child = int(rng.choice(candidates))
            else:
                group = rng.choice(alive, size=self.tournament, replace=False)
                mutant = self._mutant(measured.choices, int(group[fitness[group].argmax()]), rng)
                differing = (measured.choices[candidates] != mutant).sum(axis=1)
                child = int(rng.choice(candidates[differing == differing.min()]))
            free[child] = False
            chosen.append(child)
        self._proposed += chosen
        return np.array(chosen, dtype=np.int64)

    def _mutant(self, choices: Indices, parent: int, rng: np.random.Generator) -> Indices:
        """The parent with one choice changed to another that is among the candidates; (D,)."""
        row = choices[parent].copy()
        column = int(rng.choice(np.flatnonzero(np.ptp(choices, axis=0) > 0)))
        row[column] = rng.choice(np.setdiff1d(choices[:, column], row[column]))
        return np.asarray(row, dtype=np.int64)
