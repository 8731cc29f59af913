"""What a saved predictor says: against plain arithmetic in double precision, and without any heavy library."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import inv_boxcox1p

from nars.predictors import Prediction, Predictor, load_predictor
from nars.predictors.warp import unbend
from nars.space import Space, read_document, read_space, shipped, uniform

SHIPPED = sorted(card.parent.name for card in shipped("predictors").glob("*/card.json"))
HEAVY = ("torch", "pandas", "sklearn", "scipy", "pyarrow")


def opened(name: str) -> tuple[Space, Predictor]:
    folder = shipped("predictors") / name
    space = read_space(read_document(folder / "space.yaml"))
    return space, load_predictor(folder, space)


def layers(weights: dict[str, np.ndarray], part: str, x: np.ndarray) -> np.ndarray:
    """(N, in) or (M, N, in) -> (M, N, out)."""
    count = sum(name.startswith(f"{part}.") and name.endswith("weight") for name in weights)
    for number in range(count):
        x = x @ weights[f"{part}.{number}.weight"] + weights[f"{part}.{number}.bias"]
        x = np.maximum(x, 0) if number < count - 1 else x
    return x


def matern(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    roots = np.sqrt(5) * cdist(a, b)
    return (1 + roots + roots**2 / 3) * np.exp(-roots)


def in_double(predictor: Predictor, encoding: np.ndarray) -> Prediction:
    """The same weights and process, written out."""
    x, width, fitted = encoding.astype(np.float64), predictor.architecture_width, predictor.fitted
    assert fitted is not None
    weights = {name: value.astype(np.float64) for name, value in predictor.weights.items()}
    mean, variance = np.zeros(len(x)), np.zeros(len(x))
    if fitted.share > 0:
        embedding = layers(weights, "tuned", x[:, :width])
        recipe = np.broadcast_to(x[:, width:], (len(embedding), *x[:, width:].shape))
        members = layers(weights, "accuracy", np.concatenate([embedding, recipe], axis=2))[..., 0]
        mean, variance = members.mean(axis=0), members.var(axis=0) + fitted.noise**2
    if fitted.process is not None and fitted.share < 1:
        p = {name: value.astype(np.float64) for name, value in fitted.process.arrays.items()}
        two = {name: value[:2] for name, value in weights.items()}
        z = layers(two, "proxy", layers(two, "encoder", x[:, :width])).mean(axis=0)
        trend, smooth, joint, varying, constant = p["amplitudes"]
        kernel = joint * matern(np.hstack([z, 2.5 * x]) / p["x_length"], p["x"])
        kernel += smooth * matern(z / p["z_length"], p["z"])
        kernel += trend * z @ (p["z"] * p["z_length"]).T / z.shape[1]
        mean = fitted.share * mean + (1 - fitted.share) * (kernel @ p["weights"])
        noise = varying * fitted.warp.slope(mean) ** 2 + constant
        prior = joint + smooth + trend * (z**2).mean(axis=1)
        variance = np.maximum(prior + noise - ((kernel @ p["inverse"]) * kernel).sum(axis=1), noise)
    low, middle, high = (fitted.warp.inverse(mean + side * np.sqrt(variance)) for side in (-1, 0, 1))
    return Prediction(mean=middle, std=(high - low) / 2 * fitted.stretch)


@pytest.mark.parametrize("name", SHIPPED)
def test_single_precision_is_enough(name: str) -> None:
    space, predictor = opened(name)
    encoding = space.encode(uniform(space, 10_000, rng=np.random.default_rng(0)))
    said, truth = predictor.predict(encoding), in_double(predictor, encoding)
    np.testing.assert_allclose(said.mean, truth.mean, atol=1e-4)  # percent
    np.testing.assert_allclose(said.std, truth.std, atol=2e-4)
    np.testing.assert_array_equal(said.mean, predictor.predict_mean(encoding))


def test_what_undoes_the_warp_is_scipys() -> None:
    bent = np.abs(np.random.default_rng(0).normal(size=10_000)) * 3
    for power in (0.0, 1e-5, 0.3, 1.0, 2.0, 5.9):
        np.testing.assert_allclose(unbend(bent, power), inv_boxcox1p(bent, power), rtol=1e-14)


def test_a_question_to_a_saved_predictor_loads_nothing_heavy() -> None:
    code = f"""
import sys
import numpy as np
from nars.predictors import load_predictor
from nars.search import near_ties
from nars.space import read_document, read_space, shipped, uniform

folder = shipped("predictors") / {SHIPPED[0]!r}
space = read_space(read_document(folder / "space.yaml"))
predictor = load_predictor(folder, space)
encoding = space.encode(uniform(space, 50, rng=np.random.default_rng(0)))
joint = predictor.predict_jointly(encoding)
near_ties(joint.mean, joint.covariance), predictor.predict(encoding), predictor.predict_mean(encoding)
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []
