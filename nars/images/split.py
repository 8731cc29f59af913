"""Dividing a labelled set: stratified, deterministic, nested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Ints
from nars.images.labels import rarest, several


def stratified_order(labels: Ints, *, rng: np.random.Generator) -> Ints:
    """A random order of the N images in which every run of neighbors has the classes in their overall proportions.

    So that the first k are a stratified subset for every k, and those after them are one too. Within a class the order
    is a uniform permutation; the j-th of its n images gets the place (j + 1/2) / n in the whole.

    Of images with several labels the rarest one counts as their class.

    Args:
        labels: (N,) class of each image, or (N, classes) of 0 and 1.
        rng: Source of the permutation.

    Returns: (N,) indices.
    """
    labels = rarest(labels) if several(labels) else labels
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    places = (np.arange(len(labels)) - starts + 0.5) / np.repeat(counts, counts)
    # Equal places (the middles of equally large classes) come in random class order, not always class 0 first.
    return by_class[np.lexsort((rng.random(len(labels)), places))]


def hold_out(labels: Ints, count: int, *, copies: Ints | None, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Divide N images into `count` that are held out and the rest, stratified, copies of an image on one side.

    Args:
        labels: (N,) class of each image, or (N, classes) of 0 and 1.
        count: How many to hold out. Where copies are among the images it is the next number below that keeps them
            together, and at least one image with its copies.
        copies: (N,) place of the first image with the same content; None where no two are alike.
        rng: Source of the permutation.

    Returns: indices of those held out and of the rest, each in stratified order.
    """
    if copies is None:
        order = stratified_order(labels, rng=rng)
        return order[:count], order[count:]
    originals = np.flatnonzero(copies == np.arange(len(copies)))
    order = originals[stratified_order(labels[originals], rng=rng)]
    sizes = np.bincount(copies, minlength=len(labels))[order]
    taken = _fitting(sizes, count)
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(order))
    together = np.argsort(place[copies], kind="stable")
    held_out = taken[place[copies[together]]]
    return together[held_out], together[~held_out]


def _fitting(sizes: Ints, count: int) -> NDArray[np.bool_]:
    """Which groups of these sizes to take, from the first on, for `count` at most; the smallest where none fits."""
    taken = np.zeros(len(sizes), dtype=bool)
    left = count
    for group, size in enumerate(sizes.tolist()):
        if size <= left:
            taken[group] = True
            left -= size
    if count and not taken.any():
        taken[np.argmin(sizes)] = True
    return taken


def first_of(groups: NDArray[Any]) -> Ints:
    """For each element the place of the first one that is equal."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(first[group], dtype=np.int64)


def joined(count: int, equal: Sequence[tuple[Ints, Ints]]) -> Ints:
    """Number the sets into which `count` elements fall when those that are equal, directly or by others, are one.

    Args:
        count: of elements.
        equal: pairs of arrays (n,), (n,): each element of the first equals that of the second.

    Returns: (count,) number of the set of each.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = (np.concatenate([pair[side] for pair in equal]) for side in (0, 1))
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
