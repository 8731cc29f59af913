"""The other searches of `bench_search.py`: pymoo's and Optuna's genetic algorithms over a predictor; loops that train.

Each gets the same score function on whole populations, and the same costs.
"""

from __future__ import annotations

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

from nars.search import AmongGiven, Score
from nars.space import Bounds, Population, Space, uniform
from nars.studies import suggest

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


class Evolution(AmongGiven):
    """Regularized evolution (Real et al. 2019): population 20, tournaments of 5, one choice mutated.

    Unlike `nars.search.RegularizedEvolution` it mutates until a row of the table comes out: for tables of whole spaces.
    """

    def __init__(self, space: Space, X: Population, *, rng: np.random.Generator) -> None:
        super().__init__(X, rng=rng)
        self._space, self._at = space, places(space, X)
        self._population = list[int]()

    def _chosen(self, count: int) -> NDArray[np.int64]:
        while True:
            if len(self._population) < 20:
                row = uniform(self._space, 1, rng=self._rng)
            else:
                group = self._rng.choice(self._population, size=5, replace=False)
                row = self._X[[group[np.argmax(self._scores[group])]]]
                column = int(self._rng.integers(row.shape[1]))
                choices = self._space.cardinalities[column]
                row[0, column] = (row[0, column] + self._rng.integers(1, choices)) % choices
            index = self._at.get(self._space.canonical(row).tobytes(), -1)
            if index < 0:
                continue
            self._population = [*self._population, index][-20:]
            if self._free[index]:
                return np.array([index])


class Tpe(AmongGiven):
    """Optuna's TPE sampler with its defaults; a row that it repeats is answered and not counted again."""

    def __init__(self, space: Space, X: Population, *, worst: float, rng: np.random.Generator) -> None:
        """`worst` is what rows that the table lacks are answered with."""
        super().__init__(X, rng=rng)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._at, self._worst = space, places(space, X), worst
        sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**31)))
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._trial: optuna.Trial | None = None

    def _chosen(self, count: int) -> NDArray[np.int64]:
        if self._trial is not None:
            self._study.tell(self._trial, float(self._scores[self._asked[-1]]))
        while True:
            trial = self._study.ask()
            row = self._space.canonical(np.array([suggest(self._space, trial)], dtype=np.int64))
            index = self._at.get(row.tobytes(), -1)
            if index >= 0 and self._free[index]:
                self._trial = trial
                return np.array([index])
            self._study.tell(trial, float(self._scores[index]) if index >= 0 else self._worst)


def places(space: Space, X: Population) -> dict[bytes, int]:
    """Where each row, canonical, is in X."""
    return {row.tobytes(): number for number, row in enumerate(space.canonical(X))}
