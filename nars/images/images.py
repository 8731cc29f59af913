"""Image sets: train, validation and test split as uint8 tensors; folders larger than memory stay in their files.

Search and predictors see train and validation; the test split is for the final accuracy of a finished family only. It
is part of the set: no seed moves an image into or out of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nars.arrays import Ints
from nars.errors import DataError, require
from nars.files.home import looked_for
from nars.images.contents import copy_notes
from nars.images.crops import Wholes, evaluation_side, middle_of
from nars.images.dividing import divide
from nars.images.folder import folder_source
from nars.images.known import cifar10, digits, fashion_mnist
from nars.images.labels import per_class, several
from nars.images.names import FOLDER_PREFIX, IMAGE_SETS, data_root, folder_of
from nars.images.near import keep_near_together
from nars.images.own import own_source
from nars.images.pixels import OnRead, check_headers, mean_and_std, read_wholes, weight_of_wholes
from nars.images.rendered import RenderedSplit
from nars.images.streaming import StreamedSplit, path_of
from nars.images.unsplit import TEST, TRAIN, VALIDATION, Source, some_classes
from nars.parallel import installed_memory
from nars.printing import brief_repr, some_names
from nars.space import AnyArchitecture

Streaming = bool | Literal["auto"]
"""Whether the images of a folder stay in their files; "auto" if they would take more than half of the memory,
together with the copy that each training at once makes of them."""

_SPLIT_NAMES = ("training", "validation", "test")

_MOST_MEMORY = 0.5
_STATISTICS = 10_000
"""Training images that the mean and deviation of a folder are taken of, at most."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images with their labels."""

    __repr__ = brief_repr

    images: Tensor
    """uint8 (N, C, H, W)."""
    labels: Tensor
    """int64 (N,), 0..classes-1; of images with several labels (N, classes) of 0 and 1."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return self.images.shape

    def some(self, rows: Ints) -> Tensor:
        """uint8 (n, C, H, W): the images of these rows."""
        return self.images[torch.from_numpy(rows)]


def spread_over(split: Split | StreamedSplit, count: int) -> Ints:
    """Rows (n,) of at most so many images, evenly over a split: it may hold one class after the other."""
    return np.unique(np.linspace(0, len(split) - 1, min(count, len(split))).round().astype(np.int64))


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """An image set at one resolution. Read only: the tensors are shared, nobody writes to them."""

    name: str
    fingerprint: str
    """32 hexadecimal digits over content, labels and split; the same at every resolution."""
    classes: tuple[str, ...]
    mean: Tensor
    """float32 (C,), of the training images at this resolution, a pixel of 255 counting as 1."""
    std: Tensor
    """float32 (C,), in the same unit."""
    train: Split | StreamedSplit
    validation: Split | StreamedSplit
    test: Split | StreamedSplit
    summary: str
    """What there is, e.g. "5 classes, 3,842 training / 961 validation / 1,947 test images (val/ of the folder)"."""
    notes: tuple[str, ...]
    """What a person should know about how it was read (recognized, passed over, assumed), a sentence each."""
    _source: Source = field(repr=False, compare=False)
    _indices: tuple[Ints, ...] = field(repr=False, compare=False)
    """Places of the training, validation and test images in the source."""
    _streaming: Streaming = field(repr=False, compare=False)
    _loaders: int | None = field(repr=False, compare=False)
    _copies: int = field(repr=False, compare=False)
    _whole: bool = field(repr=False, compare=False)
    _share: float = field(repr=False, compare=False)
    _rendered: dict[int, ImageData] = field(repr=False, compare=False)
    """Resolution -> this set at that resolution; one dict for all of them."""

    def __repr__(self) -> str:
        size = f"{self.resolution} x {self.resolution} x {self.in_channels}"
        return f"<ImageData {self.name} at {size}: {self.summary}, fingerprint {self.fingerprint}>"

    @property
    def in_channels(self) -> int:
        """1 (gray) or 3 (RGB)."""
        return self.train.shape[1]

    @property
    def multi_label(self) -> bool:
        """Whether an image may have several labels, or none; else it has one."""
        return self.train.labels.ndim == 2

    @property
    def array_side(self) -> int | None:
        """Side of the images as they are stored, pixels, where all are arrays of one size; None for files of any."""
        return self._source.side

    @property
    def evaluation_crop(self) -> float:
        """Share of an image's middle square, by its side, that validation and test images show."""
        return self._share

    @property
    def resolution(self) -> int:
        """Side of the square images, pixels."""
        return self.train.shape[-1]

    @property
    def available(self) -> int:
        """Training images that there are, of which `train` may be a part; those held out for validation included."""
        return int((self._source.part == TRAIN).sum())

    @property
    def _held(self) -> int:
        """Bytes of the images in memory, at all resolutions."""
        parts = [part for data in self._rendered.values() for part in (data.train, data.validation, data.test)]
        squares = sum(part.images.nbytes for part in parts if isinstance(part, Split))
        wholes = {id(part.held): part.held for part in parts if isinstance(part, StreamedSplit) and part.held}
        return squares + sum(whole.pixels.nbytes for whole in wholes.values())

    def at(self, resolution: int) -> ImageData:
        """The same set at another resolution, made from the original pixels (not from the resized ones) and kept.

        Other processes get what has been made until then along with the set.

        Args:
            resolution: Side in pixels, >= 1.

        Raises:
            DataError: it would not fit into memory.
        """
        if resolution not in self._rendered:
            train, validation, test = _splits(
                self._source,
                self._indices,
                resolution,
                how=_How(self._streaming, self._loaders, self._copies, self._whole, self._share),
                progress=None,
                others=tuple(self._rendered.values()),
                held=self._held,
            )
            mean, std = _mean_and_std(self._source, train)
            at = replace(self, mean=mean, std=std, train=train, validation=validation, test=test)
            self._rendered[resolution] = at
        return self._rendered[resolution]

    def rendered(self, resolution: int) -> Split | StreamedSplit | RenderedSplit:
        """The training images at another resolution, in their order, from the original pixels: for who looks at them
        beside the network that is trained.

        Raises:
            DataError: as `at`.
        """
        if resolution == self.resolution:
            return self.train
        if self._source.side is None:
            return self.at(resolution).train
        return RenderedSplit(
            render=self._source.render, indices=self._indices[0], labels=self.train.labels, resolution=resolution
        )

    def seen_by(self, architecture: AnyArchitecture) -> ImageData:
        """The same set as a network sees it: at its resolution, normalized as the weights want it that it starts from.

        Raises:
            DataError: as `at`.
        """
        images = self.at(architecture.resolution)
        if architecture.normalization is None:
            return images
        mean, std = map(torch.tensor, architecture.normalization)
        return replace(images, mean=mean, std=std)


