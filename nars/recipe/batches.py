"""Training batches: cropped, mirrored, varied and mixed a whole batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nars.images import ImageData, Split
from nars.recipe.augmentation import Augmentation, EpochPlan, plan_epoch
from nars.recipe.balance import balanced_rows
from nars.recipe.loss import mix, paste
from nars.recipe.peers import Peers
from nars.recipe.policies import LARGE
from nars.recipe.recipe import Recipe, RecipeError
from nars.recipe.rendering import Rendering
from nars.recipe.sending import sent
from nars.recipe.stores import opened
from nars.recipe.variations import Variation, variations_of


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step learns from."""

    images: Tensor
    """float32 (B, C, H, W), normalized, varied and mixed."""
    clean: Tensor | None
    """The same images for a teacher who sees others: with crop, flip and mixture alone, or at a side of its own; None
    for one who looks at `images`."""
    labels: Tensor
    """(B,) before mixing; of images with several labels (B, classes) of 0 and 1."""
    share: float | Tensor
    """Of each image in its mixture; a scalar tensor where the steps of a training are recorded."""
    answers: Tensor | None = None
    """(B, classes) logits of a teacher who has looked at all images before, before mixing; None where it looks now."""

    @property
    def shown(self) -> Tensor:
        """What a teacher looks at."""
        return self.images if self.clean is None else self.clean

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """With both forms of the images changed alike."""
        clean = None if self.clean is None else change(self.clean)
        return replace(self, images=change(self.images), clean=clean)


@final
class Batches:
    """The training images of a data set on the device, and the batches an epoch makes of them."""

    def __init__(
        self,
        data: ImageData,
        *,
        batch_size: int,
        augmentation: Augmentation,
        recipe: Recipe,
        seed: int,
        peers: Peers,
        device: torch.device,
        clean: bool = False,
        rendered: int | None = None,
    ) -> None:
        """Batches of `batch_size` images over all peers (of all images when there are fewer).

        With `clean` a teacher is shown images without policy, colors and erasing; it is shown them at the side
        `rendered`, cut from the originals.
        """
        self.batch_size = min(batch_size, len(data.train))
        self._seed, self._clean = seed, clean
        self._rendering: Rendering | None = None
        if rendered is not None and rendered != data.resolution:
            self._rendering = Rendering(data, rendered, device=device)
        self._columns = peers.columns(self.batch_size)
        self._train, self._side, self._device = data.train, data.resolution, device
        self._labels = data.train.labels.to(device)
        self.answers: Tensor | None = None
        """(N, classes) logits of a teacher who has looked at all N images already."""
        self._whole = data.array_side is not None or not isinstance(data.train, Split)
        self._cut: tuple[Any, ...] | None = None
        self.vary(recipe, augmentation)
        self.normalize = Normalizer(data.mean, data.std, device=device)

    def vary(self, recipe: Recipe, augmentation: Augmentation) -> None:
        """From the next plan on, vary the images as these say."""
        self._augmentation, self._recipe = augmentation, recipe
        self._variations = variations_of(recipe, self._side, policy=augmentation.policy, color=augmentation.color)
        if self._rendering is not None:
            self._larger = [each.enlarged(self._rendering.factor) for each in self._variations.values()]
        cut = (augmentation.padding(self._side), augmentation.border, augmentation.resized)
        if cut != self._cut:
            self._open(augmentation)
            self._cut = cut

    def _open(self, augmentation: Augmentation) -> None:
        resized = augmentation.resized
        if resized is not None and not self._whole:
            raise RecipeError(
                "random resized crops are cut from whole images, and these are middle squares; load them with "
                "load_images(..., whole=True). Of Parquet and WebDataset there are middle squares only: pad instead "
                "(data.cropping: pad), or unpack them into folders."
            )
        padding, border = augmentation.padding(self._side), augmentation.border
        self._images = opened(self._train, padding=padding, border=border, resized=resized, device=self._device)
        if self._rendering is not None:
            self._rendering.open(padding=padding, border=border, resized=resized)

    @property
    def steps(self) -> int:
        """Steps of an epoch; the images left over by the last whole batch differ from epoch to epoch."""
        return len(self._labels) // self.batch_size

    def plan(self, epoch: int) -> EpochPlan:
        """The draws of an epoch, from 0."""
        plan = plan_epoch(
            images=len(self._labels),
            batch_size=self.batch_size,
            padding=self._augmentation.padding(self._side),
            augmentation=self._augmentation,
            mixup=self._recipe.mixup,
            cutmix=self._recipe.cutmix,
            side=self._side,
            variations=self._variations,
            seed=self._seed,
            epoch=epoch,
        )
        if self._recipe.class_balance != "sampling":
            return plan
        rows = balanced_rows(self._labels, shape=plan.rows.shape, seed=self._seed, epoch=epoch)
        return replace(plan, rows=rows)

    def batch(self, plan: EpochPlan, step: int) -> Batch:
        """This process's share of a step, channels last; erasing draws from torch's global generator."""
        raw = self._images.batch(plan, step, self._columns)
        places = torch.rand((5, len(raw)), device=raw.device) if self._augmentation.erasing > 0.0 else None
        drawn = [draws[step, self._columns] for draws in plan.varied]
        clean = self._for_teacher(raw, plan, step, drawn, places)  # before the pixels are varied in place
        images = _mixed(self._varied(raw, [*self._variations.values()], drawn, places), plan, step)
        rows = sent(plan.rows[step, self._columns], self._labels.device)
        return Batch(
            images=images,
            clean=clean,
            labels=self._labels[rows],
            share=float(plan.mixing[step]),
            answers=None if self.answers is None else self.answers[rows].float(),
        )

    def _for_teacher(
        self, raw: Tensor, plan: EpochPlan, step: int, drawn: Sequence[NDArray[Any]], places: Tensor | None
    ) -> Tensor | None:
        """What a teacher is shown who sees other images than the network."""
        if self._rendering is not None:
            raw, plan = self._rendering.batch(plan, step, self._columns), self._rendering.planned(plan)
        elif not self._clean:
            return None
        images = self.normalize(raw) if self._clean else self._varied(raw, self._larger, drawn, places)
        return _mixed(images, plan, step)

    def _varied(
        self, raw: Tensor, variations: Sequence[Variation], drawn: Sequence[NDArray[Any]], places: Tensor | None
    ) -> Tensor:
        """Images normalized, varied by what was drawn for them."""
        for variation, draws in zip(variations, drawn, strict=True):
            raw = variation(raw, draws)
        images = self.normalize(raw)
        return images if places is None else erase(images, self._augmentation.erasing, places)


