"""Ctrl-C ends the program wherever it is: while it loads libraries, computes, or is ending already.

Imports next to nothing, so that it is in charge from the first moment on.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without loading typing
if TYPE_CHECKING:
    from types import FrameType, TracebackType

INTERRUPTED = 130
GOES_ON = "interrupted; nothing measured is lost, the same command resumes from here"


class taking_interrupts:  # noqa: N801  # a context manager; contextlib takes longer to load than all of this
    """Inside, Ctrl-C raises KeyboardInterrupt; within an import, and from the second time on, the program ends at once.

    Extension modules that are just being loaded turn the exception into others, or lose it. And who presses twice does
    not want to wait. Nothing needs to be tidied up then: files are written under temporary names.
    """

    def __init__(self) -> None:
        self._raised = False

    def __enter__(self) -> None:
        """Take over from Python, unless Ctrl-C is ignored, as in a shell's background jobs."""
        self._mine = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._mine:
            try:
                signal.signal(signal.SIGINT, self._interrupted)
            except ValueError:  # not the main thread, which alone hears of it
                self._mine = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back, unless the program is ending because of it."""
        if self._mine and not self._raised:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        # Ray's processes need its own ending.
        if (self._raised or _importing(frame)) and "ray" not in sys.modules:
            _end_at_once()
        self._raised = True
        raise KeyboardInterrupt


def end_children() -> None:
    """Kill the processes that were started here; at the interpreter's end they would be waited for."""
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for child in multiprocessing.active_children():
            child.kill()


def same_command() -> str:
    """This command, to be copied."""
    plain = "+,-./:=@_%"  # and letters and digits; shlex takes long to load
    words = (
        word if all(sign.isalnum() or sign in plain for sign in word) and word else repr(word) for word in sys.argv[1:]
    )
    return f"  {' '.join(['nars', *words])}"


def _end_at_once() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        end_children()
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""  # a bar hides it
        text = f"{show_cursor}{GOES_ON}\n{same_command()}\n"
        os.write(2, text.encode(errors="backslashreplace"))  # not by rich, which may be what is being loaded
    finally:
        os._exit(INTERRUPTED)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
