"""Sobol pools and bounds, common and rare."""

import itertools
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.stats import qmc

from nars.space import (
    Bounds,
    InfeasibleError,
    SpaceError,
    cost_range,
    distinct,
    enumerate_architectures,
    feasible_fraction,
    load_space,
    sobol,
    space_names,
    uniform,
)
from nars.space.quasi import sobol_points

HASH = """
import hashlib, sys
from nars.space import Bounds, load_space, sobol
space = load_space("digits")
for bounds in (None, Bounds({"flops": (1.2e6, 1.4e6)}), Bounds({"flops": (0, 3.0e5)})):
    print(hashlib.sha256(sobol(space, 300, seed=7, bounds=bounds).tobytes()).hexdigest(), space.fingerprint)
"""


def in_another_process(hash_seed):
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-c", HASH], capture_output=True, text=True, check=True, env=environment
    ).stdout


def test_equal_seeds_equal_pools_in_every_process():
    assert in_another_process("1") == in_another_process("2")
    space = load_space("digits")
    assert not np.array_equal(sobol(space, 64, seed=0), sobol(space, 64, seed=1))


@pytest.mark.parametrize("name", space_names())
def test_pools_are_distinct_candidates_of_the_space(name):
    space = load_space(name)
    X = sobol(space, 500, seed=3)
    assert X.shape == (500, len(space.dimensions))
    assert X.dtype == np.int64
    assert len(np.unique(X, axis=0)) == 500
    assert np.array_equal(space.canonical(space.check(X)), X)


def test_without_bounds_the_pool_is_the_sobol_sequence():
    space = load_space("fbnetv3")
    points = qmc.Sobol(len(space.dimensions), scramble=True, rng=np.random.default_rng(5)).random(256)
    assert np.array_equal(sobol(space, 256, seed=5), space.canonical((points * space.cardinalities).astype(np.int64)))


def test_every_choice_gets_its_share():
    space = load_space("fbnetv3")
    X = sobol(space, 4096, seed=0)
    for column, dimension in enumerate(space.dimensions):
        if not dimension.active_when and not dimension.equivalences:
            share = np.bincount(X[:, column]) / len(X)
            assert np.abs(share * len(dimension.values) - 1).max() < 0.02  # random points: about 0.1


@pytest.mark.parametrize("n", [1, 300])
def test_a_small_space_gives_what_it_has(n):
    space = load_space("nas-bench-macro")
    assert len(sobol(space, n, seed=0, bounds=Bounds({"params": (0, 1e6)}))) == n
    everything = enumerate_architectures(space)
    few = Bounds({"params": (0, 4.2e5)})
    held = everything[few.admits(space.costs(everything))]
    assert 1 < len(held) < 100
    found = sobol(space, 1000, seed=0, bounds=few)
    assert np.array_equal(np.unique(found, axis=0), np.unique(held, axis=0))


def rare_bounds(space):
    """Bounds that admit about 1e-5 of the space, of several shapes."""
    costs = space.costs(uniform(space, 200_000, rng=np.random.default_rng(9)))
    flops, params = costs["flops"], costs["params"]
    middle, heavy, light = np.median(flops), np.median(params), np.quantile(flops, 0.05)
    return {
        "least flops": Bounds({"flops": (0, np.quantile(flops, 1e-5))}),
        "most flops": Bounds({"flops": (np.quantile(flops, 1 - 1e-5), np.inf)}),
        "least params": Bounds({"params": (0, np.quantile(params, 1e-5))}),
        "narrow": Bounds({"flops": (middle, middle * (1 + 1e-5))}),
        "two narrow": Bounds({"flops": (middle, middle * 1.002), "params": (heavy, heavy * 1.002)}),
        "against each other": Bounds({"flops": (0, light), "params": (np.sort(params[flops <= light])[-2], np.inf)}),
    }


@pytest.mark.parametrize("name", ["fbnetv3-arch", "cifar10"])
def test_rare_bounds_still_give_a_full_pool_in_seconds(name):
    space = load_space(name)
    for label, bounds in rare_bounds(space).items():
        start = time.process_time()
        X = sobol(space, 300, seed=2, bounds=bounds)
        assert time.process_time() - start < 15, label  # about 1 s; the machine may be busy
        assert len(np.unique(X, axis=0)) == len(X) == 300, label
        assert bounds.admits(space.costs(X)).all(), label
        networks = len(distinct(X[:, space.columns_of("architecture")]))
        assert networks > 30, (label, networks)


