"""Training batches: cropped, mirrored, varied and mixed a whole batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nars.arrays import Ints
from nars.images import ImageData, ResizedCrop, Split, StreamedSplit
from nars.parallel import device_memory
from nars.recipe.augmentation import Augmentation, Border, EpochPlan, plan_epoch
from nars.recipe.balance import balanced_rows
from nars.recipe.loss import mix, paste
from nars.recipe.peers import Peers
from nars.recipe.policies import LARGE
from nars.recipe.recipe import Recipe, RecipeError
from nars.recipe.variations import variations_of


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step learns from."""

    images: Tensor
    """float32 (B, C, H, W), normalized, varied and mixed."""
    clean: Tensor | None
    """The same images with crop, flip and mixture alone, for a teacher who looks at them; None for one who looks at
    `images`."""
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
    ) -> None:
        """Batches of `batch_size` images over all peers (of all images when there are fewer).

        With `clean` a teacher is shown images without policy, colors and erasing.
        """
        self.batch_size = min(batch_size, len(data.train))
        self._seed, self._clean = seed, clean
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
        cut = (augmentation.padding(self._side), augmentation.border, augmentation.resized)
        if cut != self._cut:
            self._images = self._opened(*cut)
            self._cut = cut
        self._variations = variations_of(recipe, self._side, policy=augmentation.policy, color=augmentation.color)

    def _opened(self, padding: int, border: Border, resized: ResizedCrop | None) -> ImageStore | ImageStream | Crops:
        kept: dict[str, Any] = {"padding": padding, "border": border, "device": self._device}
        if isinstance(self._train, StreamedSplit):
            return ImageStream(self._train, resized=resized, **kept)
        if resized is None:
            return ImageStore(self._train.images, **kept)
        if not self._whole:
            raise RecipeError(
                "random resized crops are cut from whole images, and these are middle squares; load them with "
                "load_images(..., whole=True)."
            )
        return Crops(self._train.images, resized, device=self._device)

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
        clean = self.normalize(raw) if self._clean else None  # a copy, before anything varies the pixels in place
        for variation, drawn in zip(self._variations.values(), plan.varied, strict=True):
            raw = variation(raw, drawn[step, self._columns])
        images = self.normalize(raw)
        if self._augmentation.erasing > 0.0:
            images = erase(images, self._augmentation.erasing)
        images = _mixed(images, plan, step)
        rows = torch.from_numpy(plan.rows[step, self._columns]).to(self._labels.device)
        return Batch(
            images=images,
            clean=None if clean is None else _mixed(clean, plan, step),
            labels=self._labels[rows],
            share=float(plan.mixing[step]),
            answers=None if self.answers is None else self.answers[rows].float(),
        )


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


def erase(images: Tensor, probability: float) -> Tensor:
    """Blank a rectangle (value 0, the mean) in each image with this probability: 2 to 33 % of its area, 3:10 to 10:3.

    Draws from torch's global generator. float (B, C, H, W) -> the same shape. torchvision's `RandomErasing` blanks the
    same rectangle in all images of a batch, timm's takes them one by one.
    """
    count, _, height, width = images.shape
    u = torch.rand((5, count), device=images.device)
    area = (0.02 + u[0] * (1 / 3 - 0.02)) * height * width
    ratio = torch.exp((2.0 * u[1] - 1.0) * float(np.log(10 / 3)))
    tall = (area * ratio).sqrt().round().clamp(1, height)
    wide = (area / ratio).sqrt().round().clamp(1, width)
    top, left = (u[2] * (height - tall + 1)).floor(), (u[3] * (width - wide + 1)).floor()
    y, x = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows = (y >= top[:, None]) & (y < (top + tall)[:, None])
    columns = (x >= left[:, None]) & (x < (left + wide)[:, None])
    blank = rows[:, None, :, None] & columns[:, None, None, :] & (u[4] < probability)[:, None, None, None]
    return images.masked_fill(blank, 0.0)


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
        """The augmented images of one step: uint8 (B, C, H, W), channels last; `columns` is this process's share."""
        rows, top, left = (
            torch.from_numpy(draw[step, columns]).to(self._crops.device) for draw in (plan.rows, plan.top, plan.left)
        )
        images: Tensor = self._crops[rows, top, left]
        if images.device.type != self._device.type:
            images = images.pin_memory() if self._device.type == "cuda" else images
            images = images.to(self._device, non_blocking=True)
        flipped = plan.flipped[step, columns]
        if flipped.any():
            where = torch.from_numpy(flipped).to(self._device).view(-1, 1, 1, 1)
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
    ) -> None:
        _require_mirror(split.resolution, padding, border)
        self._reader, self._device = split.reader(padding=padding, border=border, resized=resized), device
        # Policies take whole channels faster, and crops come that way; padded images are as those in memory.
        self._format = torch.channels_last if resized is None else torch.contiguous_format
        self._plan: EpochPlan | None = None
        self._step = 0
        self._batches: Iterator[Tensor] = iter(())

    def batch(self, plan: EpochPlan, step: int, columns: slice | Ints) -> Tensor:
        """As of `ImageStore`; steps of one plan one after the other, or it begins to read anew."""
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
        """As of `ImageStore`."""
        side, drawn = self._images.shape[-1], (plan.rows, plan.seeds, plan.flipped)
        cut = []
        for row, seed, flipped in zip(*(draw[step, columns].tolist() for draw in drawn), strict=True):
            image = self._resized.cut(self._images[row], seed, side)
            cut.append(image.flip(-1) if flipped else image)
        return torch.stack(cut).to(self._device, non_blocking=True)


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
