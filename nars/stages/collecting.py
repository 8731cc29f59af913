"""Stage 2 of a run: ask, train, tell, until finished. What one was killed in goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import repeat

import numpy as np

from nars.evaluate import Engine
from nars.predictors import Predictor
from nars.run import Run
from nars.run.journal import Journal, RoundResult, check_samples
from nars.run.outlook import together
from nars.run.run import trainings_at_once
from nars.stages.board import Board
from nars.stages.measuring import engine_of, spell, trials_for
from nars.stages.pool import CandidatePool
from nars.stages.predictors import write_predictor
from nars.stages.prior import load_prior
from nars.stages.rounds import Rounds, RoundSettings, best_of_bins, most_improving
from nars.stages.stopping import FEWEST_TO_LEARN, failed, refuse_failures, stop_advice
from nars.store import Sample
from nars.tasks import Trial


def collect(run: Run, pool: CandidatePool, pretrained: Predictor) -> Predictor:
    """Rounds of real training; returns the predictor that has learned from every sample, which is kept for later.

    Raises:
        DataError: the journal of the run was edited, or nearly all trainings of the first round failed.
        StoreError: the samples in its folder belong to another space or to other images.
    """
    rounds = rounds_of(run, pool, pretrained)
    train_rounds(run, rounds)
    return keep_fitted(run, rounds)


def train_rounds(
    run: Run,
    rounds: Rounds[Trial],
    *,
    goes_on: Callable[[Rounds[Trial]], bool] = lambda rounds: True,
    on_sample: Callable[[Sample], None] = lambda sample: None,
) -> None:
    """Train what the rounds ask for, to their end.

    Args:
        run: theirs.
        rounds: of `rounds_of`.
        goes_on: asked whenever nothing that is planned waits for a worker: whether any more is to be planned.
        on_sample: gets each outcome when it is kept.

    Raises:
        As `collect`.
    """
    if rounds.finished or not (rounds.waiting or goes_on(rounds)):
        return
    workers = 0 if run.execution.engine == "ray" else trainings_at_once(run.execution)
    board = Board(run.config.budgets, workers=workers)
    for known in rounds.samples:
        run.outlook.trained(known)
        board.known(known)
    with engine_of(run) as engine:
        while not rounds.finished and (rounds.waiting or goes_on(rounds)):
            _train(run, rounds, engine, board, goes_on=goes_on, on_sample=on_sample)


def rounds_of(run: Run, pool: CandidatePool, pretrained: Predictor) -> Rounds[Trial]:
    """The rounds of a run as its folder has them."""
    check_samples(run)
    config = run.config.collect
    small = config.refit_every or max(2, config.per_round // 4)
    settings = RoundSettings(
        total=config.rounds * config.per_round,
        first=config.per_round,
        later=small if config.asynchronous else config.per_round,
        wait=not config.asynchronous,
        epochs=config.epochs,
        bounds=run.config.range,
        cost=run.binned,
        metric=run.metric,
        keep=config.keep if run.config.in_bins else 1.0,
        fewest=small if config.asynchronous else FEWEST_TO_LEARN,
    )
    prior = load_prior(run, pretrained)
    uncut = config.stop_correlation is None or (prior is not None and prior.whole)
    return Rounds(
        run.space,
        pool,
        pretrained,
        settings,
        trials=lambda plan: trials_for(run, plan.rows, epochs=plan.epochs, round=plan.round),
        seeds=repeat(run.config.seed),
        propose=best_of_bins if run.config.in_bins else most_improving,
        advise=None if uncut else partial(stop_advice, run),
        refuse=refuse_failures if prior is None else lambda samples: None,
        journal=Journal(run),
        prior=prior,
        on_round=partial(_say, run),
    )


def keep_fitted(run: Run, rounds: Rounds[Trial]) -> Predictor:
    """Keep the predictor of finished rounds, with its space, for stage 3 and for questions without the run.

    One that nothing is asked of (preset measured) and that has too little to learn from is not kept.

    Raises:
        DataError: so few trainings succeeded that none can learn.
    """
    good = sum(sample.status == "ok" for sample in rounds.samples)
    if good + rounds.taught_before < FEWEST_TO_LEARN:
        if good and run.config.search.preset == "measured":
            return rounds.pretrained
        raise failed(rounds.samples)
    taus = [result.tau for result in rounds.results if result.tau is not None]
    write_predictor(
        run.folder.predictor,
        rounds.predictor,
        space=run.space,
        data=run.data_facts.fingerprint,
        quality={"tau": float(np.mean(taus))} if taus else {},
        origin={"run": run.origin, "rounds": run.config.collect.rounds},
    )
    return rounds.predictor


def _train(
    run: Run,
    rounds: Rounds[Trial],
    engine: Engine,
    board: Board,
    *,
    goes_on: Callable[[Rounds[Trial]], bool],
    on_sample: Callable[[Sample], None],
) -> None:
    """Until the rounds are finished or do not go on, or a round that is waited for."""

    def ask() -> Trial | None:
        return rounds.ask() if rounds.waiting or goes_on(rounds) else None

    trials, title = iter(ask, None), "stage 2: training candidates"
    likely = run.config.collect.rounds * run.config.collect.per_round
    total, measured, note = max(likely, rounds.measured), rounds.measured, ""
    if rounds.settings.wait:
        missing = list(trials)
        number, size = max((trial.round for trial in missing), default=0), run.config.collect.per_round
        trials, title = iter(missing), f"stage 2: round {number} of {run.config.collect.rounds}"
        total, measured, note = size, size - len(missing), "workers are starting" if number == 1 else ""
    with run.reporter.bar(title, total) as advance:
        advance(measured, "\n".join([note, *board.lines]))

        def tell(sample: Sample) -> None:
            rounds.tell(sample)
            on_sample(sample)
            board.tell(sample)
            advance(1, "\n".join([together(spell(sample), run.left(run.outlook.trained(sample))), *board.lines]))

        engine.run(trials, on_result=tell)


def _say(run: Run, result: RoundResult) -> None:
    run.log(f"stage 2: {result}")
    for warning in result.advice.warnings if result.advice is not None else ():
        run.log(f"stage 2: stop epoch: {warning}")
