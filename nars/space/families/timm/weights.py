"""What a space file says of the weights that training starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nars.files.home import expanded
from nars.space.errors import SpaceError
from nars.space.families.timm.architecture import NO_WEIGHTS, TIMMS

MARK = "#sha256="
"""Between a file of weights and the hash of its content: what was trained from other weights is something else."""

_WORDS = (TIMMS, NO_WEIGHTS)


def read_weights(entry: Any, *, models: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Where each model's weights come from, {model: timm, none, or FILE#sha256=DIGEST}.

    Args:
        entry: timm, none, or {model: timm, none or a file}; a file relative to `folder`, with or without its hash.
        models: The choices of the space.
        folder: That of the space file.

    Raises:
        SpaceError: it is nothing of the kind, a model is missing or unknown, or a file cannot be read.
    """
    if entry in _WORDS:
        return dict.fromkeys(models, entry)
    if not isinstance(entry, Mapping):
        raise SpaceError(f"takes timm, none, or {{model: file}}, got {entry!r}")
    unknown = [str(name) for name in entry if name not in models]
    missing = [name for name in models if name not in entry]
    if unknown:
        raise SpaceError(f"{unknown[0]} is no choice of model; there are {', '.join(models)}")
    if missing:
        raise SpaceError(f"says nothing of {', '.join(missing)}; add timm, none or a file for each")
    return {name: _source(entry[name], folder) for name in models}


def _source(entry: Any, folder: Path) -> str:
    if entry in _WORDS:
        return str(entry)
    if not isinstance(entry, str) or not entry:
        raise SpaceError(f"takes timm, none or the name of a file, got {entry!r}")
    file, mark, digest = entry.partition(MARK)
    path = (folder / expanded(file, error=SpaceError)).absolute()
    return f"{path}{MARK}{digest if mark else content_hash(path)}"


def content_hash(path: Path) -> str:
    """The first 16 digits of a file's SHA-256.

    Raises:
        SpaceError: it cannot be read.
    """
    try:
        changed = path.stat().st_mtime_ns
        return _content_hash(path, changed)
    except OSError as error:
        raise SpaceError(
            f"the file of weights {path} cannot be read ({error.strerror or error}); correct its name"
        ) from error


@lru_cache(maxsize=64)
def _content_hash(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def identity(sources: Mapping[str, str]) -> str:
    """What the sources are, wherever the files lie: the value of the setting `weights`."""
    kinds = {model: source.rpartition(MARK)[2] for model, source in sources.items()}
    return kinds.popitem()[1] if len(set(kinds.values())) == 1 else ", ".join(f"{m}={k}" for m, k in kinds.items())
