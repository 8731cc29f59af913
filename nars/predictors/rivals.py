"""Rivals of the pretrained predictor, from scikit-learn, each a `Regressor`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from nars.arrays import Floats
from nars.predictors.checks import Numbers, accuracies, matrix
from nars.predictors.regressor import FittedRegressor, Prediction


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A scikit-learn regressor behind `Regressor`. Accuracies are standardized for all alike."""

    make: Callable[[int], Any]
    """The regressor for a seed."""
    spread: Callable[[Any, Numbers], Floats] | None = None
    """Standard deviation (N,) that the regressor itself predicts; None: the error on a fifth that is held out."""

    def fit(self, encoding: Numbers, accuracy: Numbers, *, seed: int) -> FittedRegressor:
        """As in `Regressor`."""
        x = matrix(encoding, None)
        y = accuracies(accuracy, len(x))
        centre, unit = float(y.mean()), float(y.std()) or 1.0
        target = (y - centre) / unit
        noise = 0.0
        if self.spread is None:
            order = np.random.default_rng(seed).permutation(len(x))
            held_out, rest = order[: max(1, len(x) // 5)], order[max(1, len(x) // 5) :]
            trial = _fitted(self.make(seed), x[rest], target[rest])
            noise = float(np.sqrt(np.mean((trial.predict(x[held_out]) - target[held_out]) ** 2)))
        model = _fitted(self.make(seed), x, target)
        return _Fitted(model=model, centre=centre, unit=unit, noise=max(noise, 1e-9), spread=self.spread)


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    model: Any
    centre: float
    unit: float
    noise: float
    spread: Callable[[Any, Numbers], Floats] | None

    def predict(self, encoding: Numbers) -> Prediction:
        x = matrix(encoding, None)
        std = self.spread(self.model, x) if self.spread else np.full(len(x), self.noise)
        mean = np.asarray(self.model.predict(x), dtype=np.float64)
        return Prediction(mean=mean * self.unit + self.centre, std=np.maximum(std, 1e-9) * self.unit)


def _fitted(model: Any, x: Numbers, y: Floats) -> Any:
    with warnings.catch_warnings():
        # "Not converged" and "length scale at its bound" are part of life at n = 20 and no news to the caller.
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        return model.fit(x, y)


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import RidgeCV

    del seed  # closed form
    return RidgeCV(alphas=np.logspace(-3, 3, 13))


def _random_forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=200, random_state=seed, n_jobs=1)


def _forest_spread(model: Any, x: Numbers) -> Floats:
    # The forest casts its input to float32 itself; its trees want it cast.
    x = np.asarray(x, dtype=np.float32)
    return np.asarray(np.std([tree.predict(x) for tree in model.estimators_], axis=0), dtype=np.float64)


def _gradient_boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(min_samples_leaf=5, max_iter=150, early_stopping=False, random_state=seed)


def _gaussian_process(seed: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel(1.0, (1e-3, 1e3)) * Matern(2.0, (0.05, 100.0), nu=2.5) + WhiteKernel(0.05, (1e-6, 1.0))
    return GaussianProcessRegressor(kernel, n_restarts_optimizer=1, random_state=seed)


def _process_spread(model: Any, x: Numbers) -> Floats:
    parts = np.array_split(np.asarray(x, dtype=np.float64), max(1, len(x) // 4096))
    return np.concatenate([model.predict(part, return_std=True)[1] for part in parts])


def _mlp(seed: int) -> Any:
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(
        hidden_layer_sizes=(64, 64), learning_rate_init=3e-3, batch_size=32, max_iter=100, alpha=1e-3, random_state=seed
    )


RIVALS: Mapping[str, Rival] = MappingProxyType(
    {
        "ridge": Rival(make=_ridge),
        "random_forest": Rival(make=_random_forest, spread=_forest_spread),
        "gradient_boosting": Rival(make=_gradient_boosting),
        "gaussian_process": Rival(make=_gaussian_process, spread=_process_spread),
        "mlp": Rival(make=_mlp),
    }
)
"""By name. Each works on the encoding alone, and with free statistics as further columns ("<name>+statistics")."""
