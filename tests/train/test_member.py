import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from nars.images import ImageData
from nars.network import build
from nars.recipe import Normalizer, Recipe, Schedule, Teaching, TrainingSettings, evaluate
from nars.space import Architecture
from nars.train import CHECKPOINT, MISTAKES, RESULT, WEIGHTS, Deadline, EpochReport, MemberResult, TrainError

Train = Callable[..., MemberResult]


class Killed(BaseException):
    """Stands for the death of the process: nothing of the package catches it."""


def test_it_trains_measures_and_keeps_the_weights(
    architecture: Architecture,
    train: Train,
    recipe: Recipe,
    digits: ImageData,
    settings: TrainingSettings,
    tmp_path: Path,
) -> None:
    reports: list[EpochReport] = []
    result = train(tmp_path, recipe, settings, on_epoch=reports.append)
    assert [(r.epoch, r.epochs, r.accuracy, r.ema_accuracy) for r in reports] == [
        (e + 1, 3, result.curve[e], result.ema_curve[e]) for e in range(3)
    ]
    assert result.losses == tuple(r.loss for r in reports)
    assert result.validation_accuracy == max(result.curve[-1], result.ema_curve[-1])
    assert sorted(file.name for file in tmp_path.iterdir()) == [MISTAKES, WEIGHTS, RESULT]

    model = build(architecture, seed=None)
    model.load_state_dict(load_file(result.weights))
    normalize = Normalizer(digits.mean, digits.std, device=torch.device("cpu"))
    assert evaluate(model, digits.test, normalize) == result.test_accuracy
    assert evaluate(model, digits.validation, normalize) == result.validation_accuracy


