"""The ceiling of noisy labels, against the tau that the noiseless accuracies are known to have with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata

from nars.predictors import noise_ceiling

WORLDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(70, 3, n),
    "uniform": lambda rng, n: rng.uniform(60, 70, n),
    "most are good": lambda rng, n: np.where(rng.random(n) < 0.7, rng.normal(93, 0.8, n), 93 - rng.exponential(8, n)),
    "noise as large as the spread": lambda rng, n: rng.normal(70, 0.6, n),
}
NOISES: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "constant": lambda rng, y: np.full(len(y), 0.6),
    "bad ones vary more": lambda rng, y: 0.2 + 0.9 * (1 - rankdata(y) / len(y)),
    "differs": lambda rng, y: rng.uniform(0.2, 1.0, len(y)),
}


def labelled(y: np.ndarray, noise: np.ndarray, repeats: int, rng: np.random.Generator, *, most: int = 2) -> np.ndarray:
    """Labels (N, seeds): one each, and `repeats` candidates with 2 to `most`; NaN for the others."""
    counts = np.ones(len(y), dtype=int)
    counts[rng.permutation(len(y))[:repeats]] = rng.integers(2, most + 1, min(repeats, len(y)))
    labels = y[:, None] + noise[:, None] * rng.normal(size=(len(y), counts.max()))
    labels[np.arange(labels.shape[1]) >= counts[:, None]] = np.nan
    return labels


def truth(y: np.ndarray, labels: np.ndarray) -> float:
    return float(kendalltau(y, np.nanmean(labels, axis=1)).statistic)


@pytest.mark.parametrize(
    ("repeats", "within", "width"), [(12, 0.04, 0.3), (50, 0.03, 0.2), (200, 0.015, 0.1), (2000, 0.015, 0.06)]
)
def test_2000_candidates_with_few_of_them_repeated(repeats: int, within: float, width: float) -> None:
    """Noise 0.6 on a spread of 3: labels with a second layer of noise would say .93 where .875 is right."""
    rng = np.random.default_rng(repeats)
    y = rng.normal(70, 3, 2000)
    labels = labelled(y, np.full(2000, 0.6), repeats, rng)
    ceiling, right = noise_ceiling(labels), truth(y, labels)
    assert ceiling is not None
    assert 0.86 < right < 0.92
    assert ceiling.interval[0] <= right <= ceiling.interval[1]
    assert ceiling.interval[1] - ceiling.interval[0] < width
    assert ceiling.tau == pytest.approx(right, abs=within)
    assert ceiling.noise_interval[0] <= 0.6 <= ceiling.noise_interval[1]
    assert ceiling.repeated == repeats


@pytest.mark.parametrize("repeats", [3, 12, 50, 250])
def test_the_interval_holds_the_truth_whatever_the_noise(repeats: int) -> None:
    """Over worlds, kinds of noise and numbers of seeds: the level is 95 % where the noise is alike everywhere."""
    held, errors = [], []
    cells = itertools.product(enumerate(WORLDS.values()), enumerate(NOISES.values()), range(3))
    for (world, make), (kind, noise_of), seed in cells:
        rng = np.random.default_rng([repeats, world, kind, seed])
        y = make(rng, 250)
        labels = labelled(y, noise_of(rng, y), repeats, rng, most=2 + 2 * (seed % 2))
        ceiling, right = noise_ceiling(labels), truth(y, labels)
        assert ceiling is not None
        held.append(ceiling.interval[0] <= right <= ceiling.interval[1])
        errors.append(ceiling.tau - right)
    assert np.mean(held) >= 0.85
    assert abs(np.mean(errors)) < (0.12 if repeats < 12 else 0.04)


def test_few_repeated_candidates_say_little_and_many_say_much() -> None:
    rng = np.random.default_rng(0)
    y, widths = rng.normal(70, 3, 400), []
    for repeats in (3, 12, 50, 400):
        ceiling = noise_ceiling(labelled(y, np.full(400, 1.0), repeats, np.random.default_rng(1)))
        assert ceiling is not None
        widths.append(ceiling.interval[1] - ceiling.interval[0])
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 4 * widths[-1]


def test_more_seeds_allow_more() -> None:
    rng = np.random.default_rng(3)
    y = rng.normal(size=600)
    for seeds in (2, 5):
        labels = y[:, None] + 0.8 * rng.normal(size=(600, seeds))
        ceiling, right = noise_ceiling(labels), truth(y, labels)
        assert ceiling is not None
        assert ceiling.tau == pytest.approx(right, abs=0.03)
        assert ceiling.noise == pytest.approx(0.8, rel=0.1)


def test_half_have_one_label_and_half_have_four() -> None:
    """The noise of each label's mean is its own: four labels are twice as exact as one."""
    errors = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = rng.normal(size=800)
        labels = y[:, None] + 0.9 * rng.normal(size=(800, 4))
        labels[::2, 1:] = np.nan
        ceiling, right = noise_ceiling(labels), truth(y, labels)
        assert ceiling is not None
        assert ceiling.interval[0] <= right <= ceiling.interval[1]
        errors.append(ceiling.tau - right)
    assert abs(np.mean(errors)) < 0.025


def test_unknown_and_absent_noise() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    assert noise_ceiling(y[:, None]) is None
    assert noise_ceiling(labelled(y, np.ones(50), 2, rng)) is None
    nothing = noise_ceiling(np.stack([y, y], axis=1))
    assert nothing is not None
    assert (nothing.tau, nothing.interval, nothing.noise, nothing.ties) == (1.0, (1.0, 1.0), 0.0, 1)
    only = noise_ceiling(np.full(50, 70.0)[:, None] + rng.normal(size=(50, 3)))
    assert only is not None
    assert only.interval[0] < 0.2  # nothing but noise; 50 labels leave room for a little more


@pytest.mark.parametrize("seeds", [45, 250])
def test_one_candidate_may_have_many_seeds(seeds: int) -> None:
    labels = np.full((40, seeds), np.nan)
    labels[:, 0] = np.linspace(0.0, 1.0, 40)
    labels[7] = np.random.default_rng(0).normal(size=seeds)
    ceiling = noise_ceiling(labels)
    assert ceiling is not None
    assert ceiling.repeated == 1
