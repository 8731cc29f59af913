"""JSON documents with a hash of themselves in them, by which a reader sees that somebody has edited them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nars.errors import UserError
from nars.files.atomic import machine_at_fault, write_json

_SEAL = "seal"


def write_sealed(path: Path, document: Mapping[str, Any]) -> None:
    """Write `document`, of plain JSON types, whole, with its hash as one more key."""
    write_json(path, {**document, _SEAL: _hash(document)})


def read_sealed(path: Path, *, error: type[UserError], what: str, again: str) -> dict[str, Any]:
    """The document in a file, without its seal; one that has none is taken as it is.

    Args:
        path: Of the file.
        error: Of the room that asks.
        what: The file is, for messages, such as "latency table".
        again: How another is made, such as "make it again with `nars latency SPACE`".

    Raises:
        UserError: it is missing, no JSON object, or was edited since it was sealed.
        OSError: the machine is at fault.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as fault:
        if machine_at_fault(fault):
            raise
        raise error(f"{path} must be a {what} that nars wrote, reading it gave: {fault}. {again}.") from fault
    if not isinstance(document, dict):
        raise error(f"{path}: this is no {what}: it must hold a JSON object, got {type(document).__name__}. {again}.")
    content = {key: value for key, value in document.items() if key != _SEAL}
    if document.get(_SEAL) not in (None, _hash(content)):
        raise error(
            f"{path} has been edited since nars wrote it (its seal does not fit its content). Put it back as it was. "
            f"{again}."
        )
    return content


def _hash(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]
