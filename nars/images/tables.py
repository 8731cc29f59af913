"""Tables of paths and labels: CSV, TSV, with or without a column of splits."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from nars.errors import DataError
from nars.images.contents import Contents
from nars.images.folder import render_files
from nars.images.labels import classes_in, columns_of_classes, groups_in, joined_groups, label_notes, labelled, names_in
from nars.images.layout import GROUPS, SPLITS, part_of, split_role
from nars.images.near import hashes_of_files
from nars.images.streaming import as_bytes
from nars.images.unsplit import MADE_HERE, TEST, TRAIN, VALIDATION, Source, hold_out_test
from nars.images.walk import Folder, walk
from nars.printing import counted, some_names

TABLES = (".csv", ".tsv")

_PATHS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "img", "image_path", "img_path"),
    *("image_name", "image_id", "image_file", "photo", "name", "id", "image_index", "image index"),
)
_LABELS = (
    *("label", "class", "category", "target", "class_name", "label_name", "classname", "species", "breed", "y"),
    *("diagnosis", "type", "tag"),
)
_PLURALS = ("labels", "tags", "classes", "categories", "targets", "finding labels", "finding_labels")
_TRUTHS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_TEST_SHARE = 5


def table_source(files: Sequence[Path], group_column: str | None = None) -> Source:
    """The images that a table names, or several: train.csv, val.csv, test.csv.

    Paths are relative to the table; where nothing is there, a file of that name anywhere below the table's folder is
    meant, with or without its ending, if there is one alone.

    Labels are names in one column, several of an image separated by `|` or `;`, or columns of 0 and 1, one for each
    class; where each image has exactly one, it is a set of one class each.

    A column group (or patient, subject, scene, session, with or without _id) keeps images together: all of equal value
    lie on one side of every split that is made here; `group_column` names another.

    Raises:
        DataError: a table that cannot be read, without a column of paths or labels, or with paths to nothing; naming
            it.
    """
    roles = [split_role(file.stem) for file in files]
    if len(files) > 1 and (None in roles or len(set(roles)) < len(roles)):
        raise DataError(
            f"{files[0].parent} holds {some_names([file.name for file in files], most=6)}, and which of them counts "
            f"cannot be seen; name it, or call them train.csv, val.csv and test.csv."
        )
    paths: list[Path] = []
    cells: list[str] = []
    marked: list[tuple[str, ...]] = []
    declared: list[str] = []
    parts: list[int] = []
    counts: list[int] = []
    told: list[list[str] | None] = []
    for file, role in zip(files, roles, strict=True):
        rows = _rows(file)
        path, label, split = _columns(file, rows, group_column)
        found = _found(file, [row[path] for row in rows])
        paths += found
        if isinstance(label, str):
            cells += [row[label].strip() for row in rows]
        else:
            declared += label
            marked += [tuple(name for name in label if _truth(row[name])) for row in rows]
        told.append(_groups(file, rows, group_column))
        counts.append(len(rows))
        by_name = role if len(files) > 1 and role is not None else TRAIN
        parts += [by_name if split is None else part_of(row[split], place=file) for row in rows]
    if cells and marked:
        raise DataError(f"{some_names([file.name for file in files])} give labels in two ways. Write them alike.")
    groups = joined_groups(files, told, counts)
    names = marked or names_in(cells)
    if empty := names.count(("",)):
        raise DataError(f"{files[0]} has {counted(empty, 'image')} without a label. Add them, or remove the lines.")
    classes = classes_in(names, declared=declared, place=files[0])
    labels = labelled(names, classes)
    encoded = as_bytes(paths)
    contents = Contents(encoded)
    part = _without_two_names(np.array(parts, dtype=np.int8))
    kept = f", in {counted(len(set(groups)), 'group')} that stay together" if groups else ""
    source = Source(
        classes=classes,
        labels=labels,
        part=part,
        render=partial(render_files, encoded),
        digest=contents.digests,
        copies=contents.copies,
        files=encoded,
        hashes=partial(hashes_of_files, encoded),
        groups=np.unique(groups, return_inverse=True)[1].astype(np.int64) if groups else None,
        origin={TEST: f"{MADE_HERE}table, always the same"},
        notes=(
            f"read from {some_names([file.name for file in files])}: {counted(len(paths), 'image')}{kept}",
            *label_notes(labels),
        ),
    )
    if (part == TEST).any():
        return replace(source, origin={})
    return hold_out_test(source, max(1, len(paths) // _TEST_SHARE))


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        mark = "\t" if file.suffix.lower() == ".tsv" else max(",;\t", key=text.partition("\n")[0].count)
        rows = list(csv.DictReader(text.splitlines(), delimiter=mark, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is not a readable table ({error}). Save it as CSV in UTF-8.") from error
    if not rows:
        raise DataError(f"{file} has no rows below its headings. Add a line for each image: path,label")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataError(f"line {number} of {file} has another number of cells than its headings. Mend it.")
    return rows


def _columns(
    file: Path, rows: Sequence[Mapping[str, str]], group_column: str | None
) -> tuple[str, str | tuple[str, ...], str | None]:
    """The columns of paths, of labels (or one for each class) and of splits."""
    known = {name.strip().lower(): name for name in rows[0]}
    path, label, split = (
        next((known[name] for name in names if name in known), None) for names in (_PATHS, _LABELS, SPLITS)
    )
    rest = [name for name in rows[0] if name not in (path, label, split) and name.strip().lower() not in GROUPS]
    if path is not None and label is None and len(rest) == 1:
        label = rest[0]
    label = label or next((known[name] for name in _PLURALS if name in known), None)
    if path is None:
        raise DataError(_lacks(file, rows, "paths (path, file, image ...)"))
    if label is not None:
        return path, label, split
    said = {name: [_truth(row[name]) for row in rows] for name in rest if name != group_column}
    classes = columns_of_classes(said, place=str(file))
    if len(classes) < 2:
        raise DataError(_lacks(file, rows, "labels (label, class, category ...), or one of 0 and 1 for each class"))
    return path, classes, split


def _lacks(file: Path, rows: Sequence[Mapping[str, str]], what: str) -> str:
    return f"{file} needs a column of {what}; it has {some_names([*rows[0]], most=8)}. Name one of them so."


def _truth(cell: str) -> bool | None:
    """What a cell of 0 or 1 says; None of another."""
    return _TRUTHS.get(cell.strip().lower())


def _groups(file: Path, rows: Sequence[Mapping[str, str]], named: str | None) -> list[str] | None:
    """What each image belongs to, by itself where its cell is empty; None where no column says it."""
    if named is not None and named not in rows[0]:
        raise DataError(f"{file} has no column {named!r} to group by, it has {some_names([*rows[0]], most=8)}.")
    column = named or next((name for name in rows[0] if name.strip().lower() in GROUPS), None)
    return None if column is None else groups_in([row[column] for row in rows], place=file)


def _found(file: Path, written: Sequence[str]) -> list[Path]:
    """The files that are meant."""
    below: dict[str, list[Path]] | None = None
    found: list[Path] = []
    missing: list[str] = []
    for text in written:
        path = file.parent / text.strip()
        if not path.is_file():
            below = _by_name(walk(file.parent)[0]) if below is None else below
            others = below.get(Path(text.strip()).name, [])
            if len(others) != 1:
                missing.append(text)
                continue
            (path,) = others
        found.append(path)
    if missing:
        raise DataError(
            f"{file} names {counted(len(missing), 'image')} that {'is' if len(missing) == 1 else 'are'} not there, or "
            f"there several times ({some_names(missing)}); paths are relative to the table. Correct or remove these "
            f"lines."
        )
    return found


def _by_name(folder: Folder) -> dict[str, list[Path]]:
    """Images by their name, and by their name without its ending."""
    found: dict[str, list[Path]] = {}
    for image in folder.all_images():
        for name in {image.name, image.stem}:
            found.setdefault(name, []).append(image)
    return found


def _without_two_names(part: np.ndarray[tuple[int], np.dtype[np.int8]]) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """A validation part without a test part is the test part, as of folders."""
    if (part == VALIDATION).any() and not (part == TEST).any():
        return np.where(part == VALIDATION, TEST, part).astype(np.int8)
    return part
