"""The seam that the predictor and its rivals share: accuracies learned from encodings, predicted with error bars.

`nars.predictors.contest.REGRESSORS` has all of them by name.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nars.predictors.results import Prediction

Features = NDArray[np.floating[Any]]
"""What a regressor reads of candidates, (N, E): their encoding, and statistics as further columns."""


class FittedRegressor(Protocol):
    """Predicts accuracies."""

    def predict(self, encoding: Features, /) -> Prediction:
        """Mean and standard deviation (N,) of accuracies in percent of candidates (N, E)."""


class Regressor(Protocol):
    """Learns to predict accuracies; not changed by that."""

    def fit(self, encoding: Features, accuracy: Features, *, seed: int) -> FittedRegressor:
        """A fitted regressor from features (n, E) and accuracies (n,) in percent; the same for equal seeds.

        Raises:
            PredictorError: shapes disagree, fewer than 2 candidates, or a value is not finite.
        """
