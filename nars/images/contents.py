"""The contents of many files: hashes of them, which files are exact copies of others, and what that does to a set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.labels import several
from nars.images.split import first_of
from nars.images.streaming import path_of
from nars.images.unsplit import DIGEST_BYTES, TEST, TRAIN, VALIDATION, Source, copies_among, digests_of
from nars.printing import counted, some_names

_NAMES = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}


class Contents:
    """The contents of N files, each of which is read once at most.

    Args:
        files: (N,), paths as the file system spells them.
    """

    def __init__(self, files: NDArray[np.bytes_]) -> None:
        self._files = files
        self._digests = np.zeros((len(files), DIGEST_BYTES), dtype=np.uint8)
        self._known = np.zeros(len(files), dtype=bool)
        self._sizes = np.full(len(files), -1, dtype=np.int64)

    def digests(self, indices: Ints) -> NDArray[np.uint8]:
        """Hashes (n, 16) of the files' bytes: the same whatever resolution they are read at and whichever decoder
        reads them.

        Raises:
            DataError: a file cannot be read.
        """
        missing = np.unique(indices[~self._known[indices]])
        if len(missing):
            with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
                self._digests[missing] = digests_of(pool.map(_read, self._paths(missing)))
            self._known[missing] = True
        return self._digests[indices]

    def copies(self, indices: Ints) -> Ints:
        """For each of these files the place, in `indices`, of the first one with the same bytes: (n,).

        Only files of equal size are read.

        Raises:
            DataError: a file cannot be read, or is empty.
        """
        missing = np.unique(indices[self._sizes[indices] < 0])
        self._sizes[missing] = [_size(path) for path in self._paths(missing)]
        _, size, counts = np.unique(self._sizes[indices], return_inverse=True, return_counts=True)
        maybe = np.flatnonzero(counts[size] > 1)
        first = np.arange(len(indices))
        if len(maybe):
            whole = np.ascontiguousarray(self.digests(indices[maybe])).view(f"V{DIGEST_BYTES}")[:, 0]
            first[maybe] = maybe[first_of(whole)]
        return first

    def _paths(self, indices: Ints) -> list[Path]:
        return [path_of(self._files[index]) for index in indices]


def digests_of_files(files: Sequence[Path]) -> NDArray[np.void]:
    """Hashes of the files' bytes, (N,), that can be compared.

    Raises:
        DataError: a file cannot be read.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = digests_of(pool.map(_read, files))
    return np.ascontiguousarray(found).view(f"V{DIGEST_BYTES}")[:, 0]


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"an image could not be read: {file} ({error}). Replace or remove it.") from error


def _read(file: Path) -> bytes:
    with _reading(file):
        return file.read_bytes()


def _size(file: Path) -> int:
    with _reading(file):
        size = file.stat().st_size
        if size == 0:
            raise OSError("it is empty, 0 bytes")
        return size


def copy_notes(source: Source) -> tuple[str, ...]:
    """How many images are copies of others, which of them lie in two splits, and which in two classes.

    Raises:
        DataError: a file cannot be read.
    """
    copies = copies_among(source, np.arange(len(source.labels)))
    if copies is None or source.files is None:
        return ()
    again = np.flatnonzero(copies != np.arange(len(copies)))
    notes = [
        f"exact copies of other images: {len(again):,} ({_pairs(source, copies, again)}); they are kept on one side of "
        f"each split that is made here"
    ]
    for mark, other in ((TEST, TRAIN), (VALIDATION, TRAIN), (TEST, VALIDATION)):
        seen = _first_in(source.part == other, copies)
        both = np.flatnonzero((source.part == mark) & (seen[copies] >= 0))
        if len(both):
            notes.append(
                f"WARNING: also among the {_NAMES[other]} images: {counted(len(both), f'{_NAMES[mark]} image')} "
                f"({_pairs(source, seen[copies], both)}); {_NAMES[mark]} accuracy will be too high, remove one of each"
            )
    other = source.labels != source.labels[copies]
    apart = np.flatnonzero(other.any(axis=1) if several(source.labels) else other)
    if len(apart):
        where = "with other labels" if several(source.labels) else "in another class"
        notes.append(
            f"WARNING: also {where}: {counted(len(apart), 'image')} ({_pairs(source, copies, apart)}); remove "
            f"the wrong ones"
        )
    return tuple(notes)


def _first_in(chosen: NDArray[np.bool_], copies: Ints) -> Ints:
    """(N,): for the first image of each content, a chosen one with that content; -1 where there is none."""
    first = np.full(len(copies), -1, dtype=np.int64)
    places = np.flatnonzero(chosen)[::-1]
    first[copies[places]] = places
    return first


def _pairs(source: Source, originals: Ints, indices: Ints) -> str:
    assert source.files is not None
    pairs = [(source.files[index], source.files[originals[index]]) for index in indices[:4]]
    return some_names([" = ".join("/".join(path_of(file).parts[-3:]) for file in pair) for pair in pairs], most=3)
