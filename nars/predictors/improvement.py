"""Which candidates to measure next in order to improve on the best: expected improvement, several at a time.

All of it happens on the scale on which the predictor learns, where its errors are normal: in percent, the spread of
what is predicted to be bad is so wide that the worst candidates would promise the most.
"""

from __future__ import annotations

import numpy as np

from nars.arrays import Floats, Ints
from nars.predictors.checks import Numbers
from nars.predictors.predictor import Predictor

_SURVEYED = 8000
"""Candidates whose standard deviations are computed; of more, those of the best means."""
_TOGETHER = 400
"""Candidates of the largest improvement among which several are chosen, by their covariance."""


def improving(
    predictor: Predictor,
    encoding: Numbers,
    measured: Numbers,
    count: int,
    *,
    maximize: bool = True,
    chance: Floats | None = None,
) -> Ints:
    """Where the candidates are that should be measured next, (count,), the first one first.

    One after the other, as if each had given what is predicted of it before the next is chosen (the Kriging believer;
    Ginsbourger, Le Riche & Carraro 2010): those that are alike are not all taken.

    Args:
        predictor: fitted.
        encoding: candidates to choose from, (N, E), N >= count.
        measured: those that have been measured, (n, E); the best counts as what is predicted of it, without its noise.
        count: how many.
        maximize: whether more is better.
        chance: (N,) probability of each that its training does not fail; None where none does.

    Raises:
        PredictorError: the predictor is not fitted, or the encoding is another space's.
    """
    encoding, sign = np.asarray(encoding), 1.0 if maximize else -1.0
    best = float((sign * predictor.latent(measured)[0]).max())
    rows, chance = np.arange(len(encoding)), np.ones(len(encoding)) if chance is None else chance
    if len(rows) > _SURVEYED:
        rows = np.argsort(-sign * predictor.latent(encoding, with_std=False)[0], kind="stable")[:_SURVEYED]
    mean, std = predictor.latent(encoding[rows])
    # Where nothing promises anything any more (all is known without noise), the best predicted come first.
    promised = chance[rows] * expected_improvement(sign * mean, std, best)
    top = np.lexsort((-sign * mean, -promised))[: max(count, _TOGETHER)]
    rows, mean, variance = rows[top], sign * mean[top], std[top] ** 2
    covariance = predictor.latent_covariance(encoding[rows])
    noise = np.maximum(variance - covariance.diagonal(), 1e-9 * variance)
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        spread = np.sqrt(np.maximum(covariance.diagonal(), 1e-12 * variance))
        gain = chance[rows] * expected_improvement(mean, spread, best)
        gain[chosen] = -np.inf
        at = int(np.argmax(gain))
        chosen.append(at)
        covariance = covariance - np.outer(covariance[at], covariance[at]) / (covariance[at, at] + noise[at])
        best = max(best, float(mean[at]))
    found: Ints = rows[chosen]
    return found


def expected_improvement(mean: Floats, std: Floats, best: float) -> Floats:
    """E[max(y - best, 0)] of normally distributed y, (N,) (Jones, Schonlau & Welch 1998, eq. 15)."""
    from scipy.special import ndtr  # only who trains needs it

    gain = (mean - best) / std
    density = np.exp(-(gain**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray((mean - best) * ndtr(gain) + std * density, dtype=np.float64)
