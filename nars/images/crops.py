"""Random resized crops: a part of a whole image, resized to the side that a network takes (arXiv 1409.4842).

The draws are torchvision's (`RandomResizedCrop`): a share of the area, a ratio of the sides from a logarithmic
distribution, up to ten times until the part lies within the image; then the largest middle part of an allowed ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_ATTEMPTS = 10

Box = tuple[int, int, int, int]
"""First row, first column, height, width: pixels."""


@dataclass(frozen=True, kw_only=True)
class ResizedCrop:
    """Which parts of an image may be drawn."""

    scale: tuple[float, float]
    """Least and largest share of the area, 0 < least <= largest <= 1."""
    ratio: tuple[float, float]
    """Least and largest width : height, 0 < least <= largest."""

    def box(self, seed: int, height: int, width: int) -> Box:
        """The part of an image of this size that a seed (>= 0) stands for."""
        rng, area = np.random.Generator(np.random.PCG64(seed)), height * width
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(_ATTEMPTS):
            share, ratio = rng.uniform(*self.scale), math.exp(rng.uniform(low, high))
            w, h = round(math.sqrt(area * share * ratio)), round(math.sqrt(area * share / ratio))
            if 0 < w <= width and 0 < h <= height:
                return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
        return self._middle(height, width)

    def _middle(self, height: int, width: int) -> Box:
        """The largest part of an allowed ratio."""
        low, high = self.ratio
        h, w = height, width
        if width / height < low:
            h = min(height, max(1, round(width / low)))
        elif width / height > high:
            w = min(width, max(1, round(height * high)))
        return (height - h) // 2, (width - w) // 2, h, w

    def cut(self, image: Tensor, seed: int, side: int, *, size: tuple[int, int] | None = None) -> Tensor:
        """The part of uint8 (C, H, W) that a seed stands for as (C, side, side), bilinear and antialiased.

        torchvision's `resized_crop` to the bit; with the channels innermost it takes half the time. `size` is the
        height and width at which the part is drawn, where this is the same image at another scale.
        """
        found = tuple(image.shape[-2:])
        top, left, height, width = self.box(seed, *(size or found))
        if size is not None and size != found:
            top, height = _scaled(top, height, found[0] / size[0])
            left, width = _scaled(left, width, found[1] / size[1])
        part = image[None, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
        return functional.interpolate(part, size=(side, side), mode="bilinear", antialias=True)[0]


def _scaled(first: int, count: int, factor: float) -> tuple[int, int]:
    """Some pixels of a row, one at least, where the row is so many times as long."""
    start = round(first * factor)
    return start, max(1, round((first + count) * factor) - start)


@dataclass(frozen=True, kw_only=True, eq=False)
class Wholes:
    """Images of any size in memory, whole: one array, which processes can share."""

    pixels: Tensor
    """uint8 (bytes,): each image (H, W, 3), one after the other."""
    starts: NDArray[np.int64]
    """(N,), places of their first bytes."""
    sizes: NDArray[np.int64]
    """(N, 2), height and width."""
    reduced: bool
    """Whether any of them is smaller than its file is."""

    @staticmethod
    def of(images: Sequence[NDArray[np.uint8]], *, reduced: bool) -> Wholes:
        """Pack images (H, W, 3)."""
        ends = np.cumsum([image.size for image in images])
        return Wholes(
            pixels=torch.from_numpy(np.concatenate([image.reshape(-1) for image in images])),
            starts=np.concatenate([[0], ends[:-1]]).astype(np.int64),
            sizes=np.array([image.shape[:2] for image in images], dtype=np.int64),
            reduced=reduced,
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """(H, W, 3)."""
        height, width = self.sizes[row]
        start = self.starts[row]
        flat: NDArray[np.uint8] = self.pixels[start : start + 3 * height * width].numpy()
        return flat.reshape(height, width, 3)


def evaluation_side(resolution: int, share: float) -> int:
    """Side that an image is resized to before its middle is cut out, of which `share` is the resolution (as timm)."""
    return math.floor(resolution / share)


def middle_of(images: Tensor, resolution: int) -> Tensor:
    """The middle (..., resolution, resolution) of square images (..., H, H)."""
    start = round((images.shape[-1] - resolution) / 2)
    return images[..., start : start + resolution, start : start + resolution]
