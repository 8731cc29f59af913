"""Who fails is learned beside the accuracy; scikit-learn's logistic regression is the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nars.space import load_space, sobol
from nars.stages.avoiding import _RIDGE, described, failure_probability, failures_last


@pytest.fixture(scope="module")
def candidates() -> np.ndarray:
    space = load_space("digits", classes=10, in_channels=1)
    return described(space, sobol(space, 256, seed=1))


def test_probabilities_are_those_of_scikit_learn(candidates: np.ndarray) -> None:
    trained, asked = candidates[:60], candidates[60:]
    failed = np.random.default_rng(0).random(60) < 0.3
    reference = LogisticRegression(C=1.0 / _RIDGE, tol=1e-8, max_iter=10_000)
    reference.fit(trained - trained.mean(axis=0), failed)
    expected = reference.predict_proba(asked - trained.mean(axis=0))[:, 1]
    assert failure_probability(trained, failed, asked) == pytest.approx(expected, abs=2e-3)


def test_a_cause_is_found_and_the_order_of_the_others_stays(candidates: np.ndarray) -> None:
    cause = candidates @ np.eye(candidates.shape[1])[-2]  # one of the costs
    fails = cause > np.quantile(cause, 0.7)
    trained, asked = candidates[:96], candidates[96:]
    scores = np.random.default_rng(0).normal(70.0, 5.0, len(asked))
    found = failures_last(scores, asked, trained, fails[:96])
    kept = found == scores
    assert (kept == ~fails[96:]).mean() > 0.85
    assert found[~kept].max() < scores.min()
    assert np.array_equal(np.argsort(found[~kept]), np.argsort(scores[~kept]))


def test_failures_by_chance_change_nothing(candidates: np.ndarray) -> None:
    scores = np.linspace(50.0, 60.0, len(candidates))
    for seed in range(5):
        failed = np.random.default_rng(seed).random(96) < 1 / 7
        assert failures_last(scores, candidates, candidates[:96], failed) is scores


@pytest.mark.parametrize("every", [True, False])
def test_without_successes_or_without_failures_nothing_is_learned(candidates: np.ndarray, every: bool) -> None:
    scores = np.linspace(50.0, 60.0, len(candidates))
    assert failures_last(scores, candidates, candidates[:20], np.full(20, every)) is scores
