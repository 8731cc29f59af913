"""Uncertainties that mean what they say, and how much each of two models should count."""

from __future__ import annotations

import math

import numpy as np

from nars.arrays import Floats
from nars.predictors.warp import Unbend, Warp, unbend

LEVEL = 0.8
"""Share of accuracies that the calibrated interval holds."""
Z_LEVEL = 1.2815515655446004
"""Half width of the 80 % interval of a normal distribution, in standard deviations."""
PAID_BY_PROCESS = 0.05
"""Added to the level of a process, because its length scales were chosen on the very samples that are left out: without
it, the intervals held 73 to 78 % of other networks of NAS-Bench-Macro, and with 0.04 there were still 74 % in some of
NAS-Bench-201."""
_LEAST_SHARE = 0.05
"""A smaller share changes nothing but the time of a prediction."""


def to_percent(warp: Warp, mean: Floats, std: Floats, unbend: Unbend = unbend) -> tuple[Floats, Floats]:
    """Mean and standard deviation (N,) of warped accuracies in percent; std is half the image of mean -+ std."""
    low, middle, high = (warp.inverse(value, unbend) for value in (mean - std, mean, mean + std))
    return middle, np.maximum((high - low) / 2, 1e-9)


def conformal_stretch(accuracy: Floats, mean: Floats, std: Floats, *, paid: float) -> float:
    """Factor on std so that mean -+ Z_LEVEL std holds 80 % of accuracies (n,) that the prediction did not see.

    `paid` is added to the 80 %: what choices made on the same samples have used up.

    Split conformal prediction with locally weighted residuals (Lei et al. 2018, section 5.2), the residuals from
    cross-validation.
    """
    scores = np.sort(np.abs(accuracy - mean) / std)
    rank = min(len(scores), math.ceil((LEVEL + paid) * (len(scores) + 1)))
    return max(float(scores[rank - 1]) / Z_LEVEL, 1e-6)


def best_share(a: Floats, b: Floats, target: Floats) -> float:
    """Weight w in [0, 1] of least squared error of w a + (1 - w) b, all (n,), on samples that neither saw."""
    difference = a - b
    scale = float(difference @ difference)
    share = float(np.clip(difference @ (target - b) / scale, 0, 1)) if scale > 0 else 0.0
    return share if share >= _LEAST_SHARE else 0.0
