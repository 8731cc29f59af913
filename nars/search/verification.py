"""Which of the candidates that look alike to the predictor should be trained, to have the best with 90 % probability?

Notation: K candidates; predicted accuracies m (K,) with standard deviations s (K,), both in percent, errors independent
and normal: accuracy_i ~ N(m_i, s_i^2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nars.space import SpaceError

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class VerificationPlan:
    """What to train, and what that is worth."""

    train: IndexArray
    """Candidates to train, (k,), most likely the best first."""
    best: FloatArray
    """Probability of each candidate to be the best of all, (K,), sums to 1."""
    probability: float
    """That the best of all is among those trained."""


def near_ties(mean: FloatArray, std: FloatArray, *, level: float = 0.1) -> IndexArray:
    """Candidates that may well be better than the one predicted best, which comes first; by predicted accuracy.

    Candidate i is a near-tie where P(accuracy_i > accuracy_best) = Phi((m_i - m_b) / sqrt(s_i^2 + s_b^2)) >= `level`.

    Args:
        mean, std: (K,), percent; std > 0.
        level: 0 < level <= 0.5.

    Raises:
        SpaceError: shapes disagree, a value is out of range.
    """
    mean, std = _checked(mean, std)
    if not 0 < level <= 0.5:
        raise SpaceError(f"the level of a near-tie lies above 0 and at most at 0.5, got {level}")
    order = np.argsort(-mean, kind="stable")
    top = order[0]
    ahead = ndtr((mean[order] - mean[top]) / np.hypot(std[order], std[top]))
    ahead[0] = 1.0
    ties: IndexArray = order[ahead >= level]
    return ties


def probability_of_best(
    mean: FloatArray, std: FloatArray, *, rng: np.random.Generator, draws: int = 20_000
) -> FloatArray:
    """Probability of each candidate to be the best, (K,), by Monte Carlo: standard error below 0.5 / sqrt(draws).

    Raises:
        SpaceError: as `near_ties`.
    """
    mean, std = _checked(mean, std)
    wins = np.zeros(len(mean))
    for start in range(0, draws, 1000):  # in parts: draws x K numbers at once would not fit where K is large
        count = min(1000, draws - start)
        best = np.argmax(mean + std * rng.standard_normal((count, len(mean))), axis=1)
        wins += np.bincount(best, minlength=len(mean))
    return wins / draws


def verification_plan(
    mean: FloatArray,
    std: FloatArray,
    *,
    rng: np.random.Generator,
    confidence: float = 0.9,
    draws: int = 20_000,
) -> VerificationPlan:
    """The fewest candidates to train that contain the best of all with probability `confidence`.

    Args:
        mean, std: of the candidates, (K,), percent, e.g. the near-ties of a budget; std > 0.
        rng: the only source of randomness.
        confidence: 0 < confidence < 1.
        draws: of the Monte Carlo, >= 1.

    Raises:
        SpaceError: shapes disagree, a value is out of range.
    """
    if not 0 < confidence < 1 or draws < 1:
        raise SpaceError(f"confidence lies between 0 and 1 and draws are at least 1, got {confidence} and {draws}")
    best = probability_of_best(mean, std, rng=rng, draws=draws)
    order = np.argsort(-best, kind="stable")
    # The events "i is the best" exclude each other: taking the most likely first is optimal, not only greedy.
    reached = np.cumsum(best[order])
    count = min(int(np.searchsorted(reached, confidence - 1e-12)) + 1, len(order))
    return VerificationPlan(train=order[:count].astype(np.int64), best=best, probability=float(reached[count - 1]))


def _checked(mean: FloatArray, std: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean, std = np.asarray(mean, dtype=np.float64), np.asarray(std, dtype=np.float64)
    finite = np.isfinite(mean).all() and np.isfinite(std).all()
    if mean.ndim != 1 or mean.shape != std.shape or not len(mean) or not finite or (std <= 0).any():
        raise SpaceError(
            f"predictions are one finite mean and one standard deviation above 0 per candidate, at least one; got "
            f"shapes {mean.shape} and {std.shape}; check the predictor"
        )
    return mean, std
