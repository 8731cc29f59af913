"""The seam between who proposes and who scores: a strategy is asked for rows and told their scores.

It never trains and never calls a predictor. Whoever drives it does that, in a loop of three lines (`drive`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nars.arrays import Floats, Ints
from nars.errors import PredictorError, UserError
from nars.search.archive import Archive
from nars.space import Bounds, Population

Score = Callable[[Population], Floats]
"""Predicted accuracy of canonical rows: X (N, D) -> (N,) in percent."""


class Strategy(Protocol):
    """Decides which candidates are tried next. `ask` and `tell` take turns."""

    def ask(self, count: int | None = None) -> Population:
        """The next rows to score, (n, D), distinct and none of them asked for before; none when it is done.

        Asked again before it is told, it gives the same rows.

        Args:
            count: most rows, >= 1; None for as many as it wants scored together.
        """

    def tell(self, X: Population, scores: Floats) -> None:
        """Scores (n,) in percent of the rows (n, D) that the last `ask` returned.

        NaN where a training failed; strategies that a predictor answers refuse it.

        Raises:
            UserError: other rows, or not one score for each.
            PredictorError: a predictor's score is not a number.
        """

    @property
    def best(self) -> Population:
        """The best row so far, (1, D), or a whole front, (K, D); (0, D) while nothing has been scored."""


def drive(strategy: Strategy, score: Score) -> None:
    """Ask, score, tell, until nothing is asked for."""
    while len(X := strategy.ask()):
        strategy.tell(X, score(X))


def check_told(asked: Population, X: Population, scores: Floats) -> None:
    """See that scores are those of the rows that were asked for.

    Raises:
        UserError: they are not.
    """
    if X.shape != asked.shape or not np.array_equal(X, asked) or np.shape(scores) != (len(X),):
        raise UserError(
            f"tell() takes the {len(asked)} rows of the last ask(), in their order, with one score each; got rows of "
            f"shape {X.shape} and scores of shape {np.shape(scores)}"
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where a search stands after one of its steps: a generation, or a look around."""

    evaluations: int
    """Distinct candidates scored so far."""
    best: float
    """Best score so far inside the bounds, percent."""


class ArchiveSearch(ABC):
    """A strategy over an archive, written as one loop that yields rows to score and is sent their scores.

    Rows asked for are canonical, and not in the archive, which gets everything that is told.
    """

    def __init__(self, archive: Archive, bounds: Bounds, *, evaluations: int) -> None:
        """A search inside bounds that asks for so many rows at most."""
        self.archive, self.bounds, self._allowed = archive, bounds, evaluations
        self._costs = archive.space.quick_costs
        self.spent = 0
        """Candidates scored so far."""
        self.best_score = -np.inf
        """Best score seen inside the bounds, percent."""
        self.history: list[Step] = []
        self._running = self._steps()
        self._pending: Population | None = None
        """What is to be scored before the loop goes on; None before it begins."""
        self._scores = np.empty(0)
        """What has been told of it."""
        self._asked = archive.take(np.empty(0, dtype=np.int64))

    @abstractmethod
    def _steps(self) -> Generator[Population, Floats, None]:
        """The search itself; begins with the first `ask`."""

    def ask(self, count: int | None = None) -> Population:
        """As in `Strategy`."""
        if self._pending is None:
            self._pending = next(self._running, self._asked)
        left = self._pending[len(self._scores) :]
        self._asked = left if count is None else left[:count]
        return self._asked

    def tell(self, X: Population, scores: Floats) -> None:
        """As in `Strategy`; NaN is refused."""
        scores = np.asarray(scores, dtype=np.float64)
        check_told(self._asked, X, scores)
        if np.isnan(scores).any():
            raise PredictorError(
                f"a score is a number, got NaN for {int(np.isnan(scores).sum())} of {len(X)} candidates; check the "
                f"predictor"
            )
        self._scores = np.concatenate([self._scores, scores])
        if self._pending is not None and len(self._scores) == len(self._pending):
            told, self._scores = self._scores, np.empty(0)
            try:
                self._pending = self._running.send(told)
            except StopIteration:
                self._pending = self._pending[:0]
        self._asked = self._asked[:0]

    def _scored(self, X: Population, *, inside: bool = True) -> Generator[Population, Floats, Ints]:
        """Have scored what is new of canonical rows (N, D), or only what of that is inside: places (N,), -1 without."""
        before = len(self.archive)
        bounds = self.bounds if inside else Bounds()
        places = yield from self.archive.scored(X, self._costs, most=self._allowed - self.spent, bounds=bounds)
        self.spent += len(self.archive) - before
        return places

    def _note(self) -> None:
        self.history.append(Step(evaluations=self.spent, best=self.best_score))

    @property
    def best(self) -> Population:
        """As in `Strategy`."""
        return self.archive.take(self.archive.best(self.bounds, 1))
