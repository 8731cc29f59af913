"""A user's own images, whatever they are kept in: a folder of classes, a table of paths and labels, a hub's files.

    PATH/cat/1.jpg ...                  a folder with classes (`nars.images.folder`)
    PATH.csv, or a folder with one      a table with a column of paths, one of labels, perhaps one of splits
    PATH.parquet, or a folder with some the images themselves beside their labels, as Hugging Face's hub keeps them
    PATH.tar, or a folder with some     WebDataset: KEY.jpg beside KEY.cls, KEY.txt or KEY.json

A folder is read as one of classes where it can be; tables and packed files count where it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nars.errors import DataError
from nars.images.folder import folder_source
from nars.images.packed import parquet_source, tar_source
from nars.images.tables import TABLES, table_source
from nars.images.unsplit import Source

_Read = Callable[[Sequence[Path], str | None], Source]

_READERS: dict[str, _Read] = {**{".parquet": parquet_source, ".tar": tar_source}, **dict.fromkeys(TABLES, table_source)}


def own_source(path: Path, *, without: frozenset[Path] = frozenset(), group_column: str | None = None) -> Source:
    """List a user's images.

    Args:
        path: of a folder, a table or a packed file.
        without: image files of a folder of classes that are to be passed over.
        group_column: of a table or of Parquet, as `nars.images.load_images` takes it.

    Raises:
        DataError: there is nothing that can be read, or it can be read in several ways; naming the file.
    """
    if path.is_file() and (read := _reader(path)) is not None:
        return read([path], group_column)
    found = _files(path) if path.is_dir() else {}
    try:
        if group_column is not None and not found:
            raise DataError(
                f"group_column goes with a CSV of paths and labels or with Parquet, and there is none in {path}."
            )
        return folder_source(path, without=without)
    except DataError as error:
        if not found:
            raise
        if len(found) > 1:
            raise DataError(
                f"{error} Beside the folders there are {' and '.join(sorted(found))} files; name the one that is meant."
            ) from error
        ((ending, files),) = found.items()
        return _READERS[ending](files, group_column)


def _files(folder: Path) -> dict[str, list[Path]]:
    """Tables and packed files directly in a folder or in its data/, by ending."""
    found: dict[str, list[Path]] = {}
    for place in (folder, folder / "data"):
        for file in sorted(place.iterdir()) if place.is_dir() else ():
            if not file.name.startswith(".") and _reader(file) is not None and file.is_file():
                found.setdefault(file.suffix.lower(), []).append(file)
    return found


def _reader(file: Path) -> _Read | None:
    return _READERS.get(file.suffix.lower())
