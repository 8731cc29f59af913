"""Which candidates that look alike to the predictor are worth a training, and when is the best of them known?

Notation: K candidates of true values y (larger is better), one training of candidate i measures z = y_i + e.

    y ~ N(m, C)                     m (K,), C (K, K): what is known now; at first the predictor's word
    e ~ N(0, s_i^2)                 noise of a single training: seed, order of images, bfloat16, ...
    g_i = C_i / (C_ii + s_i^2)      (K,), C_i the column of i
    m' = m + g_i (z - m_i)          after the training (Rasmussen & Williams 2006, eq. 2.25 and 2.26, one sample at a
    C' = C - g_i C_i'               time); the same candidate may be trained again with another seed

Candidates that are alike err together: C has their differences too, and one training tells of all that resemble it.

What a training is worth. Whoever trains none takes the candidate t of the largest mean, and expects m_t. Whoever trains
a set S takes the one of the largest mean afterwards, and expects

    G(S) = E max_{i in S} m_i(z_S) - m_t     more; noise is paid for, as m_i(z_S) is an expectation given z_S.

By Monte Carlo: the means after a training of i are m + C_i / sqrt(C_ii + s_i^2) Z with Z ~ N(0, 1), the covariance does
not depend on what is measured. The plan is greedy in G: first t (no other is expected to be better, so that none
dominates it, and what others bring is counted from it), then each time what adds most, until that is less than the
margin. "The best of all, with 90 %" is no aim by itself: the more near-copies of good candidates are looked at, the
more of them it takes, without end and for ever less.

Where the trainings contradict what was believed, all of it is trusted less: with u_n the standardized surprises
(z - m_i) / sqrt(C_ii + s_i^2) of the trainings one after the other, which are N(0, 1) where the belief is right, C and
s^2 are multiplied by

    f = max(1, (2 + sum_n u_n^2) / (2 + n)),     which moves no mean.

When the best is known: w has the largest mean of those that are trained, and

    P(y_w >= max_i y_i - margin) >= confidence, under N(m, C) given everything measured,

candidates that are not trained yet included. Until then each candidate of the plan is trained once, in its order, and
then again, with further seeds, the one whose training has the largest E max_i m'_i (the knowledge gradient; Frazier,
Powell & Dayanik 2009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from nars.arrays import Floats, Ints
from nars.printing import brief_repr
from nars.space import SpaceError

_JITTER = 1e-10
"""Of the largest variance: covariances of equal candidates are singular."""
_DRAWS = 2000
"""Of the Monte Carlo; standard error of a probability 0.011, of a gain a fiftieth of what candidates differ by."""
_SHORT = 32
"""Candidates that the noise is reckoned with for, which takes the square of their number; and the longest plan."""
_TRUST = 2
"""Trainings that the belief counts as when these contradict it."""
_QUANTILES = np.array([NormalDist().inv_cdf((at + 0.5) / 128) for at in range(128)])
"""Of the standard normal distribution, for expectations over one outcome."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Belief:
    """What is known of K candidates: their true values are N(mean, covariance).

    Raises:
        SpaceError: shapes disagree, a value is not finite, or a variance is not above 0.
    """

    __repr__ = brief_repr

    mean: Floats
    """(K,), larger is better."""
    covariance: Floats
    """(K, K), the unit of the mean squared."""
    noise: Floats
    """(K,), >= 0: standard deviation of what a single training measures around the true value."""

    def __post_init__(self) -> None:
        mean, covariance = _checked(self.mean, self.covariance)
        noise = np.asarray(self.noise, dtype=np.float64)
        if noise.shape != mean.shape or not np.isfinite(noise).all() or (noise < 0).any():
            raise SpaceError(
                f"the noise of a training is one finite number of at least 0 per candidate, got {noise.tolist()}"
            )
        for name, value in (("mean", mean), ("covariance", covariance), ("noise", noise)):
            object.__setattr__(self, name, value)

    def of(self, at: Ints) -> Belief:
        """The same of some candidates, in the order of `at`."""
        return Belief(mean=self.mean[at], covariance=self.covariance[np.ix_(at, at)], noise=self.noise[at])

    def after(self, candidate: int, value: float) -> Belief:
        """What is known once a training of a candidate has measured `value`."""
        column = self.covariance[:, candidate]
        gain = column / (column[candidate] + self.noise[candidate] ** 2)
        covariance = self.covariance - np.outer(gain, column)
        floor = _JITTER * self.covariance.diagonal().max()
        np.fill_diagonal(covariance, np.maximum(covariance.diagonal(), floor))
        return replace(self, mean=self.mean + gain * (value - self.mean[candidate]), covariance=covariance)

    def after_all(self, trainings: Sequence[tuple[int, float]]) -> Belief:
        """What is known once trainings of (candidate, value) are; less sure where they contradict what was known."""
        belief, surprise = self, 0.0
        for candidate, value in trainings:
            variance = belief.covariance[candidate, candidate] + belief.noise[candidate] ** 2
            surprise += (value - belief.mean[candidate]) ** 2 / variance
            belief = belief.after(candidate, value)
        factor = max(1.0, (_TRUST + surprise) / (_TRUST + len(trainings)))
        return replace(belief, covariance=belief.covariance * factor, noise=belief.noise * math.sqrt(factor))

    @property
    def std(self) -> Floats:
        """(K,), of the true values."""
        return np.sqrt(self.covariance.diagonal())

    @property
    def steps(self) -> Floats:
        """(K, K): row i is the standard deviation of every mean's move by a training of candidate i, with its sign."""
        column = self.covariance.diagonal() + self.noise**2
        return np.asarray(self.covariance / np.sqrt(column)[:, None])


