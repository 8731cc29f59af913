"""The cores of this machine."""

from __future__ import annotations

import os


def usable_cores() -> tuple[int, ...]:
    """The cores this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))
