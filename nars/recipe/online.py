"""Augmentation learned while training: who proposes the settings. Asks and tells, and never trains.

OHL-Auto-Aug (Lin et al., ICCV 2019, arXiv 1905.07373): several copies of a network train for a while, each with
augmentation drawn from a distribution; REINFORCE moves the distribution towards what gave the better validation
accuracy, and the best copy goes on as all of them. The paper draws for every batch of a copy; here a copy trains with
one draw, whose effect is then its own, and the settings are those of a recipe.

    K       copies, rows of choices
    D       settings of augmentation
    theta_d logits of setting d's choices; p_d = softmax(theta_d)
    A_k     how much better copy k did than all of them: (reward - mean) / standard deviation
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.files import Value
from nars.recipe.learned import Choices, LearnedPolicy, checked_choices, draw_rows
from nars.recipe.recipe import require
from nars.space import RECIPE_SAYS

BUILT_IN: Choices = MappingProxyType(
    {
        "mixup": (0.0, 0.2),
        "augment": ("none", "randaugment", "trivialaugment"),
        "magnitude": (5, 9, 13),
        "operations": (1, 2),
        "crop": (0.0, 0.125, 0.25),
        "erasing": (0.0, 0.25, 0.5),
        "cutmix": (0.0, 1.0),
        "color": (0.0, 0.2, 0.4),
    }
)
"""What is tried of a setting that the search space leaves no choice: off, the usual value, and one on its other side
(RandAugment's 9 x 2, 4 of 32 pixels of crop, erasing 0.25, cutmix 1)."""


@dataclass(frozen=True, kw_only=True)
class Online:
    """How augmentation is learned while training."""

    choices: Choices
    """Of each setting that is learned."""
    copies: int = 4
    """K, copies of the network that train side by side, >= 2; the training takes as many times as long."""
    chunk: int = 1
    """Epochs from one draw to the next, >= 1."""
    learning_rate: float = 0.5
    """Of the distribution's logits, > 0 and <= 10, on rewards of deviation 1."""

    def __post_init__(self) -> None:
        checked_choices(self.choices)
        require(self.copies >= 2, "copies", ">= 2, one to be better than another", self.copies)
        require(self.chunk >= 1, "chunk", ">= 1", self.chunk)
        require(0.0 < self.learning_rate <= 10.0, "learning_rate", "> 0 and <= 10", self.learning_rate)

    def described(self) -> dict[str, Any]:
        """What decides the weights, as plain values."""
        return {
            "choices": {name: list(values) for name, values in self.choices.items()},
            "copies": self.copies,
            "chunk": self.chunk,
            "learning_rate": self.learning_rate,
        }


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Augmentation drawn from what another training has learned."""

    policy: LearnedPolicy
    chunk: int = 1
    """Epochs from one draw to the next, >= 1."""

    def __post_init__(self) -> None:
        require(self.chunk >= 1, "chunk", ">= 1", self.chunk)

    def described(self) -> dict[str, Any]:
        """What decides the weights, as plain values."""
        return {"drawn": self.policy.described(), "chunk": self.chunk}


@final
class OnlinePolicy:
    """A distribution over settings of augmentation that is asked for draws and told how well they did.

    Each setting is drawn by itself, at first with equal chances. A setting that another leaves without effect (the
    magnitude where nothing is RandAugment) is drawn and learns nothing.

    Example:
        policy = OnlinePolicy(BUILT_IN, learning_rate=0.5, rng=np.random.default_rng(0))
        rows = policy.ask(4)
        policy.tell(rows, [accuracy_with(policy.setting(row)) for row in rows])
    """

    def __init__(self, choices: Choices, *, learning_rate: float, rng: Generator) -> None:
        """A flat distribution over these choices; `rng` makes all draws and is part of the state."""
        checked_choices(choices)
        self._choices, self._learning_rate, self._rng = choices, learning_rate, rng
        self._logits = [np.zeros(len(values)) for values in choices.values()]
        self._updates = 0

    def ask(self, count: int) -> Ints:
        """Draw so many rows of choices, (K, D)."""
        return draw_rows(list(map(softmax, self._logits)), self._rng.random((count, len(self._logits))))

    def tell(self, rows: Ints, rewards: Sequence[float]) -> None:
        """Move the distribution towards the rows (K, D) that were better than the mean of the rewards (K,)."""
        moves = reinforce(self._logits, rows, self._read(rows), standardized(np.asarray(rewards, dtype=np.float64)))
        self._logits = [logits + self._learning_rate * move for logits, move in zip(self._logits, moves, strict=True)]
        self._updates += 1

    def setting(self, row: Ints) -> dict[str, Value]:
        """A row (D,) as settings of a recipe."""
        return {name: values[place] for (name, values), place in zip(self._choices.items(), row, strict=True)}

    @property
    def learned(self) -> LearnedPolicy:
        """The distribution as it stands."""
        shares = [tuple(softmax(logits).tolist()) for logits in self._logits]
        return LearnedPolicy(
            choices=dict(self._choices),
            probabilities=dict(zip(self._choices, shares, strict=True)),
            updates=self._updates,
        )

    def state_dict(self) -> dict[str, Any]:
        """Distribution and generator, as plain types."""
        return {
            "logits": [logits.tolist() for logits in self._logits],
            "updates": self._updates,
            "generator": json.dumps(self._rng.bit_generator.state),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` of one with the same choices returned."""
        self._logits = [np.array(logits, dtype=np.float64) for logits in state["logits"]]
        self._updates = state["updates"]
        self._rng.bit_generator.state = json.loads(state["generator"])

    def _read(self, rows: Ints) -> NDArray[np.bool_]:
        """Which choices have an effect, (K, D)."""
        names = list(self._choices)
        read = np.ones(rows.shape, dtype=np.bool_)
        for column, name in enumerate(names):
            rule = RECIPE_SAYS[name].rule
            other = (rule.depends_on or "").removeprefix("recipe.")
            if other in names:
                effect = np.array([rule.reads(value) for value in self._choices[other]])
                read[:, column] = effect[rows[:, names.index(other)]]
        return read


def reinforce(logits: Sequence[Floats], rows: Ints, read: NDArray[np.bool_], advantages: Floats) -> list[Floats]:
    """Gradient by the logits of mean_k A_k log p(row k), of each setting: mean_k A_k (one-hot(row k) - p_d) where read.

    Args:
        logits: D of them, (choices,).
        rows: (K, D).
        read: (K, D), which settings had an effect, and so are in log p.
        advantages: A, (K,).
    """
    weights = advantages[:, None] * read
    return [
        (weights[:, d, None] * (np.eye(len(theta))[rows[:, d]] - softmax(theta))).mean(axis=0)
        for d, theta in enumerate(logits)
    ]


def standardized(rewards: Floats) -> Floats:
    """Rewards (K,) from their mean, the baseline, in standard deviations; 0 where all are equal.

    Validation accuracies spread by ten points at the start of a training and by a tenth at its end; so that each chunk
    has the same say, and the learning rate means the same on all images.
    """
    spread = rewards.std()
    centered: Floats = rewards - rewards.mean()
    return centered / spread if spread > 0.0 else np.zeros_like(rewards)


def softmax(logits: Floats) -> Floats:
    """Probabilities (choices,)."""
    powers = np.exp(logits - logits.max())
    shares: Floats = powers / powers.sum()
    return shares
