"""Pixels: decoding, resizing, statistics. Shapes: N images, C channels, H x W pixels, uint8 everywhere."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.crops import Wholes
from nars.images.modes import reading_of
from nars.parallel import installed_memory

OnRead = Callable[[int, int], None]
"""Called with (images done, images in all)."""

_CHUNK = 2048
"""Images turned to float at once: bounds the extra memory to some 100 MB at 64 x 64 x 3."""

_TASK = 16
"""Files a thread reads per turn: few enough for an even load, enough to hide the hand-over."""

_REPORT_EVERY = 512

_LAST_UPRIGHT = 4
"""EXIF's orientations above are of images that lie on their side."""

_SAMPLED = 64
"""Files by which the memory that whole images take is estimated."""


def decode(
    encoded: Sequence[bytes], *, names: Sequence[str], channels: int, side: int, progress: OnRead | None
) -> Tensor:
    """Decode small images (JPEG, PNG, ...) that all have the same known size, as `nars.images.modes` says.

    In one thread: at 32 x 32 the interpreter's share of the work is so large that threads only wait for each other
    (measured on 2 cores: 85 microseconds an image in one thread, 110 in two).

    Returns: uint8 (N, channels, side, side).

    Raises:
        DataError: an image cannot be read or has another size; names it by `names`.
    """
    mode = "L" if channels == 1 else "RGB"
    pixels = np.empty((len(encoded), side, side, channels), dtype=np.uint8)
    for index, content in enumerate(encoded):
        with opening(io.BytesIO(content), names[index]) as opened:
            image = reading_of(opened, name=names[index])(opened).convert(mode)
        if image.size != (side, side):
            raise DataError(f"images must be {side} x {side} pixels, {names[index]} is {image.width} x {image.height}.")
        pixels[index] = np.asarray(image, dtype=np.uint8).reshape(side, side, channels)
        if progress is not None and (index % _REPORT_EVERY == 0 or index + 1 == len(encoded)):
            progress(index + 1, len(encoded))
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def read(files: Sequence[Path], *, resolution: int, progress: OnRead | None) -> Tensor:
    """Read image files of any size as RGB, in parallel threads (Pillow lets go of the interpreter lock while it works).

    Each image is turned upright (EXIF), its shorter side resized to `resolution` (antialiased), the middle cut out.

    Returns: uint8 (N, 3, resolution, resolution).

    Raises:
        DataError: a file cannot be read as an image, or all of them would not fit into memory.
    """
    check_memory(len(files), 3, resolution)
    pixels = np.empty((len(files), 3, resolution, resolution), dtype=np.uint8)

    def work(index: int) -> None:
        pixels[index] = read_one(files[index], resolution)

    _in_threads(work, len(files), progress)
    return torch.from_numpy(pixels)


def read_wholes(files: Sequence[Path], *, resolution: int, progress: OnRead | None) -> Wholes:
    """Read image files of any size as `read_whole` does, in parallel threads.

    Raises:
        DataError: a file cannot be read as an image, or all of them would not fit into memory.
    """
    _check_bytes(weight_of_wholes(files, resolution=resolution), f"{len(files):,} whole images")
    images: list[NDArray[np.uint8]] = [np.empty(0, dtype=np.uint8)] * len(files)
    reduced = np.zeros(len(files), dtype=np.bool_)

    def work(index: int) -> None:
        images[index], reduced[index] = read_whole(files[index], resolution)

    _in_threads(work, len(files), progress)
    return Wholes.of(images, reduced=bool(reduced.any()))


def weight_of_wholes(files: Sequence[Path], *, resolution: int) -> float:
    """Bytes that whole images take, about: by some evenly spaced ones."""
    some = [files[place] for place in np.unique(np.linspace(0, len(files) - 1, min(_SAMPLED, len(files))).astype(int))]
    return float(np.mean([read_whole(file, resolution)[0].nbytes for file in some])) * len(files)


def _in_threads(work: Callable[[int], None], count: int, progress: OnRead | None) -> None:
    """Do what there is to do for each of so many files."""

    def some(start: int) -> None:
        for index in range(start, min(start + _TASK, count)):
            work(index)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for task, _ in enumerate(pool.map(some, range(0, count, _TASK)), start=1):
            if progress is not None:
                progress(min(task * _TASK, count), count)


def read_one(file: Path, resolution: int) -> NDArray[np.uint8]:
    """One file as (3, resolution, resolution).

    Raises:
        DataError: it cannot be read as an image.
    """
    with opening(file, str(file)) as opened:
        return square_of(_decoded(opened, file, resolution), resolution)


def read_encoded(content: bytes, name: str, resolution: int) -> NDArray[np.uint8]:
    """The same of an encoded image that is called `name`."""
    with opening(io.BytesIO(content), name) as opened:
        return square_of(_decoded(opened, Path(name), resolution), resolution)


def square_of(image: Image.Image, resolution: int) -> NDArray[np.uint8]:
    """The middle square of an RGB image, resized: (3, resolution, resolution)."""
    image = ImageOps.fit(image, (resolution, resolution), method=Image.Resampling.BILINEAR)
    pixels: NDArray[np.uint8] = np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
    return pixels


def squares_of(wholes: Wholes, rows: Ints, *, resolution: int) -> Tensor:
    """The middle squares of some whole images, in parallel threads: uint8 (n, 3, resolution, resolution)."""
    pixels = np.empty((len(rows), 3, resolution, resolution), dtype=np.uint8)

    def work(index: int) -> None:
        pixels[index] = square_of(Image.fromarray(wholes[int(rows[index])]), resolution)

    _in_threads(work, len(rows), None)
    return torch.from_numpy(pixels)


