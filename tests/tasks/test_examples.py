"""The examples do what their READMEs say, with fewer trainings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nars.space import cost_range, load_space, sobol
from nars.store import SampleStore

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = {"collect.rounds": 1, "collect.epochs": 2, "pretraining.pool": 128, "final.epochs": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "trainings", "members", "least", "also"),
    [
        ("sklearn-digits", 4, ("params1k", "params3k", "params9k"), 50.0, {"training_loss"}),
        ("pytorch-command", 2, ("best",), 2.0, {"accuracy"}),  # each in a process that loads torch
    ],
)
def test_an_example_runs(
    name: str, trainings: int, members: tuple[str, ...], least: float, also: set[str], tmp_path: Path
) -> None:
    folder = shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("runs", "__pycache__"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    short = SHORT | {"collect.per_round": trainings}
    sets = [part for key, value in short.items() for part in ("--set", f"{key}={value}")]
    ran = subprocess.run(
        [sys.executable, "-m", "nars", "run", "run.yaml", "--workers", "1", *sets],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    run = folder / "runs" / name
    samples = SampleStore(run / "samples").samples()
    assert len(samples) == trainings
    assert {sample.status for sample in samples} == {"ok"}
    assert all(set(sample.also) == also for sample in samples)
    metric = samples[0].metric
    assert max(metric.score(sample.value) for sample in samples if sample.value is not None) > metric.score(least)
    assert set(members) <= set(ran.stdout.split()), ran.stdout
    assert (run / "report.html").is_file()


def test_the_costs_are_those_of_scikit_learn() -> None:
    from sklearn.neural_network import MLPClassifier

    space = load_space(EXAMPLES / "sklearn-digits" / "space.yaml")
    X = sobol(space, 8, seed=0)
    for row, params in enumerate(space.costs(X)["params"]):
        settings = space.to_records(X)[row]
        model = MLPClassifier((settings["units"],) * int(str(settings["layers"])))
        model.partial_fit(np.zeros((10, 64)), np.arange(10), classes=np.arange(10))
        assert params == sum(part.size for part in (*model.coefs_, *model.intercepts_))
    assert cost_range(space)["params"] == (610.0, 13130.0)
