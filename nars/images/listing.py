"""How many images a set has and how they are divided, known without decoding one: for plans and early checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nars.errors import DataError, require
from nars.files.home import looked_for
from nars.images.folder import folder_source
from nars.images.known import DIGITS_TEST, count_idx
from nars.images.labels import per_class, several
from nars.images.names import CLASSES, FOLDER_PREFIX, IMAGE_SETS, data_root, folder_of
from nars.images.own import own_source
from nars.images.unsplit import TEST, TRAIN, VALIDATION, Source

_KNOWN = {
    "digits": (1_797 - DIGITS_TEST, DIGITS_TEST),
    "fashion-mnist": (60_000, 10_000),
    "cifar10": (50_000, 10_000),
    "imagenet": (1_281_167, 50_000),
}
"""Training and test images as published."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What an image set holds."""

    name: str
    classes: tuple[str, ...]
    in_channels: int
    """1 (gray) or 3 (RGB)."""
    train: int
    """Training images, those that will be held out for validation among them."""
    validation: int
    """Images of a validation part of its own; 0 where some of the training images are held out."""
    test: int
    files: bool
    """Whether each image is a file of its own, which can be streamed."""
    smallest: int | None = None
    """Training images of the class that has fewest; None where that was not counted."""
    multi_label: bool = False
    """Whether an image may have several labels, or none."""
    present: bool = True
    """False for a set known by name that is not there; its numbers are the published ones."""
    source: Source | None = field(default=None, repr=False, compare=False)
    """A folder's files, for `load_images`: so that it is walked, and copies in it are looked for, once."""


def list_images(name: str, *, root: str | Path | None = None, group_column: str | None = None) -> Listing:
    """Count an image set. Folders are listed, of other sets the labels or headers are read.

    Args:
        name, root, group_column: As `nars.images.load_images` takes them.

    Raises:
        DataError: unknown name, missing folder, a folder that holds no classes.
    """
    with looked_for(name):
        if name.startswith(FOLDER_PREFIX):
            return _of_source(name, own_source(folder_of(name), group_column=group_column))
        require(DataError, name in _KNOWN, "an image set", f"one of {', '.join(IMAGE_SETS)}", name)
        if name == "imagenet" and (data_root(root) / name).is_dir():
            return _of_source(name, folder_source(data_root(root) / name))
        counts = None if name in ("digits", "imagenet") else _counted(name, data_root(root))
    train, test = counts or _KNOWN[name]
    return Listing(
        name=name,
        classes=CLASSES[name] if name in CLASSES else tuple(map(str, range(1000))),
        in_channels=1 if name in ("digits", "fashion-mnist") else 3,
        train=train,
        validation=0,
        test=test,
        files=name == "imagenet",
        present=name == "digits" or counts is not None,
    )


def _of_source(name: str, source: Source) -> Listing:
    train, validation, test = (int((source.part == mark).sum()) for mark in (TRAIN, VALIDATION, TEST))
    return Listing(
        name=name,
        classes=source.classes,
        in_channels=3,
        train=train,
        validation=validation,
        test=test,
        files=source.files is not None,
        source=source,
        smallest=int(per_class(source.labels[source.part == TRAIN], len(source.classes)).min()),
        multi_label=several(source.labels),
    )


def _counted(name: str, root: Path) -> tuple[int, int] | None:
    """Training and test images below the root, None if the set is not there."""
    files = {part: sorted((root / name).rglob(f"{part}*.parquet")) for part in ("train", "test")}
    if files["train"]:
        return sum(map(_rows, files["train"])), sum(map(_rows, files["test"]))
    if name == "fashion-mnist":
        return count_idx(root)
    return _KNOWN[name] if (root / "cifar-10-batches-py").is_dir() else None


def _rows(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a readable Parquet file ({error}). Fetch it again.") from error
