"""The folder a store lives in: on this machine or at any address pyarrow or fsspec know."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from pyarrow import fs

from nars.errors import StoreError, expect
from nars.files.atomic import flush_folder, write_bytes
from nars.files.home import expanded

SET_ASIDE = "_set-aside"
"""Subfolder for files that are not ours or broken. With the underscore, tools that read a folder pass over it."""


@final
class Place:
    """Flat folder of immutable files.

    Args:
        address: A local path, or an address with a scheme (`s3://bucket/folder`, `gs://...`, `memory://...`).

    Raises:
        StoreError: the address cannot be understood.
    """

    def __init__(self, address: str | Path) -> None:
        expect(address, (str, Path), "a store is a folder or an address such as s3://bucket/folder", error=StoreError)
        self.address = str(address)
        self.filesystem: fs.FileSystem
        self.folder: str
        if "://" in self.address:
            self.filesystem, self.folder = _resolve(self.address)
        else:
            self.filesystem, self.folder = fs.LocalFileSystem(), str(expanded(self.address, error=StoreError).resolve())
        self.local = isinstance(self.filesystem, fs.LocalFileSystem)
        """Also by a file:// address: what is written there is flushed to the disk too."""

    def path(self, name: str) -> str:
        """The path of a file for `filesystem`."""
        return f"{self.folder}/{name}"

    def exists(self) -> bool:
        """Whether the folder is there. On object stores a folder is there when something is in it."""
        return bool(self.filesystem.get_file_info(self.folder).type == fs.FileType.Directory)

    def names(self) -> dict[str, int]:
        """Name and size in bytes of each Parquet file, in order of name; hidden files are passed over."""
        if self.local:
            try:
                with os.scandir(self.folder) as entries:
                    found = {entry.name: entry for entry in entries if _counts(entry.name)}
                return {name: _size(found[name]) for name in sorted(found)}
            except FileNotFoundError:
                return {}
            except OSError as error:
                raise StoreError(f"the store {self.address} cannot be listed: {error}. It must be a folder.") from error
        infos = self.filesystem.get_file_info(fs.FileSelector(self.folder, allow_not_found=True))
        files = {info.base_name: info.size or 0 for info in infos if info.type == fs.FileType.File}
        return {name: files[name] for name in sorted(files) if _counts(name)}

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return bool(self.filesystem.get_file_info(self.path(name)).type == fs.FileType.File)

    def read(self, name: str) -> Any:
        """The content of a file as a buffer. Raises: OSError."""
        with self.filesystem.open_input_file(self.path(name)) as file:
            return file.read_buffer()

    def write(self, name: str, content: Any) -> None:
        """Write a file whole: under a temporary name, then renamed; when this returns it is there for good.

        Object stores show an object only when it is complete, so the renaming (a copy there) is not needed for them;
        but among the file systems behind fsspec there is no telling which are like that.

        Raises:
            StoreError: no space, no permission, no network.
        """
        try:
            if self.local:
                write_bytes(self.path(name), content)
                return
            self.filesystem.create_dir(self.folder, recursive=True)
            temporary = self.path(f".{name}.{secrets.token_hex(6)}.tmp")
            with self.filesystem.open_output_stream(temporary) as stream:
                stream.write(content)
            self.filesystem.move(temporary, self.path(name))
        except OSError as error:
            raise StoreError(
                f"rows could not be written to the store {self.address}: {error}. Check free space and permissions."
            ) from error

    def remove(self, name: str) -> None:
        """Delete a file; one that is already gone is no error (two compactions may meet)."""
        with suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(name))

    def set_aside(self, name: str) -> bool:
        """Move a file to the subfolder for broken ones. Returns whether it is there, moved by whomever."""
        target = f"{self.folder}/{SET_ASIDE}/{name}"
        try:
            self.filesystem.create_dir(f"{self.folder}/{SET_ASIDE}", recursive=True)
            self.filesystem.move(self.path(name), target)
        except OSError:
            return bool(self.filesystem.get_file_info(target).type == fs.FileType.File)
        if self.local:
            flush_folder(self.folder)
        return True


def _counts(name: str) -> bool:
    return name.endswith(".parquet") and name[0] not in "._"


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:  # compacted away since it was listed
        return 0


def _resolve(address: str) -> tuple[fs.FileSystem, str]:
    """pyarrow's own file systems first (they are faster), then everything fsspec has a driver for."""
    with suppress(ValueError, OSError, NotImplementedError):  # pyarrow does not know the scheme
        filesystem, folder = fs.FileSystem.from_uri(address)
        return filesystem, folder.rstrip("/")
    try:
        import fsspec  # type: ignore[import-untyped]

        other, folder = fsspec.core.url_to_fs(address)
        return fs.PyFileSystem(fs.FSSpecHandler(other)), folder.rstrip("/")
    except (ImportError, ValueError, OSError) as error:
        raise StoreError(
            f"the store's address {address!r} is not one that pyarrow or fsspec can open ({error}). Give a folder, or "
            f"an address such as s3://bucket/folder, with the fsspec driver for its scheme installed."
        ) from error
