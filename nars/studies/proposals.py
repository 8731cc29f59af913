"""Stage 2 replayed: what its proposals would have found among measured candidates, with nothing trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.predictors import Predictor
from nars.search import propose_round
from nars.space import Bounds, Space, sobol
from nars.studies.replay import Measured

_FIRST = 10
"""Successes before the predictor is asked; until then proposals are random in each cost bin."""
_POOL = 4096
"""Sobol architectures to pretrain on, beside the measured ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """The strategy of stage 2: from each of `count` equal bins of a cost the candidate of highest predicted accuracy.

    A `nars.studies.Strategy`; every call fits the predictor anew on what is known.
    """

    space: Space
    predictor: Predictor
    """Pretrained, not fitted."""
    cost: str = "flops"

    @staticmethod
    def of(space: Space, measured: Measured, *, cost: str, seed: int) -> Proposals:
        """The strategy with the default predictor, pretrained on free statistics.

        Args:
            space: of the candidates; one without costs of its own must have theirs.
            measured: the candidates.
            cost: whose range is cut into bins.
            seed: of the pretraining and its pool.
        """
        X = measured.choices
        if space.computes_costs:
            X = np.concatenate([X, sobol(space, _POOL, seed=seed)])
        return Proposals(space=space, predictor=Predictor.pretrained(space, X, seed=seed), cost=cost)

    def __call__(
        self,
        measured: Measured,
        known: NDArray[np.float64],
        failed: NDArray[np.bool_],
        count: int,
        *,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """As in `nars.studies.Strategy`."""
        rest = rng.permutation(np.flatnonzero(np.isnan(known) & ~failed))
        good = np.flatnonzero(~np.isnan(known))
        scores = None
        if len(good) >= _FIRST:
            encoding = self.space.encode(measured.choices)
            fitted = self.predictor.fit(encoding[good], known[good], seed=int(rng.integers(2**31)))
            scores = fitted.predict_mean(encoding[rest])
        costs = {name: values[rest] for name, values in measured.costs.items()}
        chosen = propose_round(measured.choices[rest], costs, Bounds(), count, scores=scores, cost=self.cost)
        at = {row.tobytes(): int(index) for index, row in zip(rest, measured.choices[rest], strict=True)}
        return np.array([at[row.tobytes()] for row in chosen], dtype=np.int64)
