"""Which candidates would fail: learned apart from accuracy, so that a failed training never counts as a bad accuracy.

Where accuracy grows up to the point where trainings fail (a learning rate just below divergence, a network just within
the memory), the predictor, which knows nothing of failures, proposes one failure after the other; to give those the
worst accuracy spoils what it says of the good ones beside them (`scripts/bench_failures.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats
from nars.predictors.checks import reined
from nars.printing import brief_repr
from nars.space import Population, Space

_RIDGE = 0.3
"""Penalty on the squared weights of settings; the lower, the sooner a few failures are believed to have a cause."""

_FOLDS = 5

_SMALL = 1e-3
"""Share of the largest cost below which costs are told apart no longer, where all are small: gigabytes are as good a
unit as bytes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Failures:
    """The probability that a training fails: logistic regression on settings and costs, with a ridge."""

    __repr__ = brief_repr

    costs: tuple[str, ...]
    """Whose logarithms stand beside the encoded settings: memory and time grow with them."""
    least: Floats
    """(C,) what each cost counts as at least: 0 has no logarithm."""
    center: Floats
    """(E,) mean of what was trained."""
    weights: Floats
    """(E,)"""
    offset: float
    worst: float
    """Score of the worst training that did not fail."""

    @staticmethod
    def learned(space: Space, X: Population, scores: Floats) -> Failures | None:
        """What trainings of X (n, D) say of failures; None where there are none, or where they have no cause.

        Args:
            space: of the candidates.
            X: those that were trained, in the order in which they were.
            scores: (n,) of each, more being better; NaN where the training failed.
        """
        failed = np.isnan(scores)
        if not failed.any() or failed.all():
            return None
        # Whoever asks the predictor may have no device table.
        costs = tuple(name for name in space.cost_names if name != "latency")
        known = _costs(space, X, costs)
        largest = known.max(axis=0)
        least = np.where(largest > 0, np.minimum(1.0, _SMALL * largest), 1.0)
        trained = _described(space, X, known, least)
        if not _has_a_cause(trained, failed):
            return None
        center, weights, offset = _regression(trained, failed)
        worst = float(reined(scores[~failed]).min())
        return Failures(costs=costs, least=least, center=center, weights=weights, offset=offset, worst=worst)

    def probability(self, space: Space, X: Population) -> Floats:
        """Of each candidate X (N, D) of the same space, (N,)."""
        told = _described(space, X, _costs(space, X, self.costs), self.least)
        margin = (told - self.center) @ self.weights + self.offset
        return _logistic(margin)

    def expected(self, scores: Floats, probability: Floats) -> Floats:
        """What a training comes to on average, (N,), if one that fails is worth as much as the worst that did not.

        Args:
            scores: (N,) what is predicted of each if it does not fail, more being better.
            probability: (N,) that it fails.
        """
        return (
            self.worst
            + (1.0 - probability) * np.maximum(scores - self.worst, 0.0)
            + np.minimum(scores - self.worst, 0.0)
        )

    @property
    def document(self) -> dict[str, Any]:
        """As plain values."""
        arrays = {name: getattr(self, name).tolist() for name in ("least", "center", "weights")}
        return {"costs": list(self.costs), **arrays, "offset": self.offset, "worst": self.worst}

    @staticmethod
    def of(document: Mapping[str, Any]) -> Failures:
        """From what `document` gives, or gave before it had `least`, which was 1 for every cost."""
        written = {"least": [1.0] * len(document["costs"]), **document}
        arrays = {name: np.array(written[name], dtype=np.float64) for name in ("least", "center", "weights")}
        return Failures(
            costs=tuple(document["costs"]), **arrays, offset=float(document["offset"]), worst=float(document["worst"])
        )


def _costs(space: Space, X: Population, names: tuple[str, ...]) -> Floats:
    """These costs of candidates, (N, C)."""
    known = space.costs(X) if names else {}
    return np.column_stack([known[name] for name in names]) if names else np.zeros((len(X), 0))


def _described(space: Space, X: Population, costs: Floats, least: Floats) -> Floats:
    """What failures may depend on, (N, E): the encoded settings, and logarithms of costs (N, C), of `least` (C,) at
    least."""
    return np.column_stack([space.encode(X), np.log2(np.maximum(costs, least))]).astype(np.float64)


def _regression(trained: Floats, failed: NDArray[np.bool_]) -> tuple[Floats, Floats, float]:
    """(center, weights, offset); some failed and some did not."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and seldom needed

    center = trained.mean(axis=0)
    model = LogisticRegression(C=1 / _RIDGE, max_iter=10_000).fit(trained - center, failed)
    return center, model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _logistic(margin: Floats) -> Floats:
    """1 / (1 + exp(-margin)), which scipy's takes a tenth of a second to import."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margin)), dtype=np.float64)


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
        center, weights, offset = _regression(trained[rest], failed[rest])
        foreseen[held] = _logistic((trained[held] - center) @ weights + offset)
    surprise = -np.log(np.maximum(np.where(failed, foreseen, 1 - foreseen), 1e-6))
    return bool(surprise.mean() < -np.log(np.where(failed, share, 1 - share)).mean())
