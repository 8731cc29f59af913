import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from nars.errors import EvaluationError
from nars.evaluate import choose_stop_epoch


def _curves(candidates: int = 24, epochs: int = 20, seed: int = 0) -> NDArray[np.float64]:
    """Candidates of different quality whose noise shrinks while they train."""
    rng = np.random.default_rng(seed)
    quality = rng.uniform(60, 80, size=(candidates, 1))
    noise = rng.normal(size=(candidates, epochs)) * np.linspace(15, 0.1, epochs)
    return np.round(quality + noise, 1)  # with ties


def test_correlations_are_scipys_and_the_epoch_is_the_first_to_pass() -> None:
    curves = _curves()
    advice = choose_stop_epoch(curves, rng=np.random.default_rng(0), resamples=50)
    expected = [stats.spearmanr(curves[:, e], curves[:, -1]).statistic for e in range(20)]
    np.testing.assert_allclose(advice.correlations, expected, atol=1e-12)
    assert advice.epoch == 1 + next(e for e in range(20) if expected[e] >= 0.92)
    assert 1 < advice.epoch < 20
    assert advice.saved == pytest.approx(1 - advice.epoch / 20)
    assert advice.epoch <= advice.cautious_epoch <= 20


def test_intervals_are_scipys_percentile_bootstrap() -> None:
    curves = _curves(candidates=40)
    advice = choose_stop_epoch(curves, rng=np.random.default_rng(0), resamples=3000)
    reference = stats.bootstrap(
        (curves[:, 9], curves[:, -1]),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=3000,
        method="percentile",
        rng=1,
    ).confidence_interval
    np.testing.assert_allclose(advice.intervals[9], (reference.low, reference.high), atol=0.03)
    assert advice.intervals[-1] == pytest.approx((1.0, 1.0))


def test_threshold_1_waits_for_the_final_order() -> None:
    curves = np.array([[3.0, 1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 3.0, 3.0]])
    advice = choose_stop_epoch(curves, rng=np.random.default_rng(0), threshold=1.0, resamples=20)
    assert advice.epoch == 2
    assert advice.correlations == pytest.approx((-1.0, 1.0, 1.0))


def test_it_warns_of_a_flipped_top_of_a_relapse_and_of_weak_bins() -> None:
    final = np.arange(20.0)
    early = final.copy()
    early[[19, 17]] = early[[17, 19]]  # the best is not yet among the two best; the correlation is 0.988
    curves = np.stack([early, final[::-1], final], axis=1)
    low = np.arange(20) < 10
    high = np.isin(np.arange(20), (17, 18, 19))
    advice = choose_stop_epoch(
        curves, rng=np.random.default_rng(0), bins={"low": low, "high": high, "empty": low & high}, resamples=50
    )
    assert advice.epoch == 1
    assert (advice.top_kept, advice.top_size) == (1, 2)
    assert advice.within_bins == pytest.approx({"low": 1.0, "high": -1.0})
    said = " ".join(advice.warnings)
    assert "at epoch 1 the top 10 % is not yet the final one: it lacks 1 of 2" in said
    assert "falls below 0.92 again at epoch 2" in said
    assert "within high" in said
    assert choose_stop_epoch(_curves(), rng=np.random.default_rng(0), threshold=0.01, resamples=20).warnings


def test_equal_candidates_are_trained_to_the_end_with_a_warning() -> None:
    advice = choose_stop_epoch(np.full((5, 4), 10.0), rng=np.random.default_rng(0), resamples=20)
    assert advice.epoch == 4
    assert "same accuracy" in advice.warnings[0]


@pytest.mark.parametrize("curves", [np.zeros((2, 5)), np.zeros(5), np.full((4, 3), np.nan)])
def test_too_few_or_broken_curves_are_refused(curves: NDArray[np.float64]) -> None:
    with pytest.raises(EvaluationError, match="full curves"):
        choose_stop_epoch(curves, rng=np.random.default_rng(0))
