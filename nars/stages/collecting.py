"""Stage 2, constrained iterative optimisation: rounds of propose, train, learn (FBNetV3, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.atomic import write_json
from nars.data import DataError, Sample, SampleStore, sample_key
from nars.data.run_folder import read_json
from nars.evaluate import Engine, EvaluationSettings, StopAdvice, Trial, choose_stop_epoch, open_engine
from nars.predictors import Predictor, load_predictor
from nars.predictors.metrics import kendall
from nars.recipe import Augmentation, Schedule
from nars.search import propose_round, shrink_pool
from nars.space import Population
from nars.stages.pool import Pool, sample_pool
from nars.stages.predictors import keep_predictor
from nars.stages.pretraining import pretrain
from nars.stages.run import Run


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
        collection = Collection(
            run=run, pool=pool, alive=np.arange(len(pool.X)), predictor=predictor, done=0, stop_epoch=None
        )
        rounds = run.folder.rounds()
        if not rounds:
            return collection
        collection = replace(
            collection,
            alive=np.array(rounds[-1]["alive"], dtype=np.int64),
            done=len(rounds),
            stop_epoch=int(rounds[0]["stop_epoch"]),
        )
        return replace(collection, predictor=collection.fitted())

    @property
    def finished(self) -> bool:
        """Whether all T rounds are done."""
        return self.done >= self.run.config.collect.rounds

    def propose(self) -> Population:
        """Step 1: from each of m FLOPs bins the pool member with the highest predicted accuracy, (m, D).

        Kept in a file before anything is trained, so that an interrupted round goes on with the same candidates.
        """
        number = self.done + 1
        plan = self.run.folder.round_plan(number)
        if plan.is_file():
            return np.array(read_json(plan)["choices"], dtype=np.int64)
        X = self.pool.X[self.alive]
        chosen = propose_round(
            X,
            {name: cost[self.alive] for name, cost in self.pool.costs.items()},
            self.run.flops_range,
            self.run.config.collect.per_round,
            scores=self._scores(X) if self.done else None,
            exclude=np.array([sample.choices for sample in self.samples()], dtype=np.int64) if self.done else None,
        )
        predicted = self._scores(chosen).tolist() if self.done else [None] * len(chosen)
        write_json(plan, {"round": number, "choices": chosen.tolist(), "predicted": predicted})
        return chosen

    def evaluate(self, candidates: Population, engine: Engine) -> tuple[Sample, ...]:
        """Step 2: train and measure the candidates; the first round in full, later ones up to the stop epoch.

        Each outcome is in the sample store as soon as it is known; what the store has is not trained again.
        """
        store = SampleStore(self.run.folder.samples)
        trials = _trials(self.run, candidates, epochs=self.stop_epoch, number=self.done + 1)
        known = store.keys()
        missing = [trial for trial in trials if trial.key not in known]
        title = f"stage 2: round {self.done + 1} of {self.run.config.collect.rounds}"
        with self.run.reporter.bar(title, len(trials)) as advance:
            advance(len(trials) - len(missing), "")

            def keep(sample: Sample) -> None:
                store.append([sample])
                shown = "" if sample.accuracy is None else f" {_label(sample, len(sample.curve)):.2f} %"
                advance(1, f"{sample.status}{shown}")

            if missing:
                engine.run(missing, on_result=keep)
        return _of(store, [trial.key for trial in trials])

    def learn(self, samples: Sequence[Sample]) -> Collection:
        """Steps 3 and 4: choose the stop epoch (first round), fine-tune the predictor, keep the favourable pool."""
        number, config = self.done + 1, self.run.config.collect
        advice = self._advice(samples) if self.stop_epoch is None else None
        stop = advice.epoch if advice is not None else self.stop_epoch
        learned = replace(self, done=number, stop_epoch=stop)
        learned = replace(learned, predictor=learned.fitted())
        X = self.pool.X[self.alive]
        costs = {name: cost[self.alive] for name, cost in self.pool.costs.items()}
        kept = shrink_pool(costs, self.run.flops_range, learned._scores(X), bins=config.per_round, keep=config.keep)
        learned = replace(learned, alive=self.alive[kept])
        result = learned._result(samples, advice)
        SampleStore(self.run.folder.samples).compact()  # one file per round reads faster than one per training
        write_json(self.run.folder.round_result(number), result)
        self.run.log(_spell(result, config.rounds))
        return learned

    def fitted(self) -> Predictor:
        """The pretrained predictor fine-tuned on all samples so far; failed trainings are no samples."""
        X, accuracy = labelled(self.samples(), self.stop_epoch)
        pretrained = load_predictor(self.run.folder.encoder, self.run.space)
        return pretrained.fit(self.run.space.encode(X), accuracy, seed=self.run.config.seed)

    def samples(self) -> tuple[Sample, ...]:
        """Everything measured in the finished rounds, in the order of proposal."""
        keys: dict[str, None] = {}
        for number in range(1, self.done + 1):
            X = np.array(read_json(self.run.folder.round_plan(number))["choices"], dtype=np.int64)
            epochs = None if number == 1 else self.stop_epoch
            keys |= {trial.key: None for trial in _trials(self.run, X, epochs=epochs, number=number)}
        return _of(SampleStore(self.run.folder.samples), list(keys))

    def save(self) -> None:
        """Keep the predictor for stage 3 and for later questions."""
        taus = [r["tau"] for r in self.run.folder.rounds() if r["tau"] is not None]
        keep_predictor(self.run, self.predictor, quality={"tau": float(np.mean(taus))} if taus else {})

    def _scores(self, X: Population) -> NDArray[np.float64]:
        return self.predictor.predict_mean(self.run.space.encode(X))

    def _advice(self, samples: Sequence[Sample]) -> StopAdvice:
        """When the order of candidates is known well enough (paper: rank correlation 0.92)."""
        epochs = self.run.config.collect.epochs
        curves = [_curve(s) for s in samples if s.status == "ok" and len(_curve(s)) == epochs]
        return choose_stop_epoch(
            np.array(curves, dtype=np.float64).reshape(len(curves), epochs),
            threshold=self.run.config.collect.stop_correlation,
            rng=self.run.rng(2),
        )

    def _result(self, samples: Sequence[Sample], advice: StopAdvice | None) -> dict[str, Any]:
        predicted = read_json(self.run.folder.round_plan(self.done))["predicted"]
        measured = [
            _label(s, self.stop_epoch) if s.status == "ok" and self.stop_epoch is not None else None for s in samples
        ]
        pairs = [(p, m) for p, m in zip(predicted, measured, strict=True) if p is not None and m is not None]
        result: dict[str, Any] = {
            "round": self.done,
            "stop_epoch": self.stop_epoch,
            "statuses": {status: sum(s.status == status for s in samples) for status in {s.status for s in samples}},
            "predicted": predicted,
            "measured": measured,
            "tau": kendall(*map(np.array, zip(*pairs, strict=True))) if len(pairs) > 2 else None,
            "best": max((m for m in measured if m is not None), default=None),
            "alive": self.alive.tolist(),
        }
        return result | ({"advice": _plain(advice)} if advice is not None else {})


def collect(run: Run) -> Predictor:
    """Stage 2 from where it stands to its end; returns the predictor that has learned from every sample."""
    if (run.folder.predictor / "card.json").is_file():
        return load_predictor(run.folder.predictor, run.space)
    collection = Collection.start(run, pool=sample_pool(run), predictor=pretrain(run))
    with ExitStack() as stack:
        engine = None if collection.finished else stack.enter_context(engine_of(run))
        while not collection.finished:
            assert engine is not None
            candidates = collection.propose()
            samples = collection.evaluate(candidates, engine)
            collection = collection.learn(samples)
    collection.save()
    return collection.predictor


def engine_of(run: Run) -> Engine:
    """What trains the candidates, to be used in a `with` statement."""
    how = run.execution
    return open_engine(
        how.engine, run.images, settings_of(run), workers=how.workers or None, device=how.device, address=how.address
    )


def settings_of(run: Run) -> EvaluationSettings:
    """How every candidate of the search is trained."""
    config = run.config.collect
    return EvaluationSettings(
        schedule=Schedule(
            epochs=config.epochs, warmup_epochs=config.warmup_epochs, kind=config.schedule, decay=config.decay
        ),
        batch_size=config.batch_size,
        augmentation=Augmentation(crop=run.config.data.crop, flip=run.config.data.flip),
        ema_decay=config.ema_decay,
        time_limit=config.trial_seconds,
    )


def measured(run: Run) -> tuple[Population, NDArray[np.float64]]:
    """Stage 2's candidates that could be measured, (n, D), and their accuracy at the stop epoch, (n,) in percent."""
    pool, predictor = sample_pool(run), load_predictor(run.folder.encoder, run.space)
    rounds = run.folder.rounds()
    collection = Collection(
        run=run, pool=pool, alive=np.arange(len(pool.X)), predictor=predictor, done=len(rounds),
        stop_epoch=int(rounds[0]["stop_epoch"]),
    )  # fmt: skip
    return labelled(collection.samples(), collection.stop_epoch)


