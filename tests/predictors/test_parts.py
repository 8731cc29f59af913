"""Warp, Gaussian process, calibration, statistics and figures, each against an independent source."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm, yeojohnson
from sklearn.gaussian_process.kernels import Matern

from nars.predictors import (
    calibration,
    free_statistics,
    gaussian,
    kendall,
    mean_within,
    precision_at_top,
    random_split,
    samples_needed,
)
from nars.predictors.additive import Features
from nars.predictors.calibration import Z_LEVEL, conformal_stretch, shares_of
from nars.predictors.checks import reined
from nars.predictors.gaussian import fit_process
from nars.predictors.statistics import Scale
from nars.predictors.warp import Warp
from nars.space import load_space, parse_document, read_space, sobol


def test_the_warp_is_scipys_yeo_johnson_standardised() -> None:
    y = 93 - np.random.default_rng(0).gamma(8.0, 1.0, size=300)
    warp = Warp.of(y)
    expected, power = yeojohnson((y - y.mean()) / y.std())
    assert 1 < power < 2
    assert (warp.below, warp.above) == (pytest.approx(power, abs=1e-3), pytest.approx(power, abs=1e-3))
    np.testing.assert_allclose(warp.forward(y), (expected - expected.mean()) / expected.std(), atol=1e-3)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_side_that_yeo_and_johnson_would_bound_is_a_logarithm(sign) -> None:
    rng = np.random.default_rng(0)
    y = 60 + sign * np.concatenate([rng.gamma(4.0, 1.0, size=180), rng.uniform(30, 50, size=20)])
    warp = Warp.of(y)
    unbounded, kept = (2.0, warp.above) if sign < 0 else (0.0, warp.below)
    assert unbounded == (warp.below if sign < 0 else warp.above)
    assert kept > 2 if sign < 0 else kept < 0
    s = (y - y.mean()) / y.std()
    expected = np.where(s < 0, yeojohnson(s, warp.below), yeojohnson(s, warp.above))
    np.testing.assert_allclose(warp.forward(y), (expected - expected.mean()) / expected.std(), atol=1e-9)


@given(st.integers(0, 10_000), st.floats(0.2, 5.0), st.sampled_from([-1.0, 1.0]), st.integers(3, 60))
@settings(max_examples=40, deadline=None)
def test_the_warp_goes_back_and_never_loses_an_order(seed, skew, sign, n) -> None:
    y = 60 + sign * np.random.default_rng(seed).gamma(1 / skew, skew, size=n)
    warp = Warp.of(y)
    np.testing.assert_allclose(warp.inverse(warp.forward(y)), y, rtol=1e-6)
    line = np.linspace(-9, 9, 500)
    assert (np.diff(warp.inverse(line)) > 0).all()


def test_the_slope_of_the_warp_is_its_difference_quotient() -> None:
    y = 93 - np.random.default_rng(0).gamma(1.0, 3.0, size=300)
    warp = Warp.of(y)
    inner = np.sort(y)[1:-1]
    quotient = (warp.forward(inner + 1e-6) - warp.forward(inner - 1e-6)) / 2e-6
    np.testing.assert_allclose(warp.slope(warp.forward(inner)), quotient, rtol=1e-5)
    assert warp.slope(np.array([99.0])) == warp.slope(np.array([warp.high]))
    assert Warp(centre=50.0, unit=4.0).slope(np.zeros(1)) == 0.25


def test_noise_that_follows_the_slope_is_told_apart_from_noise_that_does_not() -> None:
    rng = np.random.default_rng(0)
    z, x = np.zeros((400, 0)), 4 * rng.random((400, 2))
    relative = rng.permutation(np.logspace(-2, 2, 400))
    smooth, noise = np.sin(x).sum(axis=1), 0.1 * rng.normal(size=400)
    for level, follows in ((noise * np.sqrt(relative), True), (noise, False)):
        target = (smooth + level - (smooth + level).mean()) / (smooth + level).std()
        process, _ = fit_process(z, x, target, relative, choices=(0, 1), seed=0)
        varying, constant = process.arrays["amplitudes"][3:].tolist()
        assert (varying * np.median(relative) > constant) == follows


CHOICES = (0, 0, 0, 1, 2)


def process_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A choice of three values and two numbers, and three statistics."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40, 3))
    x = 2.5 * np.hstack([np.eye(3)[rng.integers(3, size=40)], rng.random((40, 2))])
    y = z[:, 0] + np.sin(3 * x[:, 4]) + x[:, 0] + 0.1 * rng.normal(size=40)
    return z, x, (y - y.mean()) / y.std()


def test_the_process_is_the_textbook_posterior_of_its_kernel() -> None:
    za, xa, target = process_data()
    features = Features(CHOICES, rank=3).of(np.float32(xa / 2.5)).astype(np.float64)
    tables = np.linalg.cholesky((features @ features.T) ** 2 + 1e-6 * np.eye(40))  # of every two choices
    alone, _ = fit_process(za, xa, target, np.ones(40), choices=CHOICES, pairs=True, seed=0)
    assert "pairs" not in alone.arrays  # these samples have no use for them
    target = target + tables @ np.random.default_rng(0).normal(size=40)
    target = (target - target.mean()) / target.std()
    relative = np.linspace(0.2, 7.0, 40)
    told = 7 + 3 * (target + np.random.default_rng(3).normal(size=40))
    process, left_out = fit_process(za, xa, target, relative, choices=CHOICES, pairs=True, prior=told, seed=0)
    assert "pairs" in process.arrays
    t = {name: value.astype(np.float64) for name, value in process.arrays.items()}
    trend, smooth, joint, varying, constant = t["amplitudes"]
    knots, matern = np.linspace(0, 1, 7)[:, None], Matern(1.0, nu=2.5)

    at_knots = Matern(0.5, nu=2.5)(knots)
    left, values, right = np.linalg.svd(at_knots)
    coarse = left[:, :3] * values[:3] @ right[:3]  # the best of rank 3

    def curve(a: np.ndarray, b: np.ndarray, at_knots: np.ndarray) -> np.ndarray:
        """A Matern process at seven knots, linear in between."""
        near = [np.maximum(1 - 6 * np.abs(u[:, None] / 2.5 - knots.T), 0) for u in (a, b)]
        return near[0] @ at_knots @ near[1].T

    def kernel(za: np.ndarray, xa: np.ndarray, zb: np.ndarray, xb: np.ndarray) -> np.ndarray:
        both_a, both_b = np.hstack([za, xa]) / t["x_length"], np.hstack([zb, xb]) / t["x_length"]
        assert len(set(t["x_length"][3:6])) == 1  # the columns of one choice
        same = xa[:, :3] @ xb[:, :3].T / 2.5**2
        each, paired = ((same, *(curve(xa[:, at], xb[:, at], k) for at in (3, 4))) for k in (at_knots, coarse))
        return (
            joint * matern(both_a, both_b)
            + smooth * matern(za / t["z_length"], zb / t["z_length"])
            + trend * za @ zb.T / 3
            + sum(a * k for a, k in zip(t["additive"], each, strict=True))
            + sum(b * k for b, k in zip(t["pairs"], paired, strict=True)) ** 2
        )

    K = kernel(za, xa, za, xa) + np.diag(varying * relative + constant)
    slope, offset = t["slope"]
    rest = target - slope * told - offset
    new_z, new_x = np.random.default_rng(1).normal(size=(7, 3)), xa[:7] * 0.9
    new_told = np.linspace(4, 10, 7, dtype=np.float32)
    k = kernel(new_z, new_x, za, xa)
    new = new_z.astype(np.float32), new_x.astype(np.float32)
    expected = slope * new_told + offset + k @ np.linalg.solve(K, rest)
    np.testing.assert_allclose(process.mean(*new, process.scratch(7), new_told), expected, atol=2e-3)
    covariance = kernel(new_z, new_x, new_z, new_x) - k @ np.linalg.solve(K, k.T)
    np.testing.assert_allclose(process.covariance(*new), covariance, atol=2e-3)
    of_new = np.linspace(0.1, 3.0, 7, dtype=np.float32)
    measured = np.diag(covariance) + varying * of_new + constant
    np.testing.assert_allclose(process.variance(*new, of_new), measured, atol=2e-3)

    row = np.arange(40) != 11  # leave-one-out in closed form against leaving one out
    without = kernel(za[11:12], xa[11:12], za[row], xa[row]) @ np.linalg.solve(K[np.ix_(row, row)], rest[row])
    assert left_out.mean[11] == pytest.approx(slope * told[11] + offset + without[0], abs=1e-4)


def test_a_feature_of_a_choice_has_length_1_at_its_values() -> None:
    x = np.array([[0, 1, 0, 0.0, 1.0], [1, 0, 0, 0.5, -3.0]], dtype=np.float32)
    found = Features(CHOICES).of(x)
    squares = [np.square(found[:, Features(CHOICES).choice == choice]).sum(axis=1) for choice in range(3)]
    np.testing.assert_allclose(squares, np.ones((3, 2)), atol=1e-5)
    x, slopes = np.random.default_rng(0).random((50, 5), dtype=np.float32), np.arange(17, dtype=np.float32)
    np.testing.assert_allclose(Features(CHOICES).summing(slopes)(x), Features(CHOICES).of(x) @ slopes, rtol=1e-4)


def test_too_few_steps_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    z, x, y = process_data()
    assert fit_process(z, x, y, np.ones(40), choices=CHOICES, seed=0)[1].converged
    monkeypatch.setattr(gaussian, "_STEPS", 3)
    assert not fit_process(z, x, y, np.ones(40), choices=CHOICES, seed=0)[1].converged


def test_the_stretch_makes_the_interval_hold_its_share() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=5000) * 3
    for paid in (0.0, 0.04):
        stretch = conformal_stretch(y, np.zeros(5000), np.ones(5000), paid=paid)
        assert stretch == pytest.approx(3.0 * norm.ppf(0.9 + paid / 2) / norm.ppf(0.9), rel=0.05)
        assert np.mean(np.abs(y) <= Z_LEVEL * stretch) == pytest.approx(0.8 + paid, abs=1e-3)


def test_the_shares_are_the_least_squares_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=50) + np.linspace(0, 5, 50)
    models = y + rng.normal(size=(3, 50)) * [[0.3], [0.5], [3.0]]
    prior = np.array([1.0, 1.0, 2.0])
    grid = np.array([(a, b, 1 - a - b) for a in np.linspace(0, 1, 101) for b in np.linspace(0, 1, 101) if a + b <= 1])
    for pseudo in (0, 16):
        monkeypatch.setattr(calibration, "_PSEUDO", pseudo)
        scale = pseudo * np.mean((models - y) ** 2, axis=1).min()
        loss = ((grid @ models - y) ** 2).sum(axis=1) + scale * ((grid - prior / 4) ** 2).sum(axis=1)
        np.testing.assert_allclose(shares_of(models, y, prior), grid[np.argmin(loss)], atol=0.06)
    shares = shares_of(np.stack([models[0], -models[0]]), y, np.ones(2))  # one that ranks the other way round
    assert shares.tolist() == [1.0, 0.0]


def test_kendall_is_concordant_less_discordant_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(30), rng.random(30)
    pairs = list(itertools.combinations(range(30), 2))
    assert kendall(a, b) == pytest.approx(sum(np.sign((a[i] - a[j]) * (b[i] - b[j])) for i, j in pairs) / len(pairs))
    assert kendall(np.zeros(30), b) == 0.0


def test_tau_within_a_cost_group_sees_through_a_predictor_of_the_cost() -> None:
    rng = np.random.default_rng(0)
    cost = np.repeat(np.arange(5.0), 200)
    accuracy = 10 * cost + rng.random(1000)
    prediction = cost + 1e-6 * rng.random(1000)
    assert kendall(prediction, accuracy) > 0.7
    assert abs(mean_within(kendall, prediction, accuracy, cost)) < 0.1


def test_precision_at_top() -> None:
    measured = np.arange(200.0)
    predicted = measured.copy()
    assert precision_at_top(predicted, measured) == 1.0
    predicted[199] = -1
    assert precision_at_top(predicted, measured) == 0.5


def test_samples_needed_is_log_linear() -> None:
    assert samples_needed({10: 0.5, 1000: 0.7}, 0.6) == pytest.approx(100)
    assert samples_needed({10: 0.5, 1000: 0.7}, 0.8) is None
    assert samples_needed({10: 4.0, 1000: 2.0}, 3.0, rising=False) == pytest.approx(100)
    assert samples_needed({10: 0.5}, 0.4) == 10


def test_splits_are_disjoint_and_repeat() -> None:
    train, rest = random_split(100, 30, split=2, held_out=None)
    assert sorted([*train, *rest]) == list(range(100))
    np.testing.assert_array_equal(train, random_split(100, 30, split=2, held_out=5)[0])


def test_block_statistics_are_those_of_the_written_out_networks() -> None:
    space = load_space("fbnetv3")
    X = sobol(space, 20, seed=0)
    statistics = free_statistics(space, X)
    for row, network in enumerate(space.architectures(X)):
        blocks = [
            (kernel, expand, stage.channels, stage.se)
            for stage in network.stages
            for kernel, expand in [(stage.kernel_first, stage.expand_first)]
            + [(stage.kernel_rest, stage.expand_rest)] * (stage.depth - 1)
        ]
        assert statistics["blocks"][row] == len(blocks)
        assert statistics["blocks.large"][row] == sum(kernel > 3 for kernel, *_ in blocks)
        assert statistics["blocks.gated"][row] == sum(se for *_, se in blocks)
        assert statistics["mean.expansion"][row] == pytest.approx(np.mean([expand for _, expand, *_ in blocks]))
        assert statistics["mean.width"][row] == pytest.approx(np.mean([channels for _, _, channels, _ in blocks]))


def test_generic_spaces_count_choices_over_like_dimensions() -> None:
    text = "name: g\nkind: generic\narchitecture: {a: [x, y, z], b: [x, y, z], c: [1, 2], d: [1, 2], e: [p, q]"
    text += ", f: [z, w], g: [z, w]}"
    space = read_space(parse_document(text, source="g"))
    statistics = free_statistics(_with_no_costs(space), np.array([[0, 2, 1, 1, 0, 0, 0], [1, 1, 0, 1, 1, 1, 0]]))
    assert {name: list(values) for name, values in statistics.items() if name.startswith(("count", "sum"))} == {
        "count.x": [1, 0],
        "count.y": [0, 2],
        "count.z": [1, 0],
        "sum.c": [2, 1],
        "count.f.z": [2, 1],
        "count.w": [0, 1],
    }


def _with_no_costs(space):
    from nars.trials import with_costs

    X = np.array(list(itertools.product(*[range(n) for n in space.cardinalities])))
    return with_costs(space, X, {"params": np.arange(len(X)) + 1.0})


def test_statistics_standardise_and_come_back() -> None:
    rng = np.random.default_rng(0)
    statistics = {
        "flops": np.exp(rng.normal(size=50)),
        "depth": rng.integers(0, 4, 50).astype(float),
        "fixed": np.ones(50),
    }
    scale = Scale.of(statistics)
    assert scale.names == ("flops", "depth")  # what never changes says nothing
    targets = scale.standardize(statistics)
    np.testing.assert_allclose(targets.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(targets.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(scale.restore(targets)["flops"], statistics["flops"], rtol=1e-5)
    elsewhere = scale.standardize({**statistics, "flops": np.zeros(50)})  # positive only where the scale is from
    assert np.isfinite(elsewhere).all()
    assert elsewhere[0, 0] < targets[:, 0].min()


def test_a_label_beyond_measure_leaves_the_others_their_scale() -> None:
    y = np.array([1.0, 0.5, 0.7, 0.2, 0.9, 0.3])
    assert reined(-y).tolist() == (-y).tolist()
    assert reined(np.append(-y, -1e25)).tolist() == [*-y, pytest.approx(-0.7 - 1000 * (-0.5 + 0.7))]
    assert reined(np.array([-1.0, -1.0, -1.0, -9.0])).tolist() == [-1, -1, -1, -9]  # no scale to judge by
