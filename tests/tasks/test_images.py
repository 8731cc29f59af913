"""What becomes of a candidate that is to tell images apart."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from nars.evaluate import Limits, evaluate_trial
from nars.images import ImageData
from nars.network import build
from nars.recipe import Recipe, TrainingLoop
from nars.space import Head
from nars.tasks import ImageClassification, Trial

MakeTrial = Callable[..., Trial]


def test_a_good_candidate_is_the_training_loop_measured_each_epoch(
    make_trial: MakeTrial, task: ImageClassification, digits: ImageData
) -> None:
    trial = make_trial(4)
    sample = evaluate_trial(trial, task)

    torch.set_num_threads(1)
    recipe = Recipe.from_dict(trial.recipe)
    model = build(trial.architecture, dropout=0.1, stochastic_depth=0.1, seed=4)
    loop = TrainingLoop(model, recipe, digits, task.settings, seed=4)
    curve, ema_curve = [], []
    for _ in range(3):
        loop.train_epoch()
        curve.append(loop.accuracy(digits.validation))
        ema_curve.append(loop.accuracy(digits.validation, ema=True))
    assert (sample.curve, sample.averaged_curve) == (tuple(curve), tuple(ema_curve))
    assert (sample.status, sample.message, sample.value, sample.averaged) == ("ok", "", curve[-1], ema_curve[-1])
    assert (sample.key, sample.choices, sample.seed, sample.round) == (trial.key, (4, 1), 4, 2)
    assert (sample.epochs, sample.planned_epochs, sample.data) == (3, 3, digits.fingerprint)
    assert sample.fidelity == task.fidelity(3)
    assert sample.seconds > 0
    assert sample.versions["torch"] == torch.__version__.split("+")[0] or sample.versions["torch"] == torch.__version__


@pytest.mark.parametrize(
    ("share", "epochs", "seen"), [(0.67, 3, (1, 2, 2)), (0.34, 3, (1, 1, 1)), (0.67, 1, (1,)), (0.67, 2, (1, 2))]
)
def test_a_shorter_recipe_is_measured_at_the_same_shares_of_its_training(
    share: float, epochs: int, seen: tuple[int, ...], make_trial: MakeTrial, task: ImageClassification
) -> None:
    sample = evaluate_trial(make_trial(epochs=epochs, epochs_share=share), task)
    length = round(share * task.settings.schedule.epochs)
    schedule = replace(task.settings.schedule, epochs=length, warmup_epochs=length / 3)
    shorter = replace(task, settings=replace(task.settings, schedule=schedule))
    alone = evaluate_trial(make_trial(epochs=length), shorter)
    assert sample.status == alone.status == "ok"
    assert sample.curve == tuple(alone.curve[epoch - 1] for epoch in seen)
    assert sample.averaged_curve == tuple(alone.averaged_curve[epoch - 1] for epoch in seen)
    assert sample.fidelity == task.fidelity(epochs)


def test_without_ema_there_is_no_ema_accuracy(make_trial: MakeTrial, task: ImageClassification) -> None:
    sample = evaluate_trial(make_trial(ema=False, epochs=1), task)
    assert (sample.status, sample.averaged, sample.averaged_curve) == ("ok", None, ())


def test_the_candidate_is_trained_at_its_own_resolution(make_trial: MakeTrial, task: ImageClassification) -> None:
    trial, resized = make_trial(architecture={"resolution": 12}, epochs=1), replace(task, images=task.images.at(12))
    sample = evaluate_trial(trial, task)
    assert sample.status == "ok"
    assert sample.curve == evaluate_trial(trial, resized).curve


def test_memory_can_be_limited_and_what_cannot_be_trained_says_why(
    make_trial: MakeTrial, task: ImageClassification
) -> None:
    if sys.platform == "linux":  # some 200 MB of weights, of which a machine has plenty: the limit says no
        large = make_trial(architecture={"head": Head(expand=2, channels=2 * 10**6)})
        limited = evaluate_trial(large, task, Limits(gigabytes=0.1))
        assert (limited.status, limited.value) == ("out_of_memory", None)
        assert evaluate_trial(make_trial(epochs=1), task, Limits(gigabytes=1.0)).status == "ok"

    broken = evaluate_trial(make_trial(architecture={"in_channels": 3}), task)
    assert (broken.status, broken.value) == ("error", None)
    assert broken.message.startswith("RuntimeError: ")

    unknown = evaluate_trial(make_trial(recipe={"learning_rate": 0.1, "momentum": 0.9}), task)
    assert unknown.status == "error"
    assert "'momentum'" in unknown.message


def test_lower_precision_and_compilation_are_options(make_trial: MakeTrial, task: ImageClassification) -> None:
    def how(**changes: Any) -> ImageClassification:
        return replace(task, settings=replace(task.settings, **changes))

    plain = evaluate_trial(make_trial(), task)
    compiled = evaluate_trial(make_trial(), how(compiler="eager"))  # the same kernels
    assert (compiled.status, compiled.curve) == ("ok", plain.curve)
    assert how(compiler="eager").fidelity(3) == plain.fidelity
    assert evaluate_trial(make_trial(), how(amp=True)).status == "ok"
    assert how(amp=True).fidelity(3) != plain.fidelity  # not to be compared with the others