def labelled(samples: Sequence[Sample], stop_epoch: int | None) -> tuple[Population, NDArray[np.float64]]:
    """What the predictor learns from: choices (n, D) and accuracy (n,) of the trainings that succeeded.

    Round 1 trains on beyond the stop epoch, but its label is the accuracy at that epoch too: labels of one kind.
    """
    good = [sample for sample in samples if sample.status == "ok"]
    X = np.array([sample.choices for sample in good], dtype=np.int64)
    return X, np.array([_label(sample, stop_epoch or len(sample.curve)) for sample in good], dtype=np.float64)


def _of(store: SampleStore, keys: Sequence[str]) -> tuple[Sample, ...]:
    """The samples with these keys, in their order.

    Raises:
        DataError: some are gone: a file of the store was damaged or taken away.
    """
    by_key = {sample.key: sample for sample in store.samples()}
    lost = [key for key in keys if key not in by_key]
    if lost:
        raise DataError(
            f"the sample store {store.path} lacks {len(lost)} of {len(keys)} trainings of this run (damaged files are "
            f"in its _set-aside folder). Put them back, or delete rounds/ beside it: what is missing is trained again."
        )
    return tuple(by_key[key] for key in keys)


def _curve(sample: Sample) -> tuple[float, ...]:
    """Accuracy per epoch of the weights that count: the averaged ones where the recipe has them."""
    return sample.ema_curve or sample.curve