def test_killed_at_ten_random_steps_it_ends_in_the_same_bits(
    architecture: Architecture, train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    teaching = Teaching(network=build(architecture, seed=8))
    straight = train(tmp_path / "a", recipe, settings, teaching=teaching)
    deaths = iter(np.sort(np.random.default_rng(0).choice(np.arange(1, 15), size=10, replace=False)).tolist())
    death = next(deaths)

    def maybe_die(done: int, _: int) -> None:
        nonlocal death
        if done == death:
            death = next(deaths, None)
            raise Killed

    lives = 0
    while True:
        lives += 1
        try:
            resumed = train(tmp_path / "b", recipe, settings, teaching=teaching, checkpoint_every=1, on_steps=maybe_die)
            break
        except Killed:
            assert (tmp_path / "b" / CHECKPOINT).exists()
    assert lives == 11
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()
    assert (resumed.losses, resumed.curve, resumed.ema_curve, resumed.test_accuracy) == (
        straight.losses,
        straight.curve,
        straight.ema_curve,
        straight.test_accuracy,
    )


def test_killed_within_an_epoch_it_still_ends_in_its_time(
    train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    reports: list[EpochReport] = []

    def die(done: int, _: int) -> None:
        if done == 7:  # of five steps an epoch
            raise Killed

    left, start = 1000.0, time.time()
    how: dict[str, Any] = {"checkpoint_every": 1, "on_epoch": reports.append}
    with pytest.raises(Killed):
        train(tmp_path, recipe, settings, deadline=Deadline(at=start + left), on_steps=die, **how)
    assert len(reports) == 1
    assert reports[0].epochs == pytest.approx(left / reports[0].seconds, rel=0.05)  # not by its last step alone
    result = train(tmp_path, recipe, settings, deadline=Deadline(at=start), **how)  # the time is over
    assert [(report.epoch, report.epochs) for report in reports[1:]] == [(2, 2)]
    assert len(result.curve) == 2


def test_a_checkpoint_from_a_gpu_goes_on_without_one(
    train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train(tmp_path / "a", recipe, settings)

    def die(done: int, _: int) -> None:
        if done == 5:
            raise Killed

    with monkeypatch.context() as patch:  # torch writes down where a tensor is: here what it writes on a GPU
        patch.setattr("torch.serialization.location_tag", lambda _: "cuda:0")
        with pytest.raises(Killed):
            train(tmp_path / "b", recipe, settings, checkpoint_every=1, on_steps=die)
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
            torch.load(tmp_path / "b" / CHECKPOINT, weights_only=True)
    assert train(tmp_path / "b", recipe, settings).weights.read_bytes() == straight.weights.read_bytes()


PROGRAM = """
    import json, sys
    from pathlib import Path
    import torch
    from nars.images import load_images
    from nars.network import build
    from nars.recipe import Augmentation, Recipe, Schedule, TrainingSettings
    from nars.space import Architecture
    from nars.train import train_network
    torch.set_num_threads(1)
    recipe = Recipe.from_dict(json.loads(sys.argv[3]))
    drops = {"dropout": recipe.dropout, "stochastic_depth": recipe.stochastic_depth}
    result = train_network(
        build(Architecture.from_dict(json.loads(sys.argv[2])), seed=5, **drops), recipe,
        load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160),
        TrainingSettings(
            schedule=Schedule(epochs=40, warmup_epochs=1, kind="cosine"), batch_size=32, ema_decay=0.9,
            augmentation=Augmentation(flip=False),
        ),
        folder=Path(sys.argv[1]), seed=5, checkpoint_every=2, on_steps=lambda *done: print(*done, flush=True),
    )
"""


def test_a_process_killed_with_sigkill_goes_on_where_it_was(
    architecture: Architecture, train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    def start() -> subprocess.Popen[str]:
        arguments = [str(tmp_path / "b"), json.dumps(architecture.to_dict()), json.dumps(recipe.to_dict())]
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    victim = start()
    assert victim.stdout is not None
    while not victim.stdout.readline().startswith("50 "):
        assert victim.poll() is None
    time.sleep(0.013)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    again = start()
    said, _ = again.communicate(timeout=120)
    assert int(said.split()[0]) >= 52  # not from the start
    assert again.returncode == 0
    settings = replace(settings, schedule=Schedule(epochs=40, warmup_epochs=1, kind="cosine"))
    straight = train(tmp_path / "a", recipe, settings)
    assert straight.weights.read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()


def test_sigkills_at_random_moments_change_no_bit() -> None:
    script = Path(__file__).parents[2] / "scripts" / "drill_resume.py"
    command = [sys.executable, str(script), "--kills", "3", "--epochs", "8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["kills"] == 3
    assert figures["identical_weights"] == figures["runs"]


def test_done_is_done_and_other_settings_are_refused(
    architecture: Architecture, train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    result = train(tmp_path, recipe, settings)

    def never(*_: object) -> None:
        raise AssertionError

    assert train(tmp_path, recipe, settings, on_epoch=never) == result
    teaching = Teaching(network=build(architecture, seed=8))
    others: list[tuple[Recipe, TrainingSettings, dict[str, Any]]] = [
        (recipe, replace(settings, batch_size=16), {}),
        (replace(recipe, mixup=0.1), settings, {}),
        (recipe, settings, {"seed": 6}),
        (recipe, settings, {"teaching": teaching}),
    ]
    for other, how, more in others:
        with pytest.raises(TrainError, match="other settings"):
            train(tmp_path, other, how, **more)


@pytest.mark.parametrize("name", [CHECKPOINT, RESULT])
def test_a_foreign_file_in_the_folder_is_named(
    train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(TrainError, match=f"{name}.* Delete it"):
        train(tmp_path, recipe, settings)


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    result = MemberResult(
        test_accuracy=90.0,
        validation_accuracy=91.0,
        uses_ema=True,
        losses=(1.0, 0.5),
        curve=(10.0, 90.0),
        ema_curve=(12.0, 91.0),
        seconds=3.5,
        identity="x",
        weights=tmp_path / WEIGHTS,
    )
    result.save(tmp_path / RESULT)
    assert MemberResult.load(tmp_path / RESULT) == result


def test_distillation_follows_its_teacher(
    train: Train, digits: ImageData, settings: TrainingSettings, tmp_path: Path
) -> None:
    class Knows(nn.Module):
        """Always sure of class 3."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 10.0 * nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    recipe = Recipe(learning_rate=0.02, ema=False)
    result = train(tmp_path, recipe, settings, teaching=Teaching(network=Knows(), weight=1.0))
    share = 100.0 * (digits.validation.labels == 3).float().mean().item()
    assert result.curve[-1] == pytest.approx(share)