@pytest.mark.parametrize("name", space_names())
def test_impossible_bounds_name_possible_ones(name):
    space = load_space(name)
    for cost, (low, high) in cost_range(space).items():
        assert len(sobol(space, 1, seed=0, bounds=Bounds({cost: (0, low)}))) == 1
        assert len(sobol(space, 1, seed=0, bounds=Bounds({cost: (high, np.inf)}))) == 1
        for bounds, end in [(Bounds({cost: (0, low * 0.99)}), low), (Bounds({cost: (high * 1.01, np.inf)}), high)]:
            with pytest.raises(InfeasibleError, match="the nearest bounds that admit something") as caught:
                sobol(space, 10, seed=0, bounds=bounds)
            assert caught.value.nearest == {cost: end}


def test_bounds_that_exclude_each_other_name_possible_ones():
    space = load_space("fbnetv3")
    ends = cost_range(space)
    bounds = Bounds({"flops": (0, ends["flops"][0] * 1.1), "params": (ends["params"][1] * 0.9, np.inf)})
    start = time.process_time()
    with pytest.raises(InfeasibleError) as caught:
        sobol(space, 10, seed=0, bounds=bounds)
    assert time.process_time() - start < 20
    nearest = caught.value.nearest
    wider = {name: (min(low, nearest[name]), max(high, nearest[name])) for name, (low, high) in bounds.limits.items()}
    assert bounds.violation({name: np.array([value]) for name, value in nearest.items()})[0] > 0
    assert len(sobol(space, 5, seed=0, bounds=Bounds(wider))) == 5


def test_the_nearest_bounds_in_the_message_are_possible():
    space = load_space("fbnetv3")
    with pytest.raises(InfeasibleError, match=r"flops <= 162\.6M \(asked: 100M\)"):
        sobol(space, 10, seed=0, bounds=Bounds.at_most(flops=1e8))
    assert len(sobol(space, 1, seed=0, bounds=Bounds.at_most(flops=162.6e6))) == 1


def test_the_feasible_fraction_covers_the_truth():
    space = load_space("nas-bench-macro")
    everything = np.array(list(itertools.product(range(3), repeat=8)))  # of choices: networks are fewer
    for limit in (2e7, 4e7, 6e7):
        bounds = Bounds.at_most(flops=limit)
        truth = bounds.admits(space.costs(everything)).mean()
        hits = [feasible_fraction(space, bounds, seed=seed, samples=2000) for seed in range(20)]
        assert sum(found.low <= truth <= found.high for found in hits) >= 17
        assert all(found.estimate == found.inside / found.samples for found in hits)
    with pytest.raises(SpaceError, match="at least one sample"):
        feasible_fraction(space, Bounds(), seed=0, samples=0)


def test_requests_that_make_no_sense():
    space = load_space("digits")
    with pytest.raises(SpaceError, match="at least one candidate"):
        sobol(space, 0, seed=0)
    with pytest.raises(SpaceError, match="no cost is called 'latency'"):
        sobol(space, 5, seed=0, bounds=Bounds.at_most(latency=3))
    with pytest.raises(SpaceError, match="must not exceed"):
        Bounds({"flops": (2.0, 1.0)})


def test_the_bounds_that_an_infeasible_answer_names_are_answered_whoever_asks():
    space, rng, refused = load_space("digits"), np.random.default_rng(5), 0
    costs = space.costs(uniform(space, 40, rng=rng))
    for a, b in rng.permutation(40).reshape(-1, 2):
        # As narrow a window on each cost as one candidate needs, each from another candidate.
        pair = {
            "flops": costs["flops"][a],
            "params": costs["params"][b],
            "activations": costs["activations"][a + b - 40],
        }
        bounds = Bounds({name: (0.999 * value, 1.001 * value) for name, value in pair.items()})
        try:
            sobol(space, 1, seed=0, bounds=bounds)
        except InfeasibleError as error:
            refused += 1
            wider = bounds.widened(error.nearest)
            assert wider.admits(space.costs(sobol(space, 1, seed=1, bounds=wider))).all()
        if refused == 2:
            break
    assert refused == 2


@pytest.mark.parametrize("width", [1, 2, 7, 64, 300])
def test_quasi_random_points_are_scipys(width: int) -> None:
    engine = qmc.Sobol(width, scramble=True, rng=np.random.default_rng(width))
    draw = sobol_points(width, rng=np.random.default_rng(width))
    for n in (256, 2048, 16, 1):
        assert np.array_equal(draw(n), engine.random(n))
