"""How good predictions are: rank correlations, and whether the best are found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from nars.predictors.checks import Numbers


def kendall(predicted: Numbers, measured: Numbers) -> float:
    """Kendall's tau-b of predictions and measurements, both (N,); 0 where either is constant."""
    return float(np.nan_to_num(stats.kendalltau(predicted, measured).statistic))


def spearman(predicted: Numbers, measured: Numbers) -> float:
    """Spearman's rank correlation, both (N,); 0 where either is constant."""
    if np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return float(np.nan_to_num(stats.spearmanr(predicted, measured).statistic))


def mean_within(correlation: Callable[[Numbers, Numbers], float], a: Numbers, b: Numbers, cost: Numbers) -> float:
    """Mean correlation of a and b inside cost quintiles: five groups of equal size and similar cost, all (N,).

    A tau over a whole space flatters: "more compute is better" alone earns most of it. A search under a budget compares
    candidates of like cost, and this is the number that says how well.
    """
    groups = np.array_split(np.argsort(cost, kind="stable"), 5)
    return float(np.mean([correlation(a[group], b[group]) for group in groups]))


def precision_at_top(predicted: Numbers, measured: Numbers, *, share: float = 0.01) -> float:
    """Which part of the predicted best `share` belongs to the measured best `share`, 0 to 1."""
    k = max(1, round(share * len(measured)))
    best = np.argsort(-measured, kind="stable")[:k]
    return float(np.isin(np.argsort(-predicted, kind="stable")[:k], best).mean())
