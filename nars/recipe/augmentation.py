"""What a training does to its images: random crop and flip of a whole batch at once, on uint8 tensors in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nars.recipe.recipe import RecipeError

Border = Literal["reflect", "constant"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are varied; validation and test images never are."""

    crop: float = 0.125
    """Random crop: the image is enlarged on each side by this share of its own side (rounded to pixels) and cut back at
    a random place; 0.125 are the usual 4 pixels of a 32-pixel image. 0 <= crop < 1; 0 crops nothing."""
    border: Border = "reflect"
    """What the enlarged border shows: the image mirrored, or black ("constant")."""
    flip: bool = True
    """Mirror left and right half of the time. False for digits and letters, whose meaning it changes."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.crop < 1.0:
            raise RecipeError(f"augmentation crop must be >= 0 and < 1; got {self.crop!r}.")
        if self.border not in get_args(Border):
            raise RecipeError(f"augmentation border must be one of {', '.join(get_args(Border))}; got {self.border!r}.")

    def padding(self, resolution: int) -> int:
        """Pixels added on each side of an image of this resolution."""
        return round(self.crop * resolution)


NO_AUGMENTATION = Augmentation(crop=0.0, flip=False)


@dataclass(frozen=True)
class EpochPlan:
    """Every random draw of one epoch, S steps of B images, made at its start.

    So the position in the epoch is one number: a training resumed at any step finds the draws it would have made, and
    processes that share a batch agree on it without a word.
    """

    rows: NDArray[np.int64]
    """(S, B) which images, each at most once; those over at the end sit this epoch out."""
    top: NDArray[np.int64]
    """(S, B) first pixel row of the crop, 0..2 x padding."""
    left: NDArray[np.int64]
    """(S, B) first pixel column."""
    flipped: NDArray[np.bool_]
    """(S, B)"""
    mixing: NDArray[np.float64]
    """(S,) share of each image in its mixture, in [0, 1]; 1 without mixup."""
    torch_seeds: NDArray[np.int64]
    """(S,) seed of torch's generator in each step: dropout, stochastic depth."""


def plan_epoch(
    *, images: int, batch_size: int, padding: int, augmentation: Augmentation, mixup: float, seed: int, epoch: int
) -> EpochPlan:
    """Draw an epoch; the same arguments give the same plan, on every machine.

    Args:
        images: How many there are, >= batch_size.
        batch_size: Images per step over all processes.
        padding: Pixels on each side, >= 0.
        augmentation: What else to vary.
        mixup: alpha of the Beta(alpha, alpha) of the mixing share, one per batch (timm's "batch" mode); 0 mixes
            nothing.
        seed: >= 0.
        epoch: From 0.
    """
    rng = np.random.default_rng([seed, epoch])
    steps = images // batch_size
    shape = (steps, batch_size)
    return EpochPlan(
        rows=rng.permutation(images)[: steps * batch_size].reshape(shape),
        top=rng.integers(0, 2 * padding, size=shape, endpoint=True),
        left=rng.integers(0, 2 * padding, size=shape, endpoint=True),
        flipped=rng.random(shape) < 0.5 if augmentation.flip else np.zeros(shape, dtype=np.bool_),
        mixing=rng.beta(mixup, mixup, size=steps) if mixup > 0.0 else np.ones(steps),
        torch_seeds=rng.integers(0, 2**63, size=steps),
    )


class ImageStore:
    """Training images on the device, ready to be cropped: uint8, padded, channels last.

    A batch is one gather: the padded images are seen as (N, 2p + 1, 2p + 1, H, W, C), all their crops, a view that
    takes no memory of its own.
    """

    def __init__(self, images: Tensor, *, padding: int, border: Border, device: torch.device) -> None:
        side = images.shape[-1]
        if border == "reflect" and padding >= side:
            raise RecipeError(f"a border of {padding} pixels cannot mirror an image of {side}; lower the crop.")
        padded = _pad(images, padding, border).permute(0, 2, 3, 1).contiguous().to(device)
        self._crops = padded.unfold(1, side, 1).unfold(2, side, 1).permute(0, 1, 2, 4, 5, 3)
        self._device = device

    def batch(self, plan: EpochPlan, step: int, columns: slice | NDArray[np.int64]) -> Tensor:
        """The augmented images of one step: uint8 (B, C, H, W), channels last; `columns` is this process's share."""
        rows, top, left = (
            torch.from_numpy(draw[step, columns]).to(self._device) for draw in (plan.rows, plan.top, plan.left)
        )
        images: Tensor = self._crops[rows, top, left]
        flipped = plan.flipped[step, columns]
        if flipped.any():
            where = torch.from_numpy(flipped).to(self._device).view(-1, 1, 1, 1)
            images = torch.where(where, images.flip(2), images)
        return images.permute(0, 3, 1, 2)


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


class Normalizer:
    """uint8 (N, C, H, W) of any memory format -> float32 channels last with mean 0 and deviation 1 in each channel."""

    def __init__(self, mean: Tensor, std: Tensor, *, device: torch.device) -> None:
        self._scale = (1.0 / (255.0 * std)).view(1, -1, 1, 1).to(device)
        self._shift = (mean / std).view(1, -1, 1, 1).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise; `mean` and `std` count a pixel of 255 as 1."""
        pixels = images.to(torch.float32, memory_format=torch.channels_last)
        return pixels.mul_(self._scale).sub_(self._shift)
