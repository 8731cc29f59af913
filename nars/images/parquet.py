"""Images and labels of a known set from Parquet files, in every form in which they are passed around.

A column `img` or `image`: a struct {bytes, path} as Hugging Face writes it, encoded images as plain binary, or lists of
pixels (H x W x C, C x H x W, H x W, or flat). A column `label`: whole numbers, or names of classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.pixels import OnRead, decode
from nars.images.unsplit import digests_of

_IMAGE_COLUMNS = ("img", "image")
_LABEL_COLUMN = "label"

_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)

_DECIDED = 1.25
"""Flat pixels of one reading must differ from their neighbors so many times less than those of the other."""


@dataclass(frozen=True, kw_only=True)
class StoredImages:
    """The images of some files, in their order."""

    images: Tensor
    """uint8 (N, C, H, W)."""
    labels: Ints
    """(N,), indices into the set's classes."""
    digests: NDArray[np.uint8]
    """(N, 16), of the encoded bytes where there are any (two versions of a JPEG decoder may differ by a gray level)."""
    rows: tuple[int, ...]
    """Number of rows in each file."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How the pixels of a set must come out."""

    channels: int
    side: int

    def __str__(self) -> str:
        return f"{self.side} x {self.side} pixels with {self.channels} channel{'s' if self.channels > 1 else ''}"


def read_parquet(
    files: Sequence[Path], *, classes: tuple[str, ...], channels: int, side: int, progress: OnRead | None
) -> StoredImages:
    """Read the files of one set.

    Args:
        files: At least one.
        classes: The set's, to which names and numbers are matched.
        channels, side: Those of its images, the side in pixels.
        progress: Called with (images decoded, images in all).

    Raises:
        DataError: naming the file, the column and what is wrong with it.
    """
    form = _Form(channels=channels, side=side)
    tables = [_columns(file) for file in files]
    labels = [_labels(table[_LABEL_COLUMN], file, classes) for table, file in zip(tables, files, strict=True)]
    contents = [_contents(table, file, form) for table, file in zip(tables, files, strict=True)]
    flat = [content for content in contents if isinstance(content, np.ndarray) and content.ndim == 2]
    planes, notes = (None, []) if not flat else _flat_order(np.concatenate(flat), files, form)
    images: list[Tensor] = []
    digests: list[NDArray[np.uint8]] = []
    total, done = sum(len(content) for content in contents), 0
    for file, content in zip(files, contents, strict=True):
        if isinstance(content, np.ndarray):
            pixels = _planes(content, form, planes)
            digests.append(digests_of(memoryview(image) for image in pixels))
            images.append(torch.from_numpy(pixels))
        else:
            names = [f"image {row} of {file}" for row in range(len(content))]
            heard = _after(progress, done, total)
            images.append(decode(content, names=names, channels=channels, side=side, progress=heard))
            digests.append(digests_of(content))
        done += len(content)
    return StoredImages(
        images=torch.cat(images),
        labels=np.concatenate(labels),
        digests=np.concatenate(digests),
        rows=tuple(len(part) for part in labels),
        notes=tuple(notes),
    )


def _after(progress: OnRead | None, done: int, total: int) -> OnRead | None:
    return None if progress is None else lambda more, _: progress(done + more, total)


def _columns(file: Path) -> Any:
    """The table of a file, the image column first."""
    try:
        present = pq.read_schema(file).names
        column = next((column for column in _IMAGE_COLUMNS if column in present), None)
        if column is None or _LABEL_COLUMN not in present:
            raise DataError(f"{file} needs a column img or image and a column label, got {', '.join(present)}.")
        table = pq.read_table(file, columns=[column, _LABEL_COLUMN])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a readable Parquet file ({error}). Fetch it again.") from error
    if not len(table):
        raise DataError(f"{file} has no rows. Remove it or fetch it again.")
    return table


def _labels(column: Any, file: Path, classes: tuple[str, ...]) -> Ints:
    where = f"column {_LABEL_COLUMN} of {file}"
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_string_view(kind):
        column, kind = column.cast(pa.large_string()), pa.large_string()
    _no_nulls(column, where)
    known = {_key(name): number for number, name in enumerate(classes)}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        names = column.unique().to_pylist()
        if all(name.strip().isdecimal() for name in names):  # numbers written as text
            return _labels(column.cast(pa.int64()), file, classes)
        unknown = [name for name in names if _key(name) not in known]
        if unknown:
            raise DataError(
                f"{where} has {', '.join(map(repr, unknown[:5]))}; the classes are {', '.join(classes)} (or 0 to "
                f"{len(classes) - 1}). Rename them."
            )
        return np.array([known[_key(name)] for name in column.to_pylist()], dtype=np.int64)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise DataError(f"{where} must hold whole numbers or names of classes, got {kind}.")
    values = column.to_numpy()
    wrong = ~np.isin(values, np.arange(len(classes)))
    if wrong.any():
        raise DataError(f"{where}: labels must be 0..{len(classes) - 1}, got {values[wrong][0]}.")
    numbers: Ints = values.astype(np.int64)
    return _order_of(file, known)[numbers]


