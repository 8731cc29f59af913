"""Which candidates would fail: learned apart from accuracy, so that a failed training never counts as a bad accuracy.

Where accuracy grows up to the point where trainings fail (a learning rate just below divergence, a network just within
the memory), the predictor, which knows nothing of failures, proposes one failure after the other; to give those the
worst accuracy spoils what it says of the good ones beside them (`scripts/bench_failures.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats
from nars.space import Population, Space
from nars.store import Sample

_RIDGE = 0.3
"""Penalty on the squared weights of settings; the lower, the sooner a few failures are believed to have a cause."""

_LIKELY = 0.5
"""Probability of failing from which on a candidate comes after all others."""

_FOLDS = 5


def described(space: Space, X: Population) -> Floats:
    """What failures may depend on, (N, E): the encoded settings, and the logarithm of each cost (memory, time)."""
    costs = [np.log2(np.maximum(cost, 1.0)) for cost in space.costs(X).values()]
    return np.column_stack([space.encode(X), *costs]).astype(np.float64)


def failure_probability(trained: Floats, failed: NDArray[np.bool_], asked: Floats) -> Floats:
    """Probability that a training of each candidate fails: logistic regression with a ridge.

    Args:
        trained: (n, E) `described` candidates that were trained.
        failed: (n,) whether that failed; some did and some did not.
        asked: (N, E) `described` candidates.

    Returns: (N,)
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and seldom needed

    center = trained.mean(axis=0)
    model = LogisticRegression(C=1 / _RIDGE, max_iter=10_000).fit(trained - center, failed)
    return np.asarray(model.predict_proba(asked - center)[:, 1], dtype=np.float64)


def _has_a_cause(trained: Floats, failed: NDArray[np.bool_]) -> bool:
    """Whether failures can be told from the candidates: those held out are foreseen better than by the share of them.

    Without a cause (a machine that went away) whoever is avoided is avoided for nothing.
    """
    share = (failed.sum() + 1) / (len(failed) + 2)
    foreseen = np.full(len(failed), share)
    fold = np.arange(len(failed)) % _FOLDS
    for number in range(_FOLDS):
        rest, held = fold != number, fold == number
        if not failed[rest].any() or failed[rest].all():
            return False
        foreseen[held] = failure_probability(trained[rest], failed[rest], trained[held])
    surprise = -np.log(np.maximum(np.where(failed, foreseen, 1 - foreseen), 1e-6))
    return bool(surprise.mean() < -np.log(np.where(failed, share, 1 - share)).mean())


def likely_failures(asked: Floats, trained: Floats, failed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which candidates would fail with a probability above one half, (N,); none where failures have no cause.

    Args:
        asked: (N, E) the candidates, `described`.
        trained: (n, E) those that were trained.
        failed: (n,) whether that failed.
    """
    if not failed.any() or not _has_a_cause(trained, failed):
        return np.zeros(len(asked), dtype=np.bool_)
    return failure_probability(trained, failed, asked) > _LIKELY


def likely_to_fail(space: Space, X: Population, samples: Sequence[Sample]) -> NDArray[np.bool_]:
    """The same of candidates X (N, D), as the samples so far say it."""
    failed = np.array([sample.status != "ok" for sample in samples], dtype=np.bool_)
    if not failed.any():
        return np.zeros(len(X), dtype=np.bool_)
    trained = np.array([sample.choices for sample in samples], dtype=np.int64)
    return likely_failures(described(space, X), described(space, trained), failed)


def failures_last(scores: Floats, failing: NDArray[np.bool_]) -> Floats:
    """Scores (N,) by which candidates that are likely to fail come after all others, in unchanged order."""
    return scores - (1.0 + np.ptp(scores)) * failing if failing.any() else scores
