"""Dividing a labelled set: stratified, deterministic, nested."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_order(labels: NDArray[np.int64], *, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random order of the N images in which every run of neighbours has the classes in their overall proportions.

    So that the first k are a stratified subset for every k, and those after them are one too. Within a class the order
    is a uniform permutation; the j-th of its n images gets the place (j + 1/2) / n in the whole.

    Args:
        labels: (N,) class of each image.
        rng: source of the permutation.

    Returns: (N,) indices.
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    places = (np.arange(len(labels)) - starts + 0.5) / np.repeat(counts, counts)
    # Equal places (the middles of equally large classes) come in random class order, not always class 0 first.
    return by_class[np.lexsort((rng.random(len(labels)), places))]
