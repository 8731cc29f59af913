"""The campaign's script on the digits images: killed and started again, it has what an uninterrupted one has."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nars.data import SampleStore

SCRIPT = Path(__file__).parents[2] / "scripts" / "campaign_cifar10.py"


def start(store: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(SCRIPT), *arguments, "--rehearsal", "--store", str(store)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[1])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finished(store: Path, *arguments: str) -> list[str]:
    process = start(store, *arguments)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output.splitlines()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_collection_goes_on_and_repeats_nothing(tmp_path: Path, number: int) -> None:
    process = start(tmp_path, "collect", "--pairs", "4")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    before = {sample.key: sample.finished for sample in SampleStore(tmp_path / "samples").samples()}
    assert 2 <= len(before) < 12
    lines = finished(tmp_path, "collect", "--pairs", "4")
    samples = SampleStore(tmp_path / "samples").samples()
    assert len(lines) == 12 - len(before)  # the first pairs have three seeds each
    assert len(samples) == 12
    assert len({sample.choices for sample in samples}) == 4
    assert {sample.key: sample.finished for sample in samples if sample.key in before} == before


def test_fidelities_are_compared_on_the_same_pairs(tmp_path: Path) -> None:
    finished(tmp_path, "fidelity", "--pairs", "3")
    stores = [SampleStore(folder) for folder in sorted((tmp_path / "fidelity").iterdir())]
    pairs = [{sample.choices for sample in store.samples()} for store in stores]
    assert len(stores) == 2
    assert len(pairs[0]) == 3
    assert pairs[0] == pairs[1]
