"""Stage 2, asked and told: constrained iterative optimization (FBNetV3, section 3.3).

A round of the paper ends when its slowest training does, and until then other workers have nothing to do. Rounds that
do not wait are planned as soon as the last candidate of the one before is given away, from whatever is measured by
then; those are small, so that the predictor is refitted after so many trainings.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, final

import numpy as np

from nars.arrays import Floats
from nars.evaluate import StopAdvice
from nars.metric import ACCURACY, Metric
from nars.predictors import Failures, Predictor, improving, kendall
from nars.run.journal import Journal, Plan, RoundResult, pairs
from nars.search import propose_round, row_keys, shrink_pool
from nars.space import Bounds, Population, Space
from nars.stages.pool import CandidatePool
from nars.stages.prior import PriorSamples
from nars.stages.stopping import label
from nars.store import Sample
from nars.tasks import Trial

Asked = TypeVar("Asked", Trial, Sample)
"""What is asked for: a trial, or where no engine trains it a sample that is not measured yet."""
Propose = Callable[["Rounds[Any]", int], Population]
"""propose(rounds, count): the next candidates to train."""


@dataclass(frozen=True, kw_only=True)
class RoundSettings:
    """How rounds follow one another; those of the paper and those that do not wait differ in `wait` and `later`."""

    total: int
    """Trainings in all."""
    first: int
    """Candidates of the first round."""
    later: int
    """Candidates of each later round."""
    wait: bool
    """For the last training of a round before the next is planned."""
    epochs: int
    """Epochs of a full training."""
    bounds: Bounds
    """Hard limits of the candidates."""
    cost: str | None = "flops"
    """Whose range is cut into bins; None where there are no costs."""
    metric: Metric = ACCURACY
    """What is measured."""
    keep: float = 1.0
    """Share of the pool that is kept after `first` trainings; all fits of so many trainings together keep it."""
    fewest: int
    """Successful trainings that the predictor is fitted to at least."""
    avoid: bool = True
    """Whether it counts how likely a candidate is to fail."""


def best_of_bins(rounds: Rounds[Any], count: int) -> Population:
    """From each of `count` bins of the cost the best predicted candidate; the pool's first before there is a
    predictor."""
    X, costs, how = rounds.pool.X[rounds.alive], rounds.pool.costs, rounds.settings
    alive = {name: cost[rounds.alive] for name, cost in costs.items()}
    return propose_round(X, alive, how.bounds, count, scores=rounds.scores(), exclude=rounds.planned, cost=how.cost)


def most_improving(rounds: Rounds[Any], count: int) -> Population:
    """The candidates of largest expected improvement on the best so far; the first round is that of `best_of_bins`."""
    X, space = rounds.pool.X[rounds.alive], rounds.space
    free = ~np.isin(row_keys(X), row_keys(rounds.planned))
    if not len(rounds.taught) or not free.any():
        return best_of_bins(rounds, count)  # which also says that none is left
    X, predictor, maximize = X[free], rounds.predictor, rounds.settings.metric.maximized
    read = predictor.inputs
    chance = None if predictor.failures is None else 1.0 - predictor.failures.probability(space, X)
    return X[improving(predictor, read(space, X), read(space, rounds.taught), count, maximize=maximize, chance=chance)]


@final
class Rounds(Generic[Asked]):
    """Ask it for a candidate whenever a worker is free, tell it each outcome whenever it comes, in any order.

    What it answers depends on what it was made of and on the outcomes that it was told before each plan, and all of
    that is in the journal: made anew from it, it goes on with what is planned and not measured.
    """

    def __init__(
        self,
        space: Space,
        pool: CandidatePool,
        pretrained: Predictor,
        settings: RoundSettings,
        *,
        trials: Callable[[Plan], Sequence[Asked]],
        seeds: Iterator[int],
        propose: Propose = best_of_bins,
        advise: Callable[[Sequence[Sample]], StopAdvice] | None = None,
        refuse: Callable[[Sequence[Sample]], None] = lambda samples: None,
        journal: Journal | None = None,
        prior: PriorSamples | None = None,
        on_round: Callable[[RoundResult], None] = lambda result: None,
    ) -> None:
        """Stage 2 from its beginning, or as the journal has it.

        Args:
            space: of the candidates.
            pool: candidates to choose from; what comes first is preferred among equals.
            pretrained: on free statistics.
            settings: how many, when.
            trials: the training of each candidate of a plan, in its order.
            seeds: one for each fit of the predictor.
            propose: chooses the candidates of a round.
            advise: chooses the stop epoch from the outcomes of the first round; None trains all in full.
            refuse: is shown these outcomes where nothing advises; raises where going on is in vain.
            journal: keeps everything; None keeps it in memory only.
            prior: samples that were there before; what it asks for and they have is not asked for.
            on_round: is called with each round that is measured to its end.
        """
        self.space, self.pool, self.settings = space, pool, settings
        self._trials_of: Callable[[Plan], Sequence[Asked]] = trials
        self.pretrained, self._seeds, self._propose = pretrained, seeds, propose
        self._refuse = refuse
        self._advise, self._journal, self._on_round = advise, journal, on_round
        self._prior = prior
        self.alive = np.arange(len(pool.X))
        """Candidates of the pool that are still favorable, ascending."""
        self._inputs = pretrained.inputs(space, pool.X)
        self._predictor, self._fitted_to, self._learned_from = pretrained, 0, 0
        self.taught: Population = pool.X[:0]
        """The candidates that the predictor was fitted to, (n, D), those of prior samples among them."""
        self._plans: list[Plan] = []
        self._trials: list[Sequence[Asked]] = []
        self._queue: deque[Asked] = deque()
        self._out: set[str] = set()
        """Keys of planned trainings that have no outcome."""
        self.results = [] if journal is None else journal.results()
        """What each round that is measured to its end has found."""
        self._known = {} if journal is None else {sample.key: sample for sample in journal.samples()}
        for plan in [] if journal is None else journal.plans():
            self._add(plan)
            if plan.alive is not None:
                self.alive, self._learned_from = np.array(plan.alive), plan.learned_from
        if self.results and (alive := self.results[-1].alive) is not None:
            self.alive, self._learned_from = np.array(alive), sum(len(result.measured) for result in self.results)
        self._stop_epoch = self.results[0].stop_epoch if self.results and advise is not None else None
        self._finish_rounds()

    def ask(self) -> Asked | None:
        """The next candidate to train; None when there is none, or none before the outcomes of its round are told."""
        while not self._queue and self._left > 0 and not (self._out and self.settings.wait):
            self._plan()
            self._finish_rounds()  # where all of it has been measured before
        return self._queue.popleft() if self._queue else None

    def tell(self, sample: Sample) -> None:
        """An outcome; when this returns, it is in the journal."""
        if self._journal is not None:
            self._journal.keep_sample(sample)
        self._known[sample.key] = sample
        self._out.discard(sample.key)
        self._finish_rounds()

    @property
    def finished(self) -> bool:
        """Whether all trainings have an outcome."""
        return self._left <= 0 and not self._out

    @property
    def waiting(self) -> int:
        """Trainings that are planned and not asked for yet."""
        return len(self._queue)

    @property
    def measured(self) -> int:
        """Trainings that have an outcome."""
        return sum(map(len, self._trials)) - len(self._out)

    @property
    def samples(self) -> list[Sample]:
        """All outcomes, in the order of proposal."""
        return [self._known[trial.key] for trials in self._trials for trial in trials if trial.key in self._known]

    @property
    def planned(self) -> Population:
        """All candidates that have been chosen, (K, D), in that order."""
        return np.concatenate([self.pool.X[:0], *(plan.rows for plan in self._plans)])

    @property
    def taught_before(self) -> int:
        """Samples that were there before and teach the predictor."""
        return 0 if self._prior is None else self._prior.count

    @property
    def predictor(self) -> Predictor:
        """Fitted to every successful training."""
        samples = self.samples
        if len(samples) > self._fitted_to or (self._prior is not None and self._predictor.fitted is None):
            good = [sample for sample in samples if sample.status == "ok"]
            X = np.array([sample.choices for sample in good], dtype=np.int64).reshape(-1, self.pool.X.shape[1])
            measured = np.array([label(sample, self._stop_epoch) for sample in good], dtype=np.float64)
            if self._prior is not None:
                X, measured = self._prior.lessons(X, measured, {sample.key for sample in samples}, self._stop_epoch)
            fitted = self.pretrained.fit(self.pretrained.inputs(self.space, X), measured, seed=next(self._seeds))
            self._predictor = replace(fitted, failures=self._failures(samples))
            self.taught, self._fitted_to = X, len(samples)
        return self._predictor

    def scores(self) -> Floats | None:
        """What is expected of the candidates alive, (len(alive),), such that more is better, failures included; before
        the predictor is fitted what its sources say, None without any."""
        if self._predictor.fitted is None:
            return self._predictor.prior_scores(self._inputs[self.alive])
        scores = self.settings.metric.score(self._predictor.predict_mean(self._inputs[self.alive]))
        failures = self._predictor.failures
        return scores if failures is None else failures.expected(scores, failures.probability(self.space, self._alive))

    @property
    def _alive(self) -> Population:
        return self.pool.X[self.alive]

    def _failures(self, samples: Sequence[Sample]) -> Failures | None:
        """Who fails, by the outcomes so far."""
        if not self.settings.avoid or all(sample.status == "ok" for sample in samples):
            return None
        X = np.array([sample.choices for sample in samples], dtype=np.int64)
        values = [label(sample, self._stop_epoch) if sample.status == "ok" else np.nan for sample in samples]
        return Failures.learned(self.space, X, self.settings.metric.score(np.array(values, dtype=np.float64)))

    @property
    def _left(self) -> int:
        """Trainings to be planned yet; a round that found too few candidates counts as a whole one where rounds
        wait."""
        how, sizes = self.settings, [len(plan.rows) for plan in self._plans]
        if how.wait:
            sizes = [how.later if number else how.first for number in range(len(sizes))]
        return how.total - sum(sizes)

    def _plan(self) -> None:
        how = self.settings
        began = time.perf_counter()
        self._learn()
        seconds = time.perf_counter() - began
        if np.isin(row_keys(self._alive), row_keys(self.planned)).all():
            self.alive = np.arange(len(self.pool.X))  # after many rounds, as those of a run that grows
        X = self._propose(self, min(how.later if self._plans else how.first, self._left))
        predicted: list[float | None] = [None] * len(X)
        if self._predictor.fitted is not None:
            means = self._predictor.predict_mean(self._predictor.inputs(self.space, X)).tolist()
            taught = self._taught_before(X)
            predicted = [None if known else mean for mean, known in zip(means, taught, strict=True)]
        plan = Plan(
            round=len(self._plans) + 1,
            choices=tuple(map(tuple, X.tolist())),
            predicted=tuple(predicted),
            epochs=self._stop_epoch or how.epochs,
            alive=None if how.wait else tuple(self.alive.tolist()),
            learned_from=self._learned_from,
            learning_seconds=seconds,
        )
        if self._journal is not None:
            self._journal.keep_plan(plan)
        self._add(plan)

    def _taught_before(self, X: Population) -> list[bool]:
        """Of which candidates, (m, D), prior samples of this run's fidelity, of whatever seed, have taught the
        predictor: what it says of those repeats a measurement and does not tell how well it predicts."""
        if self._prior is None:
            return [False] * len(X)
        known = {tuple(sample.choices) for sample in self._prior.same.values() if sample.status == "ok"}
        return [tuple(row) in known for row in X.tolist()]

    def _add(self, plan: Plan) -> None:
        trials = self._trials_of(plan)
        for trial in trials if self._prior is not None else ():
            self._take_from_prior(trial.key, plan)
        missing = [trial for trial in trials if trial.key not in self._known]
        if self.settings.wait:  # the longest first: the less waiting at the end of the round
            cost = self.settings.cost
            missing.sort(key=lambda trial: 0.0 if cost is None else -trial.costs[cost])
        self._plans.append(plan)
        self._trials.append(trials)
        self._queue.extend(missing)
        self._out.update(trial.key for trial in missing)

    def _take_from_prior(self, key: str, plan: Plan) -> None:
        """Keep a training that was done before the run as one of its own."""
        assert self._prior is not None
        if key in self._known or key not in self._prior.same:
            return
        self._known[key] = sample = replace(self._prior.same[key], round=plan.round)
        if self._journal is not None:
            self._journal.keep_sample(sample)

    def _learn(self) -> None:
        """Fit the predictor and keep the favorable part of the pool, where there is anything new to learn from."""
        samples, how = self.samples, self.settings
        if sum(sample.status == "ok" for sample in samples) + self.taught_before < how.fewest:
            return
        _ = self.predictor
        if len(samples) <= self._learned_from:
            return
        if how.keep < 1:
            scores, costs = self.scores(), {name: cost[self.alive] for name, cost in self.pool.costs.items()}
            assert scores is not None
            keep = how.keep ** (how.later / how.first)
            kept = shrink_pool(costs, how.bounds, scores, bins=how.first, keep=keep, cost=how.cost)
            self.alive = self.alive[kept]
        self._learned_from = len(samples)

    def _finish_rounds(self) -> None:
        """Keep the result of each round that is measured to its end, one after the other."""
        while (done := len(self.results)) < len(self._plans):
            plan, keys = self._plans[done], [trial.key for trial in self._trials[done]]
            if not self._out.isdisjoint(keys):
                return
            samples, advice = [self._known[key] for key in keys], None
            if self._stop_epoch is None and self._advise is not None:
                advice = self._advise(samples)
                self._stop_epoch = advice.epoch
            elif not done:
                self._refuse(samples)
            if self.settings.wait:
                self._learn()
            found = tuple(label(sample, self._stop_epoch) if sample.status == "ok" else None for sample in samples)
            both = pairs(plan.predicted, found)
            result = RoundResult(
                round=plan.round,
                stop_epoch=self._stop_epoch or self.settings.epochs,
                statuses=dict(Counter(sample.status for sample in samples)),
                predicted=plan.predicted,
                measured=found,
                tau=kendall(*map(np.array, zip(*both, strict=True))) if len(both) > 2 else None,
                alive=tuple(self.alive.tolist()) if self.settings.wait else None,
                advice=advice,
                metric=self.settings.metric,
            )
            self.results.append(result)
            if self._journal is not None:
                self._journal.keep_result(result)
            self._on_round(result)
