"""The images of a step at a side of their own, for a teacher: cut from the originals as those of the network are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from nars.arrays import Ints
from nars.images import ImageData, ResizedCrop
from nars.recipe.augmentation import Border, EpochPlan
from nars.recipe.stores import Store, opened


@final
class Rendering:
    """The training images at another side, with the crops of a training at its own.

    A resized crop is the same part of the image; one from a padded image is the same to half a pixel of the larger
    side, to the pixel where this is a multiple of the other.
    """

    def __init__(self, data: ImageData, side: int, *, device: torch.device) -> None:
        """`side` is in pixels."""
        self._split, self._like, self._device = data.rendered(side), data.train, device
        self.factor = side / data.resolution
        """By how much the images are larger."""
        self._paddings = 0, 0
        self._store: Store | None = None
        self._planned: tuple[EpochPlan, EpochPlan] | None = None

    def open(self, *, padding: int, border: Border, resized: ResizedCrop | None) -> None:
        """Cut them from here on as a training does that adds so many pixels of its own."""
        larger = math.ceil(padding * self.factor)
        self._paddings, self._planned = (padding, larger), None
        self._store = opened(
            self._split, padding=larger, border=border, resized=resized, device=self._device, like=self._like
        )

    def batch(self, plan: EpochPlan, step: int, columns: slice | Ints) -> Tensor:
        """Images uint8 (B, C, H, W) for a step of the training's plan."""
        assert self._store is not None
        return self._store.batch(self.planned(plan), step, columns)

    def planned(self, plan: EpochPlan) -> EpochPlan:
        """The training's plan in pixels of this side."""
        if self._planned is None or self._planned[0] is not plan:
            ours, larger = self._paddings
            top, left = (np.rint((at - ours) * self.factor).astype(np.int64) + larger for at in (plan.top, plan.left))
            boxes = np.rint(plan.boxes * self.factor).astype(np.int64)
            self._planned = plan, replace(plan, top=top, left=left, boxes=boxes)
        return self._planned[1]
