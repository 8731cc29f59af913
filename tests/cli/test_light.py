"""Commands that train nothing load none of the large libraries."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

HELPS = """
import contextlib, io, sys
import typer
from nars.cli.app import app

groups, shown = [((), typer.main.get_command(app))], 0
while groups:
    path, command = groups.pop()
    groups += [((*path, name), inner) for name, inner in getattr(command, "commands", {}).items()]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        app([*path, "--help"], standalone_mode=False)
    assert "Usage:" in said.getvalue()
    shown += 1
print(shown, *sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


@pytest.fixture
def startup(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("bench_startup")


@pytest.mark.parametrize(
    "command",
    [
        "--version",
        "space list",
        "space show fbnetv3",
        "space sample digits -n 3 --max-flops 0.3M",
        "store info data/cifar10",
        "search --predictor cifar10 --max-flops 2M,3M",
        "search --predictor cifar10 --pareto flops",
        "explore cifar10 --export cifar10.txt",  # an error
        "search --predictor cifar10 --max-latency 3ms",  # an error
    ],
)
def test_a_command_is_light(command: str, startup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SCRIPTS.parent)
    ended = startup.nars(command)
    assert ended.code == (2 if "latency" in command or ".txt" in command else 0), ended.said
    assert ended.loaded == ()


def test_every_help_is_light(startup: ModuleType) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELPS, *startup.HEAVY, "numpy", "nars.run.config"],
        check=True,
        capture_output=True,
        text=True,
        cwd=SCRIPTS.parent,
    )
    count, *loaded = done.stdout.split()
    assert int(count) >= 20
    assert loaded == []