def _label(sample: Sample, epoch: int) -> float:
    return _curve(sample)[epoch - 1]


def _plain(advice: StopAdvice) -> dict[str, Any]:
    """For JSON, which has no nan: an epoch at which all candidates were equal has no correlation."""
    return asdict(advice) | {
        "correlations": [None if math.isnan(value) else value for value in advice.correlations],
        "intervals": [None if any(map(math.isnan, ends)) else ends for ends in advice.intervals],
    }


def _trials(run: Run, X: Population, *, epochs: int | None, number: int) -> list[Trial]:
    settings, costs = settings_of(run), run.space.costs(X)
    epochs = epochs or run.config.collect.epochs
    records = run.space.to_records(X)
    return [
        Trial(
            key=sample_key(
                space=run.space.fingerprint, record=record, fidelity=settings.fidelity(epochs),
                data=run.images.fingerprint, seed=run.config.seed,
            ),
            choices=tuple(int(choice) for choice in row),
            record=record,
            costs={name: float(cost[i]) for name, cost in costs.items()},
            architecture=architecture,
            recipe=recipe,
            space=run.space.fingerprint,
            epochs=epochs,
            seed=run.config.seed,
            round=number,
        )
        for i, (row, record, architecture, recipe) in enumerate(
            zip(X, records, run.space.architectures(X), run.space.recipes(X), strict=True)
        )
    ]  # fmt: skip


def _spell(result: dict[str, Any], rounds: int) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in sorted(result["statuses"].items(), reverse=True))
    tau = "" if result["tau"] is None else f"; Kendall tau of the predictions {result['tau']:.2f}"
    stop = f"; later rounds stop after epoch {result['stop_epoch']}" if result["round"] == 1 else ""
    best = "nothing could be measured" if result["best"] is None else f"best {result['best']:.2f} %"
    return f"stage 2: round {result['round']} of {rounds}: {counts}; {best}{tau}{stop}"
