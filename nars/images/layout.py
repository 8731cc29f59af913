"""What the folders of an image set are: classes, or splits with the classes in each.

A folder is named as a split if its name, whatever its case, says train, val or test in a common spelling (Training,
TEST, training_set, seg_train, train2017, flowers_train beside flowers_test). It is read as one if it holds folders of
images in turn. Splits are recognized by both together, and only where they hold the same classes; what could be read
in two ways is an error that gives both.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nars.errors import DataError
from nars.images.unsplit import TEST, TRAIN, VALIDATION
from nars.images.walk import Folder
from nars.printing import counted, some_names

_EVALUATION, _UNLABELLED = 3, 4
_WORDS: dict[str, int] = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "dev", "development"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), TEST),
    **dict.fromkeys(("eval", "evaluation", "evaluate"), _EVALUATION),
    **dict.fromkeys(("pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled"), _UNLABELLED),
}
_FILLERS = frozenset(
    (
        *("set", "sets", "data", "dataset", "datasets", "samples", "image", "images", "img", "imgs"),
        *("photos", "pics", "pictures", "split", "folder", "dir", "seg"),
    )
)
"""Words beside the one that names a split which say nothing more."""

_ROLES = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the classes of each split are."""

    train: Folder
    """The folder that holds a folder for each class."""
    others: tuple[tuple[int, str, Folder], ...]
    """VALIDATION or TEST, the name of the split's folder and the folder in it that holds the classes."""
    notes: tuple[str, ...]


class _Name(NamedTuple):
    """A name that says split: which, and what else it says."""

    role: int
    rest: tuple[str, ...]
    numbered: bool
    """Whether a number is in it that is not a year."""


def recognize(root: Folder) -> Layout:
    """Tell splits from classes.

    Raises:
        DataError: it could be either, two folders are the same split, or splits hold different classes.
    """
    named = _named(root.filled)
    bases = {folder.name: _base(folder, named) for folder in root.filled if folder.name in named}
    splits = {name: role for name, role in named.items() if bases[name].filled}
    if all(role == _UNLABELLED for role in named.values()):
        return _flat(root, ())
    if not splits:
        return _only_images(root, named)
    trains = [name for name, role in splits.items() if role == TRAIN]
    if not trains:
        siblings = {folder.name for folder in root.filled if folder.name not in named}
        if list(named.values()) in ([VALIDATION], [_EVALUATION]) and siblings:
            (name,) = named
            if not {folder.name for folder in bases[name].filled} <= siblings:  # "valid" and "invalid"
                return _flat(root, (f"{name}/ is read as a class, because there is no training split",))
        raise _doubt(
            root,
            f"{_names(splits)} of a set without a training split, or {_names(f.name for f in root.filled)} as classes",
            "name the folder of the training images train/, or rename those that are classes",
        )
    _refuse_pairs(root, named)
    parts = {name: role for name, role in _roles(named).items() if role in (VALIDATION, TEST)}
    for name in parts:
        if name not in splits:
            raise _doubt(
                root,
                f"{trains[0]}/ as training split, or {trains[0]}/ and {name}/ as classes: {name}/ holds images, but "
                f"not in one folder per class",
                f"sort the images of {name}/ into class folders, or move {name}/ away if nobody knows their classes",
            )
    train = bases[trains[0]]
    _compare(root, trains[0], train, {name: bases[name] for name in parts})
    beside = [folder for folder in root.filled if folder.name not in named]
    if beside and not parts:
        raise _doubt(
            root,
            f"{trains[0]}/ as the training split with the classes {_names(f.name for f in train.filled)}, or "
            f"{_names(f.name for f in root.filled)} as classes",
            f"for the first move {_names(f.name for f in beside)} away, for the second give {trains[0]}/ another name",
        )
    if set(parts.values()) == {VALIDATION}:  # then it is the only one, and what final accuracies are measured on
        parts = dict.fromkeys(parts, TEST)
    shown = [f"{trains[0]}/ for training", *(f"{name}/ for {_ROLES[role]}" for name, role in parts.items())]
    unused = [f for f in root.filled if f in beside or named.get(f.name) == _UNLABELLED]
    notes = [f"the folder is divided: {', '.join(shown)}"]
    notes += [f"not used, beside the splits: {_names([f.name])} with {counted(f.count, 'image')}" for f in unused]
    return Layout(
        train=train,
        others=tuple((parts[name], name, bases[name]) for name in sorted(parts, key=lambda name: parts[name])),
        notes=(*notes, *_loose(root), *(note for name in splits for note in _loose(bases[name]))),
    )


