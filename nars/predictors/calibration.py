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
_PSEUDO = 16
"""On eight made-up tables, one for each way in which a model can go wrong (`scripts/predictor_tables.py`)."""
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


def shares_of(left_out: Floats, target: Floats, prior: Floats) -> Floats:
    """How much each of K models counts, (K,), of sum 1: stacking (Breiman 1996) by what each says of samples it did not
    see, left_out (K, n), and what was measured of them, target (n,).

    Least squares over shares that are not negative, held to those of `prior` (K,) by as much as `_PSEUDO` samples
    would, with errors like the best model's: of twenty samples, which of three models is best is mostly chance, which
    of them ranks the wrong way round is not.
    """
    from scipy.optimize import nnls

    prior = prior / prior.sum()
    scale = _PSEUDO * float(np.mean((left_out - target) ** 2, axis=1).min()) or 1e-9
    gram = left_out @ left_out.T + scale * np.eye(len(prior))
    wanted = left_out @ target + scale * prior
    factor = np.linalg.cholesky(gram)
    heavy = 1e3 * math.sqrt(float(np.trace(gram)) / len(prior))  # a row that holds the sum to 1
    rows = np.vstack([factor.T, np.full((1, len(prior)), heavy)])
    shares, _ = nnls(rows, np.append(np.linalg.solve(factor, wanted), heavy))
    shares[shares < _LEAST_SHARE * shares.sum()] = 0.0
    return np.asarray(shares / shares.sum())
