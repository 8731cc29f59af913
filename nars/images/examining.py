"""What is in a user's images, before anything is done with them: `nars data check`.

Every file is decoded once. Near copies are found as `nars.images.near` has it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from nars.errors import DataError
from nars.images.contents import digests_of_files
from nars.images.dividing import divide
from nars.images.labels import name_of, per_class, several
from nars.images.modes import reading_of
from nars.images.near import MOST, drafted, hash_of, near_copies
from nars.images.own import own_source
from nars.images.pixels import opening, upright_size
from nars.images.split import first_of
from nars.images.streaming import path_of
from nars.images.unsplit import TEST, TRAIN, VALIDATION, Source, made_here
from nars.images.walk import walk

_HELD_OUT = 0.2
"""Share of the training images that runs hold out for validation where there are none (data.validation)."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One image that could be decoded."""

    size: tuple[int, int]
    """Width and height, pixels, upright."""
    mode: str
    """As Pillow has it."""
    turned: bool
    """Whether its EXIF data turn it."""
    frames: int
    bits: NDArray[np.uint64]
    """(4,) the hash."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two images that are, or may be, the same."""

    first: str
    second: str
    exact: bool
    parts: tuple[int, int]
    """Their splits."""
    classes: tuple[str, str]

    @property
    def leaks(self) -> bool:
        """Whether they are in two splits of the folder."""
        return self.parts[0] != self.parts[1]


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What was found."""

    source: Source | None
    """The images without broken ones; None where they cannot be told into classes."""
    fault: str
    """Why not; or what a run would stop at."""
    broken: tuple[tuple[str, str], ...]
    """(file, what is wrong with it)"""
    seen: tuple[Seen, ...]
    """Of the source, in its order; () of packed files, whose images are looked at when they are read."""
    pairs: tuple[Pair, ...]
    near: bool
    """Whether near copies were looked for."""
    divided: bool
    """Whether the folder brings its splits along: then a pair in two of them is a leak."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Images of each class in each part, (classes, 3)."""
        assert self.source is not None
        labels, part, classes = self.source.labels, self.source.part, len(self.source.classes)
        return np.stack([per_class(labels[part == mark], classes) for mark in (TRAIN, VALIDATION, TEST)], axis=1)

    @property
    def images(self) -> NDArray[np.int64]:
        """Images in each part, (3,)."""
        assert self.source is not None
        return np.bincount(self.source.part, minlength=3)

    @property
    def labels_each(self) -> NDArray[np.int64] | None:
        """How many images have 0, 1, 2, ... labels; None where each has one class."""
        assert self.source is not None
        labels = self.source.labels
        return np.bincount(labels.sum(axis=1)) if several(labels) else None

    @property
    def modes(self) -> Counter[str]:
        """How often each kind of pixel occurs."""
        return Counter(one.mode for one in self.seen)


def examine(path: Path, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Examined:
    """Look at every image of a folder, a table or a packed file.

    Args:
        path: of it.
        progress: called with (images looked at, in all).

    Raises:
        DataError: there is no such path.
    """
    files = _images(path)
    looked = _look(files, progress)
    broken = {file: found for file, found in looked.items() if isinstance(found, str)}
    without = frozenset(broken)
    try:
        source = own_source(path, without=without)
    except DataError as error:
        return Examined(
            source=None, fault=str(error), broken=_named(path, broken), seen=(), pairs=(), near=False, divided=False
        )
    seen: list[Seen] = []
    pairs: tuple[Pair, ...] = ()
    near = False
    if source.files is not None:
        paths = [path_of(file) for file in source.files]
        for file in paths:
            found = looked.get(file) or _seen(file)
            if isinstance(found, Seen):
                seen.append(found)
            else:  # of a table, whose images nobody has looked at yet
                broken[file] = found
        near = len(paths) <= MOST
        pairs = _pairs(path, source, paths, seen, near=near)
    return Examined(
        source=source,
        fault=next(iter(broken.values()), "") or _undivided(source),
        broken=_named(path, broken),
        seen=tuple(seen),
        pairs=pairs,
        near=near,
        divided=not made_here(source),
    )


def _undivided(source: Source) -> str:
    """Why a run of the usual configuration cannot divide them; "" where it can."""
    try:
        divide(source, _HELD_OUT, 0, None)
    except DataError as error:
        return str(error)
    return ""


def _images(path: Path) -> list[Path]:
    """All that looks like an image below a folder."""
    if not path.is_dir():
        return []
    try:
        root, _ = walk(path)
    except DataError:  # reading it says what is wrong
        return []
    return root.all_images()


def _look(files: Sequence[Path], progress: Callable[[int, int], None]) -> dict[Path, Seen | str]:
    found: dict[Path, Seen | str] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, (file, one) in enumerate(zip(files, pool.map(_seen, files), strict=True), start=1):
            found[file] = one
            progress(done, len(files))
    return found


def _seen(file: Path) -> Seen | str:
    """One image, or what is wrong with it."""
    try:
        with opening(file, str(file)) as image:
            mode, frames = image.mode, int(getattr(image, "n_frames", 1))
            turned = image.getexif().get(_ORIENTATION, 1) not in (0, 1)
            size = upright_size(image)
            read = reading_of(image, name=str(file))
            drafted(image)
            upright = read(ImageOps.exif_transpose(image)).convert("L")
            return Seen(size=size, mode=mode, turned=turned, frames=frames, bits=hash_of(upright))
    except DataError as error:
        return str(error)


_ORIENTATION = 274


def _pairs(root: Path, source: Source, paths: list[Path], seen: list[Seen], *, near: bool) -> tuple[Pair, ...]:
    """Exact copies, then near ones: each image with the first that is like it."""
    digests = digests_of_files(paths)
    first = first_of(digests)
    couples = [(int(first[at]), int(at), True) for at in np.flatnonzero(first != np.arange(len(first)))]
    if near and len(seen) == len(paths):
        bits = np.stack([one.bits for one in seen])
        couples += [(a, b, False) for a, b in near_copies(bits) if first[a] != first[b]]
    return tuple(
        Pair(
            first=_name(root, paths[a]),
            second=_name(root, paths[b]),
            exact=exact,
            parts=(int(source.part[a]), int(source.part[b])),
            classes=(name_of(source.labels[a], source.classes), name_of(source.labels[b], source.classes)),
        )
        for a, b, exact in couples
    )


def _named(root: Path, broken: dict[Path, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((_name(root, file), str(fault)) for file, fault in broken.items())


def _name(root: Path, file: Path) -> str:
    try:
        return str(file.relative_to(root if root.is_dir() else root.parent))
    except ValueError:
        return str(file)
