"""Final training in two processes."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from nars.recipe import Recipe, TrainingSettings
from nars.space import Architecture
from nars.train import MISTAKES, RESULT, WEIGHTS, MemberResult

Train = Callable[..., MemberResult]

PROGRAM = """
    import json, sys
    from pathlib import Path
    import torch
    from nars.images import load_images
    from nars.network import build
    from nars.recipe import Augmentation, Recipe, Schedule, TrainingSettings, joined_peers
    from nars.space import Architecture
    from nars.train import train_network
    with joined_peers("cpu") as (peers, device):
        result = train_network(
            build(Architecture.from_dict(json.loads(sys.argv[2])), seed=5), Recipe.from_dict(json.loads(sys.argv[3])),
            load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160),
            TrainingSettings(
                schedule=Schedule(epochs=3, warmup_epochs=1, kind="cosine"), batch_size=32, ema_decay=0.9,
                augmentation=Augmentation(flip=False),
            ),
            folder=Path(sys.argv[1]), seed=5, peers=peers, device=device, threads=1,
        )
        print(json.dumps(result.curve))
"""


def test_two_processes_leave_one_result_that_is_the_one_of_one_process(
    architecture: Architecture, train: Train, recipe: Recipe, settings: TrainingSettings, tmp_path: Path
) -> None:
    recipe = replace(recipe, optimizer="sgd", learning_rate=0.002, dropout=0.0, stochastic_depth=0.0)  # drops differ
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    arguments = [str(tmp_path / "b"), json.dumps(architecture.to_dict()), json.dumps(recipe.to_dict())]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
        )
        for rank in ("0", "1")
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0] == said[1]
    assert sorted(file.name for file in (tmp_path / "b").iterdir()) == sorted([MISTAKES, WEIGHTS, RESULT])
    together = MemberResult.load(tmp_path / "b" / RESULT)
    alone = train(tmp_path / "a", recipe, settings)
    assert together.uses_ema == alone.uses_ema
    expected, found = load_file(alone.weights), load_file(together.weights)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4, msg=name)
