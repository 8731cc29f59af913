"""Strategies on measured candidates of which all are known: legal, and better than chance."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import optuna
import pytest

from nars.errors import StoreError
from nars.metric import Metric
from nars.search import RandomSearch, RegularizedEvolution
from nars.space import Space, parse_document, read_space
from nars.studies import (
    RIVALS,
    UNANSWERABLE,
    Measured,
    Replay,
    Unanswered,
    pretrained_on,
    replay,
    replay_rival,
    replay_rounds,
    searched_by_optuna,
    table_rounds,
)
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


# ---- the rivals of the paper's recipe search


def curves_to(values: np.ndarray, epochs: int = 9) -> list[np.ndarray]:
    """Learning curves that rise to these values, in the order of the values from the third epoch on."""
    rng = np.random.default_rng(1)
    early = 40 + rng.normal(0, 5, (len(values), 2))
    return [
        np.concatenate([first, value - 5 + np.linspace(0, 5, epochs - 2)])
        for first, value in zip(early, values, strict=True)
    ]


@pytest.mark.parametrize(("name", "pruner"), [("asha", "asha"), ("hyperband", "hyperband"), ("tpe", "none")])
def test_a_rival_is_optunas_own_search_of_the_same_table(everything, name: str, pruner: str) -> None:
    space, measured = everything
    curves = curves_to(measured.values)
    replayed = list(
        itertools.islice(
            searched_by_optuna(space, measured.choices, curves, rival=RIVALS[name], rng=np.random.default_rng(5)), 8
        )
    )
    seen: list[tuple[int, int]] = []

    def objective(trial: optuna.Trial) -> float:
        choices = [trial.suggest_categorical(d.name, tuple(range(3))) for d in space.dimensions]
        place = measured.places(np.array([choices]))[0]
        for step, value in enumerate(curves[place].tolist(), 1):
            trial.report(value, step)
            if step < 9 and trial.should_prune():
                seen.append((place, step))
                raise optuna.TrialPruned
        seen.append((place, 9))
        return float(curves[place][-1])

    seed = int(np.random.default_rng(5).integers(2**31))
    sampler = optuna.samplers.TPESampler(seed=seed) if name == "tpe" else optuna.samplers.RandomSampler(seed=seed)
    pruners = {
        "asha": optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=3),
        "hyperband": optuna.pruners.HyperbandPruner(min_resource=2, reduction_factor=3, max_resource=9),
        "none": optuna.pruners.NopPruner(),
    }
    study = optuna.create_study(study_name=str(seed), direction="maximize", sampler=sampler, pruner=pruners[pruner])
    study.optimize(objective, n_trials=8)
    assert replayed == seen
    assert (len({steps for _, steps in seen}) > 1) == (pruner != "none")


def test_a_rival_spends_the_epochs_of_so_many_trainings_and_counts_what_it_trained_to_the_end(everything) -> None:
    space, measured = everything
    values = np.where(measured.choices[:, 0] == 2, np.nan, measured.values)
    table = replace(measured, values=values, epochs=np.full(243, 9))
    curves = [curve if np.isfinite(v) else np.zeros(0) for curve, v in zip(curves_to(values), values, strict=True)]
    of = {"trainings": 20, "rng": np.random.default_rng(0)}
    found = replay_rival("asha", table, curves, space, **of)
    assert isinstance(found, Replay)
    assert len(found.asked) > 20  # some were stopped, so that there are more of them
    assert len(np.unique(found.asked)) == len(found.asked)
    assert 180 <= found.epochs[-1] < 180 + 9
    whole = found.asked[np.diff(found.epochs, prepend=0) == 9]
    assert found.best[-1] == np.nanmax(values[whole])
    assert found.regret[-1] == np.nanmax(values) - found.best[-1]
    assert replay_rival("pbt", table, curves, space, **of) == Unanswered(name="pbt", reason=UNANSWERABLE["pbt"])
    bare = replay_rival("asha", table, [np.zeros(0)] * 243, space, **of)
    assert isinstance(bare, Unanswered)
    assert "not every one in the store has its curve" in bare.reason


def test_samples_without_costs_are_replayed_by_rounds(everything) -> None:
    space, measured = everything
    bare, table = replace(space, table=None), replace(measured, costs={})
    pretrained = pretrained_on(table, bare, seed=0)
    rounds = table_rounds(table, bare, pretrained, trainings=12, batch=4, cost=None, rng=np.random.default_rng(0))
    found = replay_rounds(table, rounds)
    assert len(found.best) == 12
    assert found.best[-1] <= table.values.max()
    with pytest.raises(StoreError, match="these have none; leave it out"):
        table.within({"flops": 3e5})
