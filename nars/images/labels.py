"""Labels of images: (N,) the number of each one's class; or, of images with several labels, (N, classes) of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nars.arrays import Ints
from nars.errors import DataError
from nars.printing import counted, some_names

NONE = "no label"
"""What an image without any label is said to be."""


_SEPARATORS = ("|", ";")
"""Of the names in one cell. Not spaces and commas, which names of classes have too."""


def _sorted(labels: Iterable[str]) -> tuple[str, ...]:
    """Numbers by their size and before words."""
    return tuple(sorted(labels, key=lambda name: (0, int(name), "") if name.isdecimal() else (1, 0, name)))


def classes_in(names: Sequence[tuple[str, ...]], *, declared: Sequence[str] = (), place: str | Path) -> tuple[str, ...]:
    """The classes of images.

    Args:
        names: of the classes of each image.
        declared: all classes, where columns or the like say them; some may have no image.
        place: where they are from, for messages.

    Raises:
        DataError: there are fewer than two, or, where none are declared, so many that they are no classes.
    """
    classes = _sorted({*declared, *(name for each in names for name in each)})
    if len(classes) < 2:
        raise DataError(
            f"{place} must have at least 2 classes, got {f'{classes[0]!r} alone' if classes else 'none'}. Is it the "
            f"right column?"
        )
    if not declared and len(classes) > max(2, len(names) // 2):
        raise DataError(
            f"{place} has {len(classes):,} different labels for {len(names):,} images ({some_names([*classes])}). Is "
            f"it the right column? Several labels of an image are separated by | or ;. Labels that are numbers of "
            f"their own (regression) are not taken."
        )
    return classes


def groups_in(cells: Sequence[object], *, place: str | Path) -> list[str]:
    """What each image belongs to: equal cells are one group, and each empty one is a group by itself."""
    texts = ("" if cell is None else str(cell).strip() for cell in cells)
    return [text or f"{place}\0{row}" for row, text in enumerate(texts)]


def joined_groups(files: Sequence[Path], told: Sequence[list[str] | None], counts: Sequence[int]) -> list[str]:
    """What each image of all files belongs to, by itself where its file does not say it; none where no file does."""
    if all(groups is None for groups in told):
        return []
    each = zip(files, told, counts, strict=True)
    return [one for file, own, count in each for one in (groups_in([""] * count, place=file) if own is None else own)]


def names_in(cells: Sequence[str]) -> list[tuple[str, ...]]:
    """The names in each cell: one, unless `|` or `;` is in any of them, which then separates several or none."""
    mark = next((mark for mark in _SEPARATORS if any(mark in cell for cell in cells)), None)
    if mark is None:
        return [(cell,) for cell in cells]
    parts = [[part.strip() for part in cell.split(mark)] for cell in cells]
    return [tuple(dict.fromkeys(name for name in names if name)) for names in parts]


def columns_of_classes(columns: Mapping[str, Sequence[bool | None]], *, place: str) -> tuple[str, ...]:
    """The columns that say yes or no in each row, each of which is a class; those that mostly say something else are
    none.

    Args:
        columns: what the cells of each column say, None where that is neither 0 nor 1.
        place: the table, for messages.

    Raises:
        DataError: a column says something else in some rows.
    """
    for name, said in columns.items():
        unsaid = said.count(None)
        if 0 < unsaid <= len(said) // 2:
            raise DataError(
                f"a column of 0 and 1 is a class, and column {name} of {place} is something else in {unsaid:,} of "
                f"{len(said):,} rows. Say 0 or 1 there, or take the column or these rows away."
            )
    return tuple(name for name, said in columns.items() if None not in said)


def labelled(each: Sequence[Sequence[str]], classes: Sequence[str]) -> Ints:
    """The labels of images by the names of each: numbers (N,) where all have exactly one, else (N, classes)."""
    number = {name: at for at, name in enumerate(classes)}
    if all(len(names) == 1 for names in each):
        return np.array([number[name] for (name,) in each], dtype=np.int64)
    labels = np.zeros((len(each), len(classes)), dtype=np.int64)
    for row, names in enumerate(each):
        labels[row, [number[name] for name in names]] = 1
    return labels


def label_notes(labels: Ints) -> tuple[str, ...]:
    """How many labels images have, where some have several or none."""
    if not several(labels):
        return ()
    counts = labels.sum(axis=1)
    without = int((counts == 0).sum())
    more = f"; {counted(without, 'image')} without any" if without else ""
    return (
        f"several labels an image: {counts.mean():.2g} of {labels.shape[1]:,} on average, {int(counts.max()):,} at most"
        f"{more}",
    )


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
