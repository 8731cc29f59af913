"""Who fails is learned beside the accuracy: checked against the penalised likelihood itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from nars.space import load_space, sobol
from nars.stages.avoiding import _RIDGE, described, failure_probability, failures_last, likely_failures


@pytest.fixture(scope="module")
def candidates() -> np.ndarray:
    space = load_space("digits", classes=10, in_channels=1)
    return described(space, sobol(space, 256, seed=1))


def test_probabilities_are_most_likely_under_the_ridge(candidates: np.ndarray) -> None:
    trained, asked = candidates[:60] - candidates[:60].mean(axis=0), candidates[60:]
    failed = np.random.default_rng(0).random(60) < 0.3
    sign = np.where(failed, 1.0, -1.0)

    def loss(weights: np.ndarray) -> float:
        margin = sign * (trained @ weights[:-1] + weights[-1])
        return float(np.logaddexp(0.0, -margin).sum() + 0.5 * _RIDGE * (weights[:-1] ** 2).sum())

    weights = minimize(loss, np.zeros(trained.shape[1] + 1)).x
    expected = expit((asked - candidates[:60].mean(axis=0)) @ weights[:-1] + weights[-1])
    assert failure_probability(candidates[:60], failed, asked) == pytest.approx(expected, abs=2e-3)


def test_a_cause_is_found_and_the_order_of_the_others_stays(candidates: np.ndarray) -> None:
    cause = candidates @ np.eye(candidates.shape[1])[-2]  # one of the costs
    fails = cause > np.quantile(cause, 0.7)
    trained, asked = candidates[:96], candidates[96:]
    scores = np.random.default_rng(0).normal(70.0, 5.0, len(asked))
    found = failures_last(scores, likely_failures(asked, trained, fails[:96]))
    kept = found == scores
    assert (kept == ~fails[96:]).mean() > 0.85
    assert found[~kept].max() < scores.min()
    assert np.array_equal(np.argsort(found[~kept]), np.argsort(scores[~kept]))


def test_failures_by_chance_change_nothing(candidates: np.ndarray) -> None:
    scores = np.linspace(50.0, 60.0, len(candidates))
    for seed in range(5):
        failed = np.random.default_rng(seed).random(96) < 1 / 7
        assert failures_last(scores, likely_failures(candidates, candidates[:96], failed)) is scores


@pytest.mark.parametrize("every", [True, False])
def test_without_successes_or_without_failures_nothing_is_learned(candidates: np.ndarray, every: bool) -> None:
    scores = np.linspace(50.0, 60.0, len(candidates))
    assert failures_last(scores, likely_failures(candidates, candidates[:20], np.full(20, every))) is scores
