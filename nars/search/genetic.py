"""The adaptive genetic algorithm as ask and tell: it never calls the predictor, it asks for scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nars.search.archive import Archive, distinct_rows
from nars.search.settings import SearchSettings
from nars.search.variation import offspring
from nars.space import Bounds, Population, Space, tabulated_costs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One generation of a search."""

    evaluations: int
    """Distinct candidates scored so far."""
    best: float
    """Best score so far inside the bounds, percent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Island:
    """One population."""

    members: IntArray
    """Where in the archive its survivors are, best first; empty before its first generation."""
    best: float = -np.inf
    stale: int = 0
    """Generations without a gain."""


@final
class Genetic:
    """One run of the adaptive genetic algorithm inside bounds (FBNetV3 stage 3; Srinivas & Patnaik 1994).

    Several populations, islands, may evolve side by side: each selects and mates by itself, but all are asked for
    together, as a predictor scores one large batch much faster than many small ones. An island whose score is saturated
    makes room for the next start.

    Example:
        >>> first = sobol(space, PAPER.first, seed=0, bounds=bounds)
        >>> run = Genetic(space, bounds, settings=PAPER, archive=Archive(space), rng=rng, starts=[first])
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
        starts: Sequence[Population],
        islands: int = 1,
        evaluations: int | None = None,
    ) -> None:
        """Begin with the first generations.

        Args:
            space: where to search.
            bounds: hard limits on costs; every candidate asked for keeps them.
            settings: sizes and probabilities.
            archive: candidates scored before; they are used and not asked for again. Told scores are added to it.
            rng: the only source of randomness.
            starts: first generations, each (N, D), canonical and distinct, all inside the bounds; see
                `first_generation`. At least one.
            islands: how many of them evolve at a time, >= 1.
            evaluations: how many candidates may be asked for; None: `settings.max_evaluations`.
        """
        self.space, self.bounds, self.settings, self.archive = space, bounds, settings, archive
        self._costs, self._rng = tabulated_costs(space), rng
        self._left = settings.max_evaluations if evaluations is None else evaluations
        self._spent = 0
        self._count = islands
        self._waiting = list(starts)
        self._done: list[IntArray] = []  # survivors of the islands that made room, as places in the archive
        self._islands: list[_Island] = []
        self._asked: Population | None = None
        self._asked_costs: dict[str, FloatArray] = {}
        self.history: tuple[Progress, ...] = ()
        self._generation = self._next_generation()

    @property
    def finished(self) -> bool:
        """Whether the score of every start is saturated, or the evaluations are spent."""
        return not self._islands or self._left <= 0

    @property
    def evaluations(self) -> int:
        """Candidates that may still be asked for."""
        return self._left

    def best_of_each(self, n: int) -> list[Population]:
        """The best survivors of every start so far, each (<= n, D), the best start's first."""
        each = sorted(
            (members for members in (*self._done, *(island.members for island in self._islands)) if len(members)),
            key=lambda members: -self.archive.scores[members[0]],
        )
        return [self.archive.take(members[:n]) for members in each]

    def ask(self) -> Population:
        """The next generation's candidates that have no score yet, (N, D), canonical, distinct, inside the bounds.

        May be empty where all of them are known; `tell` goes on from there.
        """
        X, cost, _ = self._generation
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
        self._generation = self._next_generation()

    def _select(self) -> None:
        """(mu + lambda) on each island: parents compete with their children, as the best must not be lost."""
        rows, _, of = self._generation
        at = self.archive.find(rows)
        for number, island in enumerate(self._islands):
            members = np.unique(np.concatenate([island.members, at[(of == number) & (at >= 0)]]))
            scores = self.archive.scores[members]
            members = members[np.lexsort((members, -scores))[: self.settings.survivors]]
            best = float(self.archive.scores[members[0]]) if len(members) else -np.inf
            gained = best > island.best + self.settings.least_gain
            self._islands[number] = _Island(
                members=members, best=max(best, island.best), stale=0 if gained else island.stale + 1
            )
        best = max(island.best for island in self._islands)
        if self.history:
            best = max(best, self.history[-1].best)
        self.history += (Progress(evaluations=self._spent, best=best),)

    def _next_generation(self) -> tuple[Population, dict[str, FloatArray], IntArray]:
        """Children of the islands that go on, then the next starts in the room of the others: rows, costs, islands."""
        going = [i for i in self._islands if len(i.members) and i.stale < self.settings.patience]
        self._done += [island.members for island in self._islands if island not in going]
        begun = self._waiting[: max(0, self._count - len(going))]
        self._waiting = self._waiting[len(begun) :]
        self._islands = going + [_Island(members=np.empty(0, dtype=np.int64)) for _ in begun]
        parts = [(X, self._costs(X)) for X in begun]
        of = [np.full(len(X), len(going) + number) for number, X in enumerate(begun)]
        if going:
            members = np.concatenate([island.members for island in going])
            island_of = np.repeat(np.arange(len(going)), [len(island.members) for island in going])
            X, cost, mother = offspring(
                self.space, self.archive.take(members), self.archive.scores[members], self.bounds, islands=island_of,
                settings=self.settings, rng=self._rng,
            )  # fmt: skip
            parts, of = [(X, cost), *parts], [island_of[mother], *of]
        if not parts:
            return self.archive.take(np.empty(0, dtype=np.int64)), {}, np.empty(0, dtype=np.int64)
        rows = np.concatenate([X for X, _ in parts])
        costs = {name: np.concatenate([cost[name] for _, cost in parts]) for name in parts[0][1]}
        return rows, costs, np.concatenate(of)

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, for JSON; take it between `tell` and `ask`."""
        rows, _, of = self._generation
        return {
            "settings": asdict(self.settings),
            "limits": {name: list(limits) for name, limits in self.bounds.limits.items()},
            "archive": self.archive.state(),
            "generation": rows.tolist(),
            "of": of.tolist(),
            "islands": [[island.members.tolist(), island.best, island.stale] for island in self._islands],
            "done": [members.tolist() for members in self._done],
            "waiting": [X.tolist() for X in self._waiting],
            "count": self._count,
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

        def rows(X: list[list[int]]) -> Population:
            return np.array(X, dtype=np.int64).reshape(-1, len(space.dimensions))

        run = Genetic(
            space, Bounds({name: (low, high) for name, (low, high) in state["limits"].items()}),
            settings=SearchSettings(**state["settings"]), archive=Archive.from_state(space, state["archive"]), rng=rng,
            starts=[], islands=state["count"], evaluations=state["left"],
        )  # fmt: skip
        run._waiting = [rows(X) for X in state["waiting"]]
        run._done = [np.array(members, dtype=np.int64) for members in state["done"]]
        run._islands = [
            _Island(members=np.array(members, dtype=np.int64), best=best, stale=stale)
            for members, best, stale in state["islands"]
        ]
        X = rows(state["generation"])
        run._generation = X, run._costs(X), np.array(state["of"], dtype=np.int64)
        run._spent = state["spent"]
        run.history = tuple(Progress(evaluations=evaluations, best=best) for evaluations, best in state["history"])
        return run
