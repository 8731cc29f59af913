"""All stages within a given time (`nars run --time`): the plan is revised by what trainings really take."""

from __future__ import annotations

import math

import numpy as np

from nars.errors import DataError
from nars.run import Run
from nars.run.changes import begun_rounds
from nars.run.clock import spell_time
from nars.run.environment import check_machine
from nars.run.folder import read_json
from nars.run.holding import holding
from nars.run.journal import Journal
from nars.run.planning import Expected, Ledger, epochs_left, goes_on
from nars.run.revising import revised
from nars.run.settled import is_begun
from nars.stages.best import BestKept
from nars.stages.collecting import keep_fitted, rounds_of, train_rounds
from nars.stages.exporting import ExportedFamily, export, load_exported
from nars.stages.finished import load_trained
from nars.stages.members import Family, distinct
from nars.stages.picking import keeps
from nars.stages.pool import load_pool, sample_pool
from nars.stages.predictors import load_fitted
from nars.stages.pretraining import load_pretrained, pretrain
from nars.stages.rounds import Rounds
from nars.stages.searching import load_family, search
from nars.stages.training import train
from nars.store import Sample
from nars.tasks import Trial

_MOST_ROUNDS = 1000


def run_timed(run: Run) -> ExportedFamily:
    """From images to an exported network, in the time that the run's clock has; that the pool allows no more candidates
    is the one thing that ends the search before its time.

    Started again, it goes on with the time that is left.

    Raises:
        ConfigError: what a stage needs is not installed, or another process computes in the folder; before any of them
            begins.
    """
    clock = run.clock
    assert clock is not None
    check_machine(run.config, run.execution, run.folder, "export")
    with holding(run.folder.path):
        expected = expected_of(run)
        family = load_family(run)
        if family is None:
            predictor = None
            if run.config.collect.rounds:
                if load_fitted(run) is None:
                    run = _search(run, expected)
                predictor = load_fitted(run)
            family = search(run, predictor)
        run = _final_length(run, family, expected)
        trained = load_trained(run, family) or train(run, family)
        exported = load_exported(run, trained) or export(run, trained)
        clock.note()
        return exported


def say_time(run: Run) -> None:
    """Say how the time was kept."""
    assert run.clock is not None
    run.clock.note()
    used, asked = run.clock.used, run.clock.asked
    run.log(f"time: {spell_time(used)} used of {spell_time(asked)} ({100 * used / asked:.0f} %)")


def expected_of(run: Run) -> Expected:
    """What the run's plan was made by.

    Raises:
        DataError: its file was edited.
    """
    document = read_json(run.folder.time_file)
    try:
        return Expected.from_dict(document["expected"])
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{run.folder.time_file} is not what nars writes ({error!r}); put it back, or go on without a time: delete "
            f"it"
        ) from error


def _search(run: Run, expected: Expected) -> Run:
    """Stage 2 for as long as it pays; the run with as many rounds as that were."""
    assert run.clock is not None
    clock = run.clock
    pool = load_pool(run) or sample_pool(run)
    pretrained = load_pretrained(run) or pretrain(run, pool)
    most = min(_MOST_ROUNDS, len(pool.X) // (2 * run.config.collect.per_round))
    content = run.config.collect.model_copy(update={"rounds": most})
    rounds = rounds_of(run.configured(run.config.model_copy(update={"collect": content})), pool, pretrained)
    kept = BestKept(run, rounds.samples)

    def pays(rounds: Rounds[Trial]) -> bool:
        if rounds.measured < run.config.collect.per_round:
            return True  # the known candidate, and one to compare it with
        ledger = _ledger(run, expected, rounds.samples)
        return goes_on(ledger, expected.lengths)

    def on_sample(sample: Sample) -> None:
        kept.tell(sample)
        clock.note()

    train_rounds(run, rounds, goes_on=pays, on_sample=on_sample)
    run = revised(run, {"collect.rounds": max(1, begun_rounds(run.folder, run.config))})
    keep_fitted(run, rounds)
    return run


def _final_length(run: Run, family: Family, expected: Expected) -> Run:
    """The run with as many epochs of final training as the time is good for, where that has not begun."""
    members = distinct(family.members)
    if any(is_begun(run.folder, member.name, member.identity) for member in members):
        return run
    samples = [sample for sample in Journal(run).samples() if sample.status == "ok"]
    largest = max(member.costs["flops"] for member in members)
    epochs = epochs_left(_ledger(run, expected, samples, flops=largest), expected.lengths)
    warmup = min(run.config.final.warmup_epochs, epochs // 4)
    return revised(run, {"final.epochs": epochs, "final.warmup_epochs": warmup})


def _ledger(run: Run, expected: Expected, samples: list[Sample], *, flops: float | None = None) -> Ledger:
    """How the run stands; final training is of so many FLOPs, of the best candidate so far where None."""
    assert run.clock is not None
    done = [sample for sample in samples if sample.epochs and sample.seconds > 0]
    if flops is None:
        flops = _best_flops(run, done)
    known = run.data_facts.images
    asked = read_json(run.folder.time_file).get("trainings", run.clock.asked - run.clock.tail)
    return expected.ledger(
        left=run.clock.left,
        asked=asked,
        trainings=[(sample.costs["flops"], sample.epochs, sample.seconds) for sample in done],
        images=expected.photos.train if known is None else known[0],
        flops=flops,
    )


def _best_flops(run: Run, samples: list[Sample]) -> float:
    (budget, *_) = run.config.budgets
    inside = [sample for sample in samples if keeps(budget, sample)]
    if not inside:
        return float(np.mean([sample.costs["flops"] for sample in samples])) if samples else math.nan
    return max(inside, key=lambda sample: run.metric.score(sample.result or 0.0)).costs["flops"]
