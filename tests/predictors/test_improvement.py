"""Expected improvement against Monte Carlo, and a batch against what a single candidate would do."""

import numpy as np
import pytest

from nars.predictors import Predictor, expected_improvement, improving
from nars.space import load_space, sobol


def test_expected_improvement_is_the_mean_gain() -> None:
    rng = np.random.default_rng(0)
    mean, std, best = np.array([-1.0, 0.0, 0.5, 3.0]), np.array([0.5, 1.0, 2.0, 0.1]), 0.7
    drawn = np.maximum(mean + std * rng.standard_normal((400_000, 4)) - best, 0.0).mean(axis=0)
    assert expected_improvement(mean, std, best) == pytest.approx(drawn, abs=0.01)


@pytest.mark.parametrize("maximize", [True, False])
def test_a_batch_begins_with_the_largest_improvement_and_is_spread(maximize: bool) -> None:
    space = load_space("fcnet")
    X = sobol(space, 600, seed=0)
    encoding = space.encode(X)
    rate = np.log10([record["recipe.learning_rate"] for record in space.to_records(X)])
    y = (1 if maximize else -1) * (90 - 8 * (rate + 2) ** 2)
    fitted = Predictor.pretrained(space, X, seed=0).fit(encoding[:40], y[:40], seed=0)
    chosen = improving(fitted, encoding[40:], encoding[:40], 8, maximize=maximize)
    assert len(set(chosen.tolist())) == 8
    sign = 1.0 if maximize else -1.0
    best = (sign * fitted.latent(encoding[:40])[0]).max()
    mean, std = fitted.latent(encoding[40:])
    alone = np.argsort(-expected_improvement(sign * mean, std, float(best)))
    assert chosen[0] in alone[:20]
    among = fitted.latent_covariance(encoding[40:][chosen])
    greedy = fitted.latent_covariance(encoding[40:][alone[:8]])

    def alike(covariance: np.ndarray) -> float:
        scale = np.sqrt(covariance.diagonal())
        return float(np.abs(covariance / np.outer(scale, scale)).mean())

    assert alike(among) < alike(greedy)