def split_role(name: str) -> int | None:
    """TRAIN, VALIDATION or TEST where a name says one of them and nothing else that counts, else None."""
    found = _split_name(name)
    role = None if found is None else found.role
    return TEST if role == _EVALUATION else role if role in _ROLES else None


def key_of(name: str) -> str:
    """What makes two names of a class the same: macOS writes an accent as a letter of its own."""
    return unicodedata.normalize("NFC", name)


def _named(folders: Sequence[Folder]) -> dict[str, int]:
    """The folders whose names say split -> which."""
    found = {folder.name: name for folder in folders if (name := _split_name(folder.name)) is not None}
    together: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for name in found.values():
        together[name.rest].add(name.role)
    # "bullet_train" is a class, "flowers_train" beside "flowers_test" a split, "1_train" beside "2_test" too.
    return {
        folder: name.role
        for folder, name in found.items()
        if not (name.rest or name.numbered) or (TRAIN in together[name.rest] and len(together[name.rest]) > 1)
    }


def _split_name(name: str) -> _Name | None:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    words = re.findall(r"[^\W\d_]+|\d+", spaced)
    roles = [role for word in words if (role := _role(word)) is not None]
    rest = [word for word in words if _role(word) is None and word not in _FILLERS and not word.isdigit()]
    numbered = any(word.isdigit() and not re.fullmatch(r"(19|20)\d\d", word) for word in words)
    return _Name(roles[0], tuple(rest), numbered) if len(roles) == 1 else None


def _role(word: str) -> int | None:
    """Also of two words in one, such as "trainset"."""
    for filler in ("", *_FILLERS):
        if word.endswith(filler) and (role := _WORDS.get(word.removesuffix(filler))) is not None:
            return role
    return None


def _base(folder: Folder, named: Mapping[str, int]) -> Folder:
    """Where the classes of a split are: one deeper in seg_train/seg_train/ and train/images/."""
    while not folder.images and len(folder.filled) == 1:
        (inner,) = folder.filled
        name = _split_name(inner.name)
        same = name is not None and name.role == named.get(folder.name, name.role)
        if not same and any(word not in _FILLERS for word in re.findall(r"\w+", inner.name.lower())):
            break
        folder = inner
    return folder


def _only_images(root: Folder, named: Mapping[str, int]) -> Layout:
    """No folder with the name of a split holds folders: a class called "train" beside others is one.

    One called "test" is not: many a published set has its images of unknown class there.
    """
    others = [folder for folder in root.filled if folder.name not in named]
    first = next(iter(named))
    if len(named) == 1 and named[first] != TEST and (others or len(root.folders) == 1):
        note = f"{first}/ is read as a class, because it holds images and no folders of them"
        return _flat(root, (note,) if others else ())
    raise _doubt(
        root,
        f"{_names(named)} as splits whose images are not sorted into classes, or "
        f"{_names(folder.name for folder in root.filled)} as classes",
        f"for the first sort the images into one folder per class ({first}/CLASS/...) or move away those of unknown "
        f"class, for the second give {_names(named)} other names",
    )


