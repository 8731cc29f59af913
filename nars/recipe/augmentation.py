"""How training images are varied, and every random draw of an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.recipe.recipe import require

if TYPE_CHECKING:
    from nars.images import ResizedCrop
    from nars.recipe.variations import Variation

Border = Literal["reflect", "constant"]

Cropping = Literal["pad", "resized"]

PolicyName = Literal["none", "autoaugment", "autoaugment-cifar10", "randaugment", "trivialaugment"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are varied; validation and test images never are."""

    cropping: Cropping = "pad"
    """pad: by `crop`, for small images; resized: a random part of the whole image, by `scale` and `ratio`, resized to
    the side of the network (torchvision's RandomResizedCrop), as usual for photographs."""
    scale: tuple[float, float] = (0.08, 1.0)
    """Of a resized crop: least and largest share of the image's area, in (0, 1]."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Of a resized crop: least and largest width : height, > 0."""
    crop: float = 0.125
    """Random crop: the image is enlarged on each side by this share of its own side (rounded to pixels) and cut back at
    a random place; 0.125 are the usual 4 pixels of a 32-pixel image. 0 <= crop < 1; 0 crops nothing."""
    border: Border = "reflect"
    """What the enlarged border shows: the image mirrored, or black ("constant")."""
    flip: bool = True
    """Mirror left and right half of the time. False for digits and letters, whose meaning it changes."""
    policy: PolicyName = "none"
    """A learned or random policy on top, torchvision's (transforms.v2), drawn for each image. The paper's final
    training has AutoAugment. A recipe that says `augment` has its own instead."""
    color: float = 0.0
    """Brightness, contrast and saturation of each image times a factor from 1 - color to 1 + color, in [0, 1]. A recipe
    whose `color` is above 0 has its own instead."""
    erasing: float = 0.0
    """Probability of blanking a rectangle of 2 to 33 % of an image, in [0, 1] (random erasing, arXiv 1708.04896)."""

    def __post_init__(self) -> None:
        require(0.0 <= self.crop < 1.0, "augmentation crop", ">= 0 and < 1", self.crop)
        require(0.0 <= self.color <= 1.0, "augmentation color", "between 0 and 1", self.color)
        require(0.0 <= self.erasing <= 1.0, "augmentation erasing", "between 0 and 1", self.erasing)
        words = {"border": get_args(Border), "policy": get_args(PolicyName), "cropping": get_args(Cropping)}
        for name, allowed in words.items():
            value = getattr(self, name)
            require(value in allowed, f"augmentation {name}", f"one of {', '.join(allowed)}", value)
        for name, end in (("scale", 1.0), ("ratio", math.inf)):
            low, high = getattr(self, name)
            ordered = 0.0 < low <= high <= end and low < math.inf
            until = f" <= {end:g}" if end < math.inf else ""
            require(ordered, f"augmentation {name}", f"two numbers, 0 < least <= largest{until}", (low, high))

    def padding(self, resolution: int) -> int:
        """Pixels added on each side of an image of this resolution."""
        return round(self.crop * resolution) if self.cropping == "pad" else 0

    @property
    def resized(self) -> ResizedCrop | None:
        """The random resized crops, where there are any."""
        from nars.images import ResizedCrop  # brings torch, which a run's settings are read without

        return ResizedCrop(scale=self.scale, ratio=self.ratio) if self.cropping == "resized" else None

    def described(self) -> dict[str, Any]:
        """What decides the images, as plain values."""
        document = asdict(self)
        if self.cropping == "pad":  # written only where it is used, as trainings before it lack it
            for name in ("cropping", "scale", "ratio"):
                del document[name]
        if self.color == 0.0:  # as above
            del document["color"]
        if self.policy != "none":  # a training of an earlier version drew it for eight images at a time
            document["policy"] = f"{self.policy}, for each image"
        return document


