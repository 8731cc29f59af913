"""A space from its YAML file, with every mistake in it found in one reading."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from nars.space.errors import SpaceError, SpaceWarning
from nars.space.files.costfile import read_costs
from nars.space.files.document import Document
from nars.space.files.entries import Entries, read_generic, read_mbconv, read_recipe
from nars.space.files.resolve import resolve
from nars.space.settings import CostTable, Fixed, Setting
from nars.space.space import Space


def read_space(
    document: Document, *, classes: int | None = None, in_channels: int | None = None, table: CostTable | None = None
) -> Space:
    """The space that a document describes.

    Args:
        document: the parsed file.
        classes: number of classes of the data at hand; the file's own number when None.
        in_channels: number of image channels of the data at hand; the file's own when None.
        table: costs of a generic space; those that the file names when None.

    Raises:
        SpaceError: one line per mistake, each with file, line, rule and fix.

    Warns:
        SpaceWarning: numbers beside words in a list of choices, or words that look like numbers.
    """
    space, entries = _examined(document, classes=classes, in_channels=in_channels, table=table)
    for doubt in entries.doubts:
        warnings.warn(doubt, SpaceWarning, stacklevel=2)
    return space


def examine_space(document: Document) -> tuple[Space, tuple[str, ...]]:
    """The space that a document describes, and what was assumed in reading it: one line each, with file and line.

    Raises:
        SpaceError: as `read_space`.
    """
    space, entries = _examined(document, classes=None, in_channels=None, table=None)
    return space, (*entries.doubts, *entries.assumed)


def _examined(
    document: Document, *, classes: int | None, in_channels: int | None, table: CostTable | None
) -> tuple[Space, Entries]:
    for name, number in (("classes", classes), ("in_channels", in_channels)):
        if number is not None and number < 1:
            raise SpaceError(f"{name} must be at least 1, got {number}; take the number that the data has")
    entries = Entries(document)
    space = _read(entries, classes=classes, in_channels=in_channels, table=table)
    if entries.problems or space is None:
        raise SpaceError("\n".join(entries.problems))
    return space, entries


def _read(entries: Entries, *, classes: int | None, in_channels: int | None, table: CostTable | None) -> Space | None:
    """The space, or None once a mistake makes reading on pointless."""
    content = entries.document.content
    if not isinstance(content, Mapping):
        got = type(content).__name__
        entries.problem((), f"a space file is a mapping with name, kind, architecture and recipe, got {got}")
        return None
    _check_top(entries, content)
    generic = content.get("kind", "mbconv") == "generic"
    architecture, recipe = content.get("architecture"), content.get("recipe") or {}
    if not isinstance(architecture, Mapping) or not isinstance(recipe, Mapping):
        return None
    stages = 0
    if generic:
        read_generic(entries, architecture)
    else:
        stages = read_mbconv(entries, architecture)
    read_recipe(entries, recipe, generic=generic)
    if entries.problems:
        return None
    dimensions, settings = resolve(entries)
    if not dimensions and not entries.problems:
        entries.problem((), "every setting is fixed: there is nothing to search; give at least one a list or a range")
    if not generic and not entries.problems:
        _check_sizes(entries, settings, {d: dimension.values for d, dimension in enumerate(dimensions)}, stages)
    if entries.problems:
        return None
    space = Space(
        document=entries.document,
        name=content["name"],
        kind="generic" if generic else "mbconv",
        about=str(content.get("about", "")).strip(),
        dimensions=dimensions,
        settings=settings,
        stages=stages,
        in_channels=in_channels if in_channels is not None else architecture.get("in_channels", 3),
        classes=classes if classes is not None else architecture.get("classes", 1000),
        table=table,
    )
    if table is None and "costs" in content:
        return space.with_table(read_costs(content["costs"], space, entries.document))
    return space


def _check_top(entries: Entries, content: Mapping[str, Any]) -> None:
    entries.keys((), content, required=("name", "architecture"), optional=("kind", "about", "recipe", "costs"))
    if not isinstance(content.get("name", ""), str) or content.get("name") == "":
        entries.problem(("name",), f"takes a word, got {content['name']!r}")
    kind = content.get("kind", "mbconv")
    if kind not in ("mbconv", "generic"):
        entries.problem(("kind",), f"kind takes mbconv or generic, got {kind!r}")
    if "costs" in content and kind != "generic":
        entries.problem(("costs",), "a space of networks computes its costs; drop costs, or say kind: generic")
    for key in ("architecture", "recipe"):
        part = content.get(key, {})
        if not isinstance(part, Mapping) and (key == "architecture" or part is not None):
            entries.problem((key,), f"takes a mapping of settings, got {part!r}")


def _check_sizes(
    entries: Entries, settings: Mapping[str, Setting], choices: Mapping[int, tuple[Any, ...]], stages: int
) -> None:
    """Note a stage whose first convolution can be larger than what it gets: only short paddings allow that."""

    def values(name: str) -> tuple[Any, ...]:
        setting = settings[name]
        return (setting.value,) if isinstance(setting, Fixed) else choices[setting.dimension]

    sides = {(side - 1) // stride + 1 for side in values("resolution") for stride in values("stem.stride")}
    for stage in (f"stage{number}" for number in range(1, stages + 1)):
        after = set()
        for kernel in values(f"{stage}.kernel_first"):
            for given in values(f"{stage}.first_padding"):
                padding = kernel // 2 if given is None else given
                if min(sides) + 2 * padding < kernel:
                    entries.problem(
                        entries.settings[f"{stage}.first_padding"].path,
                        f"a kernel of {kernel} with padding {padding} leaves nothing of a feature map of {min(sides)} "
                        f"pixels; raise the resolution or the padding",
                    )
                    return
                strides = values(f"{stage}.stride")
                after |= {(side + 2 * padding - kernel) // stride + 1 for side in sides for stride in strides}
        sides = after