def _flat(root: Folder, notes: tuple[str, ...]) -> Layout:
    inside = [_named(folder.filled) for folder in root.filled]
    if len(inside) > 1 and all(
        not folder.images and len(names) == len(folder.filled) > 1 and TRAIN in names.values()
        for folder, names in zip(root.filled, inside, strict=True)
    ):
        first = root.filled[0].name
        raise _doubt(
            root,
            f"classes with splits of their own ({first}/{next(iter(inside[0]))}/), or as classes with deeper folders",
            f"for the first turn them round (train/{first}/, test/{first}/), for the second rename the inner folders",
        )
    return Layout(train=root, others=(), notes=(*notes, *_alike(root), *_loose(root)))


def _alike(root: Folder) -> list[str]:
    """Classes that all hold the same folders may be splits under names that nobody knows."""
    inner = {tuple(folder.name for folder in folder.filled) for folder in root.filled}
    if len(inner) != 1 or len(root.filled) < 2 or len(next(iter(inner))) < 2 or any(f.images for f in root.filled):
        return []
    return [
        f"WARNING: {_names(folder.name for folder in root.filled)} all hold the folders {_names(next(iter(inner)))}; "
        f"they are read as classes. If these are the classes, name the folders outside train/ and test/"
    ]


def _refuse_pairs(root: Folder, named: Mapping[str, int]) -> None:
    """Two folders for one split."""
    by_role: dict[int, list[str]] = defaultdict(list)
    for name, role in _roles(named).items():
        by_role[role].append(name)
    for role, names in by_role.items():
        if role in _ROLES and len(names) > 1:
            raise _doubt(
                root,
                " or ".join(f"{name}/ as {_ROLES[role]} split" for name in names) + ", or both as classes",
                "keep one of them, or put their images together",
            )


def _roles(named: Mapping[str, int]) -> dict[str, int]:
    """An "evaluation" split is what there is no other of."""
    evaluation = VALIDATION if TEST in named.values() else TEST
    return {name: evaluation if role == _EVALUATION else role for name, role in named.items()}


def _compare(root: Folder, name: str, train: Folder, parts: Mapping[str, Folder]) -> None:
    """Refuse classes that the training split lacks."""
    known = {key_of(folder.name) for folder in train.filled}
    for other, base in parts.items():
        more = sorted({key_of(folder.name) for folder in base.filled} - known)
        if more:
            folded = {key.casefold() for key in known}
            alike = [key for key in more if key.casefold() in folded]
            hint = f" ({_names(alike)} in other upper and lower case)" if alike else ""
            raise _doubt(
                root,
                f"{name}/ and {other}/ as splits, but {other}/ has classes that the training folder lacks: "
                f"{_names(more)}{hint}; or {name}/ and {other}/ as classes",
                f"for the first make the names of the classes in {other}/ those in {name}/, for the second rename the "
                f"two",
            )


def _loose(folder: Folder) -> list[str]:
    """Images beside folders of images belong to no class."""
    if not folder.images or not folder.filled:
        return []
    names = some_names([image.name for image in folder.images])
    return [f"not used, because in no class folder: {counted(len(folder.images), 'image')} of {folder.path} ({names})"]


def _doubt(root: Folder, readings: str, fix: str) -> DataError:
    return DataError(f"{root.path} can be read in two ways: {readings}. Decide it by names: {fix}.")


def _names(names: Iterable[str]) -> str:
    return some_names([f"{name}/" for name in names], most=_SHOWN)


SPLITS = ("split", "set", "subset", "partition", "part")
"""Columns of tables and Parquet files that say which split an image belongs to."""

GROUPS = ("group", "group_id", "patient", "patient_id", "subject", "subject_id", "scene", "scene_id", "session")
"""Columns whose equal values keep images on one side of each split."""


def part_of(word: str, *, place: str | Path) -> int:
    """The split that a cell of such a column names.

    Raises:
        DataError: none.
    """
    role = split_role(word)
    if role is None:
        raise DataError(f"{place}: a split is train, val or test; got {word!r}. Correct it.")
    return role
