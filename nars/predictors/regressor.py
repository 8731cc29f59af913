"""The seam that the predictor and its rivals share, and what they return.

`nars.predictors.contest.REGRESSORS` has all of them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from nars.arrays import Floats
from nars.predictors.checks import Numbers
from nars.printing import brief_repr


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Predicted accuracies of N candidates."""

    __repr__ = brief_repr

    mean: Floats
    """(N,), percent."""
    std: Floats
    """(N,), percent, > 0: mean -+ 1.2816 std is the 80 % interval."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JointPrediction:
    """What is known of the accuracies of N candidates together: two that are alike are wrong by nearly the same."""

    __repr__ = brief_repr

    mean: Floats
    """(N,), percent."""
    covariance: Floats
    """(N, N), percent squared, of the accuracies without the noise of a single training."""
    noise: Floats
    """(N,), percent: standard deviation of that noise."""


@dataclass(frozen=True, kw_only=True)
class StatisticError:
    """Validation error of one pretrained statistic, on candidates that were held out."""

    absolute: float
    """Mean |predicted - true| in the statistic's own unit."""
    relative: float
    """Mean |predicted - true| / mean |true|, e.g. 0.01 = 1 %."""
    correlation: float
    """Pearson correlation of predicted and true values."""


@dataclass(frozen=True, kw_only=True)
class PretrainingReport:
    """How well the encoder learned the free statistics."""

    __repr__ = brief_repr

    train: int
    """Candidates trained on (80 %)."""
    validation: int
    """Candidates held out (20 %)."""
    epochs: int
    errors: Mapping[str, StatisticError]
    """By statistic; statistics that never change are left out."""


class FittedRegressor(Protocol):
    """Predicts accuracies."""

    def predict(self, encoding: Numbers, /) -> Prediction:
        """Mean and standard deviation (N,) of accuracies in percent of candidates (N, E)."""


class Regressor(Protocol):
    """Learns to predict accuracies; not changed by that."""

    def fit(self, encoding: Numbers, accuracy: Numbers, /, *, seed: int) -> FittedRegressor:
        """A fitted regressor from features (n, E) and accuracies (n,) in percent; the same for equal seeds.

        Raises:
            PredictorError: shapes disagree, fewer than 2 candidates, or a value is not finite.
        """
