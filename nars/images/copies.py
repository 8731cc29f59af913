"""What exact copies of images do to a set, in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nars.images.streaming import path_of
from nars.images.unsplit import TEST, TRAIN, VALIDATION, Source, copies_among
from nars.printing import counted, some_names

_NAMES = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}


def copy_notes(source: Source) -> tuple[str, ...]:
    """How many images are copies of others, which of them lie in two splits, and which in two classes.

    Raises:
        DataError: a file cannot be read.
    """
    copies = copies_among(source, np.arange(len(source.labels)))
    if copies is None or source.files is None:
        return ()
    again = np.flatnonzero(copies != np.arange(len(copies)))
    notes = [
        f"exact copies of other images: {len(again):,} ({_pairs(source, copies, again)}); they are kept on one side of "
        f"each split that is made here"
    ]
    for mark, other in ((TEST, TRAIN), (VALIDATION, TRAIN), (TEST, VALIDATION)):
        seen = _first_in(source.part == other, copies)
        both = np.flatnonzero((source.part == mark) & (seen[copies] >= 0))
        if len(both):
            notes.append(
                f"WARNING: also among the {_NAMES[other]} images: {counted(len(both), f'{_NAMES[mark]} image')} "
                f"({_pairs(source, seen[copies], both)}); {_NAMES[mark]} accuracy will be too high, remove one of each"
            )
    apart = np.flatnonzero(source.labels != source.labels[copies])
    if len(apart):
        notes.append(
            f"WARNING: also in another class: {counted(len(apart), 'image')} ({_pairs(source, copies, apart)}); remove "
            f"the wrong ones"
        )
    return tuple(notes)


def _first_in(chosen: NDArray[np.bool_], copies: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,): for the first image of each content, a chosen one with that content; -1 where there is none."""
    first = np.full(len(copies), -1, dtype=np.int64)
    places = np.flatnonzero(chosen)[::-1]
    first[copies[places]] = places
    return first


def _pairs(source: Source, originals: NDArray[np.int64], indices: NDArray[np.int64]) -> str:
    assert source.files is not None
    pairs = [(source.files[index], source.files[originals[index]]) for index in indices[:4]]
    return some_names([f"{_short(path_of(one))} = {_short(path_of(other))}" for one, other in pairs], most=3)


def _short(path: Path) -> str:
    return "/".join(path.parts[-3:])
