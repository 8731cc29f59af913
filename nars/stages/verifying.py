"""An answer verified: the candidates of its plan are trained as the search trained, until the best of them is known.

The maths is at the head of `nars.search.verification`. Each outcome is in the sample store of the run before anything
depends on it, so that a verification goes on where it was killed; what the store has is not trained again.

What the trainings teach is not kept in the run's predictor/, which is stage 2's result and stays what it was, but in
informed/ beside it: fitted to stage 2's samples and to those of all verifications of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np

from nars.arrays import Ints
from nars.errors import ConfigError, EvaluationError, require
from nars.predictors import Failures
from nars.run import Execution, Reporter, Run, open_run, read_config, reopen_run
from nars.run.folder import read_json, run_in
from nars.run.given import run_folder
from nars.run.journal import Journal, check_samples, read_results
from nars.search import Belief, certainty, gains_of_one_training
from nars.stages.answer_folder import SPACE, SavedAnswer, Training, Verified, read_answer, write_answer
from nars.stages.measuring import engine_of, fidelity_of, spell, trials_for
from nars.stages.predictors import write_predictor
from nars.stages.pretraining import load_pretrained
from nars.stages.stopping import label
from nars.store import Sample, SampleStore
from nars.tasks import Trial

_OWN_RUN = "run"
"""Folder of the run in an answer's that is begun for an answer without one."""
TRAININGS_EACH = 3
"""Trainings for each candidate of the plan, at most, unless told otherwise."""


def verify_answer(
    place: str | Path,
    *,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    confidence: float = 0.9,
    margin: float | None = None,
    trainings: int | None = None,
    execution: Execution | None = None,
    reporter: Reporter | None = None,
) -> SavedAnswer:
    """Train the candidates of an answer's plan, until the best of them is known or there were so many trainings.

    Example:
        >>> verify_answer("answers/4M").verified

    Args:
        place: the answer's folder.
        config: for an answer whose predictor comes from no run, the run configuration by which its samples were
            trained; or the folder of the run, where it has moved since.
        overrides: dotted keys of that configuration with new values.
        confidence: 0 < confidence < 1: probability that the winner is the best of the plan, or behind it by the margin
            at most.
        margin: >= 0, in the unit of the metric; the plan's when None.
        trainings: at most so many, those counted that the store has already; three for each candidate when None.
        execution: how to compute.
        reporter: who is told.

    Returns:
        The answer, whose choice is now the winner.

    Raises:
        ConfigError: no answer, no run, or a value out of range.
        DataError, StoreError: files were edited, or belong to another run.
        EvaluationError: no candidate could be trained.
    """
    answer = read_answer(place)
    margin = answer.plan.margin if margin is None else margin
    most = TRAININGS_EACH * len(answer.candidates) if trainings is None else trainings
    require(ConfigError, 0 < confidence < 1, "--confidence", "between 0 and 1", confidence)
    require(ConfigError, margin >= 0, "--margin", "at least 0", margin)
    require(ConfigError, most >= 1, "--trainings", "at least 1", most)
    run = _run(answer, config, overrides or {}, execution, reporter)
    check_samples(run)
    trying = Verification(answer, run, confidence=confidence, margin=margin, most=most)
    trying.train()
    verified = replace(answer, verified=trying.result())
    write_answer(verified)
    if read_results(run.folder):
        inform(run)
    return verified


