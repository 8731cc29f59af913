"""Augmentation policies, drawn for each image: torchvision's operations and tables, with draws of our own.

torchvision draws once for all images of a tensor. Here an image's draws are numbers of the epoch's plan, and images
that drew the same operation go through it together, each with its own magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from nars.arrays import Floats, Ints
from nars.recipe.color import blended, gray
from nars.recipe.recipe import Recipe
from nars.recipe.sending import sent

_IDENTITY = ("Identity", 0.0)
LARGE = 96
"""Side in pixels from which on images are taken one by one on a CPU, whose caches hold no more of them."""
_RANDAUGMENT_LEVELS = 31
_AUTOAUGMENT_LEVELS = 10

Step = tuple[str, float]
"""An operation as torchvision names it, and its magnitude with its sign."""


@dataclass(frozen=True)
class Policy:
    """Operations that are done to each image one after the other."""

    steps: tuple[Step, ...]
    """Every operation that can be drawn, often more than once; the first is none."""
    drawing: Callable[[Generator, tuple[int, int]], Ints]
    """Places in `steps`, (S, B, operations)."""

    def draw(self, rng: Generator, shape: tuple[int, int]) -> Ints:
        """Places in `steps`, (S, B, operations)."""
        return self.drawing(rng, shape)

    def __call__(self, pixels: Tensor, drawn: NDArray[Any]) -> Tensor:
        """As in `Variation`."""
        for places in drawn.T:
            alike: dict[str, list[tuple[int, Step]]] = {}
            for row, place in enumerate(places.tolist()):
                step = self.steps[place]
                alike.setdefault("Move" if step[0] in GEOMETRY else step[0], []).append((row, step))
            alike.pop("Identity", None)
            for name, drew in alike.items():
                if pixels.device.type == "cpu" and pixels.shape[-1] >= LARGE:
                    for row, step in drew:
                        pixels[row : row + 1] = _operate(name, pixels[row : row + 1], [step])
                    continue
                where = sent(np.array([row for row, _ in drew]), pixels.device)
                pixels[where] = _operate(name, pixels[where], [step for _, step in drew])
        return pixels

    def enlarged(self, factor: float) -> Policy:
        """As in `Variation`."""
        pixels = {"TranslateX": factor, "TranslateY": factor}  # all other magnitudes are shares
        return replace(self, steps=tuple((name, size * pixels.get(name, 1.0)) for name, size in self.steps))


def _operate(name: str, pixels: Tensor, steps: list[Step]) -> Tensor:
    """Each of the images uint8 (N, C, H, W) by its own step."""
    if name == "Move":
        matrices = np.stack([_matrix(*step, pixels.shape[-1]) for step in steps]).astype(np.float32)
        return move(pixels, sent(matrices, pixels.device))
    magnitudes = sent(np.array([magnitude for _, magnitude in steps], dtype=np.float32), pixels.device)
    return OPERATIONS[name](pixels, magnitudes[:, None, None, None])


# torchvision's take one magnitude in each call: of thirty levels, hardly two images would go together, which on a GPU
# takes ten times as long as the rest of the training.


def _brightness(pixels: Tensor, magnitudes: Tensor) -> Tensor:
    return (pixels * (1.0 + magnitudes)).clamp_(0.0, 255.0).to(torch.uint8)


def _color(pixels: Tensor, magnitudes: Tensor) -> Tensor:
    return pixels if pixels.shape[1] == 1 else blended(pixels, gray(pixels), 1.0 + magnitudes)


def _contrast(pixels: Tensor, magnitudes: Tensor) -> Tensor:
    return blended(pixels, gray(pixels).mean(dim=(1, 2, 3), keepdim=True), 1.0 + magnitudes)


def _sharpness(pixels: Tensor, magnitudes: Tensor) -> Tensor:
    """Away from the mean of its neighbourhood, where a pixel counts five times; the border stays."""
    kernel = torch.ones((3, 3), device=pixels.device)
    kernel[1, 1] = 5.0
    inner = pixels.float()[..., 1:-1, 1:-1]
    channels = pixels.shape[1]
    weight = (kernel / 13.0).expand(channels, 1, 3, 3)
    blurred = torch.nn.functional.conv2d(pixels.float(), weight, groups=channels).round_()
    sharper = pixels.clone()
    sharper[..., 1:-1, 1:-1] = (inner - magnitudes * (blurred - inner)).clamp_(0.0, 255.0).to(torch.uint8)
    return sharper


def _posterize(pixels: Tensor, bits: Tensor) -> Tensor:
    """The first bits of each pixel."""
    return pixels & (256.0 - 2.0 ** (8.0 - bits)).to(torch.uint8)


def _solarize(pixels: Tensor, thresholds: Tensor) -> Tensor:
    return torch.where(pixels >= 255.0 * thresholds, 255 - pixels, pixels)


def _equalize(pixels: Tensor, _: Tensor) -> Tensor:
    """Large images on a CPU by Pillow, whose result is torchvision's, in a third of the time."""
    from torchvision.transforms.v2 import functional

    if pixels.device.type != "cpu" or pixels.shape[-1] < LARGE:
        done: Tensor = functional.equalize(pixels)
        return done
    planes = pixels.flatten(0, 1).numpy()
    equal = np.stack([np.asarray(ImageOps.equalize(Image.fromarray(plane))) for plane in planes])
    return torch.from_numpy(equal).view(pixels.shape)


