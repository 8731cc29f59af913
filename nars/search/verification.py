"""Which of the candidates that look alike to the predictor should be trained, to have the best with 90 % probability?

Notation: K candidates; accuracies N(m, C) by the predictor, m (K,) in percent, C (K, K) in percent squared. Candidates
that are alike err together: what matters is how much is known of their differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nars.arrays import Floats, Ints
from nars.printing import brief_repr
from nars.space import SpaceError

_DRAWS_AT_ONCE = 1000
_JITTER = 1e-10
"""Of the largest variance: covariances of equal candidates are singular."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VerificationPlan:
    """What to train, and what that is worth."""

    __repr__ = brief_repr

    train: Ints
    """Candidates to train, (k,), the most useful first."""
    best: Floats
    """Probability of each candidate to be the best of all, (K,), sums to 1."""
    probability: float
    """That one of those trained is the best of all, or behind it by the margin at most."""


def near_ties(mean: Floats, covariance: Floats, *, level: float = 0.1) -> Ints:
    """Candidates that may well be better than the one predicted best, which comes first; by predicted accuracy.

    Candidate i is a near-tie where P(accuracy_i > accuracy_b) = Phi((m_i - m_b) / s) >= `level`, with b predicted best
    and s^2 = C_ii + C_bb - 2 C_ib the variance of their difference.

    Args:
        mean: (K,), percent.
        covariance: (K, K), percent squared.
        level: 0 < level <= 0.5.

    Raises:
        SpaceError: shapes disagree, a value is out of range.
    """
    mean, covariance = _checked(mean, covariance)
    if not 0 < level <= 0.5:
        raise SpaceError(f"the level of a near-tie lies above 0 and at most at 0.5, got {level}")
    order = np.argsort(-mean, kind="stable")
    top = order[0]
    own = covariance.diagonal()
    spread = np.sqrt(np.maximum(own + own[top] - 2 * covariance[top], _JITTER * own.max()))[order]
    behind = (mean[top] - mean[order]) / spread
    ahead = np.array([math.erfc(value / math.sqrt(2)) / 2 for value in behind.tolist()])
    ahead[0] = 1.0
    ties: Ints = order[ahead >= level]
    return ties


def verification_plan(
    mean: Floats,
    covariance: Floats,
    *,
    rng: np.random.Generator,
    confidence: float = 0.9,
    margin: float = 0.1,
    draws: int = 20_000,
) -> VerificationPlan:
    """Few candidates to train, one of which is as good as the best of all with probability `confidence`.

    By Monte Carlo: standard error of the probabilities below 0.5 / sqrt(draws). Greedy, each time the candidate that is
    good enough in most of the draws in which none of the chosen is; the fewest there are where `margin` is 0.

    Args:
        mean: of the candidates, (K,), percent, e.g. the near-ties of a budget.
        covariance: (K, K), percent squared.
        rng: the only source of randomness.
        confidence: 0 < confidence < 1.
        margin: how far behind the best counts as good as the best, percent, >= 0.
        draws: of the Monte Carlo, >= 1.

    Raises:
        SpaceError: shapes disagree, a value is out of range.
    """
    mean, covariance = _checked(mean, covariance)
    if not 0 < confidence < 1 or draws < 1 or not margin >= 0:
        raise SpaceError(
            f"confidence lies between 0 and 1, draws are at least 1 and a margin at least 0, got {confidence}, {draws} "
            f"and {margin}"
        )
    wins = np.zeros(len(mean))
    enough = np.empty((draws, len(mean)), dtype=bool)
    root = _root(covariance)
    for start in range(0, draws, _DRAWS_AT_ONCE):
        part = enough[start : start + _DRAWS_AT_ONCE]
        accuracy = mean + rng.standard_normal((len(part), len(mean))) @ root.T
        wins += np.bincount(np.argmax(accuracy, axis=1), minlength=len(mean))
        np.greater_equal(accuracy, accuracy.max(axis=1, keepdims=True) - margin, out=part)
    train, open_ = list[int](), np.ones(draws, dtype=bool)
    while open_.mean() > 1 - confidence + 1e-12:
        train.append(int(np.argmax(enough[open_].sum(axis=0))))
        open_ &= ~enough[:, train[-1]]
    return VerificationPlan(
        train=np.array(train, dtype=np.int64), best=wins / draws, probability=float(1 - open_.mean())
    )


def _root(covariance: Floats) -> Floats:
    """A matrix R with R R' = C, also where C is singular or, by rounding, slightly negative."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _checked(mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    mean, covariance = np.asarray(mean, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    finite = np.isfinite(mean).all() and np.isfinite(covariance).all()
    square = mean.ndim == 1 and len(mean) > 0 and covariance.shape == (len(mean), len(mean))
    if not square or not finite or (covariance.diagonal() <= 0).any():
        raise SpaceError(
            f"predictions are one finite mean per candidate, at least one, and their covariance with variances above "
            f"0; got shapes {mean.shape} and {covariance.shape}; check the predictor"
        )
    return mean, covariance
