"""Whether to trust a predictor by its audit, why, and how many more trainings would help: in a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nars.predictors.contest import OWN

if TYPE_CHECKING:
    from nars.predictors.auditing import Audit, Row

_GOOD, _USABLE = 0.6, 0.3
"""Kendall's tau: 80 % and 65 % of pairs in the right order."""
_OF_CEILING = 0.9
"""Share of what the labels allow that is as good as all of it."""
_MOST = 10_000
"""Trainings beyond which an extrapolation says nothing."""


def verdict_on(result: Audit) -> str | None:
    """Of the pretrained predictor, fitted on the most samples; None where it did not take part."""
    rows = sorted((row for row in result.rows if row.model == "pretrained"), key=lambda row: row.n)
    if not rows:
        return None
    most, ceiling = rows[-1], 1.0 if result.ceiling is None else result.ceiling.tau
    tau = most.mean.tau
    pairs = f"fitted on {most.n} of these trials it puts {50 * (1 + tau):.0f} % of pairs in the right order"
    if ceiling < 1.0:
        pairs += f"; the noise of the labels allows {50 * (1 + ceiling):.0f} %"
    rival = _better_rival(result, most)
    target = min(_GOOD, _OF_CEILING * ceiling)
    if tau >= target >= _USABLE:
        return f"verdict: trust it: {pairs}{rival}"
    verdict = "trust it to narrow down, not to decide (nars verify)" if tau >= _USABLE else "do not trust it"
    if target < _USABLE:
        return f"verdict: {verdict}: {pairs}; train longer, or each candidate more than once{rival}"
    return f"verdict: {verdict}: {pairs}; {_more(rows, target)}{rival}"


def _better_rival(result: Audit, most: Row) -> str:
    """A model that is better by more than the standard errors; nothing where there is none."""

    def error(row: Row) -> float:
        return 0.0 if row.error is None else row.error.tau

    rivals = [row for row in result.rows if row.n == most.n and row.model not in OWN]
    best = max(rivals, key=lambda row: row.mean.tau, default=None)
    if best is None or best.mean.tau - most.mean.tau <= math.hypot(error(best), error(most)):
        return ""
    return f"; {best.model} does better here ({50 * (1 + best.mean.tau):.0f} %)"


def _more(rows: list[Row], target: float) -> str:
    """How many trainings bring it there, by the power law 1 - tau = c n^-b through what was measured."""
    goal = f"for {50 * (1 + target):.0f} %"
    left = np.array([1 - row.mean.tau for row in rows])
    if len(rows) < 2 or (left <= 0).any():
        return f"how many more trainings it takes {goal} is not known from so few"
    slope = float(np.polyfit(np.log([row.n for row in rows]), np.log(left), 1)[0])
    if slope >= -0.02:
        return f"more trainings hardly help ({goal}, look at the space and the noise)"
    needed = rows[-1].n * ((1 - target) / left[-1]) ** (1 / slope)
    if needed > _MOST:
        return f"{goal} it would take more than {_MOST:,} trainings"
    more = int(max(10, math.ceil((needed - rows[-1].n) / 10) * 10))
    return f"about {more:,} more trainings {goal} (estimate)"
