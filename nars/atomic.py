"""Files that are there whole or not at all.

A write goes to a temporary name in the same folder, is flushed to the disk and renamed: whoever opens the final name
sees the old content or the new one, whatever moment the process was killed at. What a killed writer leaves behind is a
file whose name starts with a dot and ends in ".tmp" (`replacing`: ".tmp" and the suffix); nothing reads those.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path to write to; it becomes `path` when the block ends, and is deleted when the block raises.

    The temporary name is in the same folder (which is created) and keeps the suffix of `path`, because writers such as
    matplotlib's choose the format by it. File and folder are flushed (fsync), so that the new content also survives a
    power cut once the block is left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(6)}.tmp{path.suffix}")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def write_bytes(path: str | Path, data: bytes | memoryview) -> None:
    """Write `data` (a buffer of any kind) to `path`, whole or not at all; the folder is created."""
    path = Path(path)
    # No suffix behind ".tmp" here: a store's folder is read as "*.parquet" by tools that do not skip hidden files.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        try:
            file = temporary.open("xb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = temporary.open("xb")
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, document: Any) -> None:
    """Write `document` as indented JSON, whole or not at all.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot say.
        TypeError: something is not a plain JSON type.
    """
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def flush_folder(folder: str | Path) -> None:
    """Make the names in `folder` survive a power cut (fsync of the folder), where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems refuse; their rename is durable by other means or not at all
        pass
    finally:
        os.close(descriptor)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