def load_images(
    name: str,
    *,
    resolution: int,
    validation_fraction: float,
    seed: int,
    root: str | Path | None = None,
    max_train: int | None = None,
    validation_images: int | None = None,
    max_classes: int | None = None,
    streaming: Streaming = "auto",
    loaders: int | None = None,
    copies: int = 2,
    whole: bool = False,
    evaluation_crop: float = 1.0,
    group_column: str | None = None,
    near_copies: Literal["anywhere", "together"] = "anywhere",
    progress: OnRead | None = None,
    source: Source | None = None,
) -> ImageData:
    """Load an image set, split it and resize it.

    Args:
        name: `digits`, `fashion-mnist`, `cifar10`, or `imagefolder:PATH`, a folder with one subfolder per class, or
            with such folders as train/ and test/ and/or val/ (see `nars.images.folder`). `imagenet` is the image folder
            `imagenet/` below the root.
        resolution: Side of the square images, pixels, >= 1.
        validation_fraction: Share of the training images held out for validation, in (0, 1), stratified. Not used by an
            image folder that brings its own train/, val/ and test/.
        seed: For the validation split and the training subset; the test split does not depend on it.
        root: Where image sets are; else the environment variable NARS_DATA, else a folder in the user's cache.
            fashion-mnist and cifar10 are downloaded to it when they are not there. Not used by image folders.
        max_train: Train on a stratified subset of this many images; a larger subset contains the smaller one.
        validation_images: Hold out so many training images instead of `validation_fraction`.
        max_classes: Keep so many random classes (FBNetV3 searches on 200 of ImageNet's 1,000), in their old order.
        streaming: Read the images of a folder from their files whenever they are needed, instead of once. It makes no
            difference to any result. Not used by the other sets, which are small.
        loaders: Processes that read ahead for each training that streams; None is one per core, 8 at most.
        copies: How many of the images this machine's memory must hold where they are not streamed: these, and another,
            cropped from, for each training at once.
        whole: Keep the training images of a folder whole, for random resized crops; else their middle squares.
        evaluation_crop: Validation and test images are resized so that the middle which is judged is this share of
            their side, in (0, 1]; 1 is the whole middle square.
        group_column: Of a table of paths and labels or of Parquet, the column whose equal values keep images on one
            side of each split; of a table one that is called group, patient, subject, scene or session when None.
        near_copies: "together" keeps images that are the same but for size, quality or format
            (`nars.images.near`) on one side of each split too; exact copies lie on one side in any case.
        progress: Called with (images decoded, images in all).
        source: What `list_images` has listed under this name, or a set of one's own; looked for by the name when None.

    Raises:
        DataError: unknown name, missing folder, unreadable file, a split without images, not enough memory.
    """
    require(DataError, resolution >= 1, "resolution", "at least 1 pixel", resolution)
    open_interval = "between 0 and 1 (both excluded)"
    require(DataError, 0 < validation_fraction < 1, "validation_fraction", open_interval, validation_fraction)
    fix = "Leave it out to train on all."
    require(DataError, max_train is None or max_train >= 1, "max_train", "at least 1 image", max_train, fix=fix)
    require(DataError, 0 < evaluation_crop <= 1, "evaluation_crop", "above 0 and at most 1", evaluation_crop)
    source = source or _open(name, root, progress, group_column)
    if near_copies == "together":
        source = keep_near_together(source, progress=progress)
    if max_classes is not None and max_classes < len(source.classes):
        source = some_classes(source, max_classes, rng=np.random.default_rng([seed, 1]))
    if validation_images is not None:
        validation_fraction = _share(source, validation_images)
    indices = divide(source, validation_fraction, seed, max_train)
    how = _How(streaming, loaders, copies, whole, evaluation_crop)
    train, validation, test = _splits(source, indices, resolution, how=how, progress=progress)
    if source.files is not None and isinstance(train, StreamedSplit):
        check_headers([path_of(file) for file in source.files[np.concatenate(indices)]])
    mean, std = _mean_and_std(source, train)
    data = ImageData(
        name=name,
        fingerprint=_fingerprint(source, indices, evaluation_crop),
        classes=source.classes,
        mean=mean,
        std=std,
        train=train,
        validation=validation,
        test=test,
        summary=_summary(source, indices),
        notes=(*source.notes, *copy_notes(source), *_missing(source, indices)),
        _source=source,
        _indices=indices,
        _streaming=streaming,
        _loaders=loaders,
        _copies=copies,
        _whole=whole,
        _share=evaluation_crop,
        _rendered={},
    )
    data._rendered[resolution] = data
    return data


