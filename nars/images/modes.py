"""One reading of every kind of pixel that Pillow knows: 8 bits, gray or RGB.

- Gray of 16 bits is scaled linearly from the full range of the file's type (65535, or 4095 of 12 bits, becomes 255) and
  rounded; of colors with 16 bits Pillow hands out the upper byte.
- Floating-point gray is scaled from 0..1.
- Whatever is transparent is laid over white.
- CMYK, YCbCr, LAB and HSV are converted as Pillow converts them, without color profiles; CMYK JPEG is read as Adobe
  writes it (inverted), with or without Adobe's marker.
- Of several frames or pages the first counts.

Numbers without an agreed range are refused by the name of the file: integers that are signed or have 32 bits, and
floating-point numbers outside 0..1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nars.errors import DataError

BACKGROUND = 255
"""What transparent pixels are laid over: white."""

_SIXTEEN = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_SIXTEEN_FORMATS = frozenset({None, "PNG", "TIFF", "PPM", "JPEG2000", "IM"})
"""Formats whose 16-bit numbers are brightnesses from 0 to 65535; None is an image that was made in memory."""

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_SIGNED, _WHITE_IS_ZERO = 2, 0

Reading = Callable[[Image.Image], Image.Image]
"""An image of the file's mode -> the same one in mode L or RGB."""


def reading_of(opened: Image.Image, *, name: str) -> Reading:
    """How to read the pixels of an image that was opened and not loaded yet: afterwards Pillow has forgotten its depth.

    Args:
        opened: What `PIL.Image.open` gave.
        name: The image's name, for messages.

    Raises:
        DataError: its mode has no defined reading. Some modes show only in their values: then the reading raises it.
    """
    mode, largest = opened.mode, _largest(opened)
    # Pillow inverts files in which white is zero where they have 8 bits, and hands out larger numbers as they are.
    inverted = opened.format == "TIFF" and _tag(opened, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    if mode == "F":
        return lambda image: _from_floats(image, name, inverted=inverted)
    if mode in _SIXTEEN or (mode == "I" and largest is not None):
        if largest is None:
            raise _refused(name, mode, f"16-bit numbers whose range {opened.format} does not say")
        return lambda image: _from_integers(image, largest, inverted=inverted)
    if mode == "I":
        raise _refused(name, mode, "integers of 32 bits or with a sign, which have no agreed range")
    if opened.format == "TIFF" and _tag(opened, _SAMPLE_FORMAT, 1) == _SIGNED:
        raise _refused(name, mode, "signed 8-bit numbers, which have no agreed range")
    if mode in ("1", "L", "RGB"):
        # The color that stands for "transparent" is written with the file's depth, the pixels are handed out with 8.
        unit = _unit(opened)
        return lambda image: _with_key(image, unit)
    if mode in ("P", "PA", "LA", "RGBA"):
        return _over_background
    if mode in ("La", "RGBa"):
        return lambda image: _over_background(image.convert(mode.upper()))
    if mode in ("RGBX", "CMYK", "YCbCr", "LAB", "HSV"):
        return lambda image: image.convert("RGB")
    raise _refused(name, mode, "a kind of pixel that nars does not know")


def _refused(name: str, mode: str, what: str) -> DataError:
    return DataError(
        f"{name} has mode {mode}: {what}. Save it with 8 bits, or as 16-bit gray from 0 to 65535 (PNG, TIFF)."
    )


def _largest(opened: Image.Image) -> int | None:
    """The number that is white in 16-bit gray; None where the file does not say."""
    if opened.mode not in (*_SIXTEEN, "I") or opened.format not in _SIXTEEN_FORMATS:
        return None
    if opened.mode == "I" and opened.format not in ("PNG", "PPM"):  # these have no larger numbers than 65535
        return None
    if opened.format == "TIFF":
        return int(2 ** _tag(opened, _BITS_PER_SAMPLE, 16)) - 1
    return 65535


def _tag(opened: Image.Image, number: int, default: int) -> int:
    """The first value of a TIFF tag."""
    value = getattr(opened, "tag_v2", {}).get(number, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _unit(opened: Image.Image) -> float:
    """What one step of the file's own numbers is in 8-bit pixels (PNG alone has such files)."""
    tiles = getattr(opened, "tile", ())
    raw = tiles[0][3] if tiles and isinstance(tiles[0][3], str) else ""
    return {"L;2": 85, "L;4": 17, "RGB;16B": 1 / 256}.get(raw, 1)


def _from_floats(image: Image.Image, name: str, *, inverted: bool) -> Image.Image:
    values = np.asarray(image, dtype=np.float32)
    if not ((values >= 0) & (values <= 1)).all():  # also where a value is no number
        low, high = float(values.min()), float(values.max())
        raise DataError(
            f"{name} has mode F with values from {low:.6g} to {high:.6g}; floating-point images must lie between 0 and "
            f"1. Save it with 8 bits, or divide by the value that is white."
        )
    scaled = np.rint((1 - values if inverted else values) * 255)
    return Image.fromarray(scaled.astype(np.uint8))


def _from_integers(image: Image.Image, largest: int, *, inverted: bool) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    scaled = (values * 510 + largest) // (2 * largest)  # rounded
    scaled = 255 - scaled if inverted else scaled
    key = image.info.get("transparency")
    if key is not None:
        scaled[values == key] = BACKGROUND
    return Image.fromarray(scaled.astype(np.uint8))


def _with_key(image: Image.Image, unit: float) -> Image.Image:
    key = image.info.get("transparency")
    eight = image.convert("L") if image.mode == "1" else image
    if key is None:
        return eight
    pixels: NDArray[np.uint8] = np.array(eight)
    if eight.mode == "RGB":
        transparent = (pixels == np.array([int(value * unit) for value in key])).all(axis=-1)
    else:
        transparent = pixels == int(key * unit)
    pixels[transparent] = BACKGROUND
    return Image.fromarray(pixels)


def _over_background(image: Image.Image) -> Image.Image:
    if image.mode == "P" and not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    white = Image.new("RGB", seen.size, (BACKGROUND,) * 3)
    white.paste(seen, mask=seen.getchannel("A"))
    return white
