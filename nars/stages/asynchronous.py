"""Stage 2 without waiting, for workers that are never idle (collect.asynchronous).

A round of the paper ends when its slowest training does, and until then the other workers have nothing to do. Here
rounds are open: as soon as the last candidate of one is given away the next is planned, from whatever is measured by
then. Those later rounds are small, `refit_every` candidates, so that the predictor is refitted after so many trainings.
What the stop epoch is chosen on stays the paper's first round; until all of it is measured, trainings are full ones.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack
from typing import final

import numpy as np

from nars.predictors import Predictor
from nars.run import Run
from nars.run.folder import read_json
from nars.run.outlook import together
from nars.search import shrink_pool
from nars.stages.measuring import (
    Plan,
    choose,
    engine_of,
    finish_round,
    fitted,
    plain,
    ranked,
    read_plans,
    save,
    spell,
    stop_advice,
    trials_of,
    write_plan,
)
from nars.stages.pool import Pool
from nars.store import Sample, SampleStore
from nars.tasks import Trial


@final
class OpenRounds:
    """Ask it for a candidate whenever a worker is free, tell it each outcome whenever it comes, in any order.

    What it says depends on the run and on which outcomes it has been told before each plan. All it knows is in the
    run's folder, plans and samples: a new one there goes on with what is planned and not measured.
    """

    def __init__(self, run: Run, *, pool: Pool, predictor: Predictor) -> None:
        """Stage 2 as the run's folder has it; `predictor` is the pretrained one."""
        self._run, self._pool, self._predictor = run, pool, predictor
        config = run.config.collect
        self.total = config.rounds * config.per_round
        """Trainings in all."""
        self._refit_every = config.refit_every or max(2, config.per_round // 4)
        self._store = SampleStore(run.folder.samples)
        self._measured = {sample.key: sample for sample in self._store.samples()}
        self._trials: list[list[Trial]] = []
        self._plans: list[Plan] = []
        self._waiting: deque[Trial] = deque()
        self._alive, self._learned_from = np.arange(len(pool.X)), 0
        for plan in read_plans(run):
            self._add(plan)
            document = read_json(run.folder.round_plan(plan.number))
            self._alive, self._learned_from = np.array(document["alive"], dtype=np.int64), document["learned_from"]
        self._encoded = run.space.encode(pool.X)
        self._scores = np.zeros(0)
        """Of the pool's members still alive, see `ranked`; empty until there is a predictor."""
        rounds = run.folder.rounds()
        self._finished = len(rounds)
        self._stop_epoch = int(rounds[0]["stop_epoch"]) if rounds else None
        self._finish_rounds()

    @property
    def measured(self) -> int:
        """Trainings that have an outcome."""
        return sum(trial.key in self._measured for trials in self._trials for trial in trials)

    def ask(self) -> Trial | None:
        """The next candidate to train; None when all have been given away."""
        planned = sum(len(plan.X) for plan in self._plans)
        if not self._waiting and planned < self.total:
            first = self._run.config.collect.per_round
            self._plan(min(self._refit_every if self._plans else first, self.total - planned))
        return self._waiting.popleft() if self._waiting else None

    def tell(self, sample: Sample) -> None:
        """An outcome; when this returns, it is in the store."""
        self._store.append([sample])
        self._measured[sample.key] = sample
        self._finish_rounds()

    def learned(self) -> Predictor:
        """The predictor that has learned from every sample."""
        return fitted(self._run, self._predictor, self._samples(), self._stop_epoch)

    def _plan(self, count: int) -> None:
        """Choose the next candidates: from each of `count` FLOPs bins the one with the highest predicted accuracy."""
        began = time.perf_counter()
        self._learn()
        seconds = time.perf_counter() - began
        has_predictor = len(self._scores) > 0
        plan = choose(
            self._run,
            self._pool,
            self._alive,
            self._plans,
            count=count,
            predictor=self._predictor if has_predictor else None,
            scores=self._scores if has_predictor else None,
            epochs=self._stop_epoch or self._run.config.collect.epochs,
        )
        more = {"learned_from": self._learned_from, "learning_seconds": seconds, "alive": self._alive.tolist()}
        write_plan(self._run, plan, **more)
        self._add(plan)

    def _learn(self) -> None:
        """Fit the predictor to what is measured and keep the favourable part of the pool, if there is anything new."""
        samples = self._samples()
        if len(samples) == self._learned_from and len(self._scores):
            return
        if sum(sample.status == "ok" for sample in samples) < self._refit_every:
            return
        config = self._run.config.collect
        self._predictor = fitted(self._run, self._predictor, samples, self._stop_epoch)
        predicted = self._predictor.predict_mean(self._encoded[self._alive])
        self._scores = ranked(self._run, self._pool.X[self._alive], predicted, samples)
        if len(samples) > self._learned_from:
            costs = {name: cost[self._alive] for name, cost in self._pool.costs.items()}
            # Of a whole round's trainings, all fits together keep the share that the paper's one fit keeps.
            keep = config.keep ** (self._refit_every / config.per_round)
            kept = shrink_pool(costs, self._run.flops_range, self._scores, bins=config.per_round, keep=keep)
            self._alive, self._scores, self._learned_from = self._alive[kept], self._scores[kept], len(samples)

    def _add(self, plan: Plan) -> None:
        trials = trials_of(self._run, plan)
        self._plans.append(plan)
        self._trials.append(trials)
        self._waiting.extend(trial for trial in trials if trial.key not in self._measured)

    def _samples(self) -> list[Sample]:
        """What is measured, in the order of proposal."""
        measured = self._measured
        return [measured[trial.key] for trials in self._trials for trial in trials if trial.key in measured]

    def _finish_rounds(self) -> None:
        """Keep the result of each round that is measured to its end, one after the other."""
        while self._finished < len(self._plans):
            plan, trials = self._plans[self._finished], self._trials[self._finished]
            if not all(trial.key in self._measured for trial in trials):
                return
            samples = [self._measured[trial.key] for trial in trials]
            more = {}
            if self._stop_epoch is None:
                advice = stop_advice(self._run, samples)
                self._stop_epoch, more = advice.epoch, {"advice": plain(advice)}
            finish_round(self._run, plan, samples, self._stop_epoch, **more)
            self._store.compact()
            self._finished += 1


def collect_asynchronously(run: Run, *, pool: Pool, predictor: Predictor) -> Predictor:
    """Stage 2 from where it stands to its end; returns the predictor that has learned from every sample."""
    rounds = OpenRounds(run, pool=pool, predictor=predictor)
    with run.reporter.bar("stage 2: training candidates", rounds.total) as advance, ExitStack() as stack:
        advance(rounds.measured, "")
        for known in SampleStore(run.folder.samples).samples():
            run.outlook.trained(known)

        def tell(sample: Sample) -> None:
            rounds.tell(sample)
            advance(1, together(spell(sample), run.outlook.trained(sample)))

        if rounds.measured < rounds.total:
            stack.enter_context(engine_of(run)).run(iter(rounds.ask, None), on_result=tell)
    learned = rounds.learned()
    save(run, learned)
    return learned
