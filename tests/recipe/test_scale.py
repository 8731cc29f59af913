"""Larger trainings: parts of a batch, bfloat16, compiled, in several processes."""

import copy
import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nars.images import ImageData
from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.space import Architecture

MIXED = Recipe(learning_rate=0.005, optimizer="sgd", mixup=0.3, label_smoothing=0.1, weight_decay=1e-4)

VARIED = Recipe.from_dict(MIXED.to_dict() | {"augment": "randaugment", "color": 0.3, "cutmix": 1.0, "loss": "poly1"})


def _trained(
    model: nn.Module, data: ImageData, *, steps: int = 6, recipe: Recipe = MIXED, **options: Any
) -> TrainingLoop:
    settings = TrainingSettings(
        schedule=Schedule(epochs=2, warmup_epochs=0), ema_decay=0.9, **{"batch_size": 32} | options
    )
    loop = TrainingLoop(model, recipe, data, settings, seed=1)
    loop.train_epoch(max_steps=steps)
    return loop


def _assert_close(a: TrainingLoop, b: TrainingLoop, **tolerances: float) -> None:
    assert a.ema_model is not None
    assert b.ema_model is not None
    for x, y in ((a.model, b.model), (a.ema_model, b.ema_model)):
        for (name, expected), found in zip(x.state_dict().items(), y.state_dict().values(), strict=True):
            torch.testing.assert_close(found, expected, msg=lambda text, name=name: f"{name}: {text}", **tolerances)


@pytest.mark.parametrize(("batch_size", "parts"), [(32, 4), (31, 3), (32, 64)])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(digits: ImageData, batch_size: int, parts: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))  # no batch norm
    whole = _trained(copy.deepcopy(model), digits, batch_size=batch_size)
    in_parts = _trained(model, digits, batch_size=batch_size, accumulation=parts)
    _assert_close(whole, in_parts, rtol=1e-5, atol=1e-6)


def test_bfloat16_computes_alike_and_keeps_float32_weights(network: nn.Module, digits: ImageData) -> None:
    single = _trained(copy.deepcopy(network), digits, steps=3)
    mixed = _trained(network, digits, steps=3, amp=True)
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    _assert_close(single, mixed, rtol=0.1, atol=0.05)


@pytest.mark.filterwarnings("default")  # torch's compiler warns of its own code
def test_a_compiled_network_trains_to_the_same_weights(network: nn.Module, digits: ImageData) -> None:
    eager = _trained(copy.deepcopy(network), digits, steps=3)
    compiled = _trained(network, digits, steps=3, compiler="aot_eager")
    _assert_close(eager, compiled, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("default")
def test_a_compiled_network_is_regularized_too(network: nn.Module, digits: ImageData) -> None:
    plain, regularized = copy.deepcopy(network), network
    regularizer = Recipe.from_dict(MIXED.to_dict() | {"regularizer": "dropblock", "regularizer_rate": 0.5})
    loss = _trained(plain, digits, steps=1, compiler="aot_eager")._loss
    assert _trained(regularized, digits, steps=1, compiler="aot_eager", recipe=regularizer)._loss != loss


@pytest.mark.filterwarnings("default")
def test_every_network_of_a_long_process_is_compiled(digits: ImageData) -> None:
    # torch's own defaults: eight, and what comes after them is left uncompiled with a warning.
    with torch._dynamo.config.patch(recompile_limit=1, fail_on_recompile_limit_hit=True):
        for width in (8, 9, 10):
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
            _trained(model, digits, steps=1, compiler="eager")


PROGRAM = """
    import json, sys
    import torch
    from nars.images import load_images
    from nars.network import build
    from nars.recipe import Recipe, Schedule, TrainingLoop, TrainingSettings, joined_peers
    from nars.space import Architecture
    torch.set_num_threads(1)
    data = load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=320)
    with joined_peers("cpu") as (peers, device):
        loop = TrainingLoop(
            build(Architecture.from_dict(json.loads(sys.argv[1])), seed=3), Recipe.from_dict(json.loads(sys.argv[2])),
            data, TrainingSettings(schedule=Schedule(epochs=2, warmup_epochs=0), ema_decay=0.9, batch_size=32), seed=1,
            device=device, peers=peers,
        )
        stats = loop.train_epoch(max_steps=6)
        accuracy = loop.accuracy(data.validation, ema=True, batch_size=50)
        torch.save({"state": loop.state_dict(), "loss": stats.loss, "accuracy": accuracy},
        f"{sys.argv[3]}/{peers.rank}.pt")
"""


@pytest.mark.parametrize("recipe", [MIXED, VARIED])
def test_two_processes_train_as_one_on_the_same_batch(
    architecture: Architecture, digits: ImageData, tmp_path: Path, recipe: Recipe
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [json.dumps(architecture.to_dict()), json.dumps(recipe.to_dict()), str(tmp_path)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
            cwd=Path(__file__).parents[2],
            env=os.environ
            | {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    alone = _trained(build(architecture, seed=3), digits, augmentation=Augmentation(), recipe=recipe)
    assert alone.ema_model is not None
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for part, expected in (("model", alone.model.state_dict()), ("ema", alone.ema_model.state_dict())):
        for name, value in expected.items():
            assert torch.equal(found[0]["state"][part][name], found[1]["state"][part][name]), name
            torch.testing.assert_close(found[0]["state"][part][name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert found[0]["accuracy"] == found[1]["accuracy"] == alone.accuracy(digits.validation, ema=True)
    assert found[0]["loss"] == pytest.approx(found[1]["loss"])
