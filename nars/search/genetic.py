"""The adaptive genetic algorithm as ask and tell: it never calls the predictor, it asks for scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nars.search.archive import Archive, distinct_rows
from nars.search.settings import SearchSettings
from nars.search.variation import offspring
from nars.space import Bounds, Population, Space

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
    ) -> None:
        """Begin with the first generation.

        Args:
            space: where to search.
            bounds: hard limits on costs; every candidate asked for keeps them.
            settings: sizes and probabilities.
            archive: candidates scored before; they are used and not asked for again. Told scores are added to it.
            rng: the only source of randomness.
            first: the first generation, (N, D), canonical and distinct, all inside the bounds; see `first_generation`.
        """
        self.space, self.bounds, self.settings, self.archive = space, bounds, settings, archive
        self._costs, self._rng = space.quick_costs, rng
        self._left = settings.max_evaluations
        self._spent = 0
        self._members = np.empty(0, dtype=np.int64)  # survivors as places in the archive, best first
        self._best = -np.inf
        self._stale = 0  # generations without a gain
        self._asked: Population | None = None
        self._asked_costs: dict[str, FloatArray] = {}
        self.history: tuple[Progress, ...] = ()
        self._generation = first, self._costs(first)

    @property
    def finished(self) -> bool:
        """Whether the score is saturated, or the evaluations are spent."""
        begun = bool(self.history)
        return self._left <= 0 or self._stale >= self.settings.patience or (begun and not len(self._members))

    @property
    def evaluations(self) -> int:
        """Candidates that may still be asked for."""
        return self._left

    def ask(self) -> Population:
        """The next generation's candidates that have no score yet, (N, D), canonical, distinct, inside the bounds.

        May be empty where all of them are known; `tell` goes on from there.
        """
        X, cost = self._generation
        fresh = distinct_rows(X)
        fresh = fresh[self.archive.find(X[fresh]) < 0][: self._left]
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
        self._select()
        if not self.finished:
            self._generation = self._children()

    def _select(self) -> None:
        """(mu + lambda): parents compete with their children, as the best must not be lost."""
        at = self.archive.find(self._generation[0])
        members = np.unique(np.concatenate([self._members, at[at >= 0]]))
        scores = self.archive.scores[members]
        self._members = members[np.lexsort((members, -scores))[: self.settings.survivors]]
        best = float(self.archive.scores[self._members[0]]) if len(self._members) else -np.inf
        self._stale = 0 if best > self._best + self.settings.least_gain else self._stale + 1
        self._best = max(best, self._best)
        self.history += (Progress(evaluations=self._spent, best=self._best),)

    def _children(self) -> tuple[Population, dict[str, FloatArray]]:
        parents, fitness = self.archive.take(self._members), self.archive.scores[self._members]
        return offspring(self.space, parents, fitness, self.bounds, settings=self.settings, rng=self._rng)

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, for JSON; take it between `tell` and `ask`."""
        return {
            "settings": asdict(self.settings),
            "limits": {name: list(limits) for name, limits in self.bounds.limits.items()},
            "archive": self.archive.state(),
            "generation": self._generation[0].tolist(),
            "members": self._members.tolist(),
            "best": self._best,
            "stale": self._stale,
            "left": self._left,
            "spent": self._spent,
            "history": [[step.evaluations, step.best] for step in self.history],
            "rng": self._rng.bit_generator.state,
        }

    @staticmethod
    def from_state(space: Space, state: dict[str, Any]) -> Genetic:
        """The run that `state` was taken from; it goes on exactly as the original would have."""
        rng = np.random.default_rng()
        rng.bit_generator.state = state["rng"]
        run = Genetic(
            space,
            Bounds({name: (low, high) for name, (low, high) in state["limits"].items()}),
            settings=SearchSettings(**state["settings"]),
            archive=Archive.from_state(space, state["archive"]),
            rng=rng,
            first=np.array(state["generation"], dtype=np.int64).reshape(-1, len(space.dimensions)),
        )
        run._members = np.array(state["members"], dtype=np.int64)
        run._best, run._stale = state["best"], state["stale"]
        run._left, run._spent = state["left"], state["spent"]
        run.history = tuple(Progress(evaluations=evaluations, best=best) for evaluations, best in state["history"])
        return run
