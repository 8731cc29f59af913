"""What goes into a fit or a prediction, checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats
from nars.errors import PredictorError

Numbers = NDArray[np.floating[Any]]
"""Encoded candidates (N, E), statistics or accuracies (N,), of whatever precision."""

_FAR = 1000.0


def matrix(encoding: Numbers, width: int | None) -> Numbers:
    """Encoded candidates as they are.

    Raises:
        PredictorError: no finite matrix of `width` columns (any number when None).
    """
    encoding = np.asarray(encoding)
    if encoding.ndim != 2 or (width is not None and encoding.shape[1] != width):
        wanted = "(N, E)" if width is None else f"(N, {width})"
        raise PredictorError(
            f"encoded candidates are a matrix {wanted}, got shape {encoding.shape}; take it from encode() of the space "
            f"that the predictor was made for"
        )
    if not np.isfinite(encoding).all():
        raise PredictorError("encoded candidates must be finite, got NaN or infinity; take them from space.encode()")
    return encoding


def reined(scores: Floats) -> Floats:
    """Scores (n,), more being better, none of which is bad beyond measure.

    A training may diverge to a loss that is finite, a million times that of all others: on the scale of such a label
    the others are equal. What lies a thousand times as far below the median as the upper quartile lies above it counts
    as lying there; percent never do.
    """
    middle, high = np.quantile(scores, [0.5, 0.75], method="lower")
    return np.maximum(scores, middle - _FAR * (high - middle)) if high > middle else scores


def accuracies(accuracy: Numbers, n: int) -> Floats:
    """Accuracies (n,) as float64.

    Raises:
        PredictorError: another shape, fewer than 2, or one that is not finite.
    """
    values: Floats = np.asarray(accuracy, dtype=np.float64)
    if values.shape != (n,) or n < 2:
        raise PredictorError(f"a fit needs one accuracy for each of at least 2 candidates, got {values.shape} for {n}")
    if not np.isfinite(values).all():
        raise PredictorError(
            f"accuracies must be finite, got {int((~np.isfinite(values)).sum())} that are not; a training that failed "
            f"is no sample: leave its row out"
        )
    return values
