"""A training recipe: the h of max acc(A, h) (FBNetV3, eq. 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from nars import errors

OptimizerName = Literal["rmsprop", "sgd", "adamw"]

OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)

SGD_FACTOR = 4.0
"""The learning rate of the search space is RMSProp's; SGD trains with four times as much (search-space table)."""


class RecipeError(errors.UserError):
    """A recipe that cannot be trained with; the message names the setting, what it got and what is allowed."""


require = partial(errors.require, RecipeError)
"""Refuse a setting of a recipe or of a training."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one training that the search chooses together with the architecture."""

    learning_rate: float
    """Initial learning rate after warm-up, > 0, before the factor for SGD; see `effective_learning_rate`."""
    optimizer: str = "rmsprop"
    """One of `OPTIMIZERS`."""
    ema: bool = True
    """Whether the exponential moving average of the weights is the trained network."""
    dropout: float = 0.0
    """Probability of dropping a feature before the classifier, 0 <= p < 1."""
    stochastic_depth: float = 0.0
    """Probability of dropping the residual branch of the last block, 0 <= p < 1; linear in depth from 0."""
    mixup: float = 0.0
    """alpha of the mixing weight's Beta(alpha, alpha), >= 0; 0 mixes nothing."""
    weight_decay: float = 0.0
    """Decay of convolution and linear weights, >= 0; norm parameters and biases have none."""
    label_smoothing: float = 0.0
    """Share of the target spread evenly over all classes, 0 <= s < 1."""

    def __post_init__(self) -> None:
        require(self.optimizer in OPTIMIZERS, "optimizer", f"one of {', '.join(OPTIMIZERS)}", self.optimizer)
        require(isinstance(self.ema, (bool, np.bool_)), "ema", "true or false", self.ema)
        object.__setattr__(self, "ema", bool(self.ema))
        for name in ("learning_rate", "mixup", "weight_decay"):
            self._check_number(name, math.inf)
        for name in ("dropout", "stochastic_depth", "label_smoothing"):
            self._check_number(name, 1.0)
        require(self.learning_rate > 0.0, "learning_rate", "> 0", self.learning_rate)

    def _check_number(self, name: str, below: float) -> None:
        value = getattr(self, name)
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        allowed = "a finite number >= 0" if below == math.inf else f"a number >= 0 and < {below:g}"
        require(number and 0.0 <= value < below, name, allowed, value)
        object.__setattr__(self, name, float(value))  # numpy's scalars come out of a space; JSON wants Python's

    @property
    def effective_learning_rate(self) -> float:
        """What the optimizer gets: `learning_rate`, times `SGD_FACTOR` for SGD."""
        return self.learning_rate * (SGD_FACTOR if self.optimizer == "sgd" else 1.0)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain JSON types; `from_dict` reads them back."""
        return asdict(self)

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> Recipe:
        """A recipe from a mapping of settings; those left out take their default.

        Raises:
            RecipeError: an unknown or missing key, or a value out of range.
        """
        known = [field.name for field in fields(Recipe)]
        unknown = sorted(set(document) - set(known))
        if unknown:
            raise RecipeError(f"a recipe has no setting {', '.join(map(repr, unknown))}; it has {', '.join(known)}.")
        if "learning_rate" not in document:
            raise RecipeError(f"a recipe needs a learning_rate; got only {', '.join(document) or 'nothing'}.")
        return Recipe(**document)
