"""The user's home directory, which not every user has: containers run as numbers without one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nars.errors import DataError


def expanded(path: str | Path, *, error: type[ValueError] = DataError) -> Path:
    """A path with the home directory in place of ~.

    Raises:
        error: there is no such directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as reason:
        raise error(f"{path} begins with a home directory that is not known. Write the whole path.") from reason


@contextmanager
def looked_for(name: str) -> Iterator[None]:
    """Around the search for an image set: already looking for a file can be forbidden, or its disk be gone.

    Raises:
        DataError: the system refuses.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{name} cannot be looked for: {error}. Check the permissions, or name another folder (--data-root or the "
            f"environment variable NARS_DATA for the known sets)."
        ) from error


def cache_folder() -> Path:
    """Where files go that can be fetched again.

    Raises:
        RuntimeError: the user has no home directory.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nars"
