"""A training that learns its augmentation on the way (OHL-Auto-Aug, arXiv 1905.07373, algorithm 1).

For each chunk of epochs every copy starts from the same state and trains with settings of its own; the validation
accuracy at the end of the chunk is its reward; the best copy goes on as all of them. So copies differ only within a
chunk, and need not be there at once: they are trained one after the other, from a state that is kept. They see the same
images in the same order with the same crops' and mixtures' random numbers, so that a difference in reward is one of the
settings; copies that drew equal ones are equal, and trained once.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np

from nars.arrays import Ints
from nars.images import ImageData
from nars.recipe import LearnedPolicy, Online, OnlinePolicy, Recipe, TrainingLoop
from nars.train.course import Epoch, train

_PROPOSALS = 0x0A46
"""Number of the random stream that settings are drawn from."""


@dataclass(frozen=True)
class _Copy:
    """A copy at the end of a chunk."""

    reward: float
    epochs: list[Epoch]
    """Of this chunk."""
    state: dict[str, Any]
    """Of the training loop."""


@final
class OnlineCourse:
    """As `Course` has it; an epoch counts when its chunk is over, as the best copy trained it."""

    def __init__(
        self, loop: TrainingLoop, data: ImageData, recipe: Recipe, *, epochs: int, seed: int, online: Online
    ) -> None:
        """A course of `epochs` epochs; `recipe` is the one whose augmentation is learned."""
        self._loop, self._data, self._recipe, self._epochs, self._online = loop, data, recipe, epochs, online
        rng = np.random.default_rng([seed, _PROPOSALS])
        self._policy = OnlinePolicy(online.choices, learning_rate=online.learning_rate, rng=rng)
        self._rewards: list[float] = []
        """Of the copies that are at the end of the chunk."""
        self._under_way: list[Epoch] = []
        """Epochs of the copy that is next."""
        self._best: _Copy | None = None
        self._begin_chunk()

    @property
    def done(self) -> bool:
        """As in `Course`."""
        return self._first >= self._epochs

    @property
    def steps(self) -> tuple[int, int]:
        """As in `Course`; over all copies, those that are equal to another too."""
        copies = self._online.copies
        within = len(self._rewards) * (self._last - self._first) + self._loop.epoch - self._first
        done = (self._first * copies + within) * self._loop.steps_per_epoch + self._loop.step
        return done, self._epochs * copies * self._loop.steps_per_epoch

    @property
    def policy(self) -> LearnedPolicy:
        """As in `Course`."""
        return self._policy.learned

    def advance(self, max_steps: int | None) -> list[Epoch]:
        """As in `Course`."""
        epoch = train(self._loop, self._data, max_steps)
        if epoch is not None:
            self._under_way.append(epoch)
            if self._loop.epoch == self._last:
                return self._end_copy()
        return []

    def state_dict(self) -> dict[str, Any]:
        """As in `Course`."""
        return {
            "loop": self._loop.state_dict(),
            "policy": self._policy.state_dict(),
            "first": self._first,
            "rows": self._rows.tolist(),
            "rewards": list(self._rewards),
            "under_way": [asdict(epoch) for epoch in self._under_way],
            "start": self._start,
            "best": None
            if self._best is None
            else {
                "reward": self._best.reward,
                "epochs": [asdict(epoch) for epoch in self._best.epochs],
                "state": self._best.state,
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As in `Course`."""
        best = state["best"]
        self._policy.load_state_dict(state["policy"])
        self._set_chunk(state["first"], np.array(state["rows"], dtype=np.int64), state["start"])
        self._rewards = list(state["rewards"])
        self._under_way = [Epoch(**epoch) for epoch in state["under_way"]]
        if best is not None:
            epochs = [Epoch(**epoch) for epoch in best["epochs"]]
            self._best = _Copy(reward=best["reward"], epochs=epochs, state=best["state"])
        self._loop.load_state_dict(state["loop"])
        self._vary()

    def _begin_chunk(self) -> None:
        self._set_chunk(self._loop.epoch, self._policy.ask(self._online.copies), self._loop.state_dict())
        self._vary()

    def _set_chunk(self, first: int, rows: Ints, start: dict[str, Any]) -> None:
        """From epoch `first` on copies train from `start`, by the settings of these rows; none has yet."""
        self._first, self._last = first, min(first + self._online.chunk, self._epochs)
        self._rows, self._start = rows, start
        self._recipes = [replace(self._recipe, **self._policy.setting(row)) for row in rows]  # type: ignore[arg-type]
        self._rewards, self._under_way, self._best = [], [], None

    def _vary(self) -> None:
        """Let the loop train by the settings of the copy that is next."""
        if not self.done:
            self._loop.vary(self._recipes[len(self._rewards)])

    def _end_copy(self) -> list[Epoch]:
        """A copy is at the end of its chunk; the epochs that count where it was the last one."""
        reward = self._loop.metric.score(self._under_way[-1].accuracy)
        if self._best is None or reward > self._best.reward:
            self._best = _Copy(reward=reward, epochs=self._under_way, state=self._loop.state_dict())
        self._rewards.append(reward)
        for recipe in self._recipes[len(self._rewards) :]:
            equal = self._recipes.index(recipe)
            if equal >= len(self._rewards):
                break
            self._rewards.append(self._rewards[equal])
        self._under_way = []
        if len(self._rewards) < len(self._rows):
            # torch's optimizers keep the tensors that they load, and train on in them.
            self._loop.load_state_dict(deepcopy(self._start))
            self._vary()
            return []
        self._policy.tell(self._rows, self._rewards)
        finished = self._best.epochs
        self._loop.load_state_dict(self._best.state)
        self._begin_chunk()
        return finished
