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
from nars.images.labels import classes_in, columns_of_classes, groups_in, joined_groups, label_notes, labelled, names_in
from nars.images.layout import GROUPS, SPLITS, split_role
from nars.images.look import typical_side_in
from nars.images.near import hashes_of_contents
from nars.images.pixels import OnRead, read_encoded
from nars.images.split import first_of
from nars.images.unsplit import DIGEST_BYTES, MADE_HERE, TEST, TRAIN, VALIDATION, Source, digests_of, hold_out_test
from nars.images.walk import readable_suffixes
from nars.printing import counted, some_names

_IMAGES = ("image", "img", "jpg", "png", "photo", "pixel_values")
_LABELS = ("label", "labels", "fine_label", "class", "category", "target", "cls")
_TEXTS = (".cls", ".json", ".txt")
"""What may hold a label, the most certain first: a .txt often is a caption, a .json often says other things alone."""
_TEST_SHARE = 5


@dataclass(frozen=True, kw_only=True)
class _Packed:
    """What one file holds."""

    encoded: list[bytes]
    names: list[str]
    """Of the images, for messages."""
    labels: list[tuple[str, ...]]
    """The names of each image's classes: one, unless the file has lists."""
    classes: tuple[str, ...] = ()
    """Of columns of 0 and 1, one for each class, which may lack images."""
    groups: list[str] | None = None
    """What each image belongs to; None where no column says it."""
    parts: list[int] | None = None
    """The split of each; None where no column says it."""
    unused: str | None = None
    """A column that may say what images belong together, which nobody has named."""


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
    by_name = [role if known and role is not None else TRAIN for role in roles]
    named = [[role] * size for role, size in zip(by_name, sizes, strict=True)]
    told = [one.parts or role for one, role in zip(packed, named, strict=True)]
    if not any(TRAIN in roles for roles in told):  # all is of one test set, say: it is divided here
        told = named
    part = np.concatenate([np.array(roles, dtype=np.int8) for roles in told])
    if (part == VALIDATION).any() and not (part == TEST).any():
        part[part == VALIDATION] = TEST
    names_of_each = _names_of_each([label for one in packed for label in one.labels])
    declared = [name for one in packed for name in one.classes]
    classes = classes_in(names_of_each, declared=declared, place=files[0])
    encoded = [content for one in packed for content in one.encoded]
    names = [name for one in packed for name in one.names]
    digests = digests_of(encoded)
    labels = labelled(names_of_each, classes)
    groups = joined_groups(files, [one.groups for one in packed], sizes)
    kept = f", in {counted(len(set(groups)), 'group')} that stay together" if groups else ""
    source = Source(
        classes=classes,
        labels=labels,
        part=part,
        render=partial(_render, encoded, names),
        digest=partial(np.take, digests, axis=0),
        copies=partial(_copies, digests),
        hashes=partial(hashes_of_contents, encoded, names),
        typical=typical_side_in(encoded),
        origin={TEST: f"{MADE_HERE}files, always the same"},
        groups=np.unique(groups, return_inverse=True)[1].astype(np.int64) if groups else None,
        notes=(
            f"read from {some_names([file.name for file in files])}: {counted(len(labels), 'image')}{kept}",
            *label_notes(labels),
            *(
                f"column {name} is not used; --group-column {name} keeps its equal values on one side of each split"
                for name in dict.fromkeys(one.unused for one in packed if one.unused is not None)
            ),
        ),
    )
    if (part == TEST).any():
        return replace(source, origin={})
    return hold_out_test(source, max(1, len(labels) // _TEST_SHARE))


def _names_of_each(labels: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
    """Names that are separated in text, where no image has a list of them."""
    return names_in([label for (label,) in labels]) if all(len(label) == 1 for label in labels) else labels


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
        if group_column is not None and group_column not in schema.names:
            raise DataError(
                f"{file} has no column {group_column!r} to group by, it has {some_names(schema.names, most=8)}."
            )
        split = next((one.name for one in schema if _is_text(one.type) and one.name.strip().lower() in SPLITS), None)
        numbers = [one.name for one in schema if label is None and _is_number(one.type) and one.name != group_column]
        wanted = [name for name in (image, label, group_column, split, *numbers) if name is not None]
        table = pq.read_table(file, columns=list(dict.fromkeys(wanted)))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a readable Parquet file ({error}). Fetch it again.") from error
    said = {name: [_TRUTHS.get(value) for value in table[name].to_pylist()] for name in numbers}
    classes = columns_of_classes(said, place=str(file))
    if image is None or (label is None and len(classes) < 2):
        raise DataError(
            f"{file} needs a column of images (image, img) and one of labels (label), or one of 0 and 1 for each "
            f"class; it has {some_names(schema.names, most=8)}. Rename them."
        )
    column = table[image]
    if pa.types.is_struct(column.type) and "bytes" in [field.name for field in column.type]:
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)) or column.null_count:
        raise DataError(
            f"column {image} of {file} must hold encoded images (bytes), got {column.type}"
            f"{f' with {column.null_count:,} empty' if column.null_count else ''}. Write the images into it."
        )
    if label is not None:
        labels = _labels_in(table[label], _names(schema, label), f"column {label} of {file}")
    else:
        rows = zip(*(said[name] for name in classes), strict=True)
        labels = [tuple(name for name, there in zip(classes, row, strict=True) if there) for row in rows]
    return _Packed(
        classes=classes,
        encoded=column.to_pylist(),
        names=[f"image {row} of {file}" for row in range(len(labels))],
        labels=labels,
        groups=None if group_column is None else groups_in(table[group_column].to_pylist(), place=file),
        unused=next((name for name in schema.names if name.strip().lower() in GROUPS and group_column is None), None),
        parts=None if split is None else _parts(table[split].to_pylist()),
    )


def _parts(words: Sequence[object]) -> list[int] | None:
    """The split that each row names; None where the column means something else."""
    roles = [split_role(str(word)) for word in words]
    return None if None in roles else [role for role in roles if role is not None]


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _is_number(kind: Any) -> bool:
    return any(test(kind) for test in (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating))


_TRUTHS = {0: False, 1: True}


def _labels_in(column: Any, named: Mapping[Any, str], where: str) -> list[tuple[str, ...]]:
    """The names of each image's classes, in a column of names or of lists of them."""
    if column.null_count:
        raise DataError(f"{where} is empty in {column.null_count:,} rows. Remove them.")
    kind = column.type
    if not pa.types.is_nested(kind):
        return [(name,) for name in _named(column.to_pylist(), named, where)]
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or pa.types.is_nested(kind.value_type):
        raise DataError(f"{where} must hold a class of each image or a list of them, got {kind}. Write them so.")
    return [tuple(dict.fromkeys(_named(values, named, where))) for values in column.to_pylist()]


def _named(values: Sequence[Any], named: Mapping[Any, str], where: str) -> list[str]:
    """The names of classes that are given by name or by number."""
    if None in values:
        raise DataError(f"{where} has an empty label. Remove it.")
    unknown = [value for value in values if named and isinstance(value, int) and value not in named]
    if unknown:
        raise DataError(
            f"{where} has {unknown[0]} in {counted(len(unknown), 'place')}, and the file names classes 0 to "
            f"{len(named) - 1}. -1 mostly is a label that is kept secret: leave such images away."
        )
    return [named.get(value, str(value)) for value in values]


def _names(schema: Any, label: str) -> Mapping[Any, str]:
    """The names of numbered classes that Hugging Face writes beside them."""
    written = (schema.metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(written)["info"]["features"][label] if written else {"names": []}
        feature = feature[0] if isinstance(feature, list) else feature
        names = feature.get("feature", feature)["names"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}
    return dict(enumerate(map(str, names)))


def _of_tar(file: Path) -> _Packed:
    endings = readable_suffixes()
    images: dict[str, tuple[str, bytes]] = {}
    texts: dict[str, dict[str, tuple[str, bytes]]] = {}
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
                        if key in images:
                            raise DataError(
                                f"{file} has two images of one name, {images[key][0]} and {member.name}: what stands "
                                f"before the first dot names an image with its label. Rename them."
                            )
                        images[key] = (member.name, data)
                    else:
                        texts.setdefault(key, {})[ending] = (f"{member.name} of {file}", data)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{file} is not a readable tar file ({error}). Fetch it again.") from error
    lacking = [name for key, (name, _) in images.items() if key not in texts]
    if lacking or not images:
        what = f"no label of {some_names(lacking)}" if lacking else "no images"
        raise DataError(
            f"{file} has {what}; a WebDataset has KEY.cls (or KEY.txt, KEY.json with label) beside each KEY.jpg."
        )
    return _Packed(
        encoded=[data for _, data in images.values()],
        names=[f"{name} of {file}" for name, _ in images.values()],
        labels=[_label(texts[key]) for key in images],
    )


def _label(texts: Mapping[str, tuple[str, bytes]]) -> tuple[str, ...]:
    """The classes of an image by what lies beside it, {ending: (its name, its content)}."""
    for ending in sorted(texts, key=_TEXTS.index):
        name, content = texts[ending]
        try:
            text = content.decode().strip()
            if ending != ".json":
                return (text,)
            document = json.loads(text)
            key = next((key for key in _LABELS if key in document), None)
        except (UnicodeDecodeError, ValueError, TypeError) as error:
            raise DataError(f"{name} must hold a class, or JSON with label; got {content[:40]!r}.") from error
        if key is not None:
            found = document[key]
            if found is None or (isinstance(found, list) and None in found):
                raise DataError(f"{name} has an empty label. Remove the image, or say its class.")
            return tuple(dict.fromkeys(map(str, found))) if isinstance(found, list) else (str(found),)
    raise DataError(f"{name} must hold a class, or JSON with label; got {content[:40]!r}.")
