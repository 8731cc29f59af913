"""Running many trials: the interface of all engines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from nars.errors import EvaluationError, require
from nars.store import Sample
from nars.tasks import Trial

OnResult = Callable[[Sample], None]
"""Gets each sample as it is finished, in the caller's thread; what it raises ends the run."""

_GRACE = 30.0
"""Seconds past the time limit after which a worker that does not answer is killed; trials keep the limit themselves."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one training may take. It decides whether there is a result, not which."""

    threads: int = 1
    """torch threads, >= 1; the small networks of a CPU search scale better by more workers."""
    seconds: float | None = None
    """Longer ones end as a row with status "timeout"; None lets them."""
    gigabytes: float | None = None
    """Memory it may allocate, beyond the task, the libraries and a GPU's context; one that needs more ends as
    "out_of_memory". On Linux, and not for the memory of a GPU, which has an end of its own."""

    def __post_init__(self) -> None:
        require(EvaluationError, self.threads >= 1, "threads", ">= 1", self.threads)
        for name in ("seconds", "gigabytes"):
            value = getattr(self, name)
            require(EvaluationError, value is None or 0.0 < value < math.inf, name, "> 0", value)

    @property
    def patience(self) -> float | None:
        """Seconds after which a trial is given up that does not stop by itself."""
        return None if self.seconds is None else self.seconds + _GRACE


NO_LIMITS = Limits()


class Engine(Protocol):
    """Runs trials on some workers. A context manager: they start and end with it, and serve any number of rounds."""

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """Run all trials; return when the last result is delivered.

        A trial is taken from `trials` when a worker is free for it, after `on_result` has seen everything finished
        until then. So a list is a round as in the paper; a generator that looks at the results and proposes the next
        candidate is an asynchronous search.

        Each trial gives exactly one sample. One whose worker dies, or loses its GPU by an error after which that
        computes nothing more for it, is run again once, in another worker; if that happens again, it is a row with
        status "error".
        """

    def __enter__(self) -> Engine:
        """Start the workers."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers, at once if the block raised."""
