"""The engine of one machine: trials in worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

from nars.evaluate.engine import OnResult
from nars.evaluate.evaluate import evaluate_trial, outcome
from nars.evaluate.trial import EvaluationSettings, Trial
from nars.images import ImageData
from nars.parallel import Failure, Pool, Report, worker_setups
from nars.store import Sample

_GRACE = 30.0
"""Seconds past the time limit after which a worker that does not answer is killed; trials keep the limit themselves."""


@final
class Processes:
    """A pool of processes that evaluate trials; see `nars.parallel.Pool`."""

    def __init__(self, data: ImageData, settings: EvaluationSettings, *, devices: Sequence[str]) -> None:
        """One worker for each entry of `devices`; several may share a GPU."""
        self._data, self._settings = data, settings
        self._pool: Pool[Trial, Sample] = Pool(
            _evaluate,
            (data, settings),
            setups=worker_setups(devices, threads=settings.threads),
            patience=None if settings.time_limit is None else settings.time_limit + _GRACE,
        )

    def __enter__(self) -> Processes:
        """Start the workers; they get ready while the caller goes on."""
        self._pool.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """End the workers."""
        self._pool.__exit__(kind, *rest)

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """As in `Engine`.

        Raises:
            PoolError: the workers cannot be started.
        """

        def failed(trial: Trial, failure: Failure) -> None:
            on_result(
                outcome(
                    trial,
                    self._data.fingerprint,
                    self._settings,
                    status="timeout" if failure.overdue else "error",
                    message=failure.message,
                    seconds=failure.seconds,
                    device=failure.device,
                )
            )

        self._pool.run(trials, on_result=lambda _, sample: on_result(sample), on_failure=failed)


def _evaluate(trial: Trial, context: tuple[ImageData, EvaluationSettings], device: str, _: Report) -> Sample:
    data, settings = context
    return evaluate_trial(trial, data, settings, device=device)
