"""Rivals of the predictor from packages that only the benchmarks need: CatBoost, LightGBM, BoTorch's process.

Each is a `Regressor` with the package's own settings, on one thread; the package is imported when a model is made.
Install them: pip install --group rivals
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nars.predictors import FittedRegressor, Prediction, Regressor
from nars.predictors.rivals import Rival

_ROWS = 1024
"""Candidates per posterior: its kernel matrix with the samples is held whole."""


def _catboost(seed: int) -> Any:
    from catboost import CatBoostRegressor

    return CatBoostRegressor(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)


def _lightgbm(seed: int) -> Any:
    from lightgbm import LGBMRegressor

    # With its own 20 samples to a leaf, twenty samples are one leaf.
    return LGBMRegressor(min_child_samples=5, random_state=seed, n_jobs=1, deterministic=True, verbose=-1)


@dataclass(frozen=True)
class BotorchProcess:
    """`SingleTaskGP` as it comes, with its priors; inputs scaled to the unit cube."""

    def fit(self, encoding: Any, accuracy: Any, *, seed: int) -> FittedRegressor:
        """As in `Regressor`."""
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.models.transforms import Normalize
        from gpytorch.mlls import ExactMarginalLogLikelihood

        x = torch.tensor(np.asarray(encoding), dtype=torch.float64)
        varying = (x.amax(dim=0) > x.amin(dim=0)).nonzero()[:, 0]  # a column that never changes has no range
        y = torch.tensor(np.asarray(accuracy), dtype=torch.float64)[:, None]
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")  # a fit that is tried again is no news
            torch.manual_seed(seed)
            model = SingleTaskGP(x[:, varying], y, input_transform=Normalize(d=len(varying)))
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        return _Posterior(model=model, columns=varying)


@dataclass(frozen=True, kw_only=True)
class _Posterior:
    model: Any
    columns: torch.Tensor

    def predict(self, encoding: Any) -> Prediction:
        means, variances = [], []
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for start in range(0, len(encoding), _ROWS):
                x = torch.tensor(np.asarray(encoding[start : start + _ROWS]), dtype=torch.float64)[:, self.columns]
                posterior = self.model.posterior(x, observation_noise=True)
                means.append(posterior.mean[:, 0].numpy())
                variances.append(posterior.variance[:, 0].numpy())
        return Prediction(mean=np.concatenate(means), std=np.sqrt(np.maximum(np.concatenate(variances), 1e-18)))


PACKAGES: Mapping[str, str] = {"catboost": "catboost", "lightgbm": "lightgbm", "botorch": "botorch"}
"""The package that each needs."""

BENCH_RIVALS: Mapping[str, Regressor] = {
    "catboost": Rival(make=_catboost),
    "lightgbm": Rival(make=_lightgbm),
    "botorch": BotorchProcess(),
}
"""By name; each also with the free statistics as further columns, as the predictor's other rivals."""
