"""Image folders larger than memory: files are read as they are needed, by processes beside the training.

What comes out is, bit for bit, what the same folder gives in memory, whatever the number of processes: every crop and
flip is decided by the caller, the processes only read and cut.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.pixels import read, read_one
from nars.parallel import interrupts_blocked, usable_cores, without_program
from nars.printing import brief_repr

Cuts = Ints
"""(B, 4): row of the split, first pixel row and column of the crop from the padded image, whether it is mirrored."""

_MOST_LOADERS = 8
"""Processes that read for one training, when nobody says how many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamedSplit:
    """Labelled images that stay in their files."""

    __repr__ = brief_repr

    files: NDArray[np.bytes_]
    """(N,), paths as the file system spells them: an array, because a million Path objects take long to send."""
    labels: Tensor
    """int64 (N,), 0..classes-1."""
    resolution: int
    """Side that they are read at, pixels."""
    loaders: int | None
    """Processes that read ahead; 0 reads when asked, None is one per core, 8 at most."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)."""
        return len(self), 3, self.resolution, self.resolution

    @property
    def images(self) -> Tensor:
        """uint8 (N, C, H, W): all of them, read now.

        Raises:
            DataError: a file cannot be read, or all of them do not fit into memory.
        """
        return self.some(np.arange(len(self)))

    def some(self, rows: Ints) -> Tensor:
        """uint8 (n, C, H, W): the images of these rows, read now."""
        return read([path_of(self.files[row]) for row in rows], resolution=self.resolution, progress=None)

    def reader(self, *, padding: int, border: str) -> Reader:
        """What reads images of this split, in processes that stay as long as it does.

        Args:
            padding: Pixels added on each side before a crop.
            border: What they show, "reflect" or "constant" (black).
        """
        count = min(_MOST_LOADERS, len(usable_cores())) if self.loaders is None else self.loaders
        return Reader(_Files(self.files, self.resolution, padding, border), processes=count)


@final
class Reader:
    """Reads batches ahead, time and again."""

    def __init__(self, files: _Files, *, processes: int) -> None:
        self._batches: list[Cuts] = []
        self._loader: DataLoader[Any] = DataLoader(
            files,
            batch_sampler=self._batches,  # type: ignore[arg-type]  # any sequence of batches does, looked at each time
            num_workers=processes,
            persistent_workers=processes > 0,
            multiprocessing_context=_context() if processes else None,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # else it would draw from the global one, which decides dropout
        )

    def read(self, batches: Sequence[Cuts]) -> Iterator[Tensor]:
        """One batch after the other, each uint8 (B, C, H, W), while the next ones are being read.

        What was to be read before and has not been taken is given up.

        Args:
            batches: What to read and how to cut it.

        Raises:
            DataError: a file cannot be read.
        """
        self._batches[:] = batches
        with without_program(), interrupts_blocked():  # the training ends them, not Ctrl-C
            reading = iter(self._loader)
        for batch in reading:
            if isinstance(batch, DataError):
                raise batch
            yield batch


class _Files(Dataset[Any]):
    """What a reading process holds."""

    def __init__(self, files: NDArray[np.bytes_], resolution: int, padding: int, border: str) -> None:
        self._files, self._resolution, self._padding, self._border = files, resolution, padding, border

    def __getitems__(self, cuts: Cuts) -> Tensor | DataError:
        try:
            return torch.stack([self._cut(*(int(value) for value in cut)) for cut in cuts])
        except DataError as error:  # raised here, it would come out with the traceback of this process in its message
            return error

    def _cut(self, row: int, top: int, left: int, flipped: int) -> Tensor:
        from torchvision.transforms.v2 import functional

        side = self._resolution
        image: Tensor = torch.from_numpy(read_one(path_of(self._files[row]), side).copy())
        if self._padding:
            image = functional.pad(image, [self._padding] * 4, padding_mode=self._border)
            image = functional.crop(image, top, left, side, side)
        return functional.horizontal_flip(image) if flipped else image


def as_bytes(files: Sequence[Path]) -> NDArray[np.bytes_]:
    """Paths as an array."""
    return np.array([os.fsencode(file) for file in files], dtype=np.bytes_)


def path_of(file: bytes) -> Path:
    """A path of such an array."""
    return Path(os.fsdecode(file))


def _as_it_is(batch: object) -> object:
    return batch


def _context() -> Any:
    """Processes start as copies of one that has torch imported and no threads: in no time, and never in a deadlock."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torchvision.transforms.v2"])
    return context
