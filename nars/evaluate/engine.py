"""Running many trials: one small interface, and the simplest thing that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, final

from nars.evaluate.evaluate import evaluate_trial
from nars.evaluate.trial import EvaluationSettings, Trial
from nars.images import ImageData
from nars.store import Sample

OnResult = Callable[[Sample], None]
"""Gets each sample as it is finished, in the caller's thread; what it raises ends the run."""


class Engine(Protocol):
    """Runs trials on some workers. A context manager: workers start with it, serve any number of rounds, end with
    it."""

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """Run all trials; return when the last result is delivered.

        A trial is taken from `trials` when a worker is free for it, after `on_result` has seen everything finished
        until then. So a list is a round as in the paper; a generator that looks at the results and proposes the next
        candidate is an asynchronous search.

        Each trial gives exactly one sample. One whose worker dies is run again once, in another worker; if that dies
        too, it is a row with status "error".
        """

    def __enter__(self) -> Engine:
        """Start the workers."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers, at once if the block raised."""


@final
class InProcess:
    """One trial after another in this process: for debugging, and for machines with one core."""

    def __init__(self, data: ImageData, settings: EvaluationSettings, *, device: str = "cpu") -> None:
        self._data, self._settings, self._device = data, settings, device

    def __enter__(self) -> InProcess:
        """Nothing to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """As in `Engine`, in the order of `trials`."""
        for trial in trials:
            on_result(evaluate_trial(trial, self._data, self._settings, device=self._device))