def _share(source: Source, validation_images: int) -> float:
    """The validation fraction that holds out so many images."""
    images = int((source.part == TRAIN).sum())
    if not 1 <= validation_images < images:
        raise DataError(
            f"validation_images (data.validation of a run) must be at least 1 and leave some of {images:,} training "
            f"images, got {validation_images:,}. Hold out fewer, or a share of them such as 0.2."
        )
    return validation_images / images


def _open(name: str, root: str | Path | None, progress: OnRead | None, group_column: str | None) -> Source:
    with looked_for(name):
        if name.startswith(FOLDER_PREFIX):
            return own_source(folder_of(name), group_column=group_column)
        require(DataError, name in IMAGE_SETS, "an image set", f"one of {', '.join(IMAGE_SETS)}", name)
        if name == "digits":
            return digits()
        if name == "imagenet":
            return folder_source(data_root(root) / name)
        return {"fashion-mnist": fashion_mnist, "cifar10": cifar10}[name](data_root(root), progress)


def _summary(source: Source, indices: Sequence[Ints]) -> str:
    counts = [
        f"{len(index):,} {name}{f' ({source.origin[mark]})' if mark in source.origin and mark != TEST else ''}"
        for index, mark, name in zip(indices, (TRAIN, VALIDATION, TEST), _SPLIT_NAMES, strict=True)
    ]
    where = f" ({source.origin[TEST]})" if TEST in source.origin else ""
    labels = f", {source.labels.sum(axis=1).mean():.2g} labels an image" if several(source.labels) else ""
    return f"{len(source.classes):,} classes, {' / '.join(counts)} images{where}{labels}"


