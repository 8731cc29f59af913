"""Trainings that are to be done at a given time: their schedule is fitted to what is left of it, after each epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """When a training is to be done."""

    at: float
    """Seconds since 1970; another process knows what is meant."""

    def epochs(self, done: int, seconds: float) -> int:
        """Epochs in all, now that `done` of them are done and one takes so many seconds."""
        return epochs_within(self.at - time.time(), done=done, seconds=seconds)


def epochs_within(left: float, *, done: int, seconds: float) -> int:
    """Epochs in all that end as close as possible to `left` seconds from now; one at least.

    Args:
        left: Seconds; negative where the time is over.
        done: Epochs done, >= 0.
        seconds: Of one epoch, > 0.
    """
    return max(1, done + max(0, round(left / seconds)))
