"""A user's own images: one subfolder per class.

    PATH/cat/1.jpg  PATH/dog/7.png ...           one flat set: a fifth becomes the test split, always the same fifth
    PATH/train/cat/1.jpg  PATH/test/dog/7.png    train/ with test/ and/or val/ (also named valid/ or validation/)

With train/ and only one of test/ and val/, that one is the test split and validation images are held out from train/,
as the paper does it with ImageNet. With train/ alone, a fifth becomes the test split. Images may lie deeper than the
class folder. They are read as RGB, the shorter side resized, the middle square cut out.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nars.data.errors import DataError
from nars.data.pixels import Progress, read
from nars.data.source import TEST, TRAIN, VALIDATION, Source, digests_of, hold_out_test
from nars.data.streaming import as_bytes, path_of

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
"""File names that count as images; other files are passed over."""

_VALIDATION_NAMES = ("val", "valid", "validation")
_TEST_SHARE = 5


def folder_source(path: Path) -> Source:
    """List the images below `path`; none is opened yet.

    Raises:
        DataError: no such folder, fewer than two classes, a class without images, a class that train/ does not have.
    """
    if not path.is_dir():
        raise DataError(f"imagefolder:PATH must name an existing folder, got {str(path)!r}. Check the path.")
    train_folder = path / "train"
    if not train_folder.is_dir():
        train_folder = path
    classes = _classes(train_folder)
    files, labels = _images(train_folder, classes)
    missing = [name for label, name in enumerate(classes) if label not in set(labels)]
    if missing:
        raise DataError(
            f"each class needs images ({', '.join(sorted(SUFFIXES))}); these folders of {str(train_folder)!r} have "
            f"none: {', '.join(missing)}. Add images or remove the folder."
        )
    part = [np.full(len(files), TRAIN, dtype=np.int8)]
    origin = {TEST: "a fifth of the folder, always the same"}
    for mark, folder in _other_parts(path) if train_folder != path else ():
        more_files, more_labels = _images(folder, classes)
        if not more_files:
            raise DataError(f"{str(folder)!r} holds no image of any class. Add images or remove the folder.")
        files, labels = files + more_files, labels + more_labels
        part.append(np.full(len(more_files), mark, dtype=np.int8))
        origin[mark] = f"{folder.name}/ of the folder"
    label_array = np.asarray(labels, dtype=np.int64)
    paths = as_bytes(files)
    return Source(
        classes=classes,
        labels=label_array,
        part=np.concatenate(part) if len(part) > 1 else hold_out_test(label_array, max(1, len(files) // _TEST_SHARE)),
        render=partial(_render, paths),
        digest=partial(_digest, paths),
        files=paths,
        origin=origin,
    )


def _other_parts(path: Path) -> list[tuple[int, Path]]:
    validation = next((path / name for name in _VALIDATION_NAMES if (path / name).is_dir()), None)
    test = path / "test" if (path / "test").is_dir() else None
    if test is not None and validation is not None:
        return [(VALIDATION, validation), (TEST, test)]
    only = test or validation
    return [] if only is None else [(TEST, only)]


def _classes(folder: Path) -> tuple[str, ...]:
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] not in "._"))
    if len(classes) < 2:
        raise DataError(
            f"an image folder needs a subfolder for each of at least 2 classes, {str(folder)!r} has "
            f"{f'one, {classes[0]}' if classes else 'none'}. Sort the images into one folder per class."
        )
    return classes


def _images(folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    present = {entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] not in "._"}
    unknown = sorted(present - set(classes))
    if unknown:
        raise DataError(
            f"{str(folder)!r} has classes that the training folder lacks: {', '.join(unknown)}. Rename them."
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if name in present:
            found = sorted(file for file in (folder / name).rglob("*") if file.suffix.lower() in SUFFIXES)
            files += found
            labels += [label] * len(found)
    return files, labels


def _render(
    files: NDArray[np.bytes_], indices: NDArray[np.int64], resolution: int, progress: Progress | None
) -> Tensor:
    return read([path_of(files[index]) for index in indices], resolution=resolution, progress=progress)


def _digest(files: NDArray[np.bytes_], indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Of the files' bytes: the same whatever resolution they are read at and whichever decoder reads them."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return digests_of(pool.map(_read, (path_of(files[index]) for index in indices)))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"an image could not be read: {file} ({error}). Replace or remove it.") from error
