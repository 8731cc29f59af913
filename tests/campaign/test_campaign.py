"""The campaign's script on the digits images: killed and started again, it has what an uninterrupted one has."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nars.store import SampleStore

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """Runs the script to its end in this process."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def to_its_end(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["campaign_cifar10.py", *arguments, "--rehearsal"])
        assert importlib.import_module("campaign_cifar10").main() == 0

    yield to_its_end
    for number, handler in handlers.items():
        signal.signal(number, handler)


def killed(store: Path) -> int:
    """Starts a collection in another process, kills it after two trainings, returns the exit status."""
    command = [sys.executable, str(SCRIPTS / "campaign_cifar10.py"), "collect", "--pairs", "6", "--rehearsal"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPTS.parent)}
    process = subprocess.Popen([*command, "--store", str(store)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=120)
    return process.returncode


def test_a_stopped_collection_goes_on_and_repeats_nothing(tmp_path: Path, run, capsys: pytest.CaptureFixture) -> None:
    store = SampleStore(tmp_path / "samples")
    assert killed(tmp_path) == -signal.SIGKILL
    before = {sample.key: sample.finished for sample in store.samples()}
    assert 2 <= len(before) < 16
    run("collect", "--pairs", "6", "--store", str(tmp_path))
    after = {sample.key: sample.finished for sample in store.samples()}
    assert len(capsys.readouterr().out.splitlines()) == 16 - len(before)
    assert len(after) == 16  # five pairs with three seeds, one with one
    assert len({sample.choices for sample in store.samples()}) == 6
    assert before.items() <= after.items()