def _key(name: str) -> str:
    """What makes two spellings of a class the same: "T - shirt / top" is "T-shirt/top"."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _order_of(file: Path, known: dict[str, int]) -> Ints:
    """The number of the class that each label of a file stands for: by the names that Hugging Face writes beside it."""
    plain = np.arange(len(known), dtype=np.int64)
    written = (pq.read_schema(file).metadata or {}).get(b"huggingface")
    try:
        names = json.loads(written)["info"]["features"][_LABEL_COLUMN]["names"] if written else []
        keys = [_key(name) for name in names]
    except (ValueError, LookupError, TypeError, AttributeError):  # no names of classes in it
        return plain
    if sorted(keys) == sorted(known):
        return np.array([known[key] for key in keys], dtype=np.int64)
    moved = [names[number] for number, key in enumerate(keys) if known.get(key, number) != number]
    if moved:
        raise DataError(
            f"column {_LABEL_COLUMN} of {file} numbers the classes {', '.join(names)}, which are not those of the set "
            f"({moved[0]} has another number there). Number them alike, or store their names."
        )
    return plain


def _no_nulls(column: Any, where: str) -> None:
    if column.null_count:
        raise DataError(f"{where} is empty in {column.null_count:,} rows, {_first_null(column)}. Remove them.")


def _first_null(column: Any) -> str:
    return f"the first is row {int(np.flatnonzero(pc.is_null(column).to_numpy())[0])}"


def _contents(table: Any, file: Path, form: _Form) -> list[bytes] | NDArray[Any]:
    """Encoded images; or pixels as uint8, flat (N, C*H*W in some order) or (N, C, H, W)."""
    name = table.column_names[0]
    column, where = table[name], f"column {name} of {file}"
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    kind = column.type
    _no_nulls(column, where)
    if pa.types.is_struct(kind) and "bytes" in [field.name for field in kind]:
        column = pc.struct_field(column, "bytes")
        if column.null_count:
            found = f"bytes is null, {_first_null(column)}"
            raise DataError(f"{where} holds paths instead of images ({found}). Write the images into it.")
        kind = column.type
    if any(test(kind) for test in _BINARY):
        encoded: list[bytes] = column.to_pylist()
        return encoded
    if _is_list(kind):
        return _pixels(column, where, form)
    raise DataError(
        f"{where} must hold encoded images (a struct with bytes, or binary) or lists of pixels, got {kind}."
    )


def _is_list(kind: Any) -> bool:
    return any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _pixels(column: Any, where: str, form: _Form) -> NDArray[np.uint8]:
    array, shape = column.combine_chunks(), []
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    while _is_list(array.type):
        lengths = pc.unique(pc.list_value_length(array)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise DataError(f"{where} has lists of different lengths; images must be {form}. Write them alike.")
        shape.append(lengths[0])
        array = array.flatten()
    if array.null_count or not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise DataError(f"{where} must hold numbers as pixels, got {array.type} ({array.null_count:,} of them empty).")
    values = _eight_bits(array.to_numpy(zero_copy_only=False), where)
    side, channels = form.side, form.channels
    readings: dict[tuple[int, ...], Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        (channels, side, side): lambda pixels: pixels,
        (side, side, channels): lambda pixels: pixels.transpose(0, 3, 1, 2),
        (side * side * channels,): lambda pixels: pixels,
    }
    if channels == 1:
        readings[side, side] = lambda pixels: pixels[:, None]
    reading = readings.get(tuple(shape))
    if reading is None:
        raise DataError(f"images must be {form}, {where} has {' x '.join(map(str, shape))}.")
    return reading(values.reshape(-1, *shape))


def _eight_bits(values: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Whole numbers from 0 to 255 as they are; fractions from 0 to 1."""
    low, high, integers = values.min(), values.max(), np.issubdtype(values.dtype, np.integer)
    if low >= 0 and 1 < high <= 255 and (integers or (values == np.rint(values)).all()):
        return np.asarray(values, dtype=np.uint8)
    if low >= 0 and high <= 1 and not integers:
        return np.asarray(np.rint(values * 255), dtype=np.uint8)
    raise DataError(
        f"{where} has pixels from {low:g} to {high:g}; pixels are whole numbers from 0 to 255 or fractions from 0 to 1."
    )


def _flat_order(flat: NDArray[np.uint8], files: Sequence[Path], form: _Form) -> tuple[bool, list[str]]:
    """Whether flat pixels are plane after plane; by which reading pixels are more like their neighbors."""
    if form.channels == 1:
        return True, []
    by_plane, by_pixel = (_roughness(_planes(flat, form, planes)) for planes in (True, False))
    rough, smooth = max(by_plane, by_pixel), min(by_plane, by_pixel)
    if rough <= _DECIDED * smooth:
        raise DataError(
            f"the flat pixels of {files[0].parent} could be C x H x W or H x W x C ({form}), and their content does "
            f"not tell. Write them as nested lists."
        )
    order = "C x H x W" if by_plane == smooth else "H x W x C"
    return by_plane == smooth, [f"flat pixels are read as {order}: so neighbors differ {rough / smooth:.1f} times less"]


def _roughness(images: NDArray[np.uint8]) -> float:
    """The mean difference between neighbors in a row and in a column."""
    some = images[:: max(1, len(images) // 1000)].astype(np.float32)
    return float(np.abs(np.diff(some, axis=2)).mean() + np.abs(np.diff(some, axis=3)).mean())


def _planes(pixels: NDArray[np.uint8], form: _Form, planes: bool | None) -> NDArray[np.uint8]:
    """(N, C, H, W)."""
    if pixels.ndim == 2:
        shape = (form.channels, form.side, form.side) if planes else (form.side, form.side, form.channels)
        pixels = pixels.reshape(-1, *shape)
        pixels = pixels if planes else pixels.transpose(0, 3, 1, 2)
    return np.require(pixels, requirements=["C", "W"])