def read_whole(file: Path, resolution: int) -> tuple[NDArray[np.uint8], bool]:
    """One file as (H, W, 3), whole, for parts of it that are resized to `resolution`; and whether it is smaller than it
    was, because a JPEG file was decoded at a fraction of its size.

    Raises:
        DataError: it cannot be read as an image.
    """
    with opening(file, str(file)) as opened:
        before = min(opened.size)
        image = _decoded(opened, file, resolution)
        return np.array(image, dtype=np.uint8), min(image.size) < before


def size_of_whole(file: Path, resolution: int) -> tuple[int, int]:
    """Height and width of what `read_whole` gives, without decoding it.

    Raises:
        DataError: it cannot be read as an image.
    """
    with opening(file, str(file)) as opened:
        _reduce(opened, resolution)
        width, height = upright_size(opened)
        return height, width


def upright_size(opened: Image.Image) -> tuple[int, int]:
    """Width and height of an image when it is turned upright; Pillow gives those of TIFF files so already."""
    lies = opened.getexif().get(ExifTags.Base.Orientation, 1) > _LAST_UPRIGHT
    return (opened.height, opened.width) if lies and opened.format != "TIFF" else opened.size


def _reduce(opened: Image.Image, resolution: int) -> None:
    # JPEG can be decoded at 1/2, 1/4, 1/8 of its size; from twice the wanted size the result is as good.
    opened.draft(None, (2 * resolution, 2 * resolution))


def _decoded(opened: Image.Image, file: Path, resolution: int) -> Image.Image:
    """An image file upright, in RGB."""
    reading = reading_of(opened, name=str(file))
    _reduce(opened, resolution)
    return reading(ImageOps.exif_transpose(opened)).convert("RGB")


def check_headers(files: Sequence[Path]) -> None:
    """Open each file without decoding it: what is no image, or of a kind that is refused, shows at once.

    Raises:
        DataError: naming the first such file.
    """

    def check(file: Path) -> None:
        with opening(file, str(file)) as opened:
            reading_of(opened, name=str(file))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for _ in pool.map(check, files):
            pass


@contextmanager
def opening(content: Path | io.BytesIO, name: str) -> Iterator[Image.Image]:
    """An image whose pixels are not read yet, of a file or a file's content. Whatever goes wrong until it is closed is
    an error with its name."""
    try:
        with Image.open(content) as image:
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and image.width * image.height > most:  # Pillow refuses it at twice as many
                raise Image.DecompressionBombError(f"{image.width:,} x {image.height:,} pixels")
            yield image
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"an image is too large: {name} ({error}); Pillow takes more than {Image.MAX_IMAGE_PIXELS:,} pixels for an "
            f"attack. Scale it down."
        ) from error
    except UnidentifiedImageError as error:
        size = content.stat().st_size if isinstance(content, Path) else content.getbuffer().nbytes
        reason = "in no format that Pillow knows" if size else "empty, 0 bytes"
        raise DataError(f"an image could not be read: {name} is {reason}. Replace or remove it.") from error
    # Pillow's plugins raise whatever their parser stumbles over (SyntaxError, struct.error, zlib.error ...).
    except Exception as error:
        raise DataError(
            f"an image could not be read: {name} ({type(error).__name__}: {error}). Replace or remove it."
        ) from error


def resize(images: Tensor, resolution: int) -> Tensor:
    """Resize uint8 (N, C, H, H) to uint8 (N, C, resolution, resolution), bilinear and antialiased."""
    if images.shape[-1] == resolution:
        return images
    count, channels = images.shape[:2]
    check_memory(count, channels, resolution)
    resized = torch.empty((count, channels, resolution, resolution), dtype=torch.uint8)
    for start in range(0, count, _CHUNK):
        chunk = images[start : start + _CHUNK].float()
        chunk = functional.interpolate(chunk, size=(resolution, resolution), mode="bilinear", antialias=True)
        resized[start : start + _CHUNK] = chunk.round_().clamp_(0, 255).to(torch.uint8)
    return resized


def mean_and_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of uint8 (N, C, H, W).

    Returns: two float32 (C,), in units of the full range: a pixel of 255 counts as 1. Summed in integers, so exact and
    the same on every machine. The deviation is at least 1/255, because images are divided by it.
    """
    channels = images.shape[1]
    total, squares = torch.zeros((2, channels), dtype=torch.int64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].to(torch.int32)
        total += chunk.sum(dim=(0, 2, 3), dtype=torch.int64)
        squares += chunk.square_().sum(dim=(0, 2, 3), dtype=torch.int64)
    count = images.numel() // channels
    mean = total.double() / count
    variance = (squares.double() / count - mean.square()).clamp_(min=0)
    return (mean / 255).float(), (variance.sqrt() / 255).clamp_(min=1 / 255).float()


def check_memory(count: int, channels: int, resolution: int) -> None:
    """Refuse what would not fit into this machine's memory, before an hour of decoding.

    Raises:
        DataError: `count` images need more than the machine has.
    """
    _check_bytes(count * channels * resolution**2, f"{count:,} of {resolution} x {resolution} x {channels}")


def _check_bytes(needed: float, what: str) -> None:
    installed = installed_memory()
    if installed is not None and needed > 0.9 * installed:
        raise DataError(
            f"images are held in memory, and {what} take {needed / 2**30:.1f} GiB; this machine has "
            f"{installed / 2**30:.1f}. Lower the resolution or max_train; an image folder can be "
            f"streamed (data.streaming)."
        )
