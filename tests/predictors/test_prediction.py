"""What a saved predictor says: against plain arithmetic in double precision, and without any heavy library."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import inv_boxcox1p

from nars.predictors import Prediction, Predictor, load_predictor
from nars.predictors.additive import PAIRED_RANK, Features
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


def in_double(predictor: Predictor, inputs: np.ndarray) -> Prediction:
    """The same weights and processes, written out."""
    width, fitted = predictor.architecture_width, predictor.fitted
    assert fitted is not None
    x, exact = np.split(inputs.astype(np.float64), [width + predictor.recipe_width], axis=1)
    weights = {name: value.astype(np.float64) for name, value in predictor.weights.items()}
    means, variances = [], []
    if fitted.share > 0:
        embedding = layers(weights, "tuned", x[:, :width])
        recipe = np.broadcast_to(x[:, width:], (len(embedding), *x[:, width:].shape))
        members = layers(weights, "accuracy", np.concatenate([embedding, recipe], axis=2))[..., 0]
        means.append(members.mean(axis=0))
        variances.append(lambda mean: members.var(axis=0) + fitted.noise**2)
    two = {name: value[:2] for name, value in weights.items()}
    told = exact if exact.shape[1] else layers(two, "proxy", layers(two, "encoder", x[:, :width])).mean(axis=0)
    for process in fitted.processes:
        p = {name: value.astype(np.float64) for name, value in process.arrays.items()}
        z = told if p["z"].shape[1] else told[:, :0]
        trend, smooth, joint, varying, constant = p["amplitudes"]
        kernel = joint * matern(np.hstack([z, 2.5 * x]) / p["x_length"], p["x"])
        prior = np.full(len(x), joint)
        if z.shape[1]:
            kernel += smooth * matern(z / p["z_length"], p["z"]) + trend * z @ (p["z"] * p["z_length"]).T / z.shape[1]
            prior += smooth + trend * (z**2).mean(axis=1)
        if process.choices:
            features = Features(process.choices)
            samples = (p["x"] * p["x_length"])[:, z.shape[1] :] / 2.5
            each = p["additive"][features.choice]
            mine, theirs = (features.of(rows.astype(np.float32)).astype(np.float64) for rows in (x, samples))
            kernel += (mine * each) @ theirs.T
            prior += (mine**2 * each).sum(axis=1)
            if "pairs" in p:
                features = Features(process.choices, rank=PAIRED_RANK)
                mine, theirs = (features.of(rows.astype(np.float32)).astype(np.float64) for rows in (x, samples))
                each = p["pairs"][features.choice]
                kernel += ((mine * each) @ theirs.T) ** 2
                prior += (mine**2 * each).sum(axis=1) ** 2
        means.append(kernel @ p["weights"])

        def variance(mean, k=kernel, p=p, prior=prior, varying=varying, constant=constant):
            noise = varying * fitted.warp.slope(mean) ** 2 + constant
            return np.maximum(prior + noise - ((k @ p["inverse"]) * k).sum(axis=1), noise)

        variances.append(variance)
    shares = [share for share in fitted.shares if share > 0]
    mean = sum(share * one for share, one in zip(shares, means, strict=True))
    spread = sum(
        share * (of(mean) + (one - mean) ** 2) for share, of, one in zip(shares, variances, means, strict=True)
    )
    low, middle, high = (fitted.warp.inverse(mean + side * np.sqrt(spread)) for side in (-1, 0, 1))
    return Prediction(mean=middle, std=(high - low) / 2 * fitted.stretch)


@pytest.mark.parametrize("name", SHIPPED)
def test_single_precision_is_enough(name: str) -> None:
    space, predictor = opened(name)
    inputs = predictor.inputs(space, uniform(space, 3_000, rng=np.random.default_rng(0)))
    said, truth = predictor.predict(inputs), in_double(predictor, inputs)
    # Samples that lie close together are what rounding counts in: the entries of the inverse say how close.
    assert predictor.fitted is not None
    close = max(float(np.abs(process.arrays["inverse"]).max()) for process in predictor.fitted.processes)
    np.testing.assert_allclose(said.mean, truth.mean, atol=3.5e-5 * np.sqrt(close), rtol=0)  # percent
    np.testing.assert_allclose(said.std, truth.std, atol=3.8e-5 * close, rtol=0)
    np.testing.assert_array_equal(said.mean, predictor.predict_mean(inputs))


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
