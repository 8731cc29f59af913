"""What becomes of one candidate."""

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from nars.evaluate import EvaluationError, EvaluationSettings, Trial, evaluate_trial
from nars.images import ImageData
from nars.network import build
from nars.recipe import Recipe, Schedule, TrainingLoop
from nars.space import Head

MakeTrial = Callable[..., Trial]


def test_a_good_candidate_is_the_training_loop_measured_each_epoch(
    make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    trial = make_trial(4)
    sample = evaluate_trial(trial, digits, settings)

    torch.set_num_threads(1)
    recipe = Recipe.from_dict(trial.recipe)
    model = build(trial.architecture, dropout=0.1, stochastic_depth=0.1, seed=4)
    loop = TrainingLoop(
        model,
        recipe,
        digits,
        schedule=settings.schedule,
        batch_size=32,
        seed=4,
        augmentation=settings.augmentation,
        ema_decay=0.9,
    )
    curve, ema_curve = [], []
    for _ in range(3):
        loop.train_epoch()
        curve.append(loop.accuracy(digits.validation))
        ema_curve.append(loop.accuracy(digits.validation, ema=True))
    assert (sample.curve, sample.ema_curve) == (tuple(curve), tuple(ema_curve))
    assert (sample.status, sample.message, sample.accuracy, sample.ema_accuracy) == ("ok", "", curve[-1], ema_curve[-1])
    assert (sample.key, sample.choices, sample.seed, sample.round) == (trial.key, (4, 1), 4, 2)
    assert (sample.epochs, sample.planned_epochs, sample.data) == (3, 3, digits.fingerprint)
    assert sample.fidelity == settings.fidelity(3)
    assert sample.seconds > 0
    assert sample.versions["torch"] == torch.__version__.split("+")[0] or sample.versions["torch"] == torch.__version__


def test_stopping_early_gives_the_beginning_of_the_same_curve(
    make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    whole = evaluate_trial(make_trial(1), digits, settings)
    stopped = evaluate_trial(make_trial(1, epochs=2), digits, settings)
    assert stopped.curve == whole.curve[:2]
    assert stopped.accuracy == whole.curve[1]
    assert (stopped.epochs, stopped.planned_epochs) == (2, 2)


def test_without_ema_there_is_no_ema_accuracy(
    make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    sample = evaluate_trial(make_trial(ema=False, epochs=1), digits, settings)
    assert (sample.status, sample.ema_accuracy, sample.ema_curve) == ("ok", None, ())


def test_the_candidate_is_trained_at_its_own_resolution(
    make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    sample = evaluate_trial(make_trial(architecture={"resolution": 12}, epochs=1), digits, settings)
    assert sample.status == "ok"
    assert (
        sample.curve
        == evaluate_trial(make_trial(architecture={"resolution": 12}, epochs=1), digits.at(12), settings).curve
    )


def test_every_way_to_fail_is_a_status_and_never_an_accuracy(
    make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    diverged = evaluate_trial(make_trial(learning_rate=1e30, optimizer="sgd"), digits, settings)
    assert (diverged.status, diverged.accuracy, diverged.epochs) == ("diverged", None, 0)
    assert "learning rate" in diverged.message

    slow = evaluate_trial(make_trial(), digits, replace(settings, time_limit=1e-6))
    assert (slow.status, slow.accuracy) == ("timeout", None)

    # 10^12 features: an allocation that no machine grants.
    huge = evaluate_trial(make_trial(architecture={"head": Head(expand=2, channels=10**11)}), digits, settings)
    assert (huge.status, huge.accuracy) == ("out_of_memory", None)

    if sys.platform == "linux":  # some 200 MB of weights, of which a machine has plenty: the limit says no
        large = make_trial(architecture={"head": Head(expand=2, channels=2 * 10**6)})
        limited = evaluate_trial(large, digits, replace(settings, memory_limit=0.1))
        assert (limited.status, limited.accuracy) == ("out_of_memory", None)
        assert evaluate_trial(make_trial(epochs=1), digits, replace(settings, memory_limit=1.0)).status == "ok"

    broken = evaluate_trial(make_trial(architecture={"in_channels": 3}), digits, settings)
    assert (broken.status, broken.accuracy) == ("error", None)
    assert broken.message.startswith("RuntimeError: ")

    unknown = evaluate_trial(make_trial(recipe={"learning_rate": 0.1, "momentum": 0.9}), digits, settings)
    assert unknown.status == "error"
    assert "'momentum'" in unknown.message


def test_the_number_of_threads_is_put_back(
    make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    torch.set_num_threads(2)
    evaluate_trial(make_trial(epochs=1), digits, settings)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_fidelity_tells_trainings_apart_but_not_limits(settings: EvaluationSettings) -> None:
    assert settings.fidelity(3) != settings.fidelity(2)
    assert settings.fidelity(3) != replace(settings, batch_size=16).fidelity(3)
    assert settings.fidelity(3) != replace(settings, schedule=Schedule(epochs=3, warmup_epochs=0)).fidelity(3)
    assert settings.fidelity(3) == replace(settings, time_limit=9.0, memory_limit=4.0, threads=2).fidelity(3)


def test_settings_that_cannot_be_are_refused(settings: EvaluationSettings) -> None:
    for change in ({"batch_size": 0}, {"threads": 0}, {"time_limit": 0.0}, {"memory_limit": -1.0}, {"ema_decay": 1.0}):
        with pytest.raises(EvaluationError, match=next(iter(change))):
            replace(settings, **change)  # type: ignore[arg-type]


def test_lower_precision_and_compilation_are_options(
    make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    plain = evaluate_trial(make_trial(), digits, settings)
    compiled = evaluate_trial(make_trial(), digits, replace(settings, compiler="eager"))  # the same kernels
    assert (compiled.status, compiled.curve, compiled.fidelity) == ("ok", plain.curve, plain.fidelity)
    lower = evaluate_trial(make_trial(), digits, replace(settings, amp=True))
    assert lower.status == "ok"
    assert lower.fidelity != plain.fidelity  # not to be compared with the others
