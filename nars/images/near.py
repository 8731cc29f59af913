"""Near copies: the same photo in another size, quality or format, found by a hash of its content.

A hash says how each pixel of a tiny gray image compares with its neighbor, which survives those and little else.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.modes import reading_of
from nars.images.pixels import OnRead, opening
from nars.images.split import first_of, joined
from nars.images.streaming import path_of
from nars.images.unsplit import Source, hold_out_test, made_here
from nars.printing import counted

Hashes = NDArray[np.uint64]
"""(N, 4), 256 bits for each image."""

_SIDE = 16
"""Rows of the tiny image; a hash has so many bits squared."""

_NEAR = 28
"""Bits of 256 in which near copies differ at most. Of 944 real photos in 30 classes, half the size at JPEG quality 30
changes 11 bits (the median), 21 (nine in ten) and 36 (the most); the nearest photos of two scenes differ in 41."""

_FLAT = 24
"""Bits that are set in a hash at least, and not set: of a plain surface it says nothing."""

MOST = 20_000
"""Images whose near copies are looked for; each is compared with each."""

_BLOCK = 256


def drafted(image: Image.Image) -> None:
    """Let a JPEG file be decoded at a fraction of its size, which is enough for a hash."""
    image.draft(None, (8 * _SIDE, 8 * _SIDE))


def hash_of(image: Image.Image) -> NDArray[np.uint64]:
    """(4,) 256 bits of an upright gray image: whether each pixel of 16 rows of 17 is brighter than its neighbor."""
    tiny = np.asarray(image.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(tiny[:, 1:] > tiny[:, :-1]).view(np.uint64)


def hashes_of_files(files: NDArray[np.bytes_], progress: OnRead | None) -> Hashes:
    """The hashes of image files (N,), each of which is decoded once in a process.

    Raises:
        DataError: a file cannot be read as an image.
    """
    return _hashes([partial(_of_file, path_of(file)) for file in files], progress)


def hashes_of_contents(encoded: Sequence[bytes], names: Sequence[str], progress: OnRead | None) -> Hashes:
    """The same of encoded images with names for messages."""
    return _hashes([partial(_of_content, *one) for one in zip(encoded, names, strict=True)], progress)


def near_copies(bits: Hashes) -> list[tuple[int, int]]:
    """Pairs (a, b), a < b, of hashes (N, 4) that differ in `_NEAR` bits at most; of hashes that say something."""
    ones = np.bitwise_count(bits).sum(axis=1)
    told = np.flatnonzero((ones >= _FLAT) & (ones <= 64 * bits.shape[1] - _FLAT))
    kept = bits[told]
    found: list[tuple[int, int]] = []
    for start in range(0, len(kept), _BLOCK):
        apart: Ints = np.bitwise_count(kept[start : start + _BLOCK, None] ^ kept[None]).sum(axis=2)
        rows, columns = np.nonzero(apart <= _NEAR)
        found += [
            (int(told[start + row]), int(told[column]))
            for row, column in zip(rows, columns, strict=True)
            if start + row < column
        ]
    return found


def keep_near_together(source: Source, *, progress: OnRead | None) -> Source:
    """The same images, near copies of each other in one group; a test part that was made here is made anew.

    What is a near copy of a near copy belongs to the group too.

    Raises:
        DataError: there are too many images, one of them cannot be read, or they are no images of one's own.
    """
    count = len(source.labels)
    if source.hashes is None or count > MOST:
        got = "a published set, which is split as everybody splits it" if source.hashes is None else f"{count:,} images"
        raise DataError(
            f"near_copies (data.near_copies of a run) compares each of one's own images with each, of {MOST:,} at "
            f"most; got {got}. Leave it out; exact copies of one's own stay together in any case."
        )
    pairs = np.array(near_copies(source.hashes(progress)), dtype=np.int64).reshape(-1, 2)
    near = joined(count, [(pairs[:, 0], pairs[:, 1])])
    note = _note(source, pairs, near)
    every = np.arange(count)
    groups = (
        near if source.groups is None else joined(count, [(every, first_of(near)), (every, first_of(source.groups))])
    )
    source = replace(source, groups=groups, notes=(*source.notes, note))
    if not made_here(source):
        return source
    return hold_out_test(replace(source, part=np.zeros_like(source.part)), int((source.part != 0).sum()))


def _note(source: Source, pairs: Ints, near: Ints) -> str:
    sizes = np.bincount(near)
    sets = sizes[sizes > 1]
    if not len(sets):
        return "near copies: none"
    note = (
        f"near copies of each other: {counted(int(sets.sum()), 'image')}, in {counted(len(sets), 'set')} of "
        f"{int(sets.max()):,} at most; each set is kept on one side of each split that is made here"
    )
    apart = 0 if made_here(source) else int((source.part[pairs[:, 0]] != source.part[pairs[:, 1]]).sum())
    leaks = f". WARNING: {counted(apart, 'pair')} in two splits that the data bring along; nars data check names them"
    return note + (leaks if apart else "")


def _of_file(file: Path) -> NDArray[np.uint64]:
    try:
        stat = file.stat()
    except OSError as error:
        raise DataError(f"an image could not be read: {file} ({error}). Replace or remove it.") from error
    return _of_version(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=MOST)
def _of_version(file: Path, changed: int, size: int) -> NDArray[np.uint64]:
    """Kept, because the same images are opened for the search and again for final training."""
    return _of_opened(file, str(file))


def _of_content(content: bytes, name: str) -> NDArray[np.uint64]:
    return _of_opened(io.BytesIO(content), name)


def _of_opened(content: Path | io.BytesIO, name: str) -> NDArray[np.uint64]:
    with opening(content, name) as image:
        read = reading_of(image, name=name)
        drafted(image)
        return hash_of(read(ImageOps.exif_transpose(image)).convert("L"))


def _hashes(each: Sequence[Callable[[], NDArray[np.uint64]]], progress: OnRead | None) -> Hashes:
    found = np.zeros((len(each), _SIDE**2 // 64), dtype=np.uint64)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, bits in enumerate(pool.map(lambda one: one(), each)):
            found[done] = bits
            if progress is not None:
                progress(done + 1, len(each))
    return found
