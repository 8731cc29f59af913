"""The learning rate over a training: linear warm-up, then the paper's per-epoch decay or a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from nars.recipe.recipe import require

Decay = Literal["exponential", "cosine"]

SEARCH_DECAY = 0.963
"""Per epoch, in the trainings of stage 2 (150 epochs)."""

FINAL_DECAY = 0.9875
"""Per epoch, in final training (400 epochs)."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The factor on the learning rate, as a function of the epochs done.

    FBNetV3 decays by a constant factor per epoch, which needs a hundred epochs to come down: after 10 epochs 0.963^10
    is still 0.69. Trainings of a few epochs want `kind="cosine"`, which reaches 0 at the end whatever the length.

    A function rather than a scheduler of torch's or timm's: those count whole steps or epochs in a state that a
    training resumed in the middle of an epoch would have to restore, and their warm-up is not the paper's.
    """

    epochs: int
    """Length of the whole training, > 0. One that stops early still follows the schedule of the whole."""
    warmup_epochs: float = 5.0
    """Linear warm-up from 0, in epochs (fractions allowed), 0 <= warm-up <= epochs."""
    kind: Decay = "exponential"
    decay: float = SEARCH_DECAY
    """Exponential: the factor per epoch after warm-up, 0 < decay <= 1."""

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", ">= 1", self.epochs)
        allowed = f"between 0 and epochs ({self.epochs})"
        require(0.0 <= self.warmup_epochs <= self.epochs, "warmup_epochs", allowed, self.warmup_epochs)
        require(self.kind in get_args(Decay), "the schedule", f"one of {', '.join(get_args(Decay))}", self.kind)
        require(0.0 < self.decay <= 1.0, "decay", "> 0 and <= 1 (FBNetV3: 0.963 search, 0.9875 final)", self.decay)

    def factor(self, epoch: float) -> float:
        """The factor in [0, 1] when `epoch` epochs are done, fractions included: 0 <= epoch <= epochs.

        Exponential: decay^k in the k-th epoch after warm-up, constant within an epoch. Cosine: half a wave over the
        epochs after warm-up, falling with each step.
        """
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        after = epoch - self.warmup_epochs
        if self.kind == "exponential":
            return float(self.decay ** math.floor(after))
        length = self.epochs - self.warmup_epochs
        return 0.5 * (1.0 + math.cos(math.pi * min(after / length, 1.0))) if length > 0 else 1.0
