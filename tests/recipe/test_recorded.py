"""Steps recorded as CUDA graphs: where they may be, and that they compute what the steps themselves do."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nars.images import ImageData
from nars.recipe import Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.recipe.recorded import recordable

SETTINGS = TrainingSettings(schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=32)


class Own(nn.Module):
    """A user's layer, which may branch on what it sees."""

    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.detach().sum()) > 0 else -x


@pytest.mark.parametrize(
    ("change", "device", "processes", "expected"),
    [
        ({}, "cuda:1", 1, True),
        ({}, "cpu", 1, False),
        ({}, "mps", 1, False),
        ({}, "cuda", 2, False),
        ({"record": False}, "cuda", 1, False),
        ({"accumulation": 2}, "cuda", 1, False),
        ({"compiler": "inductor"}, "cuda", 1, False),
    ],
)
def test_steps_are_recorded_on_cuda_where_all_are_alike(
    change: dict[str, object], device: str, processes: int, expected: bool
) -> None:
    settings = replace(SETTINGS, **change)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert recordable([network], settings, device=torch.device(device), processes=processes) is expected


def test_steps_of_layers_that_may_branch_are_not_recorded() -> None:
    network, device = nn.Sequential(nn.ReLU()), torch.device("cuda")
    assert recordable([network], SETTINGS, device=device, processes=1)
    assert not recordable([network, nn.Sequential(Own())], SETTINGS, device=device, processes=1)


def test_recording_is_no_part_of_what_decides_the_weights() -> None:
    assert replace(SETTINGS, record=False).described() == SETTINGS.described()


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, and NARS_TEST_GPU=1")


@needs_gpu
@pytest.mark.parametrize("waits", [False, True])
def test_a_recorded_training_is_the_one_that_is_not(
    digits: ImageData, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if waits:
        monkeypatch.setattr(Own, "__module__", "nars.own")  # so that recording is tried, and fails
    recipe = Recipe(learning_rate=0.02, optimizer="adamw", mixup=0.4, ema=True)
    found = []
    for record in (True, False):
        torch.manual_seed(0)
        first = [nn.Conv2d(digits.in_channels, 8, 3), nn.ReLU(), nn.Dropout(0.3), *([Own()] if waits else [])]
        last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, len(digits.classes))]
        model = nn.Sequential(*first, *last)
        loop = TrainingLoop(model, recipe, digits, replace(SETTINGS, record=record), seed=0, device="cuda")
        losses = [loop.train_epoch(max_steps=10).loss for _ in range(2)]
        found.append(([parameter.detach().cpu() for parameter in loop.model.parameters()], losses))
    (weights, losses), (expected, expected_losses) = found
    assert losses == pytest.approx(expected_losses, abs=1e-4)
    torch.testing.assert_close(weights, expected, atol=1e-3, rtol=1e-2)


@needs_gpu
@pytest.mark.parametrize("augment", ["none", "autoaugment-cifar10", "randaugment", "trivialaugment"])
def test_no_step_waits_for_the_gpu(digits: ImageData, augment: str) -> None:
    """Which others that train on it would make long: only the loss is looked at, after the last of these."""
    recipe = Recipe(learning_rate=0.02, optimizer="sgd", mixup=0.4, erasing=0.3, color=0.4, ema=True, augment=augment)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, len(digits.classes)))
    loop = TrainingLoop(model, recipe, digits, SETTINGS, seed=0, device="cuda")
    loop.train_epoch(max_steps=6)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            loop.train_epoch(max_steps=6)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [str(warning.filename) + f":{warning.lineno}" for warning in said if "synchroniz" in str(warning.message)]
    assert len(waits) == 1, waits