def _mixed(images: Tensor, plan: EpochPlan, step: int) -> Tensor:
    """The images of a step, each with its counterpart; they may be written to."""
    if plan.boxes[step].any():
        return paste(images, plan.boxes[step])
    share = float(plan.mixing[step])
    return mix(images, share) if share < 1.0 else images


def parts(batch: Batch, count: int) -> list[Batch]:
    """A batch in `count` parts (fewer if it is small), each holding whole mixup pairs: image i and image B - 1 - i."""
    size = len(batch.images)
    front = torch.arange((size + 1) // 2, device=batch.images.device).chunk(count)
    rows = [torch.unique_consecutive(torch.cat([part, size - 1 - part.flip(0)])) for part in front]
    said = batch.answers
    return [
        replace(batch.each(itemgetter(row)), labels=batch.labels[row], answers=None if said is None else said[row])
        for row in rows
    ]


def erase(images: Tensor, probability: float, u: Tensor) -> Tensor:
    """Blank a rectangle (value 0, the mean) in each image with this probability: 2 to 33 % of its area, 3:10 to 10:3.

    float (B, C, H, W), written to, by numbers (5, B) uniform in [0, 1). torchvision's `RandomErasing` blanks the same
    rectangle in all images of a batch, timm's takes them one by one.
    """
    height, width = images.shape[-2:]
    area = (0.02 + u[0] * (1 / 3 - 0.02)) * height * width
    ratio = torch.exp((2.0 * u[1] - 1.0) * float(np.log(10 / 3)))
    tall = (area * ratio).sqrt().round().clamp(1, height)
    wide = (area / ratio).sqrt().round().clamp(1, width)
    top, left = (u[2] * (height - tall + 1)).floor(), (u[3] * (width - wide + 1)).floor()
    y, x = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows = (y >= top[:, None]) & (y < (top + tall)[:, None])
    columns = (x >= left[:, None]) & (x < (left + wide)[:, None])
    blank = rows[:, None, :, None] & columns[:, None, None, :] & (u[4] < probability)[:, None, None, None]
    return images.masked_fill_(blank, 0.0)  # a copy would lie in memory as the mask does, channels outermost


class Normalizer:
    """uint8 (N, C, H, W) of any memory format -> float32 channels last with mean 0 and deviation 1 in each channel."""

    def __init__(self, mean: Tensor, std: Tensor, *, device: torch.device) -> None:
        self._scale = (1.0 / (255.0 * std)).view(1, -1, 1, 1).to(device)
        self._shift = (mean / std).view(1, -1, 1, 1).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalize; `mean` and `std` count a pixel of 255 as 1."""
        if images.device.type == "cpu" and images.shape[-1] >= LARGE and images.is_contiguous():
            return self._by_channel(images)
        innermost = torch.channels_last
        pixels = images.contiguous(memory_format=innermost).to(torch.float32, memory_format=innermost)
        # Row by row of pixels: numbers that repeat every three would be taken one by one.
        count, channels, height, width = pixels.shape
        scale, shift = (number.view(-1).expand(channels).repeat(width) for number in (self._scale, self._shift))
        pixels.permute(0, 2, 3, 1).view(count * height, width * channels).mul_(scale).sub_(shift)
        return pixels

    def _by_channel(self, images: Tensor) -> Tensor:
        """The same numbers of large images, one channel of one at a time while it is in a CPU's caches."""
        count, channels, height, width = images.shape
        done = np.empty((count, height, width, channels), dtype=np.float32)
        scale, shift = (number.view(-1).expand(channels).numpy() for number in (self._scale, self._shift))
        for image, place in zip(images.numpy(), done, strict=True):
            for channel in range(channels):
                place[..., channel] = image[channel] * scale[channel] - shift[channel]
        return torch.from_numpy(done).permute(0, 3, 1, 2)
