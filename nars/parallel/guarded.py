"""Other people's programs as children that never outlive this process, read line by line while they run."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

_GUARD = Path(__file__).with_name("guard.py")
_LOOK = 0.1
"""Seconds between looks at the clock while the program says nothing."""
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 20
"""Bytes of a line; what is longer is left out."""
_TAIL = 1 << 12
"""Bytes of the error stream that are kept: the last."""
_POLITE = 5.0
"""Seconds that a program has to end when it is asked to."""
_GONE = 10.0
"""Seconds after which its guard is given up."""


@dataclass(frozen=True)
class Ending:
    """How a program ended; exactly one of the three is set."""

    code: int | None = None
    """Exit code."""
    signal: int | None = None
    """That killed it."""
    errno: int | None = None
    """Why the system did not start it."""


@final
class Guarded:
    """A program under way, in a `with` statement that it does not outlive; nor does anything that it starts.

    Neither does it outlive this process, however that ends: a guard between the two sees to it (`guard.py`). Ctrl-C in
    a terminal does not reach it, so that this process decides what ends.
    """

    def __init__(self, arguments: Sequence[str], *, folder: str | Path, environment: Mapping[str, str]) -> None:
        """Start it, with an empty input.

        Args:
            arguments: The program, looked for on the environment's PATH, and what it is given.
            folder: Where it runs.
            environment: All of its environment variables.

        Raises:
            OSError: the folder is not there, or the machine has no room for another process.
        """
        theirs, self._control = os.pipe()
        self._status, told = os.pipe()
        guard = [sys.executable, "-I", "-S", str(_GUARD), str(theirs), str(told)]
        try:
            self._process = subprocess.Popen(
                [*guard, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment,
                pass_fds=(theirs, told),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._control)
            os.close(self._status)
            raise
        finally:
            os.close(theirs)
            os.close(told)
        self.ending: Ending | None = None
        """None while it runs."""
        self._lines, self._errors, self._said = _Lines(), b"", b""
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        for descriptor in (self._out, self._err, self._status):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ)

    def __enter__(self) -> Guarded:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it if it still runs, with all that it started."""
        os.close(self._control)
        try:
            self._process.wait(_GONE)
        except subprocess.TimeoutExpired:  # not even SIGKILL ends what waits for a broken disk
            self._process.kill()
            self._process.wait()
        finally:
            self._selector.close()
            os.close(self._status)
            for stream in (self._process.stdout, self._process.stderr):
                assert stream is not None
                stream.close()

    def lines(self, check: Callable[[], None]) -> Iterator[str]:
        """Each line that it prints, as it comes, until it has ended; `check` is called many times a second."""
        while self.ending is None:
            check()
            yield from self._receive(_LOOK)
        yield from self._lines.rest()

    def stop(self, *, patience: float = 0.0) -> None:
        """Wait for it to end by itself, ask it to, and kill it.

        Args:
            patience: Seconds until it is asked.
        """
        self._wait(patience)
        if self.ending is None:
            with suppress(BrokenPipeError):
                os.write(self._control, b"t")
            self._wait(_POLITE)

    @property
    def errors(self) -> str:
        """The last of what it wrote to its error stream."""
        return self._errors.decode(errors="replace")

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.ending is None and (left := until - time.monotonic()) > 0:
            for _ in self._receive(min(left, _LOOK)):  # a full pipe would hold it up
                pass

    def _receive(self, timeout: float) -> Iterator[str]:
        """Lines that came meanwhile; sets `ending` when there will be no more."""
        ready = [key.fd for key, _ in self._selector.select(timeout)]
        if self._out in ready:
            yield from self._lines.of(self._read(self._out))
        if self._err in ready:
            self._errors = (self._errors + self._read(self._err))[-_TAIL:]
        if self._status in ready:
            said = self._read(self._status)
            self._said += said
            if not said:  # all that could write to the streams is dead; what it wrote is still there
                while chunk := self._read(self._out):
                    yield from self._lines.of(chunk)
                while chunk := self._read(self._err):
                    self._errors = (self._errors + chunk)[-_TAIL:]
                self.ending = self._how()

    def _read(self, descriptor: int) -> bytes:
        """What is there; at its end the stream is listened to no longer."""
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return b""
        if not chunk and descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)
        return chunk

    def _how(self) -> Ending:
        kind, _, number = self._said.decode().partition("\n")[0].partition(" ")
        if kind == "errno":
            return Ending(errno=int(number))
        # Without a word, somebody killed the guard, and with it the program.
        code = {"exit": 1, "signal": -1}[kind] * int(number) if kind else self._process.wait()
        return Ending(code=code) if code >= 0 else Ending(signal=-code)


@final
class _Lines:
    """A stream of bytes as lines."""

    def __init__(self) -> None:
        self._begun, self._skipping = b"", False

    def of(self, chunk: bytes) -> Iterator[str]:
        """The lines that this chunk ends."""
        *ended, begun = (self._begun + chunk).split(b"\n")
        for line in ended:
            if not self._skipping:
                yield line.decode(errors="replace")
            self._skipping = False
        if len(begun) > _LONGEST_LINE:
            self._skipping = True
        self._begun = b"" if self._skipping else begun

    def rest(self) -> Iterator[str]:
        """The last line, where nothing ended it."""
        if self._begun:
            yield self._begun.decode(errors="replace")
