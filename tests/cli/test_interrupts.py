"""Ctrl-C at any moment: one sentence, exit code 130, no traceback, nobody left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SENTENCE = "interrupted; nothing measured is lost, the same command resumes from here"
PROGRAM = (
    # A shell's background jobs, such as a test runner may be, inherit that Ctrl-C is ignored.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from nars.cli import main; main()"
)
CONFIG = """
name: tiny
space: digits
data: {name: digits, validation: 0.25, flip: false, max_train: 120}
flops: {low: 0.12M, high: 0.4M}
pretraining: {pool: 64}
collect: {rounds: 2, per_round: 2, epochs: 2, warmup_epochs: 1, schedule: cosine, batch_size: 60, ema_decay: 0.9}
search: {budgets: [0.2M, 0.4M]}
final: {epochs: 400, warmup_epochs: 1, policy: none, schedule: cosine, batch_size: 60, ema_decay: 0.9}
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def interrupt(process: subprocess.Popen[str], *, times: int = 1) -> str:
    """What it says after Ctrl-C, which reaches the whole group."""
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines().count(SENTENCE) == 1
    assert said.splitlines()[-1].startswith("  nars run ")
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    deadline = time.monotonic() + 10.0
    while group(process.pid):
        assert time.monotonic() < deadline, "somebody is left behind"
        time.sleep(0.1)
    return said


def group(number: int) -> list[int]:
    """Living processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == number and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("after", [0.0, 0.9, 2.5])
def test_while_libraries_are_loaded(after: float, tmp_path: Path) -> None:
    started = time.monotonic()
    process = start("run", "digits", "--out", tmp_path / "run")
    assert process.stderr is not None
    assert process.stderr.readline() == "loading PyTorch and the libraries around it ...\n"
    assert time.monotonic() - started < 10.0  # two seconds, on a machine that has nothing else to do
    time.sleep(after)
    interrupt(process)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupted")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "line", "after", "times"),
    [
        ("short", "images: ", 0.5, 1),
        ("again", "images: ", 4.0, 2),
        ("long", "stage 3: ", 0.5, 1),
        ("long", "device: ", 4.0, 2),  # and once more, where it goes on
    ],
)
def test_while_it_works(config: str, line: str, after: float, times: int, folder: Path) -> None:
    """With worker processes: starting, training candidates, training the family."""
    file = folder / f"{config}.yaml"
    file.write_text(CONFIG if config == "long" else CONFIG.replace("epochs: 400", "epochs: 2"))
    process = start("run", file, "--out", folder / config, "--set", "final.teacher=none")
    assert process.stderr is not None
    for said in process.stderr:
        if line in said:
            break
    time.sleep(after)
    interrupt(process, times=times)
