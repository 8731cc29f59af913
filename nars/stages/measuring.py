"""What both forms of stage 2 share: how candidates are trained, which of them are measured, what is learned of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.errors import DataError
from nars.evaluate import FEWEST_CURVES, Engine, Limits, StopAdvice, choose_stop_epoch, open_engine
from nars.predictors import Predictor, kendall
from nars.printing import brief_repr
from nars.recipe import Augmentation, Schedule, TrainingSettings
from nars.run import Run
from nars.run.config import Collect
from nars.run.folder import read_json, write_sealed
from nars.search import propose_round
from nars.space import Population, shorten
from nars.stages.avoiding import described, failures_last
from nars.stages.pool import Pool
from nars.stages.predictors import keep_predictor
from nars.store import COST_CONVENTION, Identity, Sample, SampleStore
from nars.tasks import ImageClassification, Trial, make_trials

_FEWEST_TO_LEARN = 2
"""Accuracies that a predictor can be fitted to."""

_MESSAGE = 300
"""Characters of what failed trainings say that an error repeats."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """The candidates of a round, in a file before any of them is trained: interrupted, it goes on with the same."""

    __repr__ = brief_repr

    number: int
    """Of the round, from 1."""
    X: Population
    """(m, D)"""
    predicted: tuple[float | None, ...]
    """Accuracy in percent that made it choose them; None where there was no predictor yet."""
    epochs: int
    """To train each of them."""


def engine_of(run: Run) -> Engine:
    """What trains the candidates, to be used in a `with` statement."""
    how = run.execution
    return open_engine(
        how.engine,
        ImageClassification(run.images, settings_of(run)),
        Limits(seconds=run.config.collect.trial_seconds, gigabytes=run.config.collect.trial_gigabytes),
        workers=how.workers or None,
        per_gpu=how.per_gpu,
        device=how.device,
        address=how.address,
    )


def settings_of(run: Run) -> TrainingSettings:
    """How every candidate of the search is trained."""
    config = run.config.collect
    return TrainingSettings(
        schedule=Schedule(
            epochs=config.epochs, warmup_epochs=config.warmup_epochs, kind=config.schedule, decay=config.decay
        ),
        batch_size=config.batch_size,
        augmentation=Augmentation(crop=run.config.data.crop, flip=run.config.data.flip),
        ema_decay=config.ema_decay,
        amp=config.amp,
        compiler="inductor" if config.compile else None,
    )


def write_plan(run: Run, plan: Plan, **more: Any) -> None:
    """Keep a round's candidates; `more` goes into the file beside them."""
    document = {"round": plan.number, "epochs": plan.epochs, "choices": plan.X.tolist(), "predicted": plan.predicted}
    write_sealed(run.folder.round_plan(plan.number), document | {"origin": run.origin} | more)


def choose(
    run: Run,
    pool: Pool,
    alive: NDArray[np.int64],
    plans: Sequence[Plan],
    *,
    count: int,
    predictor: Predictor | None,
    scores: NDArray[np.float64] | None,
    epochs: int,
) -> Plan:
    """The next round: from each of `count` FLOPs bins the pool member with the highest predicted accuracy.

    Args:
        run: whose round it is.
        pool: of stage 1.
        alive: pool members still favourable, ascending.
        plans: all rounds so far; what is in them is not chosen again.
        count: of candidates.
        predictor: fitted; None in the first round, which takes the pool's order.
        scores: of the members alive, (len(alive),), see `ranked`; None without predictor.
        epochs: to train each.
    """
    chosen = propose_round(
        pool.X[alive],
        {name: cost[alive] for name, cost in pool.costs.items()},
        run.flops_range,
        count,
        scores=scores,
        exclude=np.concatenate([plan.X for plan in plans]) if plans else None,
    )
    told = [None] * len(chosen) if predictor is None else predictor.predict_mean(run.space.encode(chosen)).tolist()
    return Plan(number=len(plans) + 1, X=chosen, predicted=tuple(told), epochs=epochs)


def check_samples(run: Run) -> None:
    """See that the sample stores of the run's folder hold samples of its space and images, if any.

    Raises:
        StoreError: they hold others.
    """
    ours = Identity(space=run.space.fingerprint, data=run.image_facts.fingerprint, cost_convention=COST_CONVENTION)
    for folder in (run.folder.samples, run.folder.swaps):
        theirs = SampleStore(folder).identity if folder.is_dir() else None
        if theirs is not None:
            ours.refuse_mixing(theirs, here=f"the run in {run.folder.path}", there=f"the store {folder}")