@dataclass(frozen=True, kw_only=True, eq=False)
class VerificationPlan:
    """What to train, and what that is worth."""

    __repr__ = brief_repr

    train: Ints
    """Candidates to train, (k <= 32,): first the one predicted best, then each time what adds most."""
    gains: Floats
    """(k,), expected value of the one that is best after so many trainings, over the first untrained; ascending
    from 0."""
    more: float
    """What one more training would add; below the margin unless the plan is as long as it may be."""
    margin: float
    """Difference in value that counts as none."""
    best: Floats
    """Probability of each candidate to be the best of all that were looked at, (K,), sums to 1."""
    probability: float
    """That one of those to train is the best of all that were looked at, or behind it by the margin at most."""
    belief: Belief
    """What is known of those to train, in their order."""


def near_ties(mean: Floats, covariance: Floats, *, level: float = 0.1) -> Ints:
    """Candidates that may well be better than the one predicted best, which comes first; by predicted value.

    Candidate i is a near-tie where P(y_i > y_b) = Phi((m_i - m_b) / s) >= `level`, with b predicted best and
    s^2 = C_ii + C_bb - 2 C_ib the variance of their difference.

    Args:
        mean: (K,), larger is better.
        covariance: (K, K).
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
    belief: Belief, *, rng: np.random.Generator, margin: float | None = None, most: int = _SHORT
) -> VerificationPlan:
    """Few candidates to train, chosen one by one for what they add to the expected value of the best of them.

    Args:
        belief: of the candidates, e.g. the near-ties of a budget.
        rng: the only source of randomness.
        margin: >= 0, in the unit of the mean: a training that adds less is not worth it. A twentieth of the standard
            deviation of a training of the candidate predicted best when None.
        most: candidates in the plan, 1 to 32.

    Raises:
        SpaceError: a value is out of range.
    """
    margin = default_margin(belief) if margin is None else margin
    if not margin >= 0 or not 1 <= most <= _SHORT:
        raise SpaceError(f"a margin is at least 0 and a plan has 1 to {_SHORT} candidates, got {margin} and {most}")
    true = belief.mean + rng.standard_normal((_DRAWS, len(belief.mean))) @ _root(belief.covariance).T
    short = _shortlist(belief, true)
    train, gains, more = _worth(belief.of(short), rng=rng, margin=margin, most=most)
    chosen = short[train]
    within = true[:, chosen].max(axis=1) >= true.max(axis=1) - margin
    return VerificationPlan(
        train=chosen,
        gains=gains,
        more=more,
        margin=margin,
        best=np.bincount(true.argmax(axis=1), minlength=len(belief.mean)) / len(true),
        probability=float(within.mean()),
        belief=belief.of(chosen),
    )


def default_margin(belief: Belief) -> float:
    """A twentieth of the standard deviation of a training of the candidate predicted best."""
    top = int(np.argmax(belief.mean))
    return float(np.hypot(belief.std[top], belief.noise[top])) / 20


def certainty(belief: Belief, winner: int, *, margin: float, rng: np.random.Generator) -> float:
    """P(y_winner >= max_i y_i - margin), by Monte Carlo (standard error 0.011 at most)."""
    true = belief.mean + rng.standard_normal((_DRAWS, len(belief.mean))) @ _root(belief.covariance).T
    return float((true[:, winner] >= true.max(axis=1) - margin).mean())


def gains_of_one_training(belief: Belief) -> Floats:
    """What a training of each candidate, (K,), adds to the largest mean, on average over what it may measure."""
    after = belief.mean + belief.steps[:, None, :] * _QUANTILES[:, None]  # (K, 128, K)
    gains: Floats = np.maximum(after.max(axis=2).mean(axis=1) - belief.mean.max(), 0.0)
    return gains


def _shortlist(belief: Belief, true: Floats) -> Ints:
    """Up to 32 candidates that complement each other: the best of them has the largest expected true value.

    By draws of all true values, (draws, K), without noise, as these are many candidates.
    """
    chosen = [int(np.argmax(belief.mean))]
    reached = true[:, chosen[0]]
    while len(chosen) < min(_SHORT, len(belief.mean)):
        gains = np.maximum(true, reached[:, None]).mean(axis=0)
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
        reached = np.maximum(reached, true[:, chosen[-1]])
    return np.array(chosen, dtype=np.int64)


def _worth(belief: Belief, *, rng: np.random.Generator, margin: float, most: int) -> tuple[Ints, Floats, float]:
    """Greedy in G(S) of the module's head, from the first candidate on: whom to train, G after each, and what one more
    would add."""
    train, gains, start = list[int](), list[float](), belief.mean[0]
    means = np.broadcast_to(belief.mean, (_DRAWS, len(belief.mean)))  # of each course that the trainings may take
    while True:
        half = rng.standard_normal(_DRAWS // 2)
        outcome = np.concatenate([half, -half])
        open_ = [0] if not train else [i for i in range(len(belief.mean)) if i not in train]
        if not open_:
            return np.array(train), np.array(gains), 0.0
        steps = belief.steps
        values = [(means[:, [*train, i]] + outcome[:, None] * steps[i, [*train, i]]).max(axis=1).mean() for i in open_]
        adds = float(max(values)) - start - (gains[-1] if gains else 0.0)
        if train and (adds < margin or len(train) == most or adds <= 1e-12):
            return np.array(train), np.array(gains), float(max(adds, 0.0))
        chosen = open_[int(np.argmax(values))]
        gains.append(gains[-1] + adds if gains else 0.0)
        means = means + outcome[:, None] * steps[chosen]
        belief = belief.after(chosen, float(belief.mean[chosen]))
        train.append(chosen)


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