def _torchvision(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """One whose result does not depend on a magnitude."""

    def operate(pixels: Tensor, _: Tensor) -> Tensor:
        from torchvision.transforms.v2 import functional

        done: Tensor = getattr(functional, name)(pixels)
        return done

    return operate


OPERATIONS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": _brightness,
    "Color": _color,
    "Contrast": _contrast,
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": _torchvision("autocontrast"),
    "Equalize": _equalize,
    "Invert": _torchvision("invert"),
}
"""By torchvision's name: (images uint8 (N, C, H, W), magnitudes (N, 1, 1, 1)) -> images that are torchvision's but for
single pixels, which round to the neighbouring value."""


GEOMETRY = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
"""Operations that move pixels: all images that drew any of them are one gather, whatever the magnitude. They are a
third of all draws, and torchvision's, of one magnitude a call, would take as long as the rest together."""


def _matrix(name: str, magnitude: float, side: int) -> Floats:
    """Where a pixel (x, y) of the result comes from: the matrix (2, 3) on (x, y, 1), pixels from the center."""
    cosine, sine = math.cos(math.radians(magnitude)), math.sin(math.radians(magnitude))
    half = 0.5 * side
    matrices = {
        "ShearX": ((1.0, magnitude, magnitude * half), (0.0, 1.0, 0.0)),
        "ShearY": ((1.0, 0.0, 0.0), (magnitude, 1.0, magnitude * half)),
        "TranslateX": ((1.0, 0.0, -int(magnitude)), (0.0, 1.0, 0.0)),
        "TranslateY": ((1.0, 0.0, 0.0), (0.0, 1.0, -int(magnitude))),
        "Rotate": ((cosine, -sine, 0.0), (sine, cosine, 0.0)),
    }
    return np.array(matrices[name])


def move(pixels: Tensor, matrices: Tensor) -> Tensor:
    """The nearest pixel of each place that a matrix (N, 2, 3) names, black outside: square images (N, C, H, W)."""
    side = pixels.shape[-1]
    middle = 0.5 * (side - 1)
    at = torch.arange(side, device=pixels.device, dtype=matrices.dtype) - middle
    y, x = torch.meshgrid(at, at, indexing="ij")
    places = torch.stack([x.reshape(-1), y.reshape(-1), torch.ones(side * side, device=pixels.device, dtype=at.dtype)])
    column, row = (matrices @ places + middle).round_().to(torch.int64).unbind(dim=1)
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    flat = (row.clamp_(0, side - 1) * side + column.clamp_(0, side - 1))[:, None].expand(-1, pixels.shape[1], -1)
    moved = pixels.flatten(2).gather(2, flat).mul_(inside[:, None])
    return moved.view(pixels.shape)


def policy_of(recipe: Recipe, resolution: int) -> Policy | None:
    """The policy that a recipe asks for, for images of this side in pixels."""
    if recipe.augment in (None, "none"):
        return None
    from torchvision.transforms import v2

    if recipe.augment == "randaugment":
        table = v2.RandAugment._AUGMENTATION_SPACE
        steps = [_signed(table, name, recipe.magnitude, _RANDAUGMENT_LEVELS, resolution) for name in table]
        return _uniform(steps, rounds=recipe.operations)
    if recipe.augment == "trivialaugment":
        table, levels = v2.TrivialAugmentWide._AUGMENTATION_SPACE, _RANDAUGMENT_LEVELS
        steps = [_signed(table, name, level, levels, resolution) for name in table for level in range(levels)]
        return _uniform(steps, rounds=1)
    which = v2.AutoAugmentPolicy.CIFAR10 if recipe.augment == "autoaugment-cifar10" else v2.AutoAugmentPolicy.IMAGENET
    pairs = v2.AutoAugment(which)._policies
    table = v2.AutoAugment._AUGMENTATION_SPACE
    steps = [_signed(table, name, level, _AUTOAUGMENT_LEVELS, resolution) for pair in pairs for name, _, level in pair]
    chances = np.array([[chance for _, chance, _ in pair] for pair in pairs])
    return Policy((_IDENTITY, *(step for both in steps for step in both)), partial(_draw_pairs, chances))


def _signed(table: Any, name: str, level: int | None, levels: int, side: int) -> tuple[Step, Step]:
    """An operation at a level, in both directions where it has two."""
    magnitudes, both = table[name]
    found = magnitudes(levels, side, side)
    magnitude = 0.0 if found is None else float(found[level])
    return (name, magnitude), (name, -magnitude if both else magnitude)


def _uniform(steps: list[tuple[Step, Step]], *, rounds: int) -> Policy:
    """Any of the operations in each round, in either direction."""
    flat = tuple(step for both in steps for step in both)
    return Policy((_IDENTITY, *flat), partial(_draw_uniform, len(flat), rounds))


def _draw_uniform(count: int, rounds: int, rng: Generator, shape: tuple[int, int]) -> Ints:
    return 1 + rng.integers(count, size=(*shape, rounds))


def _draw_pairs(chances: NDArray[Any], rng: Generator, shape: tuple[int, int]) -> Ints:
    """A pair of operations for each image, and each of the two with its chance (pairs, 2)."""
    pair = rng.integers(len(chances), size=shape)
    place = 4 * pair[..., None] + 2 * np.arange(2) + rng.integers(2, size=(*shape, 2))
    return np.where(rng.random((*shape, 2)) < chances[pair], 1 + place, 0)
