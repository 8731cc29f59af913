"""Strategies on measured candidates of which all are known: legal, and better than chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nars.space import Space, parse_document, read_space
from nars.studies import Evolution, Measured, Proposals, at_random, replay
from nars.trials import with_costs

LAYERS = "\n".join(f"  layer{i}: {{choices: [none, small, large]}}" for i in range(5))


@pytest.fixture(scope="module")
def everything() -> tuple[Space, Measured]:
    """All 243 networks of five layers; what large layers cost more than they give, two of them say."""
    space = read_space(parse_document(f"name: layers\nkind: generic\narchitecture:\n{LAYERS}\n", source="layers"))
    X = np.array(list(itertools.product(range(3), repeat=5)), dtype=np.int64)
    gain = np.array([[0, 4, 5], [0, 3, 6], [0, 2, 1], [0, 3, 1], [0, 1, 4]], dtype=np.float64)
    accuracy = 60 + gain[np.arange(5), X].sum(axis=1) + 3.0 * (X[:, 0] * X[:, 4] == 4)
    flops = 1e6 * (1 + X.sum(axis=1)).astype(np.float64)
    measured = Measured(
        choices=X, costs={"flops": flops}, accuracy=accuracy, epochs=np.full(243, 5), seconds=np.ones(243)
    )
    return with_costs(space, X, {"flops": flops}), measured


def test_evolution_proposes_neighbours_of_its_population(everything) -> None:
    _, measured = everything
    asked = replay(measured, Evolution(), trainings=50, batch=1, rng=np.random.default_rng(0)).asked
    X = measured.choices[asked]
    nearest = [int((X[max(0, t - 20) : t] != X[t]).sum(axis=1).min()) for t in range(20, 50)]
    assert np.mean(np.array(nearest) == 1) > 0.8  # a mutant that was asked for before gives way to one near it
    assert len(np.unique(asked)) == 50


def test_evolution_and_stage_two_find_more_than_chance(everything) -> None:
    space, measured = everything
    proposals = Proposals.of(space, measured, cost="flops", seed=0)
    strategies = {"random": lambda: at_random, "evolution": Evolution, "predictor": lambda: proposals}
    regret = {
        name: np.mean(
            [
                replay(measured, fresh(), trainings=40, batch=5, rng=np.random.default_rng(seed)).regret[-1]
                for seed in range(6)
            ]
        )
        for name, fresh in strategies.items()
    }
    assert regret["predictor"] < regret["evolution"] < regret["random"]
    assert regret["predictor"] == 0


def test_a_failed_training_is_not_asked_for_again_and_teaches_nothing(everything) -> None:
    space, measured = everything
    accuracy = np.where(measured.choices[:, 0] == 2, np.nan, measured.accuracy)
    failing = Measured(
        choices=measured.choices,
        costs=measured.costs,
        accuracy=accuracy,
        epochs=measured.epochs,
        seconds=measured.seconds,
    )
    proposals = Proposals.of(space, failing, cost="flops", seed=0)
    for strategy in (Evolution(), proposals):
        found = replay(failing, strategy, trainings=60, batch=7, rng=np.random.default_rng(0))
        assert len(np.unique(found.asked)) == 60
        assert np.isnan(failing.accuracy[found.asked]).any()
        assert np.isfinite(found.best[-1])
