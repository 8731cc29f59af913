"""The contest's strategies: what they may propose, and that a replay tells the surrogate's own best."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from nars.predictors import Prediction
from nars.space import Bounds, load_space

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAMES = ("joint", "architecture only", "recipe only", "random", "regularised evolution", "Optuna TPE")


@pytest.fixture(scope="module")
def strategies():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module("campaign_contest")


@pytest.fixture(scope="module")
def ground(strategies):
    return strategies.Contest(space=load_space("cifar10"), bounds=Bounds({"flops": (1e6, 6e6)}), pool_size=256)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_keeps_the_bounds_and_what_is_fixed(strategies, ground, name: str) -> None:
    space = ground.space
    asking = strategies.STRATEGIES[name](ground, np.random.default_rng(0))
    rows = [next(asking)]
    methods = ("joint", "architecture only", "recipe only")
    while len(rows) < (58 if name in methods else 32):  # the last eight of 58 come from the genetic search
        rows.append(asking.send(None if len(rows) % 7 == 0 else 20.0 + float(rows[-1][0])))
    X = np.array(rows)
    assert (space.canonical(X) == X).all()
    assert ground.bounds.admits(space.costs(X)).all()
    for part, group in (("architecture only", "recipe"), ("recipe only", "architecture")):
        if name == part:
            columns = space.columns_of(group)
            assert (X[:, columns] == ground.standard[columns]).all()
    if name not in ("regularised evolution", "Optuna TPE"):  # those two may come back to a pair
        assert len(np.unique(X, axis=0)) == len(X)


class FirstChoice:
    """A surrogate whose accuracy is 20 plus the last encoded column, without noise."""

    def predict(self, encoding):
        return Prediction(mean=20.0 + encoding[:, -1].astype(np.float64), std=np.ones(len(encoding)))


def test_a_replay_without_noise_tells_the_best_so_far(strategies, ground) -> None:
    best = strategies.replayed(ground, strategies.at_random, FirstChoice(), noise=0.0, trainings=30, seed=3)
    order = np.random.default_rng([3, 0]).permutation(len(ground.pool))[:30]
    told = 20.0 + ground.space.encode(ground.pool[order])[:, -1]
    assert np.allclose(best, np.maximum.accumulate(told))
