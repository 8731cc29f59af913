"""The adaptive genetic algorithm as ask and tell: it never calls the predictor, it asks for scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nars.search.archive import Archive, distinct_rows
from nars.search.settings import SearchSettings
from nars.search.variation import offspring
from nars.space import Bounds, Population, Space, tabulated_costs

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One generation of a search."""

    evaluations: int
    """Distinct candidates scored so far."""
    best: float
    """Best score so far inside the bounds, percent."""


@final
class Genetic:
    """One run of the adaptive genetic algorithm inside bounds (FBNetV3 stage 3; Srinivas & Patnaik 1994).

    Example:
        >>> first = sobol(space, PAPER.first, seed=0, bounds=bounds)
        >>> run = Genetic(space, bounds, settings=PAPER, archive=Archive(space), rng=rng, first=first)
        >>> while not run.finished:
        ...     X = run.ask()
        ...     run.tell(X, score(X))
    """

    def __init__(
        self,
        space: Space,
        bounds: Bounds,
        *,
        settings: SearchSettings,
        archive: Archive,
        rng: np.random.Generator,
        first: Population,
        evaluations: int | None = None,
    ) -> None:
        """Begin with a first generation.

        Args:
            space: where to search.
            bounds: hard limits on costs; every candidate asked for keeps them.
            settings: sizes and probabilities.
            archive: candidates scored before; they are used and not asked for again. Told scores are added to it.
            rng: the only source of randomness.
            first: the first generation, (N, D), canonical and distinct, all inside the bounds; see `first_generation`.
            evaluations: how many candidates may be asked for; None: `settings.max_evaluations`.
        """
        self.space, self.bounds, self.settings, self.archive = space, bounds, settings, archive
        self._costs, self._rng = tabulated_costs(space), rng
        self._left = settings.max_evaluations if evaluations is None else evaluations
        self._spent = 0
        self._stale = 0
        self._members = np.empty(0, dtype=np.int64)  # where in the archive the current generation is
        self._asked: Population | None = None
        self._asked_costs: dict[str, FloatArray] = {}
        self.history: tuple[Progress, ...] = ()
        self._generation = first, self._costs(first)

    @property
    def finished(self) -> bool:
        """Whether the score is saturated, the evaluations are spent, or nothing new was found."""
        return self._stale >= self.settings.patience or self._left <= 0

    @property
    def evaluations(self) -> int:
        """Candidates that may still be asked for."""
        return self._left

    def best(self, n: int) -> Population:
        """The best of the run that are scored, (<= n, D), best first."""
        order = np.lexsort((self._members, -self.archive.scores[self._members]))
        return self.archive.rows[self._members[order[:n]]]

    def ask(self) -> Population:
        """The next generation's candidates that have no score yet, (N, D), canonical, distinct, inside the bounds.

        May be empty where all of them are known; `tell` goes on from there.
        """
        X, cost = self._generation
        fresh = np.flatnonzero(self.archive.find(X) < 0)[: self._left]
        self._asked = X[fresh]
        self._asked_costs = {name: column[fresh] for name, column in cost.items()}
        return self._asked

    def tell(self, X: Population, scores: FloatArray) -> None:
        """Scores (N,) of what `ask` returned; selects the survivors and draws their children.

        Raises:
            ValueError: X is not what was asked for, or a score is missing or NaN.
        """
        if self._asked is None or X.shape != self._asked.shape or not np.array_equal(X, self._asked):
            raise ValueError("tell() takes the candidates of the last ask(), in their order; call ask() first")
        self.archive.add(X, scores, self._asked_costs)
        self._asked = None
        self._left -= len(X)
        self._spent += len(X)
        at = self.archive.find(self._generation[0])
        self._members = np.unique(np.concatenate([self._members, at[at >= 0]]))
        self._select()

    def _select(self) -> None:
        scores = self.archive.scores[self._members]
        order = np.lexsort((self._members, -scores))
        before = self.history[-1].best if self.history else -np.inf
        best = float(scores[order[0]]) if len(order) else -np.inf
        self._stale = 0 if best > before + self.settings.least_gain else self._stale + 1
        self.history += (Progress(evaluations=self._spent, best=max(best, before)),)
        # (mu + lambda): parents compete with their children, as the best must not be lost.
        self._members = self._members[order[: self.settings.survivors]]
        if not len(self._members):
            self._left = 0
            return
        X, cost = offspring(
            self.space,
            self.archive.rows[self._members],
            self.archive.scores[self._members],
            self.bounds,
            settings=self.settings,
            rng=self._rng,
        )
        first = distinct_rows(X)
        self._generation = X[first], {name: column[first] for name, column in cost.items()}

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, for JSON; take it between `tell` and `ask`."""
        return {
            "settings": asdict(self.settings),
            "limits": {name: list(limits) for name, limits in self.bounds.limits.items()},
            "archive": self.archive.state(),
            "generation": self._generation[0].tolist(),
            "members": self._members.tolist(),
            "left": self._left,
            "spent": self._spent,
            "stale": self._stale,
            "history": [[step.evaluations, step.best] for step in self.history],
            "rng": self._rng.bit_generator.state,
        }

    @staticmethod
    def from_state(space: Space, state: dict[str, Any]) -> Genetic:
        """The run that `state` was taken from; it goes on exactly as the original would have."""
        rng = np.random.default_rng()
        rng.bit_generator.state = state["rng"]
        run = Genetic.__new__(Genetic)
        run.space, run.settings = space, SearchSettings(**state["settings"])
        run.bounds = Bounds({name: (low, high) for name, (low, high) in state["limits"].items()})
        run.archive, run._costs, run._rng = Archive.from_state(space, state["archive"]), tabulated_costs(space), rng
        X = np.array(state["generation"], dtype=np.int64).reshape(-1, len(space.dimensions))
        run._generation = X, run._costs(X)
        run._members = np.array(state["members"], dtype=np.int64)
        run._left, run._spent, run._stale = state["left"], state["spent"], state["stale"]
        run._asked, run._asked_costs = None, {}
        run.history = tuple(Progress(evaluations=evaluations, best=best) for evaluations, best in state["history"])
        return run
