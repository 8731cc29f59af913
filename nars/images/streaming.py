"""Image folders larger than memory: files are read as they are needed, by processes beside the training. Images that
are held whole, for random resized crops, are cut by the same code.

What comes out is, bit for bit, what the same folder gives in memory, whatever the number of processes: every crop and
flip is decided by the caller, the processes only read and cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.crops import ResizedCrop, Wholes, evaluation_side, middle_of
from nars.images.pixels import read, read_one, read_whole, size_of_whole, square_of, squares_of
from nars.parallel import copying, interrupts_blocked, usable_cores, without_program
from nars.printing import brief_repr

Cuts = Ints
"""(B, 5): row of the split, first pixel row and column of the crop from the padded image, whether it is mirrored, and
the seed of a random resized crop."""

_MOST_LOADERS = 8
"""Processes that read for one training, when nobody says how many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamedSplit:
    """Labelled images that stay in their files."""

    __repr__ = brief_repr

    files: NDArray[np.bytes_]
    """(N,), paths as the file system spells them: an array, because a million Path objects take long to send."""
    labels: Tensor
    """As of `Split`."""
    resolution: int
    """Side that they are read at, pixels."""
    loaders: int | None
    """Processes that read ahead; 0 reads when asked, None is one per core, 8 at most."""
    held: Wholes | None = None
    """The decoded images, where they are cut from memory after all."""
    share: float = 1.0
    """The middle that is judged: this share of the side, in (0, 1]."""

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
        if self.held is not None:
            return squares_of(self.held, rows, resolution=self.resolution)
        side = evaluation_side(self.resolution, self.share)
        images = read([path_of(self.files[row]) for row in rows], resolution=side, progress=None)
        return middle_of(images, self.resolution)

    def whole(self, row: int) -> Tensor:
        """uint8 (C, H, W): one image, whole."""
        pixels = read_whole(path_of(self.files[row]), self.resolution)[0] if self.held is None else self.held[row]
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def square(self, row: int) -> Tensor:
        """uint8 (C, resolution, resolution): the middle of one image."""
        side = evaluation_side(self.resolution, self.share)
        if self.held is not None:
            pixels = square_of(Image.fromarray(self.held[row]), side)
        else:
            pixels = read_one(path_of(self.files[row]), side)
        return middle_of(torch.from_numpy(pixels.copy()), self.resolution)

    def size(self, row: int) -> tuple[int, int]:
        """Height and width of one image, whole."""
        if self.held is None:
            return size_of_whole(path_of(self.files[row]), self.resolution)
        height, width = self.held.sizes[row].tolist()
        return height, width

    def reader(
        self, *, padding: int, border: str, resized: ResizedCrop | None = None, like: StreamedSplit | None = None
    ) -> Reader:
        """What reads images of this split, in processes that stay as long as it does.

        Args:
            padding: Pixels added on each side before a crop.
            border: What they show, "reflect" or "constant" (black).
            resized: Crops of the whole image instead, resized.
            like: The same images for another resolution, whose resized crops these are to show; None draws anew.
        """
        count = min(_MOST_LOADERS, len(usable_cores())) if self.loaders is None else self.loaders
        if like is not None and self.held is None:
            like = replace(like, held=None)  # processes get it along; a file's header says as much
        files = _Files(self, padding, border, resized, like)
        return Reader(files, processes=0 if self.held is not None else count)


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
            multiprocessing_context=copying([__name__, "torchvision.transforms.v2"]) if processes else None,
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

    def __init__(
        self, split: StreamedSplit, padding: int, border: str, resized: ResizedCrop | None, like: StreamedSplit | None
    ) -> None:
        self._split, self._padding, self._border, self._resized = split, padding, border, resized
        self._like = like

    def __getitems__(self, cuts: Cuts) -> Tensor | DataError:
        try:
            images = np.empty((len(cuts), *self._split.shape[1:]), dtype=np.uint8)
            for place, cut in zip(images, cuts, strict=True):
                place[:] = self._cut(*(int(value) for value in cut))
            return torch.from_numpy(images)
        except DataError as error:  # raised here, it would come out with the traceback of this process in its message
            return error

    def _cut(self, row: int, top: int, left: int, flipped: int, seed: int) -> NDArray[np.uint8]:
        from torchvision.transforms.v2 import functional

        side = self._split.resolution
        if self._resized is not None:
            size = None if self._like is None else self._like.size(row)
            image = self._resized.cut(self._split.whole(row), seed, side, size=size)
        else:
            image = self._split.square(row)
        if self._padding:
            image = functional.pad(image, [self._padding] * 4, padding_mode=self._border)
            image = functional.crop(image, top, left, side, side)
        pixels: NDArray[np.uint8] = image.numpy()
        return pixels[..., ::-1] if flipped else pixels


def as_bytes(files: Sequence[Path]) -> NDArray[np.bytes_]:
    """Paths as an array."""
    return np.array([os.fsencode(file) for file in files], dtype=np.bytes_)


def path_of(file: bytes) -> Path:
    """A path of such an array."""
    return Path(os.fsdecode(file))


def _as_it_is(batch: object) -> object:
    return batch
