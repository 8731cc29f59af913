"""The screenshots of the documentation, from a finished run of the digits: explorer, report, and a run in a terminal.

Command   python scripts/docs_screenshots.py runs/digits          (make demo makes that run; it is not changed)
Cost      about a minute on one core, most of it a few trainings for the terminal; no GPU. Needs Chromium.
Leaves    docs/screenshots/*.png of less than 150 kB each, and terminal.svg. Look at each before you commit it.
Method    Chromium without a window, as the tests drive it; the terminal is a real one (a pty), to which a copy of the
          run, told to make another round, writes until some candidates are trained. Ctrl-C ends it.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from nars import load_config

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "screenshots"
sys.path.insert(0, str(ROOT / "tests" / "explore"))

from browser import Tab, browser  # type: ignore[import-not-found]  # noqa: E402  # what the tests drive the page with

WIDTH, COLUMNS, LINES = 1200, 100, 24
TRAINED = 4
"""Candidates of the round after which the terminal is looked at."""
NARS = (sys.executable, "-m", "nars")


def keep(tab: Tab, name: str, *, height: int) -> None:
    """The upper part of the page as a palette PNG."""
    with tempfile.TemporaryDirectory() as folder:
        tab.look(Path(folder) / "page.png", width=WIDTH)
        picture = Image.open(Path(folder) / "page.png").convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(height, picture.height)))
    picture.quantize(128, dither=Image.Dither.NONE).save(OUT / f"{name}.png", optimize=True)


@contextmanager
def explored(run: Path) -> Iterator[str]:
    """The address of the explorer of a run."""
    command = [*NARS, "explore", str(run), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def explorer(tab: Tab, run: Path) -> None:
    """Limits, the answer and the plot; and below them the candidate."""
    with explored(run) as address:
        tab.open(address)
        tab.wait("document.querySelector('#candidates').textContent.length > 100")
        tab.run("byId('field-flops').value = '300k'; byId('field-flops').dispatchEvent(new Event('input'))")
        tab.wait("state.asked?.candidate?.costs.flops <= 3e5")
        keep(tab, "explorer", height=900)
        tab.run("document.querySelector('#candidates-section').scrollIntoView()")
        for section in ("asking", "seeing", "family-section"):
            tab.run(f"document.getElementById('{section}').hidden = true")
        keep(tab, "candidate", height=1000)


def report(tab: Tab, run: Path) -> None:
    """The table of the family, and the plots."""
    tab.open(f"file://{run.resolve()}/report.html")
    keep(tab, "report", height=1100)


def terminal(run: Path) -> None:
    """Stage 2 as it goes on."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(run, Path(folder) / "runs" / run.name)
        rounds = load_config(str(run)).collect.rounds + 1
        command = [*NARS, "run", f"runs/{run.name}", "--set", f"collect.rounds={rounds}"]
        pid, file = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(LINES))
            os.execvp(command[0], command)
        fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        written = b""
        while not _trained(written) and (more := _read(file)):
            written += more
        os.kill(pid, signal.SIGINT)
        while _read(file):
            pass
        os.waitpid(pid, 0)
    shown = Console(record=True, width=COLUMNS, file=io.StringIO())
    for line in screen(written.decode(errors="replace")):
        shown.print(Text.from_ansi(line))
    shown.save_svg(str(OUT / "terminal.svg"), title="nars run")


def _trained(written: bytes) -> bool:
    """Whether so many candidates are done; the bar is drawn whole."""
    return re.search(rb"\b%d/\d+" % TRAINED, written) is not None and written.endswith((b"\n", b"K", b"m", b"h", b" "))


def _read(file: int) -> bytes:
    time.sleep(0.05)
    try:
        return os.read(file, 65_536)
    except OSError:  # the other end is closed
        return b""


def screen(written: str) -> list[str]:
    """The lines that a terminal shows in the end, with their colors, of what was written to it.

    Knows what rich uses: line ends, returns, lines up, and clearing of a line.
    """
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            continue  # what follows clears the line, or ends it
        elif part.endswith("A"):
            row = max(0, row - int(part[2:-1] or 1))
        elif part.endswith("K"):
            lines[row] = ""
        elif part.endswith("m") or not part.startswith("\x1b"):
            lines[row] += part
    while lines and not lines[-1].strip():
        lines.pop()
    return lines[-LINES:]


def main() -> None:
    """Make all of them."""
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/digits")
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        explorer(tab, run)
        report(tab, run)
    terminal(run)
    for file in sorted(OUT.iterdir()):
        print(f"{file.name} {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
