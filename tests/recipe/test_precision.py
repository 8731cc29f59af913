"""Sixteen bits: which, where, and what they change."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from nars.images import ImageData
from nars.parallel import describe_device
from nars.recipe import Recipe, Schedule, Teaching, TrainingLoop, TrainingSettings
from nars.recipe.precision import Precision

RECIPE = Recipe(learning_rate=0.01, optimizer="adamw")
SETTINGS = TrainingSettings(schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=32, ema_decay=0.9, amp=True)


class Seen(nn.Module):
    """Remembers the types that a linear layer computes in."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.types: set[torch.dtype] = set()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.linear(images.flatten(1))
        self.types.add(answer.dtype)
        return answer


def _loop(model: nn.Module, data: ImageData, *, teacher: nn.Module | None = None, **changes: Any) -> TrainingLoop:
    teaching = None if teacher is None else Teaching(network=teacher)
    return TrainingLoop(model, RECIPE, data, replace(SETTINGS, **changes), seed=1, teaching=teaching)


def _without_bfloat16(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("nars.recipe.precision.has_bfloat16", lambda _: False)


@pytest.mark.parametrize(("amp", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_network_teacher_and_evaluation_compute_alike(digits: ImageData, amp: bool, expected: torch.dtype) -> None:
    network, teacher = Seen(), Seen()
    loop = _loop(network, digits, teacher=teacher, amp=amp)
    loop.train_epoch(max_steps=1)
    assert network.types == teacher.types == {expected}
    network.types.clear()
    loop.accuracy(digits.validation)
    assert network.types == {expected}
    network.types.clear()
    loop.accuracy(digits.test, exact=True)
    assert network.types == {torch.float32}


def test_gpus_without_bfloat16_get_float16_with_scaled_gradients(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Seen()
    plain = _loop(copy.deepcopy(network), digits, amp=False)
    _without_bfloat16(monkeypatch)
    scaled = _loop(network, digits)
    losses = [loop.train_epoch().loss for loop in (plain, scaled)]
    assert network.types == {torch.float16}
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    for own, other in zip(plain.model.parameters(), scaled.model.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=0.05, atol=5e-3)


def test_a_scaled_training_goes_on_in_the_same_bits_and_elsewhere_without_its_scale(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    fresh, unscaled = copy.deepcopy(network), copy.deepcopy(network)
    with monkeypatch.context() as patch:
        _without_bfloat16(patch)
        loop = _loop(network, digits)
        loop._precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)  # steps are skipped until it fits
        loop.train_epoch(max_steps=8)
        saved = copy.deepcopy(loop.state_dict())
        assert saved["scaler"]["scale"] < 2.0**40
        loop.train_epoch()
        second = _loop(fresh, digits)
        second.load_state_dict(saved)
        second.train_epoch()
        assert all(map(torch.equal, loop.model.state_dict().values(), second.model.state_dict().values()))
    _loop(unscaled, digits).load_state_dict(saved)
    bare = {key: value for key, value in saved.items() if key != "scaler"}  # as an earlier version wrote it
    _loop(unscaled, digits).load_state_dict(bare)


def test_the_device_says_that_it_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "Tesla V100")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for there, more in ((True, ""), (False, "; no bfloat16, so amp is float16")):
        monkeypatch.setattr("nars.parallel.devices.has_bfloat16", lambda _, there=there: there)
        assert describe_device("cuda") == f"cuda (2 x Tesla V100{more})"
    assert Precision(torch.device("cpu"), amp=True).scaler.state_dict() == {}
