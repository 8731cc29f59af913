"""How image sets are called, and where they are looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nars.errors import DataError
from nars.files.home import cache_folder, expanded

IMAGE_SETS = ("digits", "fashion-mnist", "cifar10", "imagenet", "imagefolder:PATH")
"""What `load_images` takes as a name."""

FOLDER_PREFIX = "imagefolder:"
"""How the name of a user's own folder begins."""

CLASSES: Mapping[str, tuple[str, ...]] = {
    "digits": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}


SIDES: Mapping[str, int] = {"digits": 8, "fashion-mnist": 28, "cifar10": 32}
"""Pixels of the images of sets that are arrays."""


def folder_of(name: str) -> Path:
    """The folder of `imagefolder:PATH`.

    Raises:
        DataError: there is no path, which would be the working directory.
    """
    path = name.removeprefix(FOLDER_PREFIX).strip()
    if not path:
        raise DataError(f"imagefolder:PATH needs the path of a folder, got {name!r}; imagefolder:. is this one.")
    return expanded(path)


def public_name(name: str) -> str:
    """The name of an image set without the place: who gives a network away does not tell where the images lie."""
    prefix, _, path = name.partition(":")
    return f"{prefix}:{Path(path).absolute().name}" if path else name


def data_root(root: str | Path | None) -> Path:
    """The folder that holds image sets: `root`, else the environment variable NARS_DATA, else the user's cache folder.

    Raises:
        DataError: a folder was named and does not exist, or none was and the user has no home directory.
    """
    named = root if root is not None else os.environ.get("NARS_DATA")
    if named:
        path = expanded(named)
        if not path.is_dir():
            origin = "the environment variable NARS_DATA" if root is None else "the data folder"
            raise DataError(f"{origin} must name an existing folder, got {str(path)!r}. Create it or name another.")
        return path
    try:
        return cache_folder() / "data"
    except RuntimeError as error:
        raise DataError(
            "image sets are kept in the user's home directory, and this user has none (HOME is not set). Name a folder "
            "by --data-root or the environment variable NARS_DATA."
        ) from error
