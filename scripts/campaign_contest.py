"""The strategies of the campaign's contest: each asks for one training after another and is told its accuracy.

Written as generators, so that a trained accuracy and one told by a surrogate look the same to them:
`accuracy = yield row`. They end by themselves when nothing is left to propose.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
import optuna
from numpy.typing import NDArray

from nars.predictors import FittedRegressor, Predictor, Regressor, kendall
from nars.search import search
from nars.space import Bounds, Population, Space, distinct, sobol
from nars.stages import CandidatePool, Rounds, RoundSettings, best_of_bins
from nars.store import Sample
from nars.studies import answered, seeds_from, suggest, unanswered

Floats = NDArray[np.float64]
Asking = Generator[NDArray[np.int64], float | None, None]
"""Yields a row (D,), is sent its accuracy in percent; None where the training failed."""
Strategy = Callable[["Contest", np.random.Generator], Asking]

_FIRST, _BATCH = 20, 10
_STAGE_2 = 50
"""Trainings after which candidates come from the genetic search and no longer from the pool."""
_STANDARD: dict[str, float | str] = {
    "recipe.learning_rate": 0.025,
    "recipe.optimizer": "sgd",
    "recipe.dropout": 0.0,
    "recipe.stochastic_depth": 0.0,
    "recipe.mixup": 0.0,
    "recipe.weight_decay": 1e-4,
}
"""What people start CIFAR-10 trainings with: SGD with momentum at rate 0.1 (four times the table's), decay 1e-4."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contest:
    """Where the strategies compete."""

    space: Space
    bounds: Bounds
    pool_size: int = 8192

    @cached_property
    def pool(self) -> Population:
        """Sobol pairs inside the bounds, (N, D)."""
        return sobol(self.space, self.pool_size, seed=0, bounds=self.bounds)

    @cached_property
    def standard(self) -> NDArray[np.int64]:
        """A row (D,): every architecture choice in the middle (the lower one of two), the standard recipe."""
        row = (self.space.cardinalities - 1) // 2
        for column, dimension in enumerate(self.space.dimensions):
            if dimension.name in _STANDARD:
                wanted = _STANDARD[dimension.name]
                if isinstance(wanted, str):
                    row[column] = dimension.values.index(wanted)
                else:
                    numbers = np.array(dimension.values, dtype=np.float64)
                    row[column] = np.abs(numbers - wanted).argmin()
        return np.asarray(self.space.canonical(row[None])[0], dtype=np.int64)

    @cached_property
    def pretrained(self) -> Predictor:
        """Stage 1 on the pool."""
        return Predictor.pretrained(self.space, self.pool, seed=0)

    def admits(self, X: Population) -> bool:
        """Whether all rows are inside the bounds."""
        return bool(self.bounds.admits(self.space.costs(X)).all())


def joint(contest: Contest, rng: np.random.Generator) -> Asking:
    """The method: 20 pairs, one for each FLOPs bin, rounds of ten up to 50, then what stage 3 finds, ten at a time."""
    yield from _method(contest, None, rng)


def architecture_only(contest: Contest, rng: np.random.Generator) -> Asking:
    """The same with the standard recipe throughout."""
    yield from _method(contest, "recipe", rng)


def recipe_only(contest: Contest, rng: np.random.Generator) -> Asking:
    """The same with the standard architecture throughout."""
    yield from _method(contest, "architecture", rng)


def at_random(contest: Contest, rng: np.random.Generator) -> Asking:
    """Sobol pairs in random order."""
    for index in rng.permutation(len(contest.pool)):
        yield contest.pool[index]


def evolution(contest: Contest, rng: np.random.Generator) -> Asking:
    """Regularised evolution (Real et al. 2019): population 20, tournaments of 5, one choice mutated."""
    space = contest.space
    population: list[tuple[NDArray[np.int64], float]] = []
    for index in rng.permutation(len(contest.pool))[:_FIRST]:
        row = contest.pool[index]
        accuracy = yield row
        population.append((row, 0.0 if accuracy is None else accuracy))
    while True:
        group = rng.choice(len(population), size=5, replace=False)
        parent = population[max(group, key=lambda member: population[member][1])][0]
        child = parent.copy()
        column = int(rng.integers(len(child)))
        child[column] = (child[column] + rng.integers(1, space.cardinalities[column])) % space.cardinalities[column]
        child = space.canonical(child[None])[0]
        if (child == parent).all() or not contest.admits(child[None]):
            continue
        accuracy = yield child
        population = [*population[1:], (child, 0.0 if accuracy is None else accuracy)]


def tpe(contest: Contest, rng: np.random.Generator) -> Asking:
    """Optuna's TPE sampler with its defaults; what lies outside the bounds fails at once and is no training."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=int(rng.integers(2**31))))
    while True:
        trial = study.ask()
        row = contest.space.canonical(np.array([suggest(contest.space, trial)], dtype=np.int64))
        accuracy = (yield row[0]) if contest.admits(row) else None
        if accuracy is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, accuracy)


STRATEGIES: dict[str, Strategy] = {
    "joint": joint,
    "architecture only": architecture_only,
    "recipe only": recipe_only,
    "random": at_random,
    "regularised evolution": evolution,
    "Optuna TPE": tpe,
}


def replayed(
    contest: Contest, strategy: Strategy, surrogate: FittedRegressor, *, noise: float, trainings: int, seed: int
) -> Floats:
    """The surrogate's noiseless accuracy of the pair that looked best after each training, (trainings,)."""
    rng, noises = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    asking = strategy(contest, rng)
    true, seen = [], []
    row = next(asking)
    while True:
        true.append(float(surrogate.predict(contest.space.encode(row[None])).mean[0]))
        seen.append(true[-1] + noise * noises.normal())
        if len(true) == trainings:
            return np.array([true[int(np.argmax(seen[: count + 1]))] for count in range(trainings)])
        row = asking.send(seen[-1])


def cross_validated(rival: Regressor, encoding: NDArray[np.float32], y: Floats) -> float:
    """Kendall's tau of a model, mean over five folds."""
    parts = np.array_split(np.random.default_rng(0).permutation(len(y)), 5)
    taus = []
    for part in parts:
        rest = np.setdiff1d(np.arange(len(y)), part)
        taus.append(kendall(rival.fit(encoding[rest], y[rest], seed=0).predict(encoding[part]).mean, y[part]))
    return float(np.mean(taus))


def _method(contest: Contest, fixed: Literal["architecture", "recipe"] | None, rng: np.random.Generator) -> Asking:
    """Stage 2 and 3, with the standard choices in the columns of the group that is `fixed`."""
    space = contest.space
    columns = np.empty(0, dtype=np.int64) if fixed is None else space.columns_of(fixed)

    def standardised(X: Population) -> Population:
        X = X.copy()
        X[:, columns] = contest.standard[columns]
        return space.canonical(X)

    pool = distinct(standardised(contest.pool[rng.permutation(len(contest.pool))]))

    def propose(rounds: Rounds[Sample], count: int) -> Population:
        """One for each FLOPs bin, then the best predicted: this is about one budget, not about a family."""
        scores, asked = rounds.scores(), rounds.planned
        if scores is None:
            return best_of_bins(rounds, count)
        ranked = pool[np.argsort(-scores, kind="stable")]
        if len(asked) >= _STAGE_2:
            predictor = rounds.predictor
            found = search(
                space, lambda X: predictor.predict_mean(space.encode(standardised(X))), contest.bounds, rng=rng
            )
            ranked = distinct(np.concatenate([standardised(found.top), ranked]))
        known = {row.tobytes() for row in asked}
        return np.array([row for row in ranked if row.tobytes() not in known][:count])

    settings = RoundSettings(
        total=len(contest.pool),
        first=_FIRST,
        later=_BATCH,
        wait=True,
        epochs=1,
        bounds=contest.bounds,
        fewest=1,
        avoid=False,
    )
    rounds = Rounds(
        space,
        CandidatePool(X=pool, costs=space.costs(pool)),
        contest.pretrained,
        settings,
        trials=partial(unanswered, space),
        seeds=seeds_from(rng),
        propose=propose,
    )
    while samples := {sample.choices: sample for sample in iter(rounds.ask, None)}:
        for row in rounds.planned[-len(samples) :]:  # one after another, as they were proposed
            rounds.tell(answered(samples[tuple(row.tolist())], (yield row)))
