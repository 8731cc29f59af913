"""Free statistics: numbers about a candidate that cost no training, which the encoder is pretrained to predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Floats32
from nars.errors import PredictorError
from nars.predictors.checks import Numbers
from nars.space import Population, Space

Statistics = Mapping[str, Numbers]
"""{name: (N,)}."""

_LOWEST = 8.0
"""So many deviations below the mean of the pool lies what a logarithm is taken of at least."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """How statistics become targets of unit variance: logarithm where all values are positive, then standardized."""

    names: tuple[str, ...]
    logarithmic: NDArray[np.bool_]
    """(S,)"""
    mean: Floats
    """(S,), of the logarithms where logarithmic."""
    std: Floats
    """(S,), above 0."""

    @staticmethod
    def of(statistics: Statistics) -> Scale:
        """The scale of measured statistics, each (N,). Those that never change carry no information and are left out.

        Raises:
            PredictorError: a statistic is not finite.
        """
        kept = {}
        for name, values in statistics.items():
            if not np.isfinite(values).all():
                raise PredictorError(
                    f"statistic {name!r} must be finite, got {int((~np.isfinite(values)).sum())} values that are not; "
                    f"leave it out or drop those candidates"
                )
            if len(values) and np.ptp(values) > 0:
                kept[name] = np.asarray(values, dtype=np.float64)
        logarithmic = np.array([bool((values > 0).all()) for values in kept.values()], dtype=bool)
        raw = [np.log(v) if log else v for v, log in zip(kept.values(), logarithmic, strict=True)]
        return Scale(
            names=tuple(kept),
            logarithmic=logarithmic,
            mean=np.array([v.mean() for v in raw], dtype=np.float64),
            std=np.array([v.std() for v in raw], dtype=np.float64),
        )

    def standardize(self, statistics: Statistics) -> Floats32:
        """Targets of unit variance, (N, S)."""
        # A number that was positive in the pool that gave the scale may be 0 elsewhere in the space.
        columns = [
            np.log(np.maximum(statistics[name], np.exp(self.mean[i] - _LOWEST * self.std[i])))
            if self.logarithmic[i]
            else statistics[name]
            for i, name in enumerate(self.names)
        ]
        return ((np.stack(columns, axis=1) - self.mean) / self.std).astype(np.float32)

    def restore(self, targets: Numbers) -> dict[str, Floats]:
        """Statistics in their natural units from standardized ones (N, S)."""
        raw = np.asarray(targets, dtype=np.float64) * self.std + self.mean
        return {name: np.exp(raw[:, i]) if self.logarithmic[i] else raw[:, i] for i, name in enumerate(self.names)}


def free_statistics(space: Space, X: Population) -> dict[str, Floats]:
    """What a space tells about candidates for nothing, {name: (N,)}.

    Every cost that the space knows but those that are learned from trainings, and the statistics of its family.

    Args:
        space: where X is from.
        X: candidates (N, D).
    """
    space = space.free
    known = space.quick_costs(X) if space.cost_names else {}  # a search asks for every candidate that it scores
    costs = {name: np.asarray(values, dtype=np.float64) for name, values in known.items()}
    return costs | space.family.statistics(space, X)


def choices_of(space: Space) -> tuple[int, ...]:
    """For each column of a space's encoding the number of its dimension, (E,)."""
    return tuple(number for number, dimension in enumerate(space.dimensions) for _ in range(dimension.width))
