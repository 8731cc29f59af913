"""The user's home directory, which not every user has: containers run as numbers without one."""

from __future__ import annotations

import os
from pathlib import Path

from nars.data.errors import DataError


def expanded(path: str | Path, *, error: type[ValueError] = DataError) -> Path:
    """A path with the home directory in place of ~.

    Raises:
        error: there is no such directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as reason:
        raise error(f"{path} begins with a home directory that is not known. Write the whole path.") from reason


def cache_folder() -> Path:
    """Where files go that can be fetched again.

    Raises:
        RuntimeError: the user has no home directory.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nars"
