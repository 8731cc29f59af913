"""A set divided into training, validation and test images, as each training gets them."""

from __future__ import annotations

import numpy as np

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.split import hold_out
from nars.images.unsplit import TEST, TRAIN, VALIDATION, Source, together_among


def divide(source: Source, validation_fraction: float, seed: int, max_train: int | None) -> tuple[Ints, Ints, Ints]:
    """Indices of the training, validation and test images, each in ascending order.

    Args:
        source: where a part is not divided yet, it is divided here.
        validation_fraction: of the training images, held out where there are no validation images.
        seed: of what is held out.
        max_train: training images at most; None for all.

    Raises:
        DataError: a part would be empty.
    """
    train, validation, test = (np.flatnonzero(source.part == mark) for mark in (TRAIN, VALIDATION, TEST))
    count = round(validation_fraction * len(train)) if len(validation) == 0 else 0
    copies = together_among(source, train) if count else None
    held_out, rest = hold_out(source.labels[train], count, copies=copies, rng=np.random.default_rng(seed))
    if len(validation) == 0:
        validation = train[held_out]
    train = train[rest][:max_train]
    if min(len(train), len(validation)) == 0:
        raise DataError(
            f"both splits need images, but validation_fraction {validation_fraction:g} (data.validation of a run) "
            f"leaves {len(train)} for training and {len(validation)} for validation"
            f"{'' if copies is None else ' (copies of an image stay together)'}. Hold out another share or add images."
        )
    if len(test) == 0:
        raise DataError(
            "there are no test images of these classes. Add some, or take all classes (data.max_classes of a run)."
        )
    return np.sort(train), np.sort(validation), np.sort(test)
