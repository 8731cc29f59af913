"""Stage 2, constrained iterative optimisation: rounds of propose, train, learn (FBNetV3, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nars.evaluate import Engine
from nars.predictors import Predictor
from nars.run import Run
from nars.run.outlook import together
from nars.search import shrink_pool
from nars.stages.asynchronous import collect_asynchronously
from nars.stages.measuring import (
    Plan,
    check_samples,
    choose,
    engine_of,
    finish_round,
    fitted,
    plain,
    ranked,
    read_plans,
    samples_of,
    save,
    spell,
    stop_advice,
    trials_of,
    write_plan,
)
from nars.stages.pool import Pool, sample_pool
from nars.stages.predictors import kept_predictor
from nars.stages.pretraining import pretrain
from nars.store import Sample, SampleStore


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """Stage 2 after some rounds. Immutable: `learn` returns the next state; all of it is in the run's folder too."""

    run: Run
    pool: Pool
    alive: NDArray[np.int64]
    """Pool members still favourable, ascending."""
    predictor: Predictor
    """Pretrained, and from round 2 on fitted on all samples so far."""
    done: int
    """Rounds finished."""
    stop_epoch: int | None
    """Epochs of each training from round 2 on; None before round 1 is done."""

    @staticmethod
    def start(run: Run, *, pool: Pool, predictor: Predictor) -> Collection:
        """The state after the rounds that the run's folder holds already."""
        rounds = run.folder.rounds()
        if not rounds:
            alive = np.arange(len(pool.X))
            return Collection(run=run, pool=pool, alive=alive, predictor=predictor, done=0, stop_epoch=None)
        alive, stop = np.array(rounds[-1]["alive"], dtype=np.int64), int(rounds[0]["stop_epoch"])
        learned = fitted(run, predictor, samples_of(run, read_plans(run)[: len(rounds)]), stop)
        return Collection(run=run, pool=pool, alive=alive, predictor=learned, done=len(rounds), stop_epoch=stop)

    @property
    def finished(self) -> bool:
        """Whether all T rounds are done."""
        return self.done >= self.run.config.collect.rounds

    def propose(self) -> Plan:
        """Step 1: from each of m FLOPs bins the pool member with the highest predicted accuracy."""
        plans = read_plans(self.run)
        if len(plans) > self.done:
            return plans[self.done]
        config = self.run.config.collect
        plan = choose(
            self.run,
            self.pool,
            self.alive,
            plans,
            count=config.per_round,
            predictor=self.predictor if self.done else None,
            scores=self._scores(samples_of(self.run, plans)) if self.done else None,
            epochs=self.stop_epoch or config.epochs,
        )
        write_plan(self.run, plan)
        return plan

    def evaluate(self, plan: Plan, engine: Engine) -> tuple[Sample, ...]:
        """Step 2: train and measure the candidates; the first round in full, later ones up to the stop epoch.

        Each outcome is in the sample store as soon as it is known; what the store has is not trained again.
        """
        store = SampleStore(self.run.folder.samples)
        trials, known = trials_of(self.run, plan), store.keys()
        missing = [trial for trial in trials if trial.key not in known]
        missing.sort(key=lambda trial: -trial.costs["flops"])  # the longest first: the less waiting at the end
        title = f"stage 2: round {plan.number} of {self.run.config.collect.rounds}"
        for sample in store.samples():
            self.run.outlook.trained(sample)
        with self.run.reporter.bar(title, len(trials)) as advance:
            advance(len(trials) - len(missing), "workers are starting" if plan.number == 1 else "")

            def keep(sample: Sample) -> None:
                store.append([sample])
                advance(1, together(spell(sample), self.run.outlook.trained(sample)))

            if missing:
                engine.run(missing, on_result=keep)
        store.compact()  # one file per round reads faster than one per training
        return samples_of(self.run, [plan])

    def learn(self, plan: Plan, samples: Sequence[Sample]) -> Collection:
        """Steps 3 and 4: choose the stop epoch (first round), fine-tune the predictor, keep the favourable pool."""
        config = self.run.config.collect
        advice = stop_advice(self.run, samples) if self.stop_epoch is None else None
        stop = advice.epoch if advice is not None else self.stop_epoch
        assert stop is not None
        everything = samples_of(self.run, read_plans(self.run)[: plan.number])
        predictor = fitted(self.run, self.predictor, everything, stop)
        learned = replace(self, done=plan.number, stop_epoch=stop, predictor=predictor)
        scores = learned._scores(everything)
        costs = {name: cost[self.alive] for name, cost in self.pool.costs.items()}
        kept = shrink_pool(costs, self.run.flops_range, scores, bins=config.per_round, keep=config.keep)
        learned = replace(learned, alive=self.alive[kept])
        more = {} if advice is None else {"advice": plain(advice)}
        finish_round(self.run, plan, samples, stop, alive=learned.alive.tolist(), **more)
        return learned

    def save(self) -> None:
        """Keep the predictor for stage 3 and for later questions."""
        save(self.run, self.predictor)

    def _scores(self, samples: Sequence[Sample]) -> NDArray[np.float64]:
        """Of the pool members alive, from these samples."""
        X = self.pool.X[self.alive]
        return ranked(self.run, X, self.predictor.predict_mean(self.run.space.encode(X)), samples)


def collect(run: Run) -> Predictor:
    """Stage 2 from where it stands to its end; returns the predictor that has learned from every sample."""
    check_samples(run)
    kept = kept_predictor(run)
    if kept is not None:
        return kept
    pool, pretrained = sample_pool(run), pretrain(run)
    if run.config.collect.asynchronous:
        return collect_asynchronously(run, pool=pool, predictor=pretrained)
    collection = Collection.start(run, pool=pool, predictor=pretrained)
    with ExitStack() as stack:
        engine = None if collection.finished else stack.enter_context(engine_of(run))
        while not collection.finished:
            assert engine is not None
            plan = collection.propose()
            samples = collection.evaluate(plan, engine)
            collection = collection.learn(plan, samples)
    collection.save()
    return collection.predictor