def read_plans(run: Run) -> list[Plan]:
    """The rounds that have been planned, in order."""
    plans: list[Plan] = []
    rounds = run.folder.rounds()
    while (file := run.folder.round_plan(len(plans) + 1)).is_file():
        document = read_json(file)
        if document.get("origin", run.origin if run.begun_earlier else None) != run.origin:
            raise DataError(
                f"{file} belongs to another run: its space, images, seed or settings were others. Put this run's own "
                f"rounds/ back, or delete it: candidates are chosen again, and what is measured is not trained again."
            )
        if "epochs" not in document:  # begun by an earlier version
            document["epochs"] = rounds[0]["stop_epoch"] if plans else run.config.collect.epochs
        plans.append(
            Plan(
                number=document["round"],
                X=np.array(document["choices"], dtype=np.int64),
                predicted=tuple(document["predicted"]),
                epochs=document["epochs"],
            )
        )
    return plans


def trials_of(run: Run, plan: Plan) -> list[Trial]:
    """The trainings of a round."""
    return make_trials(
        run.space,
        plan.X,
        data=run.image_facts.fingerprint,
        fidelity=settings_of(run).fidelity(plan.epochs),
        epochs=plan.epochs,
        seed=run.config.seed,
        number=plan.number,
    )


def samples_of(run: Run, plans: Sequence[Plan]) -> tuple[Sample, ...]:
    """The outcomes of these rounds, in the order of proposal.

    Raises:
        DataError: some are gone: a file of the store was damaged or taken away.
    """
    store = SampleStore(run.folder.samples)
    by_key = {sample.key: sample for sample in store.samples()}
    keys = list(dict.fromkeys(trial.key for plan in plans for trial in trials_of(run, plan)))
    lost = [key for key in keys if key not in by_key]
    if lost:
        raise DataError(
            f"the sample store {store.path} lacks {len(lost)} of {len(keys)} trainings of this run (damaged files are "
            f"in its _set-aside folder). Put them back, or delete rounds/ beside it: what is missing is trained again."
        )
    return tuple(by_key[key] for key in keys)


def measured(run: Run) -> tuple[Population, NDArray[np.float64]]:
    """Stage 2's candidates that could be measured, (n, D), and their accuracy at the stop epoch, (n,) in percent."""
    return labelled(samples_of(run, read_plans(run)), int(run.folder.rounds()[0]["stop_epoch"]))


def labelled(samples: Sequence[Sample], stop_epoch: int | None) -> tuple[Population, NDArray[np.float64]]:
    """What the predictor learns from: choices (n, D) and accuracy (n,) of the trainings that succeeded.

    Round 1 trains on beyond the stop epoch, but its label is the accuracy at that epoch too: labels of one kind.
    """
    good = [sample for sample in samples if sample.status == "ok"]
    X = np.array([sample.choices for sample in good], dtype=np.int64)
    return X, np.array([label(sample, stop_epoch) for sample in good], dtype=np.float64)


def label(sample: Sample, stop_epoch: int | None) -> float:
    """The accuracy that counts, in percent: at the stop epoch, or at the end while that is not chosen yet; of the
    averaged weights where the recipe has them."""
    return sample.result_curve[(stop_epoch or len(sample.curve)) - 1]


def fitted(run: Run, predictor: Predictor, samples: Sequence[Sample], stop_epoch: int | None) -> Predictor:
    """The predictor fine-tuned on these samples, from where pretraining left it; failed trainings are none."""
    X, accuracy = labelled(samples, stop_epoch)
    return predictor.fit(run.space.encode(X), accuracy, seed=run.config.seed)