@dataclass(frozen=True)
class EpochPlan:
    """Every random draw of one epoch, S steps of B images, made at its start.

    So the position in the epoch is one number: a training resumed at any step finds the draws it would have made, and
    processes that share a batch agree on it without a word.
    """

    rows: Ints
    """(S, B) which images, each at most once; those over at the end sit this epoch out."""
    top: Ints
    """(S, B) first pixel row of the crop, 0..2 x padding."""
    left: Ints
    """(S, B) first pixel column."""
    flipped: NDArray[np.bool_]
    """(S, B)"""
    seeds: Ints
    """(S, B) of each image's random resized crop, which is drawn once its size is known; 0 where there is none."""
    mixing: Floats
    """(S,) share of each image in its mixture, in [0, 1]; 1 where nothing is mixed."""
    boxes: Ints
    """(S, 4) rectangle that shows the other image of a mixture: rows from, to (excluded), columns from, to; all 0 where
    the whole images are mixed."""
    varied: tuple[NDArray[Any], ...]
    """(S, B, ...) draws of each variation."""
    torch_seeds: Ints
    """(S,) seed of torch's generator in each step: dropout, stochastic depth."""


def plan_epoch(
    *,
    images: int,
    batch_size: int,
    padding: int,
    augmentation: Augmentation,
    mixup: float,
    cutmix: float,
    side: int,
    variations: Mapping[int, Variation],
    seed: int,
    epoch: int,
) -> EpochPlan:
    """Draw an epoch; the same arguments give the same plan, on every machine.

    Args:
        images: How many there are, >= batch_size.
        batch_size: Images per step over all processes.
        padding: Pixels on each side, >= 0.
        augmentation: What else to vary.
        mixup: alpha of the Beta(alpha, alpha) of the mixing share, one per batch (timm's "batch" mode); 0 mixes
            nothing.
        cutmix: alpha of the share that stays of an image, one per batch; 0 cuts nothing.
        side: Of the images, pixels.
        variations: By the number of their random stream.
        seed: >= 0.
        epoch: From 0.
    """
    rng = np.random.default_rng([seed, epoch])
    steps = images // batch_size
    shape = (steps, batch_size)
    plan = EpochPlan(
        rows=rng.permutation(images)[: steps * batch_size].reshape(shape),
        top=rng.integers(0, 2 * padding, size=shape, endpoint=True),
        left=rng.integers(0, 2 * padding, size=shape, endpoint=True),
        flipped=rng.random(shape) < 0.5 if augmentation.flip else np.zeros(shape, dtype=np.bool_),
        seeds=_crop_seeds(seed, epoch, shape) if augmentation.cropping == "resized" else np.zeros(shape, np.int64),
        mixing=rng.beta(mixup, mixup, size=steps) if mixup > 0.0 else np.ones(steps),
        torch_seeds=rng.integers(0, 2**63, size=steps),
        boxes=np.zeros((steps, 4), dtype=np.int64),
        varied=tuple(
            variation.draw(np.random.default_rng([seed, epoch, number]), shape)
            for number, variation in variations.items()
        ),
    )
    if cutmix == 0.0:
        return plan
    # A stream of its own: a recipe without cutmix draws what it drew before there was any.
    shares, boxes = _cuts(np.random.default_rng([seed, epoch, _CUTMIX]), cutmix, steps, side)
    cut = np.random.default_rng([seed, epoch, _CUTMIX, 1]).random(steps) < (0.5 if mixup > 0.0 else 1.0)
    return replace(plan, mixing=np.where(cut, shares, plan.mixing), boxes=np.where(cut[:, None], boxes, plan.boxes))


_CUTMIX, _CROPS = 1, 4
"""Numbers of random streams; `VARIATIONS` has others."""


def _crop_seeds(seed: int, epoch: int, shape: tuple[int, int]) -> Ints:
    return np.random.default_rng([seed, epoch, _CROPS]).integers(2**63, size=shape, dtype=np.int64)


def _cuts(rng: np.random.Generator, alpha: float, steps: int, side: int) -> tuple[Floats, Ints]:
    """Shares that stay, (S,), and rectangles, (S, 4), as in `EpochPlan` (CutMix, section 3.2; timm's `rand_bbox`).

    A rectangle has the sides of the image times the root of the drawn share that goes, around any pixel; what lies
    outside of the image is cut off, and the share is that of the area that is left.
    """
    length = (side * np.sqrt(1.0 - rng.beta(alpha, alpha, size=(steps, 1)))).astype(np.int64)
    center = rng.integers(side, size=(steps, 2))
    low, high = np.clip(center - length // 2, 0, side), np.clip(center + (length + 1) // 2, 0, side)
    shares = 1.0 - (high - low).prod(axis=1) / side**2
    return shares, np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)
