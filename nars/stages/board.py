"""What a person wants to see of stage 2 while it works, below the bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import final

from nars.printing import counted
from nars.space import Bounds
from nars.store import Sample


@final
class Board:
    """The best so far for each budget, how fast it goes, and what failed. Is told each outcome."""

    def __init__(self, budgets: Sequence[Bounds], *, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        """A board.

        Args:
            budgets: of the run; one without limits is the best of all.
            workers: trainings at once; 0 where that is not known.
            clock: seconds.
        """
        self._budgets, self._workers, self._clock = tuple(budgets), workers, clock
        self._best: dict[Bounds, Sample] = {}
        self._began, self._told, self._failed = clock(), 0, 0

    def known(self, sample: Sample) -> None:
        """An outcome from before: it counts for the best, not for the rate."""
        if sample.result is None:
            self._failed += 1
            return
        for budget in self._budgets:
            best = self._best.get(budget)
            if budget.keeps(sample.costs) and (best is None or _score(sample) > _score(best)):
                self._best[budget] = sample

    def tell(self, sample: Sample) -> None:
        """An outcome that has just come."""
        self._told += 1
        self.known(sample)

    @property
    def lines(self) -> tuple[str, ...]:
        """Two lines of text."""
        best = (
            f"{budget if budget.limits else 'all'}: "
            f"{'-' if (found := self._best.get(budget)) is None else found.metric.spell(_result(found))}"
            for budget in self._budgets
        )
        minutes = (self._clock() - self._began) / 60
        rate = (
            f"{self._told / minutes:.3g} trainings a minute" if self._told and minutes > 0 else "no training done yet"
        )
        failed = f", {self._failed:,} failed" if self._failed else ""
        workers = f"{counted(self._workers, 'worker')}, " if self._workers else ""
        return f"best so far   {'   '.join(best)}", f"{workers}{rate}{failed}"


def _result(sample: Sample) -> float:
    assert sample.result is not None
    return sample.result


def _score(sample: Sample) -> float:
    return sample.metric.score(_result(sample))
