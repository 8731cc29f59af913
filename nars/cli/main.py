"""Entry point: runs a command; what the user can mend is one clear message and exit code 2, never a traceback.

Imports little, so that it is in charge within milliseconds: the commands and their libraries take seconds to load.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nars.cli.machine import spell
from nars.cli.streams import close_quietly, mend_streams, reader_is_gone, say

INTERRUPTED = 130
USER_ERROR = 2
_BROKEN_PIPE = 1
"""What rich and Click end with when nobody reads on."""


def main() -> None:
    """Run the command line; exit code 2 for what the user can mend, 130 after Ctrl-C."""
    mend_streams()
    with _interrupts(), _warnings():
        try:
            from nars.cli.app import app

            app(standalone_mode=True)
        except SystemExit as end:
            _leave(end.code)
        except KeyboardInterrupt:
            _leave(INTERRUPTED)
        except OSError as error:
            _leave(_failed(error))
        except MemoryError as error:
            _refuse(f"out of memory{f' ({error})' if str(error) else ''}; use fewer --workers or a smaller batch size")
        except Exception as error:
            # What a user can cause is an error of ours (SpaceError, ConfigError, DataError, ...); others are bugs.
            if not type(error).__module__.startswith("nars."):
                raise
            _refuse(str(error))


def _leave(code: object) -> None:
    """End with this code, all output written."""
    if code == INTERRUPTED:  # by Typer or by us
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end is near; a second Ctrl-C has nothing to stop
        say("interrupted; nothing measured is lost, the same command goes on from here")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            close_quietly(stream)
            code = code or _failed(error)
    sys.exit(code)  # type: ignore[arg-type]


def _refuse(message: str) -> None:
    say(message, heading="error", color="red")
    _leave(USER_ERROR)


def _failed(error: OSError) -> int:
    """Say what this machine refused; the exit code. Errors without a number are no refusals but bugs."""
    if isinstance(error, BrokenPipeError) and reader_is_gone():  # `| head` has seen enough
        close_quietly(sys.stdout)
        close_quietly(sys.stderr)
        return _BROKEN_PIPE
    if error.errno is None:
        raise error
    say(spell(error), heading="error", color="red")
    return USER_ERROR


@contextmanager
def _interrupts() -> Iterator[None]:
    """Ctrl-C ends the program wherever it is, also within an import."""
    usual = threading.current_thread() is threading.main_thread()
    if not usual or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # a shell's background jobs ignore it, and so do we
        return
    signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupted(number: int, frame: FrameType | None) -> None:
    if _importing(frame) and "ray" not in sys.modules:
        # Extension modules that are just being loaded turn the exception into others, or lose it. Nothing needs to be
        # tidied up: files are written under temporary names, workers end with this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("interrupted; nothing measured is lost, the same command goes on from here")
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def _warnings() -> Iterator[None]:
    """Our own warnings are for the user, who has no use for the line of code they come from."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if category.__module__.startswith("nars."):
            say(str(message), heading="warning", color="yellow")
        else:
            before(message, category, *where, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
