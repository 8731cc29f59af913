"""The inner side of `nars.parallel.pool`: a process that does one job after another until it is told to stop."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch

from nars.loading import quick_imports
from nars.parallel.devices import DeviceLostError, device_watched, share_device
from nars.parallel.sharing import receive

Report = Callable[[Any], None]
"""Sends a plain value to the caller while the job is still being done, such as how far it is."""

Kind = Literal["ready", "unready", "report", "result", "raised", "lost"]
"""What a worker says: (kind, value). It ends after "unready", why it cannot work, and "lost", how its device failed."""


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """Where and with what a worker works."""

    device: str = "cpu"
    threads: int = 1
    """Threads that torch computes with."""
    cores: tuple[int, ...] | None = None
    """Run on these only; None leaves it to the system."""
    sharing: int = 1
    """Workers on its GPU, itself included."""


def serve(setup: WorkerSetup, environment: dict[str, str], connection: Connection[Any, Any]) -> None:
    """Receive (function, context), then jobs; send what `function` makes of each; ends at None, or with the pool.

    The environment is that of the pool's process: a copied process has that of the time when the first was copied.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the pool decides what ends
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if setup.cores is not None:
        with suppress(OSError):  # the cores were taken from us meanwhile: slower, not wrong
            os.sched_setaffinity(0, setup.cores)
    torch.set_num_threads(setup.threads)
    share_device(setup.sharing)
    try:
        _work(connection, setup.device)
    except (EOFError, OSError):
        _parent().join(1.0)
        if _parent().is_alive():
            raise
        # It was killed just now: the connection is broken, the file of the context gone. Nobody is left to be told.


def _work(connection: Connection[Any, Any], device: str) -> None:
    try:
        with quick_imports():
            function, shared = connection.recv()  # which loads the function's module, and all that it needs
        context = receive(shared)
    except (EOFError, OSError):
        raise
    except Exception as error:
        connection.send(("unready", f"{type(error).__name__}: {error}"))
        raise
    connection.send(("ready", None))
    while (job := connection.recv()) is not None:
        said = _do(function, job, context, device, lambda value: connection.send(("report", value)))
        connection.send(said)
        if said[0] == "lost":
            os._exit(1)  # without the tidying up of libraries that wait for the device


def _do(function: Any, job: Any, context: Any, device: str, report: Report) -> tuple[Kind, Any]:
    try:
        with device_watched(device):
            return "result", function(job, context, device, report)
    except DeviceLostError as error:
        return "lost", str(error.__cause__ or error).splitlines()[0]
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # of a class that does not travel
            return "raised", RuntimeError(f"{type(error).__name__}: {error}")
        return "raised", error


def _end_with_parent() -> None:
    """Wait for the pool's process to end, however it does, and end too: nobody is left to take the results."""
    _parent().join()
    os._exit(1)


def _parent() -> Any:
    parent = multiprocessing.parent_process()
    assert parent is not None
    return parent
