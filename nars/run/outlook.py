"""How long a whole run will still take, from the first finished training on. An estimate, and said to be one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, final

import numpy as np

from nars.run.config import RunConfig
from nars.run.teaching import NONE, teaches_itself

if TYPE_CHECKING:
    from nars.store import Sample

LIKELY_STOP = 0.72
"""Share of the first round's epochs after which later rounds stop, until that is known (the paper: 108 of 150)."""

_EXPORT_SECONDS = 8.0
"""Export of one member: capture, ONNX, comparison, latency."""

_SEARCH_SECONDS = 2.0
"""Stage 3, for one budget."""


@final
class Outlook:
    """Is told what has been trained, and says how long the rest takes.

    The time of an epoch is fitted as a + b x FLOPs on the trainings so far. What is different in final training
    (augmentation, batch size, a teacher outside the family) is not known before: once that is under way, its own pace
    counts.
    """

    def __init__(
        self, config: RunConfig, *, slots: int, images: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """An outlook on a whole run.

        Args:
            config: of the run.
            slots: trainings at once, >= 1.
            images: images of final training for each image of the search.
            clock: seconds.
        """
        self._config, self._slots, self._images, self._clock = config, slots, images, clock
        self._seconds: list[float] = []
        """Per epoch, of each training so far."""
        self._flops: list[float] = []
        self._first = self._later = 0
        """Trainings that have an outcome: of the first round, of later ones."""
        self._stop: int | None = None
        self._told: set[str] = set()
        self._began: tuple[float, int] | None = None
        """When final training (this part of it) began here, and how many epochs were done then."""

    def trained(self, sample: Sample) -> str:
        """A training of stage 2 has an outcome; what is left in all, in words ("" while nothing is known).

        One that it knows already is not counted again.
        """
        if sample.key in self._told:
            return ""
        self._told.add(sample.key)
        if sample.round <= 1:
            self._first += 1
        else:
            self._later += 1
            self._stop = sample.planned_epochs
        if sample.epochs > 0 and sample.seconds > 0:
            self._seconds.append(sample.seconds / sample.epochs)
            self._flops.append(sample.costs.get("flops", 0.0))
        return spell(self.left())

    def left(self) -> float | None:
        """Seconds from here, in stage 2, to the end of the run; None before anything was trained."""
        if not self._seconds:
            return None
        collect = self._config.collect
        stop = self._stop or max(1, round(LIKELY_STOP * collect.epochs))
        first = max(0, collect.per_round - self._first)
        later = max(0, (collect.rounds - 1) * collect.per_round - self._later)
        low, high = self._config.range.limits.get("flops", (0.0, math.inf))
        middle = self._epoch((low + high) / 2 if math.isfinite(high) else float(np.mean(self._flops)))
        stage2 = middle * (first * collect.epochs + later * stop) / self._slots
        return stage2 + self._final() + self._end()

    def begin_final(self) -> None:
        """One part of final training (the teacher, or the family) begins."""
        self._began = None

    def epochs(self, done: int, total: int, *, teacher: bool) -> str:
        """What is left in all, in words, now that `done` of `total` epochs of one part of final training are done."""
        if self._began is None:  # what was done before this call cost nothing now
            self._began = self._clock(), done
        began, before = self._began
        if done <= before:
            return ""
        left = (self._clock() - began) / (done - before) * (total - done)
        if teacher:
            epoch = (self._clock() - began) / (done - before)
            left += self._family(epoch)
        return spell(left + self._end())

    def _epoch(self, flops: float) -> float:
        """Seconds of an epoch of stage 2 for a network of so many FLOPs."""
        seconds, x = np.array(self._seconds), np.array(self._flops)
        spread = float(np.ptp(x))
        if len(x) < 4 or spread <= 0.2 * float(x.max()):
            return float(seconds.mean())
        slope, start = np.polyfit(x, seconds, 1)
        if slope < 0 or start < 0:  # noise: in proportion to the FLOPs, or not at all
            return float(seconds.mean())
        return float(start + slope * flops)

    def _final(self) -> float:
        """Seconds of final training, before it has begun."""
        final = self._config.final
        epoch = self._images * self._epoch(max(self._sizes())) * final.copies
        alone = epoch * final.epochs if teaches_itself(self._config) else 0.0
        return alone + self._family(epoch)

    def _family(self, epoch: float) -> float:
        """Seconds of the members' trainings side by side, where the largest alone takes `epoch` for one."""
        final, sizes = self._config.final, self._sizes()
        taught = 0.0 if final.teacher == NONE else 1 / 3  # the teacher looks at each image too, forward only
        if self._seconds:
            largest = self._epoch(max(sizes))
            shares = [self._epoch(size) / largest for size in sizes]
        else:
            shares = [size / max(sizes) for size in sizes]
        each = [epoch * final.epochs * (share + taught) for share in shares]
        return max(*each, sum(each) / min(self._slots, len(each)))

    def _sizes(self) -> list[float]:
        """FLOPs of each member, about: what its budget allows, or where it says nothing the largest trained so far."""
        largest = max(self._flops, default=1.0)
        return [high if math.isfinite(high := budget.high("flops")) else largest for budget in self._config.members]

    def _end(self) -> float:
        count = len(self._config.members)
        return count * (_EXPORT_SECONDS + (_SEARCH_SECONDS if self._began is None else 0.0))


def spell(seconds: float | None) -> str:
    """A time to come, as roughly as it is known: "about 12 min left in all (estimate)"; "" for None."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    minutes = seconds / 60
    if minutes < 1:
        about = "less than a minute"
    elif minutes < 90:
        about = f"about {math.ceil(minutes)} min"
    elif minutes < 48 * 60:
        about = f"about {minutes / 60:.1f} h"
    else:
        about = f"about {minutes / 60 / 24:.1f} days"
    return f"{about} left in all (estimate)"


def together(*parts: str) -> str:
    """Notes beside a bar, those that say something."""
    return "; ".join(part for part in parts if part)
