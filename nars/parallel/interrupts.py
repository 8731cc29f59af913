"""Ctrl-C reaches the whole process group; what helpers make of it is decided by the process that started them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Ctrl-C waits until the block ends, and processes started inside ignore it from their first instruction on.

    The signal mask, which they inherit, is the calling thread's alone: another thread may take the signal, and Python's
    handler then runs in the main thread all the same. So that is exchanged too.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Python starts this helper with the first process of a program and then unblocks Ctrl-C, whatever was blocked.
    resource_tracker.ensure_running()
    came: list[FrameType | None] = []
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        signal.signal(signal.SIGINT, lambda number, frame: came.append(frame))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # what was held back comes now
        if callable(handler):
            signal.signal(signal.SIGINT, handler)
            if came:
                handler(signal.SIGINT, came[0])
