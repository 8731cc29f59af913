"""Trainings that learn their augmentation: against copies trained by hand, killed, and what they leave to others."""

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

from nars.images import ImageData
from nars.network import build
from nars.recipe import (
    POLICY_FILE,
    Drawn,
    LearnedPolicy,
    Online,
    OnlinePolicy,
    Recipe,
    Teaching,
    TrainingLoop,
    TrainingSettings,
    read_policy,
)
from nars.space import Architecture
from nars.train import CHECKPOINT, WEIGHTS, MemberResult, TrainError
from nars.train.online import _PROPOSALS

Train = Callable[..., MemberResult]

CHOICES = {
    "mixup": (0.0, 0.4),
    "augment": ("none", "randaugment"),
    "magnitude": (3, 15),
    "crop": (0.0, 0.25),
    "erasing": (0.0, 0.5),
}
ONLINE = Online(choices=CHOICES, copies=3, chunk=2)


class Killed(BaseException):
    """Stands for the death of the process: nothing of the package catches it."""


def test_it_is_k_copies_of_which_the_best_goes_on(
    architecture: Architecture,
    train: Train,
    digits: ImageData,
    recipe: Recipe,
    settings: TrainingSettings,
    tmp_path: Path,
) -> None:
    """Three epochs in chunks of two and one, by three loops that are there at once."""
    teaching = Teaching(network=build(architecture, seed=8))
    result = train(tmp_path, recipe, settings, augmenting=ONLINE, teaching=teaching)

    drops = {"dropout": recipe.dropout, "stochastic_depth": recipe.stochastic_depth}
    policy = OnlinePolicy(CHOICES, learning_rate=ONLINE.learning_rate, rng=np.random.default_rng([5, _PROPOSALS]))
    state: dict[str, Any] | None = None
    curve: list[float] = []
    losses: list[float] = []
    for length in (2, 1):
        rows, copies = policy.ask(3), []
        for row in rows:
            model = build(architecture, seed=5, **drops)
            loop = TrainingLoop(model, recipe, digits, settings, seed=5, teaching=teaching)
            if state is not None:
                loop.load_state_dict(json_copy(state))
            loop.vary(replace(recipe, **policy.setting(row)))  # type: ignore[arg-type]
            shown = []
            for _ in range(length):
                loss = loop.train_epoch().loss
                shown.append((loss, loop.accuracy(digits.validation)))
            copies.append((loop, shown))
        rewards = [shown[-1][1] for _, shown in copies]
        policy.tell(rows, rewards)
        best, shown = copies[int(np.argmax(rewards))]
        state = best.state_dict()
        losses += [loss for loss, _ in shown]
        curve += [accuracy for _, accuracy in shown]
    assert (result.losses, result.curve) == (tuple(losses), tuple(curve))
    ours, ema = load_file(result.weights), best.ema_model
    assert ema is not None
    theirs = (ema if result.uses_ema else best.model).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert read_policy(tmp_path / POLICY_FILE) == policy.learned
    assert policy.learned.updates == 2


def json_copy(state: Any) -> Any:
    """A state whose tensors are its own: torch's optimizers train on in those that they load."""
    if isinstance(state, dict):
        return {key: json_copy(value) for key, value in state.items()}
    if isinstance(state, list):
        return [json_copy(value) for value in state]
    return state.clone() if isinstance(state, torch.Tensor) else state


@pytest.mark.parametrize("how", ["online", "drawn"])
def test_killed_at_many_steps_it_ends_in_the_same_bits(
    train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path, how: str
) -> None:
    policy = LearnedPolicy(choices=CHOICES, probabilities=dict.fromkeys(CHOICES, (0.5, 0.5)), updates=3)
    augmenting = ONLINE if how == "online" else Drawn(policy=policy, chunk=2)
    straight = train(tmp_path / "a", recipe, settings, augmenting=augmenting)
    deaths = [4, 7, 9, 14] + [16, 23, 29, 33, 38, 44] * (how == "online")  # of 15, or 45
    left = iter(deaths)
    death = next(left)
    lives = 0

    def maybe_die(done: int, _: int) -> None:
        nonlocal death
        if done >= death:
            death = next(left, 10**9)
            raise Killed

    while True:
        lives += 1
        try:
            resumed = train(
                tmp_path / "b", recipe, settings, augmenting=augmenting, checkpoint_every=1, on_steps=maybe_die
            )
            break
        except Killed:
            assert (tmp_path / "b" / CHECKPOINT).exists()
    assert lives == len(deaths) + 1
    assert replace(resumed, weights=straight.weights, seconds=straight.seconds) == straight
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()
    if how == "online":
        assert (tmp_path / "a" / POLICY_FILE).read_bytes() == (tmp_path / "b" / POLICY_FILE).read_bytes()
    else:
        plain = train(tmp_path / "c", recipe, settings)
        assert plain.weights.read_bytes() != straight.weights.read_bytes()


PROGRAM = """
    import json, sys
    from pathlib import Path
    import torch
    from nars.images import load_images
    from nars.network import build
    from nars.recipe import Augmentation, Online, Recipe, Schedule, TrainingSettings
    from nars.space import Architecture
    from nars.train import train_network
    torch.set_num_threads(1)
    recipe, choices = Recipe.from_dict(json.loads(sys.argv[3])), json.loads(sys.argv[4])
    drops = {"dropout": recipe.dropout, "stochastic_depth": recipe.stochastic_depth}
    train_network(
        build(Architecture.from_dict(json.loads(sys.argv[2])), seed=5, **drops), recipe,
        load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160),
        TrainingSettings(
            schedule=Schedule(epochs=3, warmup_epochs=1, kind="cosine"), batch_size=32, ema_decay=0.9,
            augmentation=Augmentation(flip=False),
        ),
        augmenting=Online(choices={name: tuple(of) for name, of in choices.items()}, copies=3, chunk=2),
        folder=Path(sys.argv[1]), seed=5, checkpoint_every=1, on_steps=lambda *done: print(*done, flush=True),
    )
"""


def test_a_process_killed_with_sigkill_within_a_chunk_goes_on_where_it_was(
    architecture: Architecture, train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    texts = [json.dumps(one) for one in (architecture.to_dict(), recipe.to_dict(), CHOICES)]

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path / "b"), *texts]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])

    victim = start()
    assert victim.stdout is not None
    while not victim.stdout.readline().startswith("17 "):  # of 30 in the first chunk: its second copy
        assert victim.poll() is None
    time.sleep(0.007)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    again = start()
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert int(said.split()[0]) >= 18  # not from the start
    straight = train(tmp_path / "a", recipe, settings, augmenting=ONLINE)
    assert straight.weights.read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    assert (tmp_path / "a" / POLICY_FILE).read_bytes() == (tmp_path / "b" / POLICY_FILE).read_bytes()


def test_equal_copies_are_trained_once_and_another_way_of_learning_is_another_training(
    train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    reports: list[tuple[int, int]] = []
    alike = Online(choices={"mixup": (0.2,)}, copies=4)
    only = train(tmp_path / "a", recipe, settings, augmenting=alike, on_steps=lambda *done: reports.append(done))
    assert reports == [(20 * done, 60) for done in range(1, 4)]  # three epochs of five steps, counted for four copies
    plain = train(tmp_path / "b", replace(recipe, mixup=0.2), settings)
    assert only.weights.read_bytes() == plain.weights.read_bytes()
    with pytest.raises(TrainError, match="other settings"):
        train(tmp_path / "a", recipe, settings, augmenting=replace(alike, copies=3))
