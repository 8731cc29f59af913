"""What a training is worth and when the best is known, against closed forms of the normal distribution."""

import numpy as np
import pytest
from scipy.stats import norm

from nars.search import Belief, certainty, gains_of_one_training, near_ties, verification_plan
from nars.space import SpaceError


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def of_two(variances: tuple[float, float], behind: float = 0.5) -> float:
    """E max of N(0, a) and N(-behind, b), independent (Clark 1961)."""
    spread = np.sqrt(sum(variances))
    return float(spread * norm.pdf(behind / spread) - behind * norm.cdf(-behind / spread))


def test_a_second_training_brings_what_clark_says_and_less_with_noise() -> None:
    mean, covariance = np.array([90.0, 90.5]), np.diag([0.36, 0.64])
    for noise in (0.0, 0.6):
        belief = Belief(mean=mean, covariance=covariance, noise=np.full(2, noise))
        plan = verification_plan(belief, rng=rng(), margin=0.01)
        learned = tuple(value**2 / (value + noise**2) for value in (0.64, 0.36))  # variance of a mean after a training
        assert plan.train.tolist() == [1, 0]  # the one predicted best first
        assert plan.gains == pytest.approx([0, of_two(learned)], abs=0.02)
        assert plan.best[1] == pytest.approx(norm.cdf(0.5), abs=0.03)
        assert plan.belief.mean.tolist() == [90.5, 90.0]
    dear = verification_plan(belief, rng=rng(), margin=0.3)
    assert dear.train.tolist() == [1]
    assert dear.more == pytest.approx(of_two(learned), abs=0.02)
    assert dear.probability == pytest.approx(
        norm.cdf(0.8), abs=0.03
    )  # 0.3 behind at most; the difference has deviation 1


def test_the_best_of_ten_equal_ones_is_an_order_statistic() -> None:
    belief = Belief(mean=np.full(10, 90.0), covariance=np.eye(10), noise=np.zeros(10))
    plan = verification_plan(belief, rng=rng(), margin=0.0)
    assert plan.best == pytest.approx(np.full(10, 0.1), abs=0.03)
    assert len(plan.train) == 10
    # Expected largest of 1, 2, 3 and 10 standard normal values.
    assert plan.gains[[0, 1, 2, 9]] == pytest.approx([0, 0.5642, 0.8463, 1.5388], abs=0.04)
    assert plan.probability == 1
    assert near_ties(belief.mean, belief.covariance).tolist() == list(range(10))


def test_candidates_that_are_the_same_are_worth_one_training() -> None:
    belief = Belief(mean=np.full(10, 90.0), covariance=np.ones((10, 10)), noise=np.full(10, 0.1))
    plan = verification_plan(belief, rng=rng())
    assert len(plan.train) == 1
    assert plan.probability == 1
    assert plan.more == pytest.approx(0, abs=1e-4)


def test_of_many_copies_those_that_differ_are_chosen() -> None:
    # 40 copies of one network, and two others that are 0.2 behind and uncertain by themselves.
    covariance = np.ones((42, 42)) + 1e-6 * np.eye(42)
    covariance[40:] = covariance[:, 40:] = 0
    covariance[40, 40] = covariance[41, 41] = 1
    mean = np.r_[np.full(40, 90.0), 89.8, 89.8]
    plan = verification_plan(Belief(mean=mean, covariance=covariance, noise=np.full(42, 0.2)), rng=rng())
    assert plan.train[0] < 40
    assert sorted(plan.train[1:].tolist()) == [40, 41]


def test_trainings_one_by_one_teach_what_all_at_once_do() -> None:
    root = rng().standard_normal((4, 4))
    belief = Belief(mean=np.array([1.0, 2.0, 3.0, 4.0]), covariance=root @ root.T, noise=np.full(4, 0.5))
    after = belief.after(0, 1.5).after(2, 2.0).after(0, 2.5)
    at = [0, 2, 0]  # the first one twice
    gain = belief.covariance[:, at] @ np.linalg.inv(belief.covariance[np.ix_(at, at)] + 0.25 * np.eye(3))
    assert after.mean == pytest.approx(belief.mean + gain @ (np.array([1.5, 2.0, 2.5]) - belief.mean[at]))
    assert after.covariance == pytest.approx(belief.covariance - gain @ belief.covariance[at])


def test_a_belief_that_is_contradicted_is_trusted_less() -> None:
    belief = Belief(mean=np.zeros(2), covariance=np.diag([3.0, 8.0]), noise=np.ones(2))
    surprising = belief.after_all([(0, 6.0), (1, 9.0)])  # 3 and 3 standard deviations off
    assert surprising.mean == pytest.approx([6 * 3 / 4, 9 * 8 / 9])
    factor = (2 + 9 + 9) / (2 + 2)
    assert surprising.covariance.diagonal() == pytest.approx(factor * np.array([3 / 4, 8 / 9]))
    assert surprising.noise == pytest.approx(np.sqrt([factor, factor]))
    assert belief.after_all([(0, 2.0)]).noise.tolist() == [1, 1]  # one deviation is none


def test_what_is_known_and_what_a_training_adds_have_closed_forms() -> None:
    belief = Belief(mean=np.array([90.5, 90.0]), covariance=np.diag([0.64, 0.36]), noise=np.full(2, 0.3))
    assert certainty(belief, 0, margin=0.0, rng=rng()) == pytest.approx(norm.cdf(0.5), abs=0.03)
    assert certainty(belief, 0, margin=0.25, rng=rng()) == pytest.approx(norm.cdf(0.75), abs=0.03)
    moves = [value**2 / (value + 0.09) for value in (0.64, 0.36)]
    assert gains_of_one_training(belief) == pytest.approx([of_two((move, 0.0)) for move in moves], abs=0.005)
    surely = Belief(mean=belief.mean, covariance=1e-6 * np.eye(2), noise=belief.noise)
    assert gains_of_one_training(surely) == pytest.approx([0, 0], abs=1e-6)


def test_near_ties_are_told_by_what_they_have_in_common() -> None:
    mean, alone = np.array([90.0, 90.5]), np.diag([0.36, 0.64])
    assert near_ties(mean, alone, level=0.3).tolist() == [1, 0]  # P(first ahead) = 0.3085
    assert near_ties(mean, alone, level=0.31).tolist() == [1]
    alike = np.array([[0.64, 0.56], [0.56, 0.64]])  # difference: deviation 0.4, P(first ahead) = 0.106
    assert near_ties(mean, alike, level=0.11).tolist() == [1]
    assert near_ties(mean, np.diag(alike.diagonal()), level=0.11).tolist() == [1, 0]


def test_predictions_are_checked() -> None:
    with pytest.raises(SpaceError, match="variances above 0"):
        near_ties(np.ones(2), np.zeros((2, 2)))
    with pytest.raises(SpaceError, match="noise of a training"):
        Belief(mean=np.ones(2), covariance=np.eye(2), noise=np.array([0.1, -0.1]))
    with pytest.raises(SpaceError, match="margin is at least 0"):
        verification_plan(Belief(mean=np.ones(2), covariance=np.eye(2), noise=np.ones(2)), rng=rng(), margin=-1.0)
