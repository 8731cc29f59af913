"""One walk over a user's folder, with one rule for what is passed over; each thing passed over is counted by reason.

Links to files and folders are followed. A folder is a folder whatever it is called.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image, features

from nars.errors import DataError
from nars.printing import readable_name, some_names

_SYSTEM = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),  # network drives
        *("__macosx", "__pycache__", "$recycle.bin", "recycler", "system volume information", "lost+found"),
    }
)
"""Names, in lower case, of what systems and programs leave in folders. Names with a dot in front are hidden."""

_NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"})
"""Formats of Pillow that need another program to be read, or are not pixels."""

_CODECS = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
"""Formats that a build of Pillow can lack."""

_PICTURES = frozenset(
    {
        *(".apng", ".avif", ".bmp", ".exr", ".gif", ".hdr", ".heic", ".heics", ".heif", ".hif", ".j2k", ".jfif"),
        *(".jp2", ".jpe", ".jpeg", ".jpg", ".jxl", ".jxr", ".png", ".psd", ".svg", ".svgz", ".tif", ".tiff", ".webp"),
        *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2", ".xcf"),
    }
)
"""Endings that people take for images, whether or not Pillow reads them."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder without what is passed over."""

    path: Path
    images: tuple[Path, ...]
    """The image files directly in it, by name."""
    folders: tuple[Folder, ...]
    """By name."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    @cached_property
    def count(self) -> int:
        """Images in it, however deep."""
        return len(self.images) + sum(folder.count for folder in self.folders)

    @property
    def filled(self) -> tuple[Folder, ...]:
        """The folders directly in it that hold images."""
        return tuple(folder for folder in self.folders if folder.count)

    def all_images(self) -> list[Path]:
        """The image files in it, however deep, in the order of their paths."""
        return sorted((*self.images, *(image for folder in self.folders for image in folder.all_images())))


class Skipped:
    """What a walk has passed over, by reason."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: dict[str, list[str]] = {}

    def add(self, reason: str, path: str) -> None:
        """One more thing."""
        self._paths.setdefault(reason, []).append(os.path.relpath(path, self._root))

    def notes(self) -> tuple[str, ...]:
        """A line for each reason: how many, and the first few by name."""
        return tuple(
            f"passed over {reason}: {len(paths):,} ({some_names(paths)})" for reason, paths in self._paths.items()
        )


def readable_suffixes() -> frozenset[str]:
    """The endings, in lower case, of the image files that this Pillow can read, its plugins included."""
    Image.preinit()
    Image.init()
    missing = {name for name, codec in _CODECS.items() if name in Image.OPEN and not features.check(codec)}
    return frozenset(
        suffix
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _NO_PICTURES and name not in missing
    )


def walk(root: Path, *, without: frozenset[Path] = frozenset()) -> tuple[Folder, Skipped]:
    """Everything below a folder, but the image files `without`.

    Raises:
        DataError: a folder cannot be listed, or a link with the name of an image leads nowhere.
    """
    skipped = Skipped(root)
    return _listed(root, (), readable_suffixes(), skipped, without), skipped


def _listed(
    path: Path, above: tuple[tuple[int, int], ...], suffixes: frozenset[str], skipped: Skipped, without: frozenset[Path]
) -> Folder:
    try:
        status = path.stat()
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"the folder {path} cannot be listed ({error}). Check its permissions.") from error
    above = (*above, (status.st_dev, status.st_ino))
    images: list[Path] = []
    folders: list[Folder] = []
    for entry in found:
        dot = entry.name.rfind(".")  # a Path for each of a million files would take longer than listing them
        ending = entry.name[dot:].lower() if dot > 0 else ""
        if entry.name.startswith("."):
            skipped.add("hidden files and folders (a dot in front)", entry.path)
        elif entry.name.lower() in _SYSTEM:
            skipped.add("files and folders of the system", entry.path)
        elif entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110  # Path.exists raises some errors
            if ending in suffixes:
                raise DataError(
                    f"{readable_name(entry.path)} is a link that leads nowhere. Restore what it points to or remove it."
                )
            skipped.add("links that lead nowhere", entry.path)
        elif entry.is_dir():
            where = entry.stat()
            if (where.st_dev, where.st_ino) in above:
                skipped.add("links back to a folder above them", entry.path)
            else:
                folders.append(_listed(path / entry.name, above, suffixes, skipped, without))
        elif not entry.is_file():
            skipped.add("what is neither a file nor a folder", entry.path)
        elif ending in suffixes:
            if not without or path / entry.name not in without:
                images.append(path / entry.name)
        elif ending in _PICTURES:
            skipped.add("images in formats that Pillow cannot read here; convert them, e.g. to PNG", entry.path)
        else:
            skipped.add("files whose endings are not those of images", entry.path)
    return Folder(path=path, images=tuple(images), folders=tuple(folders))
