"""How much memory there is, and how much a computation may take."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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

    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    # Libraries alone hold a gigabyte of what the system counts here, most of it never touched.
    held = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert held is not None
    limit = int(held[1]) * 1024 + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))
