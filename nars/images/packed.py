"""Images packed into few files, as data hubs keep them: Parquet with encoded images, WebDataset's tar files.

The encoded bytes are held in memory; pixels are decoded when they are needed, by the same rules as files.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from nars.arrays import Ints
from nars.errors import DataError
from nars.images.layout import split_role
from nars.images.near import hashes_of_contents
from nars.images.pixels import OnRead, read_encoded
from nars.images.split import first_of
from nars.images.unsplit import (
    DIGEST_BYTES,
    MADE_HERE,
    TEST,
    TRAIN,
    VALIDATION,
    Source,
    digests_of,
    hold_out_test,
    sorted_classes,
)
from nars.images.walk import readable_suffixes
from nars.printing import counted, some_names

_IMAGES = ("image", "img", "jpg", "png", "photo", "pixel_values")
_LABELS = ("label", "labels", "fine_label", "class", "category", "target", "cls")
_TEXTS = (".cls", ".txt", ".json")
_TEST_SHARE = 5


@dataclass(frozen=True, kw_only=True)
class _Packed:
    """What one file holds."""

    encoded: list[bytes]
    names: list[str]
    """Of the images, for messages."""
    labels: list[str]
    groups: list[str] | None = None
    """What each image belongs to; None where no column was named."""


def parquet_source(files: Sequence[Path], group_column: str | None = None) -> Source:
    """Parquet files with a column of encoded images and one of labels, by split if their names say so.

    Images of equal value in `group_column` lie on one side of every split that is made here.

    Raises:
        DataError: such a column is missing, or holds something else; naming the file.
    """
    return _source(files, [_of_parquet(file, group_column) for file in files])


def tar_source(files: Sequence[Path], group_column: str | None = None) -> Source:
    """Tar files of WebDataset: members KEY.jpg beside KEY.cls, KEY.txt or KEY.json (label or cls in it).

    Raises:
        DataError: an image without its label, a file that is no tar; naming it.
    """
    if group_column is not None:
        raise DataError(
            f"group_column goes with a CSV of paths and labels or with Parquet, which have columns; {files[0]} has "
            f"none. Leave it out."
        )
    return _source(files, [_of_tar(file) for file in files])


def _source(files: Sequence[Path], packed: Sequence[_Packed]) -> Source:
    roles = [split_role(file.stem) for file in files]
    known = all(role is not None for role in roles) and TRAIN in roles
    sizes = [len(one.labels) for one in packed]
    part = np.repeat(np.array([role if known else TRAIN for role in roles], dtype=np.int8), sizes)
    if (part == VALIDATION).any() and not (part == TEST).any():
        part[part == VALIDATION] = TEST
    labels = [label for one in packed for label in one.labels]
    classes = sorted_classes(labels)
    if len(classes) < 2:
        raise DataError(f"{files[0]} must have at least 2 classes, got {some_names([*classes]) or 'none'}.")
    encoded = [content for one in packed for content in one.encoded]
    names = [name for one in packed for name in one.names]
    digests = digests_of(encoded)
    number = {name: at for at, name in enumerate(classes)}
    groups = [group for one in packed for group in one.groups or ()]
    kept = f", in {counted(len(set(groups)), 'group')} that stay together" if groups else ""
    source = Source(
        classes=classes,
        labels=np.array([number[label] for label in labels], dtype=np.int64),
        part=part,
        render=partial(_render, encoded, names),
        digest=partial(np.take, digests, axis=0),
        copies=partial(_copies, digests),
        hashes=partial(hashes_of_contents, encoded, names),
        origin={TEST: f"{MADE_HERE}files, always the same"},
        groups=np.unique(groups, return_inverse=True)[1].astype(np.int64) if groups else None,
        notes=(f"read from {some_names([file.name for file in files])}: {counted(len(labels), 'image')}{kept}",),
    )
    if (part == TEST).any():
        return replace(source, origin={})
    return hold_out_test(source, max(1, len(labels) // _TEST_SHARE))


def _render(
    encoded: Sequence[bytes], names: Sequence[str], indices: Ints, resolution: int, progress: OnRead | None
) -> Tensor:
    pixels = np.empty((len(indices), 3, resolution, resolution), dtype=np.uint8)
    for place, index in enumerate(indices):
        pixels[place] = read_encoded(encoded[index], names[index], resolution)
        if progress is not None and place % 64 == 0:
            progress(place + 1, len(indices))
    return torch.from_numpy(pixels)


def _copies(digests: np.ndarray[Any, np.dtype[np.uint8]], indices: Ints) -> Ints:
    return first_of(np.ascontiguousarray(digests[indices]).view(f"V{DIGEST_BYTES}")[:, 0])


def _of_parquet(file: Path, group_column: str | None) -> _Packed:
    try:
        schema = pq.read_schema(file)
        image, label = (next((one for one in names if one in schema.names), None) for names in (_IMAGES, _LABELS))
        if image is None or label is None:
            raise DataError(
                f"{file} needs a column of images (image, img) and one of labels (label), it has "
                f"{some_names(schema.names, most=8)}. Rename them."
            )
        if group_column is not None and group_column not in schema.names:
            raise DataError(
                f"{file} has no column {group_column!r} to group by, it has {some_names(schema.names, most=8)}."
            )
        table = pq.read_table(file, columns=list({image, label, group_column or label}))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a readable Parquet file ({error}). Fetch it again.") from error
    column = table[image]
    if pa.types.is_struct(column.type) and "bytes" in [field.name for field in column.type]:
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)) or column.null_count:
        raise DataError(
            f"column {image} of {file} must hold encoded images (bytes), got {column.type}"
            f"{f' with {column.null_count:,} empty' if column.null_count else ''}. Write the images into it."
        )
    if table[label].null_count:
        raise DataError(f"column {label} of {file} is empty in {table[label].null_count:,} rows. Remove them.")
    if pa.types.is_nested(table[label].type):
        raise DataError(f"column {label} of {file} holds several labels for an image, which are not taken.")
    named = _names(schema, label)
    labels = [named.get(value, str(value)) for value in table[label].to_pylist()]
    return _Packed(
        encoded=column.to_pylist(),
        names=[f"image {row} of {file}" for row in range(len(labels))],
        labels=labels,
        groups=None if group_column is None else list(map(str, table[group_column].to_pylist())),
    )


def _names(schema: Any, label: str) -> Mapping[Any, str]:
    """The names of numbered classes that Hugging Face writes beside them."""
    written = (schema.metadata or {}).get(b"huggingface")
    try:
        names = json.loads(written)["info"]["features"][label]["names"] if written else []
    except (ValueError, LookupError, TypeError):
        return {}
    return dict(enumerate(map(str, names)))


def _of_tar(file: Path) -> _Packed:
    endings = readable_suffixes()
    images: dict[str, tuple[str, bytes]] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                path = Path(member.name)
                if not member.isfile() or path.name.startswith("."):
                    continue
                key, ending = f"{path.parent}/{path.name.partition('.')[0]}", path.suffix.lower()
                if ending in endings or ending in _TEXTS:
                    content = archive.extractfile(member)
                    data = b"" if content is None else content.read()
                    if ending in endings:
                        images[key] = (member.name, data)
                    else:
                        labels.setdefault(key, _label(data, ending, f"{member.name} of {file}"))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{file} is not a readable tar file ({error}). Fetch it again.") from error
    lacking = [name for key, (name, _) in images.items() if key not in labels]
    if lacking or not images:
        what = f"no label of {some_names(lacking)}" if lacking else "no images"
        raise DataError(
            f"{file} has {what}; a WebDataset has KEY.cls (or KEY.txt, KEY.json with label) beside each KEY.jpg."
        )
    return _Packed(
        encoded=[data for _, data in images.values()],
        names=[f"{name} of {file}" for name, _ in images.values()],
        labels=[labels[key] for key in images],
    )


def _label(content: bytes, ending: str, name: str) -> str:
    try:
        text = content.decode().strip()
        if ending != ".json":
            return text
        document = json.loads(text)
        return str(next(document[key] for key in _LABELS if key in document))
    except (UnicodeDecodeError, ValueError, StopIteration, TypeError) as error:
        raise DataError(f"{name} must hold a class, or JSON with label; got {content[:40]!r}.") from error
