"""The other side of `nars.evaluate.processes`: a process that evaluates trials until it is told to stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

READY = "ready"
"""What a worker sends first: its imports are done, its data is there."""


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What a worker needs to know before its first trial; kept free of torch, whose import takes seconds."""

    device: str
    cores: tuple[int, ...] | None
    """Run on these only; None leaves it to the system."""
    memory_limit: float | None
    """Gigabytes."""


def serve(setup: WorkerSetup, connection: Connection[Any, Any]) -> None:
    """Receive (data, settings), then trials; send a `Sample` for each; None ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the engine decides what ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if setup.cores is not None:
        _pin(setup.cores)

    import torch

    from nars.evaluate.evaluate import evaluate_trial
    from nars.evaluate.sharing import receive

    shared, settings = connection.recv()
    torch.set_num_threads(settings.threads)
    data = receive(shared)
    if setup.memory_limit is not None:
        _limit_memory(setup.memory_limit)
    connection.send(READY)
    while (trial := connection.recv()) is not None:
        connection.send(evaluate_trial(trial, data, settings, device=setup.device))


def _end_with_parent() -> None:
    """Wait for the engine's process to end, however it does, and end too: nobody is left to take the results."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _pin(cores: Collection[int]) -> None:
    with suppress(OSError):  # the cores were taken from us meanwhile: slower, not wrong
        os.sched_setaffinity(0, cores)


def _limit_memory(gigabytes: float) -> None:
    """Let allocations beyond fail: a MemoryError here instead of the system ending some process of its choice."""
    import resource

    limit = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
