"""The engine of one machine: trials in worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

from nars.evaluate.engine import Limits, OnResult
from nars.evaluate.outcome import evaluate_trial, lost
from nars.parallel import Failure, Pool, Report, worker_setups
from nars.store import Sample, Status
from nars.tasks import Task, Trial


@final
class Processes:
    """A pool of processes that evaluate trials; see `nars.parallel.Pool`."""

    def __init__(self, task: Task, limits: Limits, *, devices: Sequence[str]) -> None:
        """One worker for each entry of `devices`; several may share a GPU."""
        setups = worker_setups(devices, threads=limits.threads)
        self._pool: Pool[Trial, Sample] = Pool(_evaluate, (task, limits), setups=setups, patience=limits.patience)

    def __enter__(self) -> Processes:
        """Start the workers; they get ready while the caller goes on."""
        self._pool.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._pool.__exit__(kind, *rest)

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """As in `Engine`.

        Raises:
            PoolError: the workers cannot be started.
        """

        def failed(trial: Trial, failure: Failure) -> None:
            status: Status = "timeout" if failure.overdue else "error"
            on_result(lost(trial, status, failure.message, seconds=failure.seconds, device=failure.device))

        self._pool.run(trials, on_result=lambda _, sample: on_result(sample), on_failure=failed)


def _evaluate(trial: Trial, context: tuple[Task, Limits], device: str, _: Report) -> Sample:
    task, limits = context
    return evaluate_trial(trial, task, limits, device=device)
