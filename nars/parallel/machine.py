"""What this machine has, cores and memory, and how much of it a computation may take."""

from __future__ import annotations

import gc
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def usable_cores() -> tuple[int, ...]:
    """The cores this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def processor_name() -> str:
    """What this machine's processor is called, for people."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux, where platform.processor() is mostly empty
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def installed_memory() -> int | None:
    """Bytes; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


@contextmanager
def memory_limit(gigabytes: float | None) -> Iterator[None]:
    """Let this process allocate at most so much inside, beyond what it has already; None is no limit.

    More is a MemoryError (from torch a RuntimeError that says so) instead of the system ending some process of its
    choice. The limit is the whole process's, other threads included. Linux only; elsewhere there is none.
    """
    if gigabytes is None or sys.platform != "linux":
        yield
        return
    import resource

    gc.collect()  # what others have left in cycles, freed later, would be more for this one to spend
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    # Libraries alone hold a gigabyte of what the system counts here, most of it never touched.
    held = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    assert held is not None
    limit = int(held[1]) * 1024 + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Compute with `count` torch threads inside; None leaves the number as it is.

    Small networks want one: on two they gain little, and on a busy machine threads that wait for each other in every
    operation make them many times slower. One is also what gives equal bits for equal seeds whatever the number of
    cores: sums split over threads round differently.
    """
    import torch

    before = torch.get_num_threads()
    if count is None or count == before:  # setting it anew costs, and in a worker it never changes
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_blas_thread() -> AbstractContextManager[object]:
    """NumPy's matrix products inside take one thread, for the same two reasons as in `torch_threads`."""
    return _blas().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # looks through the loaded libraries, which takes a millisecond
