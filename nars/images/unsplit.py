"""An image set before a seed splits it: labels, what belongs to which part, and how to get at the pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.labels import several
from nars.images.pixels import OnRead, resize
from nars.images.split import first_of, hold_out, joined
from nars.printing import brief_repr

TRAIN, VALIDATION, TEST = 0, 1, 2

Render = Callable[[Ints, int, OnRead | None], Tensor]
"""(indices (n,), resolution, progress) -> uint8 (n, C, resolution, resolution)."""

DIGEST_BYTES = 16

MADE_HERE = "a fifth of the "
"""How `Source.origin` begins to tell of a test part that the set does not bring along."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Source:
    """N labelled images. The TEST ones are part of the set; where none is VALIDATION, a seed takes some of TRAIN."""

    __repr__ = brief_repr

    classes: tuple[str, ...]
    labels: Ints
    """(N,), indices into `classes`; of images with several labels (N, classes) of 0 and 1."""
    part: NDArray[np.int8]
    """(N,), each TRAIN, VALIDATION or TEST."""
    render: Render
    digest: Callable[[Ints], NDArray[np.uint8]]
    """indices (n,) -> (n, 16), a hash of each image's content at its own resolution."""
    copies: Callable[[Ints], Ints] | None = None
    """indices (n,) -> (n,), for each the place in them of the first image with the same content; None where copies are
    not looked for, as in the published sets, which are split as everybody splits them."""
    files: NDArray[np.bytes_] | None = None
    """(N,), where each image is a file of its own that can be streamed."""
    origin: dict[int, str] = field(default_factory=dict)
    """VALIDATION, TEST -> where its images come from, in words, where that is not plain."""
    notes: tuple[str, ...] = ()
    """What a person should know about how the set was read, a sentence each."""
    side: int | None = None
    """Side of the images, pixels, where all are arrays of one size."""
    typical: int | None = None
    """Shorter side of a typical image, pixels, of packed images."""
    groups: Ints | None = None
    """(N,) images of equal number (one patient's, one scene's) stay on one side of every split that is made here."""
    hashes: Callable[[OnRead | None], NDArray[np.uint64]] | None = None
    """(progress) -> (N, 4), what near copies are found by; None where they are not looked for."""

    @property
    def packed(self) -> bool:
        """Whether the images are neither files nor arrays: of those there are middle squares only."""
        return self.files is None and self.side is None


def array_source(
    *,
    classes: tuple[str, ...],
    images: Tensor,
    labels: Ints,
    part: NDArray[np.int8],
    digests: NDArray[np.uint8] | None = None,
    notes: tuple[str, ...] = (),
) -> Source:
    """A set that is in memory at its own resolution, uint8 (N, C, H, H). `digests` (N, 16) default to the pixels'."""
    if digests is None:
        digests = digests_of(memoryview(image) for image in images.numpy())
    return Source(
        classes=classes,
        labels=labels,
        part=part,
        render=partial(_render_array, images),
        digest=partial(np.take, digests, axis=0),
        notes=notes,
        side=images.shape[-1],
    )


def digests_of(contents: Iterable[bytes | memoryview]) -> NDArray[np.uint8]:
    """Hash each content. Returns (N, 16)."""
    joined = b"".join(hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest() for content in contents)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, DIGEST_BYTES)


def hold_out_test(source: Source, count: int) -> Source:
    """Mark a stratified choice of about `count` images as TEST; the same choice for the same images."""
    copies = together_among(source, np.arange(len(source.labels)))
    held_out, _ = hold_out(source.labels, count, copies=copies, rng=np.random.default_rng(0))
    part = source.part.copy()
    part[held_out] = TEST
    return replace(source, part=part)


def made_here(source: Source) -> bool:
    """Whether its test part was made here, as the set brings none along."""
    return source.origin.get(TEST, "").startswith(MADE_HERE)


def copies_among(source: Source, indices: Ints) -> Ints | None:
    """`source.copies` of some images; None where no two of them are alike."""
    if source.copies is None:
        return None
    copies = source.copies(indices)
    return None if np.array_equal(copies, np.arange(len(indices))) else copies


def together_among(source: Source, indices: Ints) -> Ints | None:
    """Which of some images (n,) stay together, because they are copies or of one group: for each the place of the first
    of them; None where each may go its own way."""
    copies = copies_among(source, indices)
    if source.groups is None:
        return copies
    groups = first_of(source.groups[indices])
    if copies is not None:
        places = np.arange(len(indices))
        groups = first_of(joined(len(indices), [(places, copies), (places, groups)]))
    return None if np.array_equal(groups, np.arange(len(groups))) else groups


def some_classes(source: Source, count: int, *, rng: np.random.Generator) -> Source:
    """The images of `count` random classes, which keep their order and are numbered anew.

    Raises:
        DataError: fewer than two classes would be left.
    """
    if count < 2:
        raise DataError(f"at least 2 classes must be left, got max_classes {count}.")
    classes = np.sort(rng.choice(len(source.classes), size=count, replace=False))
    names = tuple(source.classes[number] for number in classes)
    if several(source.labels):
        some = some_images(source, np.flatnonzero(source.labels[:, classes].any(axis=1)))
        return replace(some, classes=names, labels=some.labels[:, classes])
    some = some_images(source, np.flatnonzero(np.isin(source.labels, classes)))
    return replace(some, classes=names, labels=np.searchsorted(classes, some.labels).astype(np.int64))


def some_images(source: Source, kept: Ints) -> Source:
    """The images at these places (n,), ascending, in all classes."""
    return replace(
        source,
        labels=source.labels[kept],
        part=source.part[kept],
        render=partial(_among, kept, source.render),
        digest=partial(_among, kept, source.digest),
        copies=None if source.copies is None else partial(_among, kept, source.copies),
        files=None if source.files is None else source.files[kept],
        groups=None if source.groups is None else source.groups[kept],
        hashes=None,  # what is near is known by its group
    )


def _among(kept: Ints, asked: Callable[..., _Result], indices: Ints, *rest: Any) -> _Result:
    """What the whole source says of the kept images; a function of the module, because sources travel by pickling."""
    return asked(kept[indices], *rest)


def _render_array(images: Tensor, indices: Ints, resolution: int, progress: OnRead | None) -> Tensor:
    """Takes well under a second for sets of this kind, so `progress` hears nothing."""
    return resize(images[torch.from_numpy(indices)], resolution)