@final
class Verification:
    """Ask it for a training whenever a worker is free, tell it each outcome; it is finished when it asks for none."""

    def __init__(self, answer: SavedAnswer, run: Run, *, confidence: float, margin: float, most: int) -> None:
        """As the run's store has it. Arguments as for `verify_answer`, all of them known."""
        self._answer, self._run = answer, run
        self._confidence, self._margin, self._most = confidence, margin, most
        self.epochs = stop_epoch(run)
        self._store = SampleStore(run.folder.samples)
        self._learned = _learned(answer, run)
        lengths = dict.fromkeys((self.epochs, run.config.collect.epochs))
        self._trials = [*zip(*(trials_for(run, answer.rows, epochs=epochs) for epochs in lengths), strict=True)]
        """Of each candidate: to the stop epoch, which is what is trained here, and (round 1) to the end."""
        self._out: dict[str, int] = {}
        """Candidate of each training that has no outcome, by key."""
        self._found: dict[int, dict[int, Sample]] = {number: {} for number in range(len(answer.candidates))}
        """Outcomes by candidate and seed."""
        known = {sample.key: sample for sample in self._store.samples()}
        for seed in range(run.config.seed, run.config.seed + most):
            for number, keys in enumerate(self._keys(seed)):
                for key in keys:
                    if key in known:
                        self._found[number].setdefault(seed, known[key])

    def train(self) -> None:
        """Until it asks for no more."""
        if self.is_finished():
            return
        title = f"verify: training candidates of {self._answer.name}"
        with self._run.reporter.bar(title, self._most) as advance, engine_of(self._run) as engine:
            advance(self.counted, "")

            def tell(sample: Sample) -> None:
                self.tell(sample)
                advance(1, spell(sample))

            while not self.is_finished():  # what is asked for last may depend on what is still under way
                engine.run(iter(self.ask, None), on_result=tell)
        self._store.compact()

    def is_finished(self) -> bool:
        """Whether the best is known, or all is spent."""
        return self._next() is None

    def ask(self) -> Trial | None:
        """The next training; None when it is finished, or has to be told of those under way first."""
        found = self._next()
        if found is None:
            return None
        number, seed = found
        trial: Trial = replace(self._trials[number][0], seed=seed)
        self._out[trial.key] = number
        return trial

    def tell(self, sample: Sample) -> None:
        """An outcome; when this returns, it is in the store."""
        self._store.append([sample])
        self._found[self._out.pop(sample.key)][sample.seed] = sample

    @property
    def counted(self) -> int:
        """Trainings so far."""
        return sum(map(len, self._found.values()))

    @property
    def alive(self) -> Ints:
        """Candidates no training of which has failed, ascending."""
        alive = [n for n, samples in self._found.items() if all(sample.status == "ok" for sample in samples.values())]
        return np.array(alive, dtype=np.int64)

    @property
    def belief(self) -> Belief:
        """What is known of all candidates."""
        new = [
            (number, sample.metric.score(label(sample, self.epochs)))
            for number, samples in self._found.items()
            for sample in samples.values()
            if sample.status == "ok" and sample.key not in self._learned
        ]
        return self._answer.plan.belief.after_all(new)

    def winner(self) -> tuple[int, float] | None:
        """The best of those trained, and the probability that it is that of all; None before one is trained."""
        alive, belief = self.alive, self.belief
        trained = [place for place, number in enumerate(alive) if self._found[int(number)]]
        if not trained:
            return None
        own = belief.of(alive)
        best = max(trained, key=lambda place: float(own.mean[place]))
        return int(alive[best]), certainty(own, best, margin=self._margin, rng=np.random.default_rng(0))

    def result(self) -> Verified:
        """What has been found.

        Raises:
            EvaluationError: no candidate could be trained.
        """
        found, belief = self.winner(), self.belief
        if found is None:
            failed = sorted({s.message or s.status for samples in self._found.values() for s in samples.values()})
            raise EvaluationError(
                f"none of the {len(self._answer.candidates)} candidates of {self._answer.folder} could be trained "
                f"({'; '.join(failed)[:300]}); ask for other limits, or raise collect.trial_seconds of the run"
            )
        winner, probability = found
        values = [label(sample, self.epochs) for sample in self._found[winner].values()]
        return Verified(
            winner=winner,
            known=probability >= self._confidence,
            probability=probability,
            confidence=self._confidence,
            margin=self._margin,
            value=float(np.mean(values)),
            mean=tuple(self._run.metric.score(belief.mean).tolist()),
            std=tuple(belief.std.tolist()),
            epochs=self.epochs,
            store=str(self._run.folder.samples.absolute()),
            trainings=tuple(
                Training(
                    candidate=number,
                    seed=seed,
                    key=sample.key,
                    status=sample.status,
                    value=label(sample, self.epochs) if sample.status == "ok" else None,
                    learned=sample.key in self._learned,
                )
                for number, samples in self._found.items()
                for seed, sample in sorted(samples.items())
            ),
        )

    def _next(self) -> tuple[int, int] | None:
        """Candidate and seed of the next training."""
        alive = [int(number) for number in self.alive]
        if not alive or self.counted + len(self._out) >= self._most:
            return None
        found = self.winner()
        if found is not None and found[1] >= self._confidence:
            return None
        busy = set(self._out.values())
        fresh = [number for number in alive if not self._found[number] and number not in busy]
        idle = [number for number in alive if number not in busy]
        if fresh:
            return fresh[0], self._run.config.seed
        if len(alive) == 1 or not idle:
            return None
        gains = gains_of_one_training(self.belief.of(np.array(idle)))
        number = idle[int(np.argmax(gains))]
        return number, next(s for s in self._seeds() if s not in self._found[number])

    def _seeds(self) -> Iterator[int]:
        return iter(range(self._run.config.seed, self._run.config.seed + self._most + 1))

    def _keys(self, seed: int) -> list[tuple[str, ...]]:
        """For each candidate the keys of the trainings that tell its value at the stop epoch."""
        return [tuple(replace(trial, seed=seed).key for trial in trials) for trials in self._trials]


def stop_epoch(run: Run) -> int:
    """Epochs of a training of the search."""
    results = read_results(run.folder)
    return results[0].stop_epoch if results else run.config.collect.epochs


