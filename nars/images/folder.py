"""A user's own images: one subfolder per class.

    PATH/cat/1.jpg  PATH/dog/7.png ...           one flat set: a fifth becomes the test split, always the same fifth
    PATH/train/cat/1.jpg  PATH/test/dog/7.png    train/ with test/ and/or val/, in any case and common spelling

With train/ and only one of test/ and val/, that one is the test split and validation images are held out from train/,
as the paper does it with ImageNet. With train/ alone, a fifth becomes the test split. Images may lie deeper than the
class folder. They are read as 8-bit RGB (`nars.images.modes`), the shorter side resized, the middle square cut out.

Files that are exact copies of each other stay on one side of every split that is made here; copies across splits that
the folder brings along stay where they are, and are reported. What counts as an image and what is passed over:
`nars.images.walk`; what counts as a split: `nars.images.layout`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.contents import Contents
from nars.images.layout import Layout, key_of, recognize
from nars.images.near import hashes_of_files
from nars.images.pixels import OnRead, read
from nars.images.streaming import as_bytes, path_of
from nars.images.unsplit import MADE_HERE, TEST, TRAIN, Source, hold_out_test
from nars.images.walk import Folder, Skipped, walk
from nars.printing import readable_name, some_names

_TEST_SHARE = 5


def folder_source(path: Path, *, without: frozenset[Path] = frozenset()) -> Source:
    """List the images below `path`, but those `without`; none is decoded yet.

    Raises:
        DataError: no such folder, fewer than two classes, a class without images, a class that train/ does not have,
            folders that could be splits or classes, files that cannot be read.
    """
    if not path.is_dir():
        fix = "That is a file: unpack it, and name the folder." if path.is_file() else "Check the path."
        raise DataError(f"imagefolder:PATH must name an existing folder, got {str(path)!r}. {fix}")
    root, skipped = walk(path, without=without)
    layout = recognize(root)
    classes, notes = _classes(layout, skipped)
    files, labels = _images(layout.train, classes)
    part = [np.full(len(files), TRAIN, dtype=np.int8)]
    origin = {TEST: f"{MADE_HERE}folder, always the same"}
    for mark, name, folder in layout.others:
        more_files, more_labels = _images(folder, classes)
        files, labels = files + more_files, labels + more_labels
        part.append(np.full(len(more_files), mark, dtype=np.int8))
        origin[mark] = f"{name}/ of the folder"
    label_array = np.asarray(labels, dtype=np.int64)
    paths = as_bytes(files)
    contents = Contents(paths)
    source = Source(
        classes=classes,
        labels=label_array,
        part=np.concatenate(part),
        render=partial(render_files, paths),
        digest=contents.digests,
        copies=contents.copies,
        files=paths,
        hashes=partial(hashes_of_files, paths),
        origin=origin,
        notes=(*layout.notes, *notes, *skipped.notes()),
    )
    return source if layout.others else hold_out_test(source, max(1, len(files) // _TEST_SHARE))


def _classes(layout: Layout, skipped: Skipped) -> tuple[tuple[str, ...], list[str]]:
    """The names of the classes, sorted."""
    folder = layout.train
    without = [entry.name for entry in folder.folders if not entry.count and entry.name.startswith("_")]
    folders = [entry for entry in folder.folders if entry.name not in without]
    if len(folders) < 2:
        raise DataError(
            f"an image folder needs a subfolder for each of at least 2 classes, {str(folder.path)!r} has "
            f"{f'one, {readable_name(folders[0].name)}' if folders else 'none'}. {_deeper(folders)}"
        )
    missing = [entry.name for entry in folders if not entry.count]
    if missing:
        why = "".join(f" ({note})" for note in skipped.notes())
        raise DataError(
            f"each class needs images (.jpg, .png, .tif, .webp and what else Pillow reads); these folders of "
            f"{str(folder.path)!r} have none: {some_names(missing, most=10)}. Add images or remove the folder.{why}"
        )
    for entry in folders:
        if readable_name(entry.name) != entry.name:
            raise DataError(f"the name of a class must be UTF-8, got {readable_name(str(entry.path))}. Rename it.")
    notes = [f"no class, because it holds no images: {some_names(without)}"] if without else []
    return tuple(entry.name for entry in folders), notes


def _deeper(folders: list[Folder]) -> str:
    inner = folders[0].filled if len(folders) == 1 else ()
    if len(inner) > 1:
        return f"If its subfolders are the classes, name {str(folders[0].path)!r} instead."
    return "Sort the images into one folder per class."


def _images(folder: Folder, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    present = {key_of(entry.name): entry for entry in folder.folders}
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = present[key_of(name)].all_images() if key_of(name) in present else []
        files += found
        labels += [label] * len(found)
    return files, labels


def render_files(files: NDArray[np.bytes_], indices: Ints, resolution: int, progress: OnRead | None) -> Tensor:
    """The `Render` of files (N,)."""
    return read([path_of(files[index]) for index in indices], resolution=resolution, progress=progress)
