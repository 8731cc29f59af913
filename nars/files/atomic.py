"""Files that are there whole or not at all.

A write goes to a temporary name in the same folder, is flushed to the disk and renamed: whoever opens the final name
sees the old content or the new one, whatever moment the process was killed at. What a killed writer leaves behind is a
file whose name starts with a dot and ends in ".tmp" (`replacing`: ".tmp" and the suffix); nothing reads those.

What the system refuses (a full disk, a folder that may not be written) is an OSError that names the final file.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def machine_at_fault(error: BaseException) -> bool:
    """Whether an error tells of this machine (disk, permissions, too many open files) and nothing of a file's content.

    Errors of the operating system carry its number; those of parsers, some of them OSError too, do not.
    """
    about_the_file = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
    return isinstance(error, OSError) and error.errno is not None and error.errno not in about_the_file


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An OSError raised inside names `path`: that of a full disk names no file, others a temporary one."""
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None or Path(error.filename).parent == Path(path).parent
        if error.errno is None or not unnamed:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path to write to; it becomes `path` when the block ends, and is deleted when the block raises.

    The temporary name is in the same folder (which is created) and keeps the suffix of `path`, because writers such as
    matplotlib's choose the format by it. File and folder are flushed (fsync), so that the new content also survives a
    power cut once the block is left.
    """
    path = Path(path)
    with _becoming(path, path.with_name(f".{path.stem}.{secrets.token_hex(6)}.tmp{path.suffix}")) as temporary:
        yield temporary


@contextmanager
def _becoming(path: Path, temporary: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with naming(path):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):  # of a folder that cannot be written; what went wrong before is what counts
            temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def write_bytes(path: str | Path, data: bytes | memoryview) -> None:
    """Write `data` (a buffer of any kind) to `path`, whole or not at all; the folder is created."""
    path = Path(path)
    # No suffix behind ".tmp" here: a store's folder is read as "*.parquet" by tools that do not skip hidden files.
    with _becoming(path, path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    # A file name that is no UTF-8 comes with lone surrogates, which become \\udcff: in JSON the same text again.
    write_bytes(path, text.encode(errors="backslashreplace"))


def append_line(path: str | Path, text: str) -> None:
    """Add a line to a log file, as UTF-8; its folder must be there."""
    with naming(path), Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text + "\n")


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
