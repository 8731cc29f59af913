"""Color jitter: brightness, contrast and saturation, drawn for each image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from nars.arrays import Floats
from nars.recipe.recipe import Recipe
from nars.recipe.sending import sent


@dataclass(frozen=True)
class ColorJitter:
    """torchvision's `adjust_brightness`, `adjust_contrast` and `adjust_saturation` in this order, as timm's jitter.

    torchvision's take one factor for all images; with a factor of each image's own the whole batch is one call.
    """

    strength: float
    """Factors are uniform from 1 - strength to 1 + strength."""

    def draw(self, rng: Generator, shape: tuple[int, int]) -> Floats:
        """Three factors of each image, (S, B, 3)."""
        return rng.uniform(1.0 - self.strength, 1.0 + self.strength, (*shape, 3))

    def __call__(self, pixels: Tensor, drawn: NDArray[Any]) -> Tensor:
        """As in `Variation`."""
        factors = sent(drawn.astype(np.float32), pixels.device)[..., None, None, None]
        bright = blended(pixels, torch.zeros((), device=pixels.device), factors[:, 0])
        contrast = blended(bright, gray(bright).mean(dim=(1, 2, 3), keepdim=True), factors[:, 1])
        return contrast if pixels.shape[1] == 1 else blended(contrast, gray(contrast), factors[:, 2])

    def enlarged(self, factor: float) -> ColorJitter:
        """As in `Variation`."""
        return self


def color_of(recipe: Recipe, resolution: int) -> ColorJitter | None:
    """The jitter that a recipe asks for."""
    return ColorJitter(recipe.color) if recipe.color > 0.0 else None


def blended(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """factor x image + (1 - factor) x other: uint8 of values 0..255, cut off and rounded down."""
    return (images * factor).add_(other * (1.0 - factor)).clamp_(0.0, 255.0).to(torch.uint8)


def gray(images: Tensor) -> Tensor:
    """Luminance in whole steps, float (B, 1, H, W); gray images as they are."""
    if images.shape[1] == 1:
        return images.float()
    red, green, blue = images.unbind(dim=1)
    return (0.2989 * red).add_(0.587 * green).add_(0.114 * blue).floor_()[:, None]
