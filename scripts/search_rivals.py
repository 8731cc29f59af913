"""The other searches of `bench_search.py`: pymoo's and Optuna's genetic algorithms over a predictor; loops that train.

Each gets the same score function on whole populations, and the same costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from nars.search import Score
from nars.space import Bounds, Population, Space, uniform

Floats = NDArray[np.float64]


def with_pymoo(space: Space, score: Score, bounds: Bounds, *, evaluations: int, seed: int) -> float:
    """Best score inside the bounds by pymoo's genetic algorithm for whole numbers, as its manual sets it up."""
    costs = space.quick_costs

    class Choices(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(
                n_var=len(space.dimensions), n_obj=1, n_ieq_constr=1, xl=0, xu=space.cardinalities - 1, vtype=int
            )

        def _evaluate(self, x: Population, out: dict[str, Floats], *args: Any, **kwargs: Any) -> None:
            X = space.canonical(x)
            out["F"], out["G"] = -score(X), bounds.violation(costs(X))

    repair = RoundingRepair()
    algorithm = GA(
        pop_size=100,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=repair),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=repair),
        eliminate_duplicates=True,
    )
    found = minimize(Choices(), algorithm, ("n_eval", evaluations), seed=seed, verbose=False)
    return -np.inf if found.F is None else -float(found.F[0])


def with_optuna(space: Space, score: Score, bounds: Bounds, *, evaluations: int, seed: int) -> float:
    """Best score inside the bounds by Optuna's NSGA-II with constraints, 50 asked and scored at a time."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    costs, size = space.quick_costs, 50
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.NSGAIISampler(population_size=size, seed=seed)
    )
    best = -np.inf
    for _ in range(evaluations // size):
        trials = [study.ask() for _ in range(size)]
        X = space.canonical(np.array([suggest(space, trial) for trial in trials], dtype=np.int64))
        scores, violation = score(X), bounds.violation(costs(X))
        for trial, value, excess in zip(trials, scores.tolist(), violation.tolist(), strict=True):
            trial.set_constraint("budget", excess)
            study.tell(trial, value)
        best = max(best, float(np.max(scores, where=violation == 0, initial=-np.inf)))
    return best


def suggest(space: Space, trial: optuna.Trial) -> list[int]:
    """A row (D,) of choices as Optuna proposes them: numbers where they are ordered, categories else."""
    return [
        trial.suggest_int(dimension.name, 0, len(dimension.values) - 1)
        if dimension.ordinal
        else trial.suggest_categorical(dimension.name, tuple(range(len(dimension.values))))
        for dimension in space.dimensions
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The candidates of a table."""

    space: Space
    X: Population

    @cached_property
    def _at(self) -> dict[bytes, int]:
        return {row.tobytes(): number for number, row in enumerate(self.space.canonical(self.X))}

    def find(self, row: Population) -> int:
        """Where a row (1, D) is in the table, -1 where it is not."""
        return self._at.get(self.space.canonical(row).tobytes(), -1)


def by_random(count: int, rng: np.random.Generator) -> Iterator[int]:
    """Rows of a table in random order."""
    yield from rng.permutation(count).tolist()


def by_evolution(rows: Rows, y: Floats, rng: np.random.Generator) -> Iterator[int]:
    """Regularised evolution (Real et al. 2019): population 20, tournaments of 5, one choice mutated; no row twice."""
    space, population = rows.space, list[int]()
    seen: set[int] = set()
    while len(seen) < len(y):
        if len(population) < 20:
            row = uniform(space, 1, rng=rng)
        else:
            group = rng.choice(population, size=5, replace=False)
            row = rows.X[[group[np.argmax(y[group])]]]
            column = int(rng.integers(row.shape[1]))
            row[0, column] = (row[0, column] + rng.integers(1, space.cardinalities[column])) % space.cardinalities[
                column
            ]
        index = rows.find(row)
        if index < 0:
            continue
        if index not in seen:
            seen.add(index)
            yield index
        population = [*population, index][-20:]


def by_tpe(rows: Rows, y: Floats, rng: np.random.Generator) -> Iterator[int]:
    """Optuna's TPE sampler with its defaults; a row that it repeats is answered and not counted again."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**31)))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    seen: set[int] = set()
    while len(seen) < len(y):
        trial = study.ask()
        index = rows.find(np.array([suggest(rows.space, trial)], dtype=np.int64))
        if index >= 0 and index not in seen:
            seen.add(index)
            yield index
        study.tell(trial, float(y[index]) if index >= 0 else float(y.min()))
