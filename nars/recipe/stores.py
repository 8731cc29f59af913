"""Where training images are, and how those of a step are cut from there and mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nars.arrays import Ints
from nars.images import RenderedSplit, ResizedCrop, Split, StreamedSplit
from nars.parallel import device_memory
from nars.recipe.augmentation import Border, EpochPlan
from nars.recipe.recipe import RecipeError
from nars.recipe.sending import sent


class Store(Protocol):
    """The training images of a set, at one side."""

    def batch(self, plan: EpochPlan, step: int, columns: slice | Ints) -> Tensor:
        """The images of one step, cut and mirrored: uint8 (B, C, H, W); `columns` is this process's share."""


def opened(
    split: Split | StreamedSplit | RenderedSplit,
    *,
    padding: int,
    border: Border,
    resized: ResizedCrop | None,
    device: torch.device,
    like: Split | StreamedSplit | None = None,
) -> Store:
    """Where the images of a split come from.

    Args:
        split: Not the middle squares of files, where crops are `resized`.
        padding: Pixels added on each side, >= 0.
        border: What they show.
        resized: Crops of whole images instead.
        device: Where batches go.
        like: The same images at another side, whose crops these are to show.

    Raises:
        RecipeError: the border is too wide.
    """
    if isinstance(split, StreamedSplit):
        of = like if isinstance(like, StreamedSplit) else None
        return ImageStream(split, padding=padding, border=border, resized=resized, device=device, like=of)
    if isinstance(split, RenderedSplit):
        side = split.resolution if like is None else like.shape[-1]
        return Renderings(split, padding=padding, border=border, resized=resized, device=device, side=side)
    if resized is not None:
        return Crops(split.images, resized, device=device)
    return ImageStore(split.images, padding=padding, border=border, device=device)


_MOST_OF_DEVICE = 0.25
"""Share of the memory that a process has on its GPU which images may take; networks need the rest."""


class ImageStore:
    """Training images on the device, ready to be cropped: uint8, padded, channels last.

    Where they would take too much of a GPU they stay in the machine's memory, and each batch goes to the GPU.

    A batch is one gather: the padded images are seen as (N, 2p + 1, 2p + 1, H, W, C), all their crops, a view that
    takes no memory of its own. torch's DataLoader with torchvision's transforms goes image by image, in Python, and
    takes several times as long as a small network's training.
    """

    def __init__(self, images: Tensor, *, padding: int, border: Border, device: torch.device) -> None:
        side = images.shape[-1]
        _require_mirror(side, padding, border)
        padded = _pad(images, padding, border).permute(0, 2, 3, 1).contiguous()
        room = device_memory(str(device))
        if room is None or padded.nbytes <= _MOST_OF_DEVICE * room:
            padded = padded.to(device)
        self._crops = padded.unfold(1, side, 1).unfold(2, side, 1).permute(0, 1, 2, 4, 5, 3)
        self._device = device

    def batch(self, plan: EpochPlan, step: int, columns: slice | Ints) -> Tensor:
        """As of `Store`, channels last."""
        draws = np.stack([draw[step, columns] for draw in (plan.rows, plan.top, plan.left)])
        rows, top, left = sent(draws, self._crops.device)
        images: Tensor = sent(self._crops[rows, top, left], self._device)
        flipped = plan.flipped[step, columns]
        if flipped.any():
            where = sent(flipped, self._device).view(-1, 1, 1, 1)
            images = torch.where(where, images.flip(2), images)
        return images.permute(0, 3, 1, 2)


class ImageStream:
    """Training images that stay in their files, read and cropped by other processes some batches ahead."""

    def __init__(
        self,
        split: StreamedSplit,
        *,
        padding: int,
        border: Border,
        device: torch.device,
        resized: ResizedCrop | None = None,
        like: StreamedSplit | None = None,
    ) -> None:
        _require_mirror(split.resolution, padding, border)
        self._reader = split.reader(padding=padding, border=border, resized=resized, like=like)
        self._device = device
        # Policies take whole channels faster, and crops come that way; padded images are as those in memory.
        self._format = torch.channels_last if resized is None else torch.contiguous_format
        self._plan: EpochPlan | None = None
        self._step = 0
        self._batches: Iterator[Tensor] = iter(())

    def batch(self, plan: EpochPlan, step: int, columns: slice | Ints) -> Tensor:
        """As of `Store`; steps of one plan one after the other, or it begins to read anew."""
        if self._plan is not plan or self._step != step:
            cuts = np.stack([plan.rows, plan.top, plan.left, plan.flipped.astype(np.int64), plan.seeds], axis=2)
            here = [cuts[later, columns] for later in range(step, len(cuts))]
            self._batches = self._reader.read(here)
            self._plan = plan
        self._step = step + 1
        return next(self._batches).to(self._device, memory_format=self._format, non_blocking=True)


class Crops:
    """Training images that are arrays of one size, cut as random resized crops."""

    def __init__(self, images: Tensor, resized: ResizedCrop, *, device: torch.device) -> None:
        self._images, self._resized, self._device = images, resized, device

    def batch(self, plan: EpochPlan, step: int, columns: slice | Ints) -> Tensor:
        """As of `Store`."""
        side, drawn = self._images.shape[-1], (plan.rows, plan.seeds, plan.flipped)
        cut = []
        for row, seed, flipped in zip(*(draw[step, columns].tolist() for draw in drawn), strict=True):
            image = self._resized.cut(self._images[row], seed, side)
            cut.append(image.flip(-1) if flipped else image)
        return sent(torch.stack(cut), self._device)


class Renderings:
    """Training images that are rendered for each batch, then cut."""

    def __init__(
        self,
        split: RenderedSplit,
        *,
        padding: int,
        border: Border,
        resized: ResizedCrop | None,
        device: torch.device,
        side: int,
    ) -> None:
        """`side` is the one at which the crops are drawn."""
        _require_mirror(split.resolution, padding, border)
        self._split, self._resized, self._side, self._device = split, resized, side, device
        self._padding, self._border = padding, border

    def batch(self, plan: EpochPlan, step: int, columns: slice | Ints) -> Tensor:
        """As of `Store`."""
        images, side, drawn = self._split.some(plan.rows[step, columns]), self._split.resolution, self._side
        if self._resized is not None:
            seeds = plan.seeds[step, columns].tolist()
            cut = [self._resized.cut(i, s, side, size=(drawn, drawn)) for i, s in zip(images, seeds, strict=True)]
        else:
            padded = _pad(images, self._padding, self._border)
            places = (draw[step, columns].tolist() for draw in (plan.top, plan.left))
            cut = [
                image[:, top : top + side, left : left + side] for image, top, left in zip(padded, *places, strict=True)
            ]
        flipped = plan.flipped[step, columns].tolist()
        mirrored = [image.flip(-1) if flip else image for image, flip in zip(cut, flipped, strict=True)]
        return sent(torch.stack(mirrored), self._device)


def _require_mirror(side: int, padding: int, border: Border) -> None:
    if border == "reflect" and padding >= side:
        raise RecipeError(f"a border of {padding} pixels cannot mirror an image of {side}; lower the crop.")


def _pad(images: Tensor, padding: int, border: Border) -> Tensor:
    if padding == 0:
        return images
    if border == "constant":
        return functional.pad(images, (padding,) * 4)
    # torch mirrors no uint8: do it by index, which also needs no float copy of the whole set.
    side = images.shape[-1]
    index = torch.arange(-padding, side + padding).abs()
    index = torch.where(index >= side, 2 * (side - 1) - index, index)
    return images[:, :, index][:, :, :, index]
