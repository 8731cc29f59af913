"""The contents of many files: a hash of each, computed when it is asked for, and which files are copies of others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nars.errors import DataError
from nars.images.split import first_of
from nars.images.streaming import path_of
from nars.images.unsplit import DIGEST_BYTES, digests_of


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

    def digests(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
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

    def copies(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
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

    def _paths(self, indices: NDArray[np.int64]) -> Sequence[Path]:
        return [path_of(self._files[index]) for index in indices]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, str(error)) from error


def _size(file: Path) -> int:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise _unreadable(file, str(error)) from error
    if size == 0:
        raise _unreadable(file, "it is empty, 0 bytes")
    return size


def _unreadable(file: Path, reason: str) -> DataError:
    return DataError(f"an image could not be read: {file} ({reason}). Replace or remove it.")
