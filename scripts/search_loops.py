"""The whole loops of `bench_search.py`: proposals and trainings in turn, on tables that hold every training's result.

Each finished run is a line in OUT/<section>.jsonl; a second start goes on from there. Delete the file to measure anew,
or a loop's lines to measure that loop anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from nars.predictors import Predictor
from nars.search import AmongGiven, InOrder, Strategy, propose_round
from nars.space import Bounds
from nars.trials import TrialTable, load_table
from search_rivals import Evolution, Tpe, places

Floats = NDArray[np.float64]
Loop = Callable[[np.random.Generator], Strategy]
"""A strategy among the rows of a table, from its source of randomness."""

_CHECKPOINTS = (50, 100, 200)
_MACRO_TARGET = 40
"""Trainings, at most, until the best network is trained, in the median."""
_MOST = 400
"""Trainings after which a loop with a predictor is given up."""
_MACRO_FIRST, _FCNET_FIRST, _FCNET_BATCH = 10, 10, 5
_SURVEYED = 8000
"""Candidates whose expected improvement is computed; of more, the half of it with the best means only: standard
deviations take several times as long."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def verdict(*, kept: bool) -> str:
    """Of a target."""
    return "(kept)" if kept else "(missed)"


class ByPredictor(AmongGiven):
    """Stage 2 on a table: a round over the cost bins, then the largest expected improvements, `batch` to each fit."""

    def __init__(
        self, table: TrialTable, pretrained: Predictor, *, first: int, batch: int, rng: np.random.Generator
    ) -> None:
        super().__init__(table.X, rng=rng)
        self._pretrained, self._batch, self._encoding = pretrained, batch, table.space.encode(table.X)
        order, at = rng.permutation(len(table.X)), places(table.space, table.X)
        cost = "flops" if "flops" in table.costs else "params"
        costs = {name: v[order] for name, v in table.costs.items()}
        chosen = table.space.canonical(propose_round(table.X[order], costs, Bounds(), first, cost=cost))
        self._next = [at[row.tobytes()] for row in chosen]

    def _chosen(self, count: int) -> NDArray[np.int64]:
        if not self._next:
            self._next = self._improving()
        chosen, self._next = self._next[:count], self._next[count:]
        return np.array(chosen, dtype=np.int64)

    def _improving(self) -> list[int]:
        seen, y = self._asked, self._scores[self._asked]
        model = self._pretrained.fit(self._encoding[seen], y, seed=int(self._rng.integers(2**31)))
        rest = np.flatnonzero(self._free)
        if len(rest) > _SURVEYED:
            best = np.argsort(-model.predict_mean(self._encoding[rest]), kind="stable")
            rest = rest[best[: _SURVEYED // 2]]
        predicted = model.predict(self._encoding[rest])
        gain = (predicted.mean - y.max()) / predicted.std
        improvement = predicted.std * (gain * norm.cdf(gain) + norm.pdf(gain))
        chosen: list[int] = rest[np.argsort(-improvement, kind="stable")[: self._batch]].tolist()
        return chosen


def trained(strategy: Strategy, table: TrialTable) -> Iterator[int]:
    """The rows of the table that the strategy trains, in order, each told before the next is asked for."""
    at, y = places(table.space, table.X), table.mean
    while len(X := strategy.ask(1)):
        index = at[table.space.canonical(X).tobytes()]
        yield index
        strategy.tell(X, y[[index]])


def pretrained_on(table: TrialTable, *, learned: bool) -> Predictor:
    """The default preset, pretrained on every architecture of a table; with `learned` False, not pretrained."""
    encoding = table.space.encode(table.X)[:, : table.space.architecture_width]
    _, first = np.unique(encoding, axis=0, return_index=True)
    return Predictor.pretrained(table.space, table.X[first], statistics=None if learned else {}, seed=0)


def closed_loop(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Trainings until the best network of NAS-Bench-Macro has been trained."""
    table = distinct_networks(load_table("nas-bench-macro", root=arguments.data))
    y = table.mean
    best = np.flatnonzero(y == y.max())
    loops: dict[str, tuple[int, Loop]] = {
        "regularised_evolution": (len(y), lambda rng: Evolution(table.space, table.X, rng=rng)),
        "random": (len(y), lambda rng: shuffled(table, rng)),
    }
    for name, learned in (("ours", True), ("no_pretraining", False)):
        pretrained = pretrained_on(table, learned=learned)
        loops[name] = (_MOST, by_predictor(table, pretrained, first=_MACRO_FIRST, batch=1))
    done = Runs(arguments.out / "closed-loop.jsonl")
    for name, (limit, loop) in loops.items():
        for seed in range(arguments.seeds):
            done.measure((name, seed), partial(trainings_until, loop, seed, table, best, limit))
    trainings: dict[str, dict[str, float]] = {}
    for name in sorted(loops, key=lambda name: name != "ours"):
        counts = [done[name, seed] for seed in range(arguments.seeds)]
        low, median, high = np.quantile(counts, [0.25, 0.5, 0.75]).tolist()
        trainings[name] = {"median": median, "quartile_1": low, "quartile_3": high, "seeds": arguments.seeds}
    table_rows = [[name, *(f"{value:g}" for value in values.values())] for name, values in trainings.items()]
    text = (
        "Trainings until the network with the best mean accuracy of all 6,561 has been trained, no network twice "
        f"(3,969 are distinct; pretraining on the free statistics of all; loops with a predictor start with "
        f"{_MACRO_FIRST} networks, fit after each further one and stop at {_MOST}):\n\n"
    )
    table_text = markdown(["loop", "median", "quartile 1", "quartile 3", "seeds"], table_rows)
    kept = verdict(kept=trainings["ours"]["median"] <= _MACRO_TARGET)
    target = f"\n\nTarget: a median of {_MACRO_TARGET} or less {kept}."
    return {"macro_trainings": trainings}, text + table_text + target


def distinct_networks(table: TrialTable) -> TrialTable:
    """The table without networks that are another row's: no loop has to train one twice."""
    _, first = np.unique(table.space.canonical(table.X), axis=0, return_index=True)
    return replace(table, X=table.X[first], values=table.values[first])


def by_predictor(table: TrialTable, pretrained: Predictor, *, first: int, batch: int) -> Loop:
    """`ByPredictor` on a table."""
    return lambda rng: ByPredictor(table, pretrained, first=first, batch=batch, rng=rng)


def shuffled(table: TrialTable, rng: np.random.Generator) -> Strategy:
    """The rows in random order."""
    return InOrder(table.X[rng.permutation(len(table.X))], rng=rng)


def trainings_until(loop: Loop, seed: int, table: TrialTable, best: NDArray[np.int64], limit: int) -> int:
    """How many of the loop's trainings it takes until one of the rows `best` is among them; at most `limit`."""
    for count, index in enumerate(trained(loop(np.random.default_rng(seed)), table), 1):
        if index in best or count >= limit:
            return count
    return limit


def fcnet(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Regret on FCNet's joint tables after 50, 100 and 200 trainings."""
    done = Runs(arguments.out / "fcnet.jsonl")
    names, tables = ("ours", "regularised_evolution", "optuna_tpe", "random"), list(arguments.tables)
    loops: dict[str, tuple[TrialTable, dict[str, Loop]]] = {}
    for name in tables:
        table = load_table(name)
        loops[name] = table, dict(zip(names, fcnet_loops(table), strict=True))
    for seed in range(arguments.seeds):  # the last loop, so that a run that is cut off has as many seeds of each table
        for name, (table, of_table) in loops.items():
            for loop_name, loop in of_table.items():
                done.measure((name, loop_name, seed), partial(regret, loop, seed, table))
    figures: dict[str, Any] = {}
    table_rows = list[list[object]]()
    for name in tables:
        figures[name] = {}
        for loop_name in names:
            left = np.array([done[name, loop_name, seed] for seed in range(arguments.seeds)])
            mean, spread = left.mean(axis=0), left.std(axis=0)
            both = zip(_CHECKPOINTS, mean.tolist(), spread.tolist(), strict=True)
            figures[name][loop_name] = {count: [round(m, 4), round(s, 4)] for count, m, s in both}
            table_rows.append([name, loop_name, *(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))])
    text = (
        f"Regret (dB of validation error) after so many trainings, mean ± standard deviation of {arguments.seeds} "
        f"seeds; ours starts with {_FCNET_FIRST} and fits after each further {_FCNET_BATCH}, the others see "
        "every result at once:\n\n"
    )
    kept = all(
        means["ours"][count][0] < means[other][count][0]
        for means in figures.values()
        for other in names[1:]
        for count in _CHECKPOINTS
    )
    target = f"\n\nTarget: ahead of each other loop on every table at every number of trainings {verdict(kept=kept)}."
    return {"fcnet_regret": figures}, text + markdown(["table", "loop", *map(str, _CHECKPOINTS)], table_rows) + target


def fcnet_loops(table: TrialTable) -> tuple[Loop, ...]:
    """Ours, regularized evolution, Optuna's TPE and random search."""
    worst = float(table.mean.min())
    return (
        by_predictor(table, pretrained_on(table, learned=True), first=_FCNET_FIRST, batch=_FCNET_BATCH),
        lambda rng: Evolution(table.space, table.X, rng=rng),
        lambda rng: Tpe(table.space, table.X, worst=worst, rng=rng),
        lambda rng: shuffled(table, rng),
    )


def regret(loop: Loop, seed: int, table: TrialTable) -> list[float]:
    """What is missing to the best of the table after so many trainings as `_CHECKPOINTS` says."""
    y = table.mean
    asked = list(islice(trained(loop(np.random.default_rng(seed)), table), _CHECKPOINTS[-1]))
    return [float(y.max() - y[asked[:count]].max()) for count in _CHECKPOINTS]


class Runs:
    """Results by (loop, ..., seed), each a line of a file as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self._path, self._results = path, dict[tuple[str | int, ...], Any]()
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                *key, result = json.loads(line)
            except json.JSONDecodeError:  # the last line of a run that was killed
                continue
            self._results[tuple(key)] = result

    def __getitem__(self, key: tuple[str | int, ...]) -> Any:
        return self._results[key]

    def measure(self, key: tuple[str | int, ...], work: Callable[[], Any]) -> None:
        """Do the work and keep its result, unless there is one already."""
        if key in self._results:
            return
        self._results[key] = result = work()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps([*key, result]) + "\n")
        print(*key, result, file=sys.stderr, flush=True)
