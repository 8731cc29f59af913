"""Strategies on measured candidates of which all are known: legal, and better than chance."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from nars.metric import Metric
from nars.search import RandomSearch, RegularizedEvolution
from nars.space import Space, parse_document, read_space
from nars.studies import Measured, Replay, pretrained_on, replay, replay_rounds, table_rounds
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
        choices=X, costs={"flops": flops}, values=accuracy, epochs=np.full(243, 5), seconds=np.ones(243)
    )
    return with_costs(space, X, {"flops": flops}), measured


def by_rounds(space: Space, measured: Measured, *, trainings: int, batch: int, seeds: int) -> list[Replay]:
    """What stage 2 finds, with each seed."""
    pretrained = pretrained_on(measured, space, seed=0)
    of = {"trainings": trainings, "batch": batch, "cost": "flops"}
    rngs = [np.random.default_rng(seed) for seed in range(seeds)]
    return [replay_rounds(measured, table_rounds(measured, space, pretrained, rng=rng, **of)) for rng in rngs]


def test_evolution_and_stage_two_find_more_than_chance(everything) -> None:
    space, measured = everything
    found = {"rounds": by_rounds(space, measured, trainings=40, batch=5, seeds=2)}
    for name, among in (("random", RandomSearch), ("evolution", RegularizedEvolution)):
        strategies = [among(measured.choices, rng=np.random.default_rng(seed)) for seed in range(6)]
        found[name] = [replay(measured, strategy, trainings=40, batch=5) for strategy in strategies]
    regret = {name: np.mean([one.regret[-1] for one in replays]) for name, replays in found.items()}
    assert regret["rounds"] < regret["evolution"] < regret["random"]
    assert regret["rounds"] == 0


def test_what_is_to_be_minimized_is_found_as_its_mirror_image(everything) -> None:
    space, measured = everything
    mirrored = replace(measured, values=-measured.values, metric=Metric(name="loss", goal="minimize"))
    one, two = (
        replay(table, RegularizedEvolution(table.choices, rng=np.random.default_rng(0)), trainings=40, batch=5)
        for table in (measured, mirrored)
    )
    np.testing.assert_array_equal(one.asked, two.asked)
    np.testing.assert_array_equal(one.best, -two.best)
    np.testing.assert_array_equal(one.regret, two.regret)
    (found,) = by_rounds(space, mirrored, trainings=40, batch=5, seeds=1)
    assert found.best[-1] == mirrored.values.min()


def test_a_failed_training_is_not_asked_for_again_and_teaches_nothing(everything) -> None:
    space, measured = everything
    accuracy = np.where(measured.choices[:, 0] == 2, np.nan, measured.values)
    failing = replace(measured, values=accuracy)
    evolution = RegularizedEvolution(failing.choices, rng=np.random.default_rng(0))
    for found in (
        replay(failing, evolution, trainings=60, batch=7),
        *by_rounds(space, failing, trainings=60, batch=7, seeds=1),
    ):
        assert len(np.unique(found.asked)) == 60
        assert np.isnan(failing.values[found.asked]).any()
        assert np.isfinite(found.best[-1])
