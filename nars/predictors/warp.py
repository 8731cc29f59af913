"""Accuracies on a scale where a model learns well: Yeo-Johnson's power transform (Biometrika 2000), standardised.

Accuracies crowd below a ceiling and trail off towards bad networks. Untransformed, the few bad ones dominate every
squared error, and differences near the top, which a search lives on, hardly count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import inv_boxcox1p

Floats = NDArray[np.float64]

_POWERS = (-2.0, 6.0)
_STEEPEST = 3.0
"""Slope outside the seen accuracies, at most, in slopes of the whole: a steep end throws what lies just outside far off
(the mean squared error on NAS-Bench-Macro at n = 100 was twice as large without)."""
_FEWEST = 10
"""Below this many accuracies the power is left at 1 (linear)."""


@dataclass(frozen=True, kw_only=True)
class Warp:
    """warped = (YeoJohnson((accuracy - centre) / unit; power) - shift) / stretch, strictly increasing."""

    centre: float
    unit: float
    power: float = 1.0
    shift: float = 0.0
    stretch: float = 1.0
    low: float = -math.inf
    """Warped value below which `inverse` goes on as a straight line; the smallest one seen."""
    high: float = math.inf
    """The same above: where the power's inverse would run off or end."""

    @staticmethod
    def of(accuracy: Floats) -> Warp:
        """The most likely warp of accuracies (n,) to a normal distribution of mean 0, variance 1."""
        centre, unit = float(accuracy.mean()), float(accuracy.std())
        if len(accuracy) < _FEWEST or unit <= 1e-9 * max(1.0, abs(centre)):
            return Warp(centre=centre, unit=unit if unit > 0 else 1.0)
        from scipy.optimize import minimize_scalar
        from scipy.stats import yeojohnson, yeojohnson_llf  # a second to import, which questions do not need

        scaled = (accuracy - centre) / unit
        found = minimize_scalar(lambda power: -float(yeojohnson_llf(power, scaled)), bounds=_POWERS, method="bounded")
        power = float(found.x)
        bent = np.asarray(yeojohnson(scaled, power), dtype=np.float64)
        shift, stretch = float(bent.mean()), float(bent.std())
        warped = (bent - shift) / stretch
        return Warp(
            centre=centre, unit=unit, power=power, shift=shift, stretch=stretch,
            low=float(warped.min()), high=float(warped.max()),
        )  # fmt: skip

    def forward(self, accuracy: Floats) -> Floats:
        """Warped accuracies (n,)."""
        scaled = (accuracy - self.centre) / self.unit
        if self.power == 1.0:
            return np.asarray(scaled, dtype=np.float64)
        from scipy.stats import yeojohnson

        return (np.asarray(yeojohnson(scaled, self.power), dtype=np.float64) - self.shift) / self.stretch

    def inverse(self, warped: Floats) -> Floats:
        """Accuracies (n,) of warped ones; a straight line outside [low, high], so that ranks are never lost."""
        if self.power == 1.0:
            return warped * self.unit + self.centre
        inside = np.clip(warped, self.low, self.high)
        scaled, rise = self._unbent(inside)
        ends = _inverse_yeo_johnson(np.array([self.low, self.high]) * self.stretch + self.shift, self.power)
        chord = float((ends[1] - ends[0]) / (self.high - self.low))
        slope = np.minimum(rise, _STEEPEST * chord)
        return np.asarray((scaled + (warped - inside) * slope) * self.unit + self.centre, dtype=np.float64)

    def slope(self, warped: Floats) -> Floats:
        """d warped / d accuracy at warped accuracies (n,), per percent; outside [low, high] that of the nearer end."""
        if self.power == 1.0:
            return np.full(len(warped), 1 / self.unit)
        return 1 / (self.unit * self._unbent(np.clip(warped, self.low, self.high))[1])

    def _unbent(self, inside: Floats) -> tuple[Floats, Floats]:
        """(accuracy - centre) / unit of warped accuracies in [low, high], and its derivative, both (n,)."""
        scaled = _inverse_yeo_johnson(inside * self.stretch + self.shift, self.power)
        # d scaled / d bent = (1 + |scaled|)^(1 - power), or ^(power - 1) below 0.
        growth = (1 + np.abs(scaled)) ** np.where(scaled >= 0, 1 - self.power, self.power - 1)
        return scaled, growth * self.stretch


def _inverse_yeo_johnson(bent: Floats, power: float) -> Floats:
    positive = np.maximum(bent, 0.0)
    negative = np.maximum(-bent, 0.0)
    return np.asarray(np.where(bent >= 0, inv_boxcox1p(positive, power), -inv_boxcox1p(negative, 2.0 - power)))
