"""One process at a time computes in the folder of a run: two would train the same and overwrite each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nars.errors import ConfigError

_HELD: set[Path] = set()
"""What this process computes in."""


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Nobody else computes in a folder inside; who reads it is not in the way.

    The system lets go of the folder when the process ends, however it does. This process may ask again inside. Nothing
    is held where there is no folder yet, and on file systems that do not know such locks; on Windows neither.

    Raises:
        ConfigError: another process computes in it.
    """
    place = folder.resolve()
    if place in _HELD:
        yield
        return
    held = _locked(place)
    _HELD.add(place)
    try:
        yield
    finally:
        _HELD.discard(place)
        if held is not None:
            os.close(held)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder, which no child process inherits."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # nothing there, or nothing that may be read: opening the run says so
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        who = _holder(descriptor)
        os.close(descriptor)
        raise ConfigError(
            f"another process{who} computes in {folder}; wait until it has ended, or end it (nothing measured is lost)"
        ) from error
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    return descriptor


def _holder(descriptor: int) -> str:
    """Which process it is, where the system tells."""
    inode = os.fstat(descriptor).st_ino
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            parts = line.split()
            if parts[1] == "FLOCK" and int(parts[5].rpartition(":")[2]) == inode:
                return f" (number {parts[4]})"
    return ""
