"""Processes for the drills to kill."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable


def start(work: Callable[[], object]) -> int:
    """Do the work in a process of its own; returns the number of the process."""
    process = os.fork()
    if process:
        return process
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)


def running(process: int) -> bool:
    """Whether it has not ended yet.

    Raises:
        SystemExit: it failed by itself.
    """
    done, status = os.waitpid(process, os.WNOHANG)
    if done and status:
        raise SystemExit(f"what was to be killed failed by itself, with status {status}")
    return not done


def kill(process: int) -> None:
    """End it with SIGKILL, and wait until it is gone."""
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def ended(process: int, seconds: float | None) -> bool:
    """Whether the process ended by itself within the time (None: it may take any); SIGKILL ends it otherwise."""
    deadline = float("inf") if seconds is None else time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        if not running(process):
            return True
        time.sleep(0.001)
    kill(process)
    return False
