"""The whole loops of `bench_search.py`: proposals and trainings in turn, on tables that hold every training's result.

Each finished run is a line in OUT/<section>.jsonl; a second start goes on from there. Delete the file to measure anew,
or a loop's lines to measure that loop anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from nars.predictors import PRESETS, Predictor, free_statistics
from nars.search import propose_round
from nars.space import Bounds
from nars.trials import TrialTable, load_table
from search_rivals import Rows, by_evolution, by_random, by_tpe

Floats = NDArray[np.float64]
Loop = Callable[[np.random.Generator], Iterator[int]]
"""The rows of a table that a strategy trains, in order."""

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


def by_predictor(
    table: TrialTable, pretrained: Predictor, rng: np.random.Generator, *, first: int, batch: int
) -> Iterator[int]:
    """Stage 2 on a table: a round over the cost bins, then the largest expected improvements, `batch` to each fit."""
    y, encoding = table.mean, table.space.encode(table.X)
    rows = Rows(space=table.space, X=table.X)
    order = rng.permutation(len(y))
    cost = "flops" if "flops" in table.costs else "params"
    pool = propose_round(
        table.X[order], {name: v[order] for name, v in table.costs.items()}, Bounds(), first, cost=cost
    )
    seen = [rows.find(row[None]) for row in pool]
    yield from seen
    while len(seen) < len(y):
        model = pretrained.fit(encoding[seen], y[seen], seed=int(rng.integers(2**31)))
        rest = np.setdiff1d(np.arange(len(y)), seen)
        if len(rest) > _SURVEYED:
            rest = rest[np.argsort(-model.predict_mean(encoding[rest]), kind="stable")[: _SURVEYED // 2]]
        told = model.predict(encoding[rest])
        gain = (told.mean - y[seen].max()) / told.std
        improvement = told.std * (gain * norm.cdf(gain) + norm.pdf(gain))
        chosen = rest[np.argsort(-improvement, kind="stable")[:batch]].tolist()
        seen += chosen
        yield from chosen


def pretrained_on(table: TrialTable, *, told: bool) -> Predictor:
    """The default preset, pretrained on every architecture of a table; with `told` False, not pretrained."""
    encoding = table.space.encode(table.X)[:, : table.space.architecture_width]
    _, first = np.unique(encoding, axis=0, return_index=True)
    statistics: Mapping[str, Floats] = free_statistics(table.space, table.X[first]) if told else {}
    return Predictor.pretrain(
        encoding[first], statistics, recipe_width=table.space.recipe_width, settings=PRESETS["default"], seed=0
    )


def closed_loop(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Trainings until the best network of NAS-Bench-Macro has been trained."""
    table = distinct_networks(load_table("nas-bench-macro", root=arguments.data))
    rows, y = Rows(space=table.space, X=table.X), table.mean
    best = np.flatnonzero(y == y.max())
    loops: dict[str, tuple[int, Loop]] = {
        "regularised_evolution": (len(y), partial(by_evolution, rows, y)),
        "random": (len(y), partial(by_random, len(y))),
    }
    for name, told in (("ours", True), ("no_pretraining", False)):
        pretrained = pretrained_on(table, told=told)
        loops[name] = (_MOST, partial(by_predictor, table, pretrained, first=_MACRO_FIRST, batch=1))
    done = Runs(arguments.out / "closed-loop.jsonl")
    for name, (limit, loop) in loops.items():
        for seed in range(arguments.seeds):
            done.measure((name, seed), partial(trainings_until, loop, seed, best, limit))
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
    return replace(table, X=table.X[first], accuracy=table.accuracy[first])


def trainings_until(loop: Loop, seed: int, best: NDArray[np.int64], limit: int) -> int:
    """How many of the loop's trainings it takes until one of the rows `best` is among them; at most `limit`."""
    for count, index in enumerate(loop(np.random.default_rng(seed)), 1):
        if index in best or count >= limit:
            return count
    return limit


def fcnet(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Regret on FCNet's joint tables after 50, 100 and 200 trainings."""
    done = Runs(arguments.out / "fcnet.jsonl")
    names, tables = ("ours", "regularised_evolution", "optuna_tpe", "random"), list(arguments.tables)
    loops: dict[str, tuple[Floats, dict[str, Loop]]] = {}
    for name in tables:
        table = load_table(name)
        rows, y = Rows(space=table.space, X=table.X), table.mean
        told = pretrained_on(table, told=True)
        ours = partial(by_predictor, table, told, first=_FCNET_FIRST, batch=_FCNET_BATCH)
        others = (partial(by_evolution, rows, y), partial(by_tpe, rows, y), partial(by_random, len(y)))
        loops[name] = y, dict(zip(names, (ours, *others), strict=True))
    for seed in range(arguments.seeds):  # the last loop, so that a run that is cut off has as many seeds of each table
        for name, (y, of_table) in loops.items():
            for loop_name, loop in of_table.items():
                done.measure((name, loop_name, seed), partial(regret, loop, seed, y))
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


def regret(loop: Loop, seed: int, y: Floats) -> list[float]:
    """What is missing to the best of y after so many trainings as `_CHECKPOINTS` says."""
    asked = list(islice(loop(np.random.default_rng(seed)), _CHECKPOINTS[-1]))
    return [float(y.max() - y[asked[:count]].max()) for count in _CHECKPOINTS]


class Runs:
    """Results by (loop, ..., seed), each a line of a file as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self._path, self._results = path, dict[tuple[str | int, ...], Any]()
        for line in path.read_text().splitlines() if path.is_file() else ():
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
