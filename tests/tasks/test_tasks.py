"""One conformance suite, run over every task; a new one needs a case here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
from trainer_tasks import command as trainers_command, function as trainers_function, trial_of

from nars.evaluate import Limits, evaluate_trial, open_engine
from nars.images import ImageData, load_images
from nars.space import Head
from nars.store import Sample
from nars.tasks import TASKS, ImageClassification, Task, TrainerCommand, TrainerFunction, Trial


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task and what the suite wants of it."""

    task: Task
    trial: Callable[..., Trial]
    """trial(seed, epochs=...)"""
    diverging: Trial
    hungry: Trial
    """Wants more memory than any machine has."""
    elsewhere: Task
    """The same on other data."""


@pytest.fixture(scope="module", params=sorted(TASKS))
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.getfixturevalue(request.param)
    assert isinstance(case.task, TASKS[request.param])
    return case


@pytest.fixture(scope="module")
def images(task: ImageClassification, make_trial: Callable[..., Trial], digits: ImageData) -> Case:
    fewer = load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=100)
    return Case(
        task=task,
        trial=make_trial,
        diverging=make_trial(learning_rate=1e30, optimizer="sgd"),
        hungry=make_trial(architecture={"head": Head(expand=2, channels=10**11)}),  # 10^12 features
        elsewhere=replace(task, images=fewer),
    )


def trainer_case(task: TrainerFunction | TrainerCommand) -> Case:
    trial = partial(trial_of, task)
    diverging, hungry = trial(diverges=True), trial(hungry=True)
    return Case(task=task, trial=trial, diverging=diverging, hungry=hungry, elsewhere=replace(task, data_name="more"))


@pytest.fixture(scope="module")
def function() -> Case:
    return trainer_case(trainers_function(data_name="some"))


@pytest.fixture(scope="module")
def command() -> Case:
    return trainer_case(trainers_command(data_name="some"))


def curves(sample: Sample) -> tuple[str, Any, Any]:
    return sample.status, sample.curve, sample.averaged_curve


def test_it_is_measured_after_every_epoch_in_its_metric(case: Case) -> None:
    sample = evaluate_trial(case.trial(1), case.task)
    assert (sample.status, sample.message, len(sample.curve), sample.epochs) == ("ok", "", 3, 3)
    assert all(value in case.task.metric for value in (*sample.curve, *sample.averaged_curve))
    assert sample.value == sample.curve[-1]
    assert (sample.averaged,) == (sample.averaged_curve[-1:] or (None,))
    assert case.task.metric.low < case.task.metric.high


def test_stopping_early_gives_the_beginning_of_the_same_curve(case: Case) -> None:
    whole, stopped = (evaluate_trial(case.trial(1, epochs=epochs), case.task) for epochs in (3, 2))
    assert stopped.curve == whole.curve[:2]
    assert (stopped.value, stopped.epochs, stopped.planned_epochs) == (whole.curve[1], 2, 2)


def test_a_seed_decides_the_outcome_in_another_process_too(case: Case) -> None:
    trials = [case.trial(seed) for seed in (0, 1)]
    torch.rand(17)  # what happens to the global generator in between must not matter
    before = torch.get_rng_state()
    here = {trial.key: curves(evaluate_trial(trial, case.task)) for trial in trials}
    assert torch.equal(torch.get_rng_state(), before)
    there: dict[str, Any] = {}
    with open_engine("processes", case.task, workers=1) as engine:
        engine.run(reversed(trials), on_result=lambda sample: there.update({sample.key: curves(sample)}))
    assert there == here
    assert here[trials[0].key] != here[trials[1].key]


def test_every_way_to_fail_is_a_status_and_never_a_value(case: Case) -> None:
    for trial, limits, status in (
        (case.diverging, Limits(), "diverged"),
        (case.hungry, Limits(), "out_of_memory"),
        (case.trial(), Limits(seconds=1e-6), "timeout"),
    ):
        sample = evaluate_trial(trial, case.task, limits)
        assert (sample.status, sample.value, sample.averaged, sample.epochs) == (status, None, None, 0)
        assert sample.message


def test_samples_say_what_they_can_be_compared_with(case: Case) -> None:
    trial = case.trial(2, epochs=1)
    sample = evaluate_trial(trial, case.task)
    assert (sample.data, sample.fidelity, sample.key) == (case.task.data, case.task.fidelity(1), trial.key)
    assert case.task.fidelity(1) != case.task.fidelity(2)
    assert case.elsewhere.data != case.task.data
    keys = {replace(trial, **change).key for change in ({}, {"seed": 3}, {"data": "x"}, {"fidelity": "x"})}
    assert len(keys) == 4
    assert replace(trial, round=9, costs={}).key == trial.key == replace(sample, key="").key