def inform(run: Run) -> Path:
    """Fit a predictor to all samples of a run, those of verifications included, and keep it in informed/.

    Returns:
        Its folder, for `nars search --predictor`.
    """
    pretrained = load_pretrained(run)
    if pretrained is None:
        raise ConfigError(f"{run.folder.path} has no pretrained predictor: nars pretrain {run.folder.path}")
    epochs = stop_epoch(run)
    comparable = {fidelity_of(run, length) for length in (epochs, run.config.collect.epochs)}
    told = [sample for sample in SampleStore(run.folder.samples).samples() if sample.fidelity in comparable]
    good = [sample for sample in told if sample.status == "ok"]
    X = np.array([sample.choices for sample in good], dtype=np.int64)
    values = np.array([label(sample, epochs) for sample in good], dtype=np.float64)
    planned = _planned(run, run.config.collect.rounds)
    beyond = sorted(sample.key for sample in told if sample.key not in planned)
    origin = {"run": run.origin, "rounds": run.config.collect.rounds, "verified": beyond}
    card = run.folder.informed / "card.json"
    if card.is_file() and read_json(card).get("origin") == origin:
        return run.folder.informed
    with run.reporter.bar("fitting the predictor to all of them", 1):
        failures = Failures.learned(
            run.space,
            np.array([sample.choices for sample in told], dtype=np.int64),
            run.metric.score(np.array([label(one, epochs) if one.status == "ok" else np.nan for one in told])),
        )
        fitted = replace(
            pretrained.fit(pretrained.inputs(run.space, X), values, seed=run.config.seed), failures=failures
        )
        write_predictor(
            run.folder.informed, fitted, space=run.space, data=run.data_facts.fingerprint, quality={}, origin=origin
        )
    more = sum(sample.key not in planned for sample in good)
    run.log(
        f"verify: {run.folder.informed} has learned from {len(good)} trainings, {more} more than stage 2's "
        f"predictor: nars search --predictor {run.folder.informed}"
    )
    return run.folder.informed


def _run(
    answer: SavedAnswer,
    config: str | Path | None,
    overrides: Mapping[str, Any],
    execution: Execution | None,
    reporter: Reporter | None,
) -> Run:
    """The run by whose settings the candidates are trained, and whose store their outcomes go to."""
    named = None if config is None else run_folder(config)
    if config is not None and named is None:
        return _own_run(answer, config, overrides, execution, reporter)
    if named is None and answer.run is None:
        if (own := run_in(answer.folder / _OWN_RUN)) is not None:
            return reopen_run(own.path, execution=execution, reporter=reporter)
        raise ConfigError(
            f"{answer.folder} is from the predictor {answer.predictor.name}, which comes from no run: name the run "
            f"configuration by which its samples were trained, e.g. --config cifar10"
        )
    folder = run_in(named or answer.run.folder)  # type: ignore[union-attr]
    if folder is None:
        raise ConfigError(
            f"{answer.folder} is from the run in {answer.run and answer.run.folder}, which is not there any more: name "
            f"the folder where it is, --config FOLDER"
        )
    run = reopen_run(folder.path, execution=execution, reporter=reporter)
    if run.space.fingerprint != answer.space_fingerprint or (answer.run and answer.run.origin != run.origin):
        raise ConfigError(
            f"{folder.path} is not the run that {answer.folder} is from: its space, images, seed or settings are "
            f"others. Name that one, --config FOLDER"
        )
    return run


def _own_run(
    answer: SavedAnswer,
    config: str | Path,
    overrides: Mapping[str, Any],
    execution: Execution | None,
    reporter: Reporter | None,
) -> Run:
    """A run in the answer's folder, begun for its trainings alone."""
    given = read_config(config, {"space": str(answer.folder / SPACE)} | dict(overrides))
    run = open_run(
        given.config,
        answer.folder / _OWN_RUN,
        execution=execution,
        reporter=reporter,
        upto="collect",
        place=given.place,
    )
    if run.space.fingerprint != answer.space_fingerprint:
        raise ConfigError(
            f"{answer.folder} is about networks for {answer.space.classes} classes in {answer.space.in_channels} "
            f"channels, {config} has {run.data_facts.count} in {run.data_facts.in_channels}; name the configuration "
            f"by which the predictor's samples were trained"
        )
    return run


def _learned(answer: SavedAnswer, run: Run) -> frozenset[str]:
    """Keys of the trainings that the predictor knew when it was asked."""
    rounds = answer.predictor.rounds
    return frozenset(answer.predictor.verified) | (frozenset() if rounds is None else _planned(run, rounds))


def _planned(run: Run, rounds: int) -> frozenset[str]:
    """Keys of the trainings of stage 2's first rounds; asynchronous ones are smaller, and all of them count."""
    plans = [plan for plan in Journal(run).plans() if plan.round <= rounds or run.config.collect.asynchronous]
    return frozenset(
        trial.key for plan in plans for trial in trials_for(run, plan.rows, epochs=plan.epochs, round=plan.round)
    )
