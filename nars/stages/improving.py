"""Proposals where no cost makes bins: what keeps a round from being one candidate over and over is what is unknown.

From each bin of a cost the best predicted is as many different candidates as there are bins. Without costs, the best
predicted are near each other, and trainings go on where the first good ones were (FCNet's protein table: 1.5 dB behind
the best after 50 trainings; by expected improvement 0.05).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nars.search.archive import row_keys
from nars.space import Population
from nars.stages.rounds import Rounds, best_of_bins

_SURVEYED = 4000
"""Best predicted candidates whose expected improvement is computed: standard deviations take several times as long."""


def most_improving(rounds: Rounds[Any], count: int) -> Population:
    """The candidates with the largest expected improvements over the best of those that were chosen before; the pool's
    first before there is a predictor.

    Expected improvement: Jones, Schonlau & Welch 1998, J. Global Optimization 13, eq. 15; as the values of the best are
    noisy, what is predicted of it stands for it.
    """
    scores = rounds.scores()
    if scores is None:
        return best_of_bins(rounds, count)
    from scipy.special import ndtr

    X, space, metric = rounds.pool.X[rounds.alive], rounds.space, rounds.settings.metric
    model, planned = rounds.predictor, rounds.planned
    inside = rounds.settings.bounds.admits({n: c[rounds.alive] for n, c in rounds.pool.costs.items()}, rows=len(X))
    free = np.flatnonzero(inside & ~np.isin(row_keys(X), row_keys(planned)))
    if not len(free) or not len(planned):
        return best_of_bins(rounds, count)
    rest = free[np.argsort(-scores[free], kind="stable")[:_SURVEYED]]
    best = float(metric.score(model.predict_mean(space.encode(planned))).max())
    std = model.predict(space.encode(X[rest])).std
    gain = (scores[rest] - best) / std
    improvement = std * (gain * ndtr(gain) + np.exp(-(gain**2) / 2) / math.sqrt(2 * math.pi))
    return X[rest[np.argsort(-improvement, kind="stable")[:count]]]
