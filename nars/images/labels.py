"""Labels of images: (N,) the number of each one's class; or, of images with several labels, (N, classes) of 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nars.arrays import Ints

NONE = "no label"
"""What an image without any label is said to be."""


def several(labels: Ints) -> bool:
    """Whether images have several labels, or none."""
    return labels.ndim == 2


def per_class(labels: Ints, classes: int) -> Ints:
    """How many images each class has, (classes,)."""
    if several(labels):
        return np.asarray(labels.sum(axis=0), dtype=np.int64)
    return np.bincount(labels, minlength=classes)


def rarest(labels: Ints) -> Ints:
    """For each image (N,) the number of its rarest label among several (N, classes); `classes` where it has none.

    As rare labels are hardest to divide, images divided by them are divided by all labels, about
    (Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-label Data, 2011, begins with the rarest too).
    """
    classes = labels.shape[1]
    order = np.argsort(labels.sum(axis=0), kind="stable")
    first = labels[:, order].argmax(axis=1)
    found: Ints = np.where(labels.any(axis=1), order[first], classes).astype(np.int64)
    return found


def name_of(label: Ints, classes: Sequence[str]) -> str:
    """The classes of one image in words, by its row of the labels."""
    if np.ndim(label) == 0:
        return classes[int(label)]
    return " | ".join(classes[at] for at in np.flatnonzero(label).tolist()) or NONE
