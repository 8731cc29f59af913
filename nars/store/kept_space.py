"""The space of a store's samples, kept beside them: choices are numbers, and only the space says what they mean."""

from __future__ import annotations

from pathlib import Path

from nars.files.atomic import write_bytes
from nars.space import Space, SpaceError, load_space, parse_document, read_space, space_files

KEPT_SPACE = "_space.yaml"
"""With the underscore, tools that read a folder of Parquet files pass over it."""


def write_space(space: Space, file: Path) -> None:
    """Write a space to a file of its own (and its table of costs beside it), which `load_space` reads as the same.

    Raises:
        SpaceError: its table of costs cannot be read any more.
    """
    for name, content in space_files(space, file.name).items():
        write_bytes(file.parent / name, content)


def keep_space(store: str | Path, space: Space) -> None:
    """Keep the space of a store's samples as `_space.yaml` in the store, unless one is kept there.

    Args:
        store: Folder or address of the store.
        space: The samples' space.

    Raises:
        StoreError: it cannot be written.
        SpaceError: its table of costs cannot be read any more.
    """
    from nars.store.place import Place  # brings pyarrow

    place = Place(store)
    if not place.has(KEPT_SPACE):
        for name, content in space_files(space, KEPT_SPACE).items():
            place.write(name, content)


def kept_space(store: str | Path) -> Space | None:
    """The space that is kept in a store; None where there is none. Costs in a file are read on this machine only.

    Raises:
        SpaceError: the file has mistakes.
    """
    from nars.store.place import Place

    place = Place(store)
    if not place.has(KEPT_SPACE):
        return None
    if place.local:
        return load_space(place.path(KEPT_SPACE))
    source = f"{place.address}/{KEPT_SPACE}"
    try:
        text = bytes(place.read(KEPT_SPACE)).decode()
    except UnicodeDecodeError as error:
        raise SpaceError(f"{source}: cannot be read as a text file in UTF-8; put back the space's file") from error
    document = parse_document(text, source=source)
    if isinstance(document.content, dict) and isinstance(document.content.get("costs"), str):
        del document.content["costs"]
    return read_space(document)
