"""Stage 2 for people with a training loop of their own: ask for candidates, train them anywhere, tell what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from nars.errors import ConfigError, EvaluationError
from nars.evaluate import evaluate_trial
from nars.evaluate.outcome import lost
from nars.metric import Metric
from nars.predictors import Predictor
from nars.run import Reporter, Run, RunConfig, open_run
from nars.run.own_task import LoopTask, own_task
from nars.stages.collecting import keep_fitted, rounds_of
from nars.stages.members import Family
from nars.stages.pool import load_pool, sample_pool
from nars.stages.pretraining import load_pretrained, pretrain
from nars.stages.searching import load_family, search
from nars.store import STATUSES, Sample, Status
from nars.tasks import Measured, Trial, read_said

Said = float | Mapping[str, Any] | Sequence[float | Mapping[str, Any]]
"""The value of a training of one epoch; or of each epoch, each with more to keep beside it where it is a mapping."""


@final
class Loop:
    """A run whose candidates are trained outside of it; made by `open_loop`.

    Interrupted at any moment, opening the folder again goes on: what was told is kept, what was only asked for is asked
    for again.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        task = own_task(run.config)
        assert isinstance(task, LoopTask)
        self._task = task
        pool = load_pool(run) or sample_pool(run)
        self._rounds = rounds_of(run, pool, load_pretrained(run) or pretrain(run, pool))
        self._asked: set[str] = set()

    def __iter__(self) -> Iterator[Trial]:
        """Each candidate in turn, for who trains one after the other and tells each before the next."""
        while (trial := self.ask()) is not None:
            yield trial

    def ask(self) -> Trial | None:
        """The next candidate to train: `trial.record`, for `trial.epochs` epochs, from `trial.seed`.

        None when all are given away, or none is left before the outcomes of its round are told; ask again after the
        next `tell`. Several may be under way at once, told in any order.
        """
        trial = self._rounds.ask()
        if trial is not None:
            self._asked.add(trial.key)
        return trial

    def tell(self, trial: Trial, said: Said, *, seconds: float = 0.0) -> Sample:
        """What a training came to; on the disk when this returns.

        What cannot be (a value out of the metric's range, text, too few epochs) becomes a failed sample, whose message
        has the rule; not a number is `diverged`.

        Args:
            trial: as asked for.
            said: its value, or a value for each of its epochs; a mapping has it under the metric's name, and what else
                is to be kept.
            seconds: that it took.

        Raises:
            EvaluationError: it was not asked for, or has been told already.
        """
        epochs = said if isinstance(said, Sequence) else [said]
        told = _Told(metric=self._task.metric, data=self._task.data, epochs=epochs)
        return self._keep(trial, replace(evaluate_trial(trial, told), seconds=seconds))

    def fail(self, trial: Trial, message: str, *, status: Status = "error", seconds: float = 0.0) -> Sample:
        """A training that gave nothing.

        Args:
            trial: as asked for.
            message: what went wrong, for people.
            status: "diverged", "out_of_memory", "timeout" or "error".
            seconds: that it took.

        Raises:
            EvaluationError: as `tell`; or the status is none of a failure.
        """
        if status not in STATUSES or status == "ok":
            failures = ", ".join(name for name in STATUSES if name != "ok")
            raise EvaluationError(f"the status of a failure is one of {failures}; got {status!r}")
        return self._keep(trial, lost(trial, status, message, seconds=seconds, device=""))

    @property
    def finished(self) -> bool:
        """Whether all trainings have an outcome."""
        return self._rounds.finished

    @property
    def samples(self) -> list[Sample]:
        """All outcomes, in the order of proposal."""
        return self._rounds.samples

    @property
    def predictor(self) -> Predictor:
        """Fitted to every successful training so far.

        Raises:
            PredictorError: there are fewer than two.
        """
        return self._rounds.predictor

    def search(self) -> Family:
        """Stage 3: the predicted best of each budget, when all trainings are done.

        Raises:
            ConfigError: some are not.
        """
        if not self.finished:
            left = self.run.config.collect.rounds * self.run.config.collect.per_round - self._rounds.measured
            raise ConfigError(f"stage 3 follows stage 2, and {left} trainings are to be told yet; ask for them first")
        return load_family(self.run) or search(self.run, keep_fitted(self.run, self._rounds))

    def _keep(self, trial: Trial, sample: Sample) -> Sample:
        if trial.key not in self._asked:
            raise EvaluationError(
                f"each trial that was asked for is told once; got {trial.key} of round {trial.round}, which was not "
                f"asked for here, or has been told already"
            )
        self._asked.discard(trial.key)
        self._rounds.tell(sample)
        return sample


def open_loop(config: RunConfig, folder: Path | str | None = None, *, reporter: Reporter | None = None) -> Loop:
    """Begin a run whose trainings are a loop of your own, or go on with the one in a folder.

    Example:
        >>> from nars import load_config, open_loop
        >>> loop = open_loop(load_config({
        ...     "name": "mine", "space": "mine.yaml", "task": {"loop": "my trainer"}, "metric": {"name": "f1"},
        ...     "collect": {"rounds": 4, "per_round": 12, "epochs": 10}}))
        >>> for trial in loop:
        ...     loop.tell(trial, train(trial.record, trial.epochs, trial.seed))
        >>> print([(member.name, member.record) for member in loop.search().members])

    Args:
        config: with `task: {loop: NAME}`, where the name says which loop, as other loops' values do not mix with its.
        folder: where; runs/NAME when None.
        reporter: who is told how it goes.

    Raises:
        ConfigError: the configuration's task is another; all that `open_run` raises.
    """
    if config.trains_images or not isinstance(own_task(config), LoopTask):
        raise ConfigError("open_loop takes a configuration whose task is {loop: NAME}; others are trained by run_all")
    return Loop(open_run(config, folder, reporter=reporter))


@dataclass(frozen=True, kw_only=True)
class _Told:
    """The task of a training that has been done elsewhere."""

    metric: Metric
    data: str
    epochs: Sequence[object]

    def fidelity(self, epochs: int) -> str:
        raise AssertionError("the run's own task says it")

    def set_up(self, trial: Trial, *, device: str) -> None:
        """It has been trained."""

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        for number, said in enumerate(self.epochs, 1):
            yield read_said(said, self.metric, epoch=number)