def _missing(source: Source, indices: Sequence[Ints]) -> list[str]:
    """Classes that a split has no images of."""
    notes = []
    for index, name in zip(indices, _SPLIT_NAMES, strict=True):
        lacking = np.flatnonzero(per_class(source.labels[index], len(source.classes)) == 0)
        if len(lacking):
            names = some_names([source.classes[label] for label in lacking])
            notes.append(f"no {name} images of {len(lacking):,} of {len(source.classes):,} classes ({names})")
    return notes


@dataclass(frozen=True)
class _How:
    """How splits are made, as `load_images` takes it."""

    streaming: Streaming
    loaders: int | None
    copies: int
    whole: bool
    share: float


def _splits(
    source: Source,
    indices: Sequence[Ints],
    resolution: int,
    *,
    how: _How,
    progress: OnRead | None,
    others: Sequence[ImageData] = (),
    held: int = 0,
) -> list[Split | StreamedSplit]:
    """The splits at a resolution, in memory or in their files; `others` of `held` bytes are in memory already."""
    labels = [torch.from_numpy(source.labels[index]) for index in indices]
    shares = (1.0, how.share, how.share)
    if source.files is None:
        return _held(source, indices, labels, resolution, shares, progress)
    files, whole = [source.files[index] for index in indices], how.whole
    split = [
        StreamedSplit(files=those, labels=part, resolution=resolution, loaders=how.loaders, share=share)
        for those, part, share in zip(files, labels, shares, strict=True)
    ]
    earlier = next((wholes for other in others if (wholes := _kept(other, resolution)) is not None), None)
    paths = [path_of(file) for file in files[0]] if whole and how.streaming is not True else []
    if how.streaming == "auto":
        installed, squares = installed_memory(), sum(map(len, indices[1:] if whole else indices))
        needed: float = held + 3 * how.copies * squares * resolution**2
        if whole and earlier is None:
            needed += weight_of_wholes(paths, resolution=resolution)
        streams = installed is not None and needed > _MOST_MEMORY * installed
    else:
        streams = how.streaming
    if streams:
        return [*split]
    if not whole:
        return _held(source, indices, labels, resolution, shares, progress)
    kept = earlier or read_wholes(paths, resolution=resolution, progress=progress)
    judged = _held(source, indices[1:], labels[1:], resolution, shares[1:], progress)
    return [replace(split[0], held=kept), *judged]


def _kept(other: ImageData, resolution: int) -> Wholes | None:
    """The whole images of a set at another resolution, where they are the same at this one."""
    wholes = other.train.held if isinstance(other.train, StreamedSplit) else None
    same = wholes is not None and not wholes.reduced and other.resolution <= resolution
    return wholes if same else None


def _held(
    source: Source,
    indices: Sequence[Ints],
    labels: Sequence[Tensor],
    resolution: int,
    shares: Sequence[float],
    progress: OnRead | None,
) -> list[Split | StreamedSplit]:
    """Splits in memory."""
    splits: list[Split | StreamedSplit] = []
    for share in dict.fromkeys(shares):
        # One call for all that are alike: all threads stay busy to the end.
        alike = [place for place, other in enumerate(shares) if other == share]
        rows = np.concatenate([indices[place] for place in alike])
        images = middle_of(source.render(rows, evaluation_side(resolution, share), progress), resolution)
        images = images.contiguous()
        parts = torch.split(images, [len(labels[place]) for place in alike])
        splits += [Split(images=those, labels=labels[place]) for those, place in zip(parts, alike, strict=True)]
    return splits


def _mean_and_std(source: Source, train: Split | StreamedSplit) -> tuple[Tensor, Tensor]:
    """Statistics of the training images; of a large folder those of some evenly spaced ones, in memory or not."""
    if source.files is None or len(train) <= _STATISTICS:
        return mean_and_std(train.images)
    rows = np.linspace(0, len(train) - 1, _STATISTICS).astype(np.int64)
    return mean_and_std(train.some(rows) if isinstance(train, StreamedSplit) else train.images[torch.from_numpy(rows)])


def _fingerprint(source: Source, indices: Sequence[Ints], share: float) -> str:
    """Hash of what a measured accuracy depends on: each split's images and labels in order, the class names, and which
    middle of an image is judged."""
    digest = hashlib.sha256(json.dumps(source.classes).encode())
    for index in indices:
        digest.update(len(index).to_bytes(8, "little"))
        digest.update(source.digest(index).tobytes())
        digest.update(source.labels[index].astype("<i8").tobytes())
    if share != 1.0:
        digest.update(f"the middle {share!r}".encode())
    return digest.hexdigest()[:32]
