"""Runs a command; what the user can mend is one clear message and exit code 2, never a traceback."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nars.cli.interrupts import GOES_ON, INTERRUPTED, end_children, same_command
from nars.cli.machine import spell
from nars.cli.streams import close_quietly, mend_streams, reader_is_gone, say
from nars.errors import NarsWarning, UserError

USER_ERROR = 2
_BROKEN_PIPE = 1
"""What rich and Click end with when nobody reads on."""


def run() -> None:
    """Run the command line and leave."""
    mend_streams()
    with _warnings():
        try:
            from nars.cli.app import app
            from nars.cli.completing import whole_words

            with whole_words():
                app(standalone_mode=True)
        except SystemExit as end:
            _leave(end.code)
        except KeyboardInterrupt:
            _leave(INTERRUPTED)
        except OSError as error:
            _leave(_failed(error))
        except MemoryError as error:
            _refuse(f"out of memory{f' ({error})' if str(error) else ''}; use fewer --workers or a smaller batch size")
        except UserError as error:  # others are bugs
            _refuse(str(error))


def _leave(code: object) -> None:
    """End with this code, all output written."""
    if code == INTERRUPTED:  # by Typer or by us
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end is near; a second Ctrl-C has nothing to stop
        end_children()
        say(f"{GOES_ON}\n{same_command()}")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            close_quietly(stream)
            code = code or _failed(error)
    if "triton" in sys.modules:  # takes what the last collection has passed over for leaks, and lists them
        gc.unfreeze()
    else:
        gc.freeze()  # the interpreter's last collection would go through all of torch, for a second or more
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
def _warnings() -> Iterator[None]:
    """Our own warnings are for the user, who has no use for the line of code they come from."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, NarsWarning):
            say(str(message), heading="warning", color="yellow")
        else:
            before(message, category, *where, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
