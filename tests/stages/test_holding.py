"""One process at a time computes in the folder of a run."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nars.cli.app import app
from nars.errors import ConfigError
from nars.run.holding import holding

HOLDER = """
import sys
from pathlib import Path

from nars.run.holding import holding

with holding(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no folders")
def test_a_second_process_is_refused_until_the_first_has_ended_however_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    command = ["pretrain", "digits", "--out", "out", "--set", "pretraining.pool=128", "--set", "collect.rounds=1"]
    started = [sys.executable, "-c", HOLDER, str(out)]
    with subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        refused = CliRunner().invoke(app, command)
        assert isinstance(refused.exception, ConfigError)
        number = f" (number {other.pid})" if sys.platform == "linux" else ""
        assert f"another process{number} computes in {out}; wait" in str(refused.exception)
        assert not list(out.iterdir())
        other.send_signal(signal.SIGKILL)
    assert CliRunner().invoke(app, command).exit_code == 0
    with holding(out), holding(out):  # the command has let go of it, and this process may ask twice
        assert subprocess.run(started, capture_output=True, check=False).returncode == 1