def ranked(run: Run, X: Population, predicted: NDArray[np.float64], samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Scores to choose candidates by, (N,): their predicted accuracy (N,), those behind that would fail."""
    failed = np.array([sample.status != "ok" for sample in samples], dtype=np.bool_)
    if not failed.any():
        return predicted
    trained = np.array([sample.choices for sample in samples], dtype=np.int64)
    return failures_last(predicted, described(run.space, X), described(run.space, trained), failed)


def stop_advice(run: Run, samples: Sequence[Sample]) -> StopAdvice:
    """When the order of candidates is known well enough (paper: rank correlation 0.92), also between two budgets.

    Raises:
        DataError: so many trainings of the first round failed that no predictor can learn from the rest.
    """
    config = run.config.collect
    full = [sample for sample in samples if sample.status == "ok" and len(sample.result_curve) == config.epochs]
    if len(full) < FEWEST_CURVES:
        return _uncut(samples, len(full), config)
    flops = np.array([sample.costs["flops"] for sample in full])
    low, high = run.config.flops.low, run.config.flops.high
    edges = [low, *sorted(budget for budget in run.config.search.budgets if low < budget < high), high]
    return choose_stop_epoch(
        np.array([sample.result_curve for sample in full], dtype=np.float64).reshape(len(full), config.epochs),
        threshold=config.stop_correlation,
        rng=run.rng(2),
        bins={f"{shorten(a)} to {shorten(b)} FLOPs": (flops > a) & (flops <= b) for a, b in pairwise(edges)},
    )


def _uncut(samples: Sequence[Sample], full: int, config: Collect) -> StopAdvice:
    """What is said when hardly a training of the first round succeeded: later ones are full ones too."""
    failures = [sample for sample in samples if sample.status != "ok"]
    if full < _FEWEST_TO_LEARN:
        told = "; ".join(dict.fromkeys(f"{sample.status}: {sample.message}" for sample in failures))
        raise DataError(
            f"{len(failures)} of the {len(samples)} trainings of round 1 failed ({told[:_MESSAGE]}); the predictor "
            f"cannot learn from {full}. Mend the cause (limits are collect.trial_seconds and collect.trial_gigabytes) "
            f"or raise collect.per_round, and begin in another folder."
        )
    nothing = (math.nan,) * config.epochs
    return StopAdvice(
        epoch=config.epochs,
        cautious_epoch=config.epochs,
        threshold=config.stop_correlation,
        correlations=nothing,
        intervals=tuple((math.nan, math.nan) for _ in nothing),
        saved=0.0,
        top_kept=0,
        top_size=0,
        within_bins={},
        warnings=(
            f"only {full} of the {len(samples)} trainings of round 1 succeeded, too few for a rank correlation: "
            f"training is not cut.",
        ),
    )


def finish_round(run: Run, plan: Plan, samples: Sequence[Sample], stop_epoch: int, **more: Any) -> None:
    """Keep what a round found, for people and for the report, and say it; `more` goes into the file beside it."""
    values = [label(sample, stop_epoch) if sample.status == "ok" else None for sample in samples]
    pairs = [(p, m) for p, m in zip(plan.predicted, values, strict=True) if p is not None and m is not None]
    result: dict[str, Any] = {
        "round": plan.number,
        "stop_epoch": stop_epoch,
        "statuses": {status: sum(s.status == status for s in samples) for status in {s.status for s in samples}},
        "predicted": plan.predicted,
        "measured": values,
        "tau": kendall(*map(np.array, zip(*pairs, strict=True))) if len(pairs) > 2 else None,
        "best": max((value for value in values if value is not None), default=None),
    }
    write_sealed(run.folder.round_result(plan.number), result | {"origin": run.origin} | more)
    run.log(_spell(result | more))
    for warning in more.get("advice", {}).get("warnings", ()):
        run.log(f"stage 2: stop epoch: {warning}")


def plain(advice: StopAdvice) -> dict[str, Any]:
    """For JSON, which has no nan: an epoch at which all candidates were equal has no correlation."""
    return asdict(advice) | {
        "correlations": [None if math.isnan(value) else value for value in advice.correlations],
        "intervals": [None if any(map(math.isnan, ends)) else ends for ends in advice.intervals],
        "within_bins": {name: None if math.isnan(value) else value for name, value in advice.within_bins.items()},
    }


def save(run: Run, predictor: Predictor) -> None:
    """Keep stage 2's predictor for stage 3 and for later questions."""
    taus = [r["tau"] for r in run.folder.rounds() if r["tau"] is not None]
    keep_predictor(run, predictor, quality={"tau": float(np.mean(taus))} if taus else {})


def spell(sample: Sample) -> str:
    """An outcome in a few words."""
    return sample.status + ("" if sample.status != "ok" else f" {label(sample, None):.2f} %")


def _spell(result: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in sorted(result["statuses"].items(), reverse=True))
    tau = "" if result["tau"] is None else f"; Kendall tau of the predictions {result['tau']:.2f}"
    stop = f"; later rounds stop after epoch {result['stop_epoch']}" if result["round"] == 1 else ""
    best = "nothing could be measured" if result["best"] is None else f"best {result['best']:.2f} %"
    if result.get("advice", {}).get("saved"):
        stop += f" and save {100 * result['advice']['saved']:.0f} % of their epochs"
    return f"stage 2: round {result['round']}: {counts}; {best}{tau}{stop}"
