"""What times ONNX files: a command of the user's, for any device, or ONNX Runtime here."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from nars.network.errors import LatencyError
from nars.network.timing import onnx_milliseconds
from nars.parallel import processor_name
from nars.space import COMMAND, DeviceTable

Milliseconds = Callable[[Path], Sequence[float]]
"""An ONNX file -> repeated measurements of one call on it, milliseconds, each finite and above 0."""

TIMEOUT = 300.0
"""Seconds that a command may take, unless told otherwise."""

_PLACEHOLDER = re.compile(r"(?<!\$)\{(\w+)\}")
"""Not ${HOME}, which is for a shell that the command may start."""
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|[-+]?inf)(?:ms)?", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;=()\[\]]+")
_TAIL = 20_000
"""Bytes of a command's output that are looked at, from the end."""
_TRIES = 2

RULE = (
    "the numbers at the end of the last line that a command prints are milliseconds ('mean 12.3 ms' is one), repeated "
    "measurements where there are several; where that line is nothing but numbers, such lines right above it count too"
)
"""How the output of a command is read."""


@dataclass(frozen=True, kw_only=True)
class OnnxRunner:
    """Something that times ONNX files, and what it is."""

    device: str
    """The text of a command, or "cpu: Intel Xeon ..."."""
    runtime: str
    """`COMMAND` or "onnxruntime"."""
    threads: int
    """0 where a command decides."""
    milliseconds: Milliseconds
    versions: Mapping[str, str] = field(default_factory=dict)


def onnxruntime_runner(threads: int) -> OnnxRunner:
    """ONNX Runtime on the CPU at hand.

    Raises:
        LatencyError: it is not installed, or there is no thread.
    """
    from importlib.metadata import PackageNotFoundError, version

    if threads < 1:
        raise LatencyError(f"--threads is at least 1, got {threads}")
    try:
        versions = {"onnxruntime": version("onnxruntime")}
    except PackageNotFoundError as error:
        raise LatencyError("measuring here needs the package onnxruntime: pip install 'nars[onnx]'") from error
    return OnnxRunner(
        device=f"cpu: {processor_name()}",
        runtime="onnxruntime",
        threads=threads,
        milliseconds=partial(onnx_milliseconds, threads=threads),
        versions=versions,
    )


def command_runner(text: str, *, timeout: float = TIMEOUT) -> OnnxRunner:
    """A command as a runner, e.g. "ssh pi bench.sh {onnx}"; no shell reads it.

    A command that ends with an error or takes too long is run once more: connections break.

    Args:
        text: {onnx} stands for the path of the file. See `RULE` for what it is to print.
        timeout: Seconds that it may take.

    Raises:
        LatencyError: {onnx} is missing or something else is in braces, quotes are open, there is no such command.
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise LatencyError(f"--runner is a command as a shell takes it ({error}); got {text!r}") from error
    names = set(_PLACEHOLDER.findall(text))
    if names != {"onnx"}:
        found = ", ".join(f"{{{name}}}" for name in sorted(names)) or "none"
        raise LatencyError(
            f"--runner has one placeholder, {{onnx}}, which stands for the file to measure; got {found} in {text!r}. "
            f"Write e.g. --runner 'ssh pi bench.sh {{onnx}}'"
        )
    if not math.isfinite(timeout) or timeout <= 0:
        raise LatencyError(f"--timeout is a number of seconds above 0; got {timeout}")
    if shutil.which(parts[0]) is None:
        raise LatencyError(
            f"--runner begins with a program that can be run; there is none called {parts[0]!r}. Check its name, or "
            f"give its path"
        )
    return OnnxRunner(
        device=text, runtime=COMMAND, threads=0, milliseconds=partial(_measured, parts=parts, timeout=timeout)
    )


def runner_of(table: DeviceTable, *, timeout: float = TIMEOUT) -> OnnxRunner:
    """What a device table was measured by.

    Raises:
        LatencyError: that is not here, or takes no ONNX files.
    """
    if table.runtime == COMMAND:
        return command_runner(table.device, timeout=timeout)
    if table.runtime == "onnxruntime":
        runner = onnxruntime_runner(table.threads)
        if runner.device == table.device:
            return runner
        raise LatencyError(f"the table is of another machine, {table.device}, and this is {runner.device}")
    raise LatencyError(
        f"the table was measured by {table.runtime}, which runs no ONNX files; give --runner, or make a table with one"
    )


def read_milliseconds(output: str) -> tuple[float, ...]:
    """The numbers that a command's output ends with (`RULE`).

    Raises:
        LatencyError: there is none, or one is no time.
    """
    numbers: list[float] = []
    for line in reversed(output.strip().splitlines()):
        own, alone = _ending(line)
        if numbers and not alone:
            break
        numbers = own + numbers
        if not alone:
            break
    if not numbers:
        raise LatencyError(f"{RULE}; it printed no number there, but {_end(output) or 'nothing'}")
    if wrong := [number for number in numbers if not 0 < number < math.inf]:
        raise LatencyError(f"{RULE}, above 0 and finite; got {wrong[0]:g} in {_end(output)}")
    return tuple(numbers)


def _ending(line: str) -> tuple[list[float], bool]:
    """The numbers that a line ends with, and whether it is nothing else."""
    words = [word for word in _BETWEEN.split(line) if word and word.lower() != "ms"]
    found: list[float] = []
    for word in reversed(words):
        if (match := _NUMBER.fullmatch(word)) is None:
            break
        found.insert(0, float(match[1]))
    return found, len(found) == len(words)


def _measured(onnx: Path, *, parts: Sequence[str], timeout: float) -> tuple[float, ...]:
    command = [part.replace("{onnx}", str(onnx)) for part in parts]
    fault = ""
    for _ in range(_TRIES):
        output, fault = _run(command, timeout)
        if not fault:
            try:
                return read_milliseconds(output)
            except LatencyError as error:
                raise LatencyError(f"{shlex.join(command)}: {error}") from error
    raise LatencyError(f"{shlex.join(command)} {fault}, twice")


def _run(command: Sequence[str], timeout: float) -> tuple[str, str]:
    """The end of what a command prints, and what went wrong with it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        # Files, not pipes: what a command leaves running may hold a pipe open for ever. A session of its own: all of it
        # can be ended. No input: ssh would swallow the terminal's.
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
            )
        except OSError as error:
            raise LatencyError(f"{shlex.join(command)} cannot be run: {error}") from error
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return "", f"had not ended after {timeout:g} s (--timeout)"
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code == 0:
            return _tail(out), ""
        said = _end(_tail(errors)) or _end(_tail(out)) or "nothing"
        return "", f"ended with {f'exit code {code}' if code > 0 else f'signal {-code}'}, saying {said}"


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    return file.read().decode(errors="replace")


def _end(text: str) -> str:
    """The end of a text, in quotes."""
    text = text.strip()
    return repr(text if len(text) <= 300 else f"...{text[-300:]}") if text else ""
