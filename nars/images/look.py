"""What image files are, seen from their headers: sizes, without decoding a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

_SAMPLED = 64


def typical_side(files: Sequence[Path]) -> int | None:
    """The median of the shorter side of some evenly spaced files, pixels; None where none of them is an image."""
    places = np.unique(np.linspace(0, len(files) - 1, min(_SAMPLED, len(files))).astype(int))
    sides = [min(size) for place in places if (size := _size(files[place])) is not None]
    return int(np.median(sides)) if sides else None


def typical_side_in(encoded: Sequence[bytes]) -> int | None:
    """The same of encoded images."""
    places = np.unique(np.linspace(0, len(encoded) - 1, min(_SAMPLED, len(encoded))).astype(int))
    sides = [min(size) for place in places if (size := _size(BytesIO(encoded[place]))) is not None]
    return int(np.median(sides)) if sides else None


def _size(file: Path | BytesIO) -> tuple[int, int] | None:
    try:
        with Image.open(file) as image:
            return image.width, image.height
    except Exception:  # whatever a plugin stumbles over: who reads the file says what
        return None
