"""The adaptive genetic algorithm (FBNetV3, stage 3; Srinivas & Patnaik 1994)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict
from typing import Any, final

import numpy as np

from nars.arrays import Floats, Ints
from nars.search.archive import Archive
from nars.search.settings import SearchSettings
from nars.search.strategy import ArchiveSearch, Step
from nars.search.variation import offspring
from nars.space import Bounds, Population, Space


@final
class Genetic(ArchiveSearch):
    """One run of the adaptive genetic algorithm inside bounds; ends when the score is saturated.

    Example:
        >>> first = sobol(space, PAPER.first, seed=0, bounds=bounds)
        >>> run = Genetic(Archive(space), bounds, settings=PAPER, rng=rng, first=first)
        >>> drive(run, score)
        >>> run.best
    """

    def __init__(
        self, archive: Archive, bounds: Bounds, *, settings: SearchSettings, rng: np.random.Generator, first: Population
    ) -> None:
        """Begin with the first generation.

        Args:
            archive: candidates scored before; they are used and not asked for again.
            bounds: hard limits on costs; every candidate asked for keeps them.
            settings: sizes and probabilities.
            rng: the only source of randomness.
            first: the first generation, (N, D), canonical and distinct, all inside the bounds; see `first_generation`.
        """
        super().__init__(archive, bounds, evaluations=settings.max_evaluations)
        self.settings, self._rng = settings, rng
        self._members = np.empty(0, dtype=np.int64)  # survivors as places in the archive, best first
        self._stale = 0  # generations without a gain
        self._generation = first

    def _steps(self) -> Generator[Population, Floats, None]:
        while not self._finished:
            self._select((yield from self._scored(self._generation)))
            if not self._finished:
                self._generation = self._children()

    @property
    def _finished(self) -> bool:
        nobody = bool(self.history) and not len(self._members)
        return self.spent >= self._allowed or self._stale >= self.settings.patience or nobody

    def _children(self) -> Population:
        space, members = self.archive.space, self._members
        parents, fitness = self.archive.take(members), self.archive.scores[members]
        return offspring(space, parents, fitness, self.bounds, settings=self.settings, rng=self._rng)

    def _select(self, generation: Ints) -> None:
        """(mu + lambda): parents compete with their children, as the best must not be lost."""
        members = np.unique(np.concatenate([self._members, generation[generation >= 0]]))
        scores = self.archive.scores[members]
        self._members = members[np.lexsort((members, -scores))[: self.settings.survivors]]
        best = float(self.archive.scores[self._members[0]]) if len(self._members) else -np.inf
        self._stale = 0 if best > self.best_score + self.settings.least_gain else self._stale + 1
        self.best_score = max(best, self.best_score)
        self._note()

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, for JSON; take it when all that was asked for is told."""
        return {
            "settings": asdict(self.settings),
            "limits": {name: list(limits) for name, limits in self.bounds.limits.items()},
            "archive": self.archive.state(),
            "generation": self._generation.tolist(),
            "members": self._members.tolist(),
            "best": self.best_score,
            "stale": self._stale,
            "spent": self.spent,
            "history": [[step.evaluations, step.best] for step in self.history],
            "rng": self._rng.bit_generator.state,
        }

    @staticmethod
    def from_state(space: Space, state: dict[str, Any]) -> Genetic:
        """The run that `state` was taken from; it goes on exactly as the original would have."""
        rng = np.random.default_rng()
        rng.bit_generator.state = state["rng"]
        run = Genetic(
            Archive.from_state(space, state["archive"]),
            Bounds({name: (low, high) for name, (low, high) in state["limits"].items()}),
            settings=SearchSettings(**state["settings"]),
            rng=rng,
            first=np.array(state["generation"], dtype=np.int64).reshape(-1, len(space.dimensions)),
        )
        run._members = np.array(state["members"], dtype=np.int64)
        run.best_score, run._stale, run.spent = state["best"], state["stale"], state["spent"]
        run.history = [Step(evaluations=evaluations, best=best) for evaluations, best in state["history"]]
        return run
