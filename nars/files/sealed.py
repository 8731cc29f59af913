"""JSON documents with a hash of themselves in them, by which a reader sees that somebody has edited them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_SEAL = "seal"


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document`, of plain JSON types, with its hash as one more key."""
    return {**document, _SEAL: _hash(document)}


def unseal(document: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The document without its seal, and whether that fits; one that has none is taken as it is."""
    content = {key: value for key, value in document.items() if key != _SEAL}
    return content, document.get(_SEAL) in (None, _hash(content))


def _hash(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]
