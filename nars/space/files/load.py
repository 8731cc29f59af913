"""A space from its YAML file, with every mistake in it found in one reading."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from nars.space.bounds import LATENCY, Bounds
from nars.space.dimension import CostTable
from nars.space.errors import SpaceError, SpaceWarning
from nars.space.families.family import family_of
from nars.space.families.generic.costfile import read_costs
from nars.space.families.timm.short import written_out
from nars.space.files.choices import mixture
from nars.space.files.document import Document
from nars.space.files.entries import Entries
from nars.space.files.resolve import resolve
from nars.space.space import Space


def read_space(
    document: Document, *, classes: int | None = None, in_channels: int | None = None, table: CostTable | None = None
) -> Space:
    """The space that a document describes; the arguments are those of `load_space`.

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
    document = written_out(document)
    kind = document.content.get("kind", "mbconv") if isinstance(document.content, Mapping) else "mbconv"
    try:
        entries = Entries(document, family_of(kind if isinstance(kind, str) else repr(kind)))
    except SpaceError as error:  # what else the file must say, only its family knows
        raise SpaceError(f"{document.where(('kind',))}: {error}") from error
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
    range_, budgets = (_suggested(entries, content, key) for key in ("range", "budgets"))
    architecture, recipe = content.get("architecture"), content.get("recipe") or {}
    if not isinstance(architecture, Mapping) or not isinstance(recipe, Mapping):
        return None
    order = [*entries.family.read(entries, architecture), *entries.add_recipe(recipe)]
    if not entries.problems:  # else a family that takes words alone has said so
        for entry in entries.settings.values():
            if mixed := mixture(entry.spec.values):
                entries.problem(entry.path, mixed)
    if entries.problems:
        return None
    dimensions, settings = resolve(entries, order)
    if not dimensions and not entries.problems:
        entries.problem((), "every setting is fixed: there is nothing to search; give at least one a list or a range")
    if entries.problems:
        return None
    space = Space(
        document=entries.document,
        name=content["name"],
        kind=content.get("kind", "mbconv"),
        about=str(content.get("about", "")).strip(),
        dimensions=dimensions,
        settings=settings,
        in_channels=in_channels if in_channels is not None else architecture.get("in_channels", 3),
        classes=classes if classes is not None else architecture.get("classes", 1000),
        table=table,
        range=range_[0] if range_ else Bounds(),
        budgets=budgets,
    )
    entries.family.check(entries, space)
    if not entries.problems and table is None and "costs" in content:
        space = space.with_table(read_costs(content["costs"], space, entries.document))
    for key, bounds in (("range", range_), ("budgets", budgets)):
        _check_costs(entries, key, bounds, space)
    return space


def _suggested(entries: Entries, content: Mapping[str, Any], key: str) -> tuple[Bounds, ...]:
    """The range or the budgets that a space file names for runs that name none; mistakes are noted."""
    written = content.get(key)
    if written is None:
        return ()
    found = []
    for number, one in enumerate(written if isinstance(written, list) else [written]):
        try:
            found.append(Bounds.read(one))
        except SpaceError as error:
            entries.problem((key, number) if isinstance(written, list) else (key,), str(error))
    return tuple(found)


def _check_costs(entries: Entries, key: str, bounds: tuple[Bounds, ...], space: Space) -> None:
    """Note limits on costs that the space does not have; a device table may give it latency."""
    for one in bounds:
        try:
            one.check((*space.cost_names, LATENCY), of=space.name)
        except SpaceError as error:
            entries.problem((key,), str(error))


def _check_top(entries: Entries, content: Mapping[str, Any]) -> None:
    entries.keys(
        (),
        content,
        required=("name", "architecture"),
        optional=("kind", "about", "recipe", "costs", "range", "budgets"),
    )
    if not isinstance(content.get("name", ""), str) or content.get("name") == "":
        entries.problem(("name",), f"takes a word, got {content['name']!r}")
    if "costs" in content and entries.family.cost_names:
        entries.problem(("costs",), "a space of networks computes its costs; drop costs, or say kind: generic")
    for key in ("architecture", "recipe"):
        part = content.get(key, {})
        if not isinstance(part, Mapping) and (key == "architecture" or part is not None):
            entries.problem((key,), f"takes a mapping of settings, got {part!r}")
