"""How good predictions are: rank correlations, errors, and whether the best are found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.floating[Any]]


def kendall(predicted: Numbers, measured: Numbers) -> float:
    """Kendall's tau-b of predictions and measurements, both (N,); 0 where either is constant."""
    return _defined(float(stats.kendalltau(predicted, measured).statistic))


def spearman(predicted: Numbers, measured: Numbers) -> float:
    """Spearman's rank correlation, both (N,); 0 where either is constant."""
    if np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return _defined(float(stats.spearmanr(predicted, measured).statistic))


def kendall_within(predicted: Numbers, measured: Numbers, cost: Numbers, *, parts: int = 5) -> float:
    """Mean of Kendall's tau inside each of `parts` groups of equal size and similar cost, all (N,).

    A tau over a whole space flatters: "more compute is better" alone earns most of it. A search under a budget compares
    candidates of like cost, and this is the number that says how well.
    """
    groups = np.array_split(np.argsort(cost, kind="stable"), parts)
    return float(np.mean([kendall(predicted[group], measured[group]) for group in groups]))


def mean_absolute_error(predicted: Numbers, measured: Numbers) -> float:
    """Mean |prediction - measurement|, in the unit of the measurements."""
    return float(np.mean(np.abs(predicted - measured)))


def mean_squared_error(predicted: Numbers, measured: Numbers) -> float:
    """Mean (prediction - measurement)**2, in the squared unit of the measurements."""
    return float(np.mean((predicted - measured) ** 2))


def precision_at_top(predicted: Numbers, measured: Numbers, *, share: float = 0.01) -> float:
    """Which part of the predicted best `share` belongs to the measured best `share`, 0 to 1."""
    k = max(1, round(share * len(measured)))
    best = np.argsort(-measured, kind="stable")[:k]
    return float(np.isin(np.argsort(-predicted, kind="stable")[:k], best).mean())


def coverage(measured: Numbers, low: Numbers, high: Numbers) -> float:
    """Which part of the measurements lies in [low, high], 0 to 1."""
    return float(np.mean((low <= measured) & (measured <= high)))


def _defined(value: float) -> float:
    return 0.0 if np.isnan(value) else value
