"""The entries of a space file, each checked by itself; what refers to what is `nars.space.files.resolve`'s business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nars.space.dimension import Group
from nars.space.files.choices import Spec, SpecError, read_spec, remark
from nars.space.files.document import Document, KeyPath
from nars.space.files.scalars import YesNo
from nars.space.files.schema import ARCHITECTURE_LIMITS, HEAD, RECIPE_SETTINGS, STAGE, STEM, Limit, fault
from nars.space.settings import PAIRS, STAGE_SETTINGS


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One setting of the file."""

    spec: Spec
    path: KeyPath
    group: Group
    limit: Limit | None


@dataclass
class Entries:
    """What was read so far, and every mistake found on the way."""

    document: Document
    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """What is read as it stands but hardly meant so."""
    assumed: list[str] = field(default_factory=list)
    """How a scalar was read that other readers take for something else."""
    settings: dict[str, Entry] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    """Setting -> setting whose entry it shares (kernel_rest -> kernel_first where the file says `kernel`)."""

    def problem(self, path: KeyPath, text: str) -> None:
        """Note a mistake with file and line."""
        self.problems.append(f"{self.document.where(path)}: {text}")

    def keys(
        self, path: KeyPath, entry: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        """Note missing and unknown keys of a mapping."""
        for key in required:
            if key not in entry:
                self.problem(path, f"{key!r} is missing; add it")
        allowed = dict.fromkeys((*required, *optional))
        for key in entry:
            if key not in allowed:
                self.problem((*path, key), f"unknown key; allowed are {', '.join(allowed)}")

    def add(self, name: str, entry: Any, path: KeyPath, group: Group, *, limit: Limit | None) -> None:
        """Read one setting, or note what is wrong with it."""
        try:
            spec = read_spec(entry)
        except SpecError as error:
            self.problem(path, str(error))
            return
        if limit is not None and group == "architecture" and spec.when is not None:
            self.problem(path, "when is for recipes and generic spaces: what a network does not use follows from depth")
            return
        for value in spec.values:
            if mistake := fault(name.rsplit(".", 1)[-1], value, limit):
                self.problem(path, mistake)
                return
        if limit is None and (doubt := remark(spec.values)):
            self.doubts.append(f"{self.document.where(path)}: {doubt}")
        self._assume(entry, spec, path)
        self.settings[name] = Entry(spec=spec, path=path, group=group, limit=limit)

    def _assume(self, entry: Any, spec: Spec, path: KeyPath) -> None:
        for place, text in self.document.remarks.items():
            if place[: len(path)] == path:
                self.assumed.append(f"{self.document.where(place)}: {text}")
        given = entry.get("choices") if isinstance(entry, Mapping) else entry
        if found := [value for value in (given if isinstance(given, list) else [given]) if isinstance(value, YesNo)]:
            switches = any(isinstance(value, bool) for value in spec.values)
            read = (
                "true / false; quote them if words are meant" if switches else "words; write true / false for a switch"
            )
            self.assumed.append(f"{self.document.where(path)}: {', '.join(found)}: read as {read}")


def read_mbconv(entries: Entries, architecture: Mapping[str, Any]) -> int:
    """Read the architecture of a space of networks; the number of its stages."""
    entries.keys(
        ("architecture",),
        architecture,
        required=("resolution", "stem", "stages", "head"),
        optional=("in_channels", "classes"),
    )
    for name in ("in_channels", "classes"):
        value = architecture.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
            entries.problem(("architecture", name), f"takes a whole number from 1 to 1,000,000, got {value!r}")
    if "resolution" in architecture:
        _architecture_entry(entries, "resolution", architecture["resolution"], ("architecture", "resolution"))
    if "stem" in architecture:
        _part(entries, "stem", architecture["stem"], STEM, required=("channels",))
    stages = architecture.get("stages", [])
    if "stages" in architecture and (not isinstance(stages, list) or not stages):
        entries.problem(("architecture", "stages"), f"takes a list of at least one stage, got {stages!r}")
        stages = []
    for number, stage in enumerate(stages, 1):
        _stage(entries, number, stage)
    if "head" in architecture:
        _part(entries, "head", architecture["head"], HEAD, required=())
    return len(stages)


def read_generic(entries: Entries, architecture: Mapping[str, Any]) -> None:
    """Read named choices with no network behind them."""
    for name, entry in architecture.items():
        if name.startswith("recipe."):
            entries.problem(("architecture", name), "names that start with recipe. belong under recipe; rename it")
        else:
            entries.add(name, entry, ("architecture", name), "architecture", limit=None)


def read_recipe(entries: Entries, recipe: Mapping[str, Any], *, generic: bool) -> None:
    """Read the recipe: any names in a generic space, else those of `RECIPE_SETTINGS`."""
    for name, entry in recipe.items():
        if generic:
            entries.add(f"recipe.{name}", entry, ("recipe", name), "recipe", limit=None)
        elif name in RECIPE_SETTINGS:
            entries.add(f"recipe.{name}", entry, ("recipe", name), "recipe", limit=RECIPE_SETTINGS[name])
        else:
            entries.problem(("recipe", name), f"unknown recipe setting; allowed are {', '.join(RECIPE_SETTINGS)}")


def _architecture_entry(entries: Entries, name: str, entry: Any, path: KeyPath) -> None:
    entries.add(name, entry, path, "architecture", limit=ARCHITECTURE_LIMITS[name.rsplit(".", 1)[-1]])


def _part(entries: Entries, name: str, entry: Any, defaults: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
    path: KeyPath = ("architecture", name)
    if not isinstance(entry, Mapping):
        entries.problem(path, f"takes a mapping with {', '.join(defaults)}, got {entry!r}")
        return
    entries.keys(path, entry, required=required, optional=tuple(defaults))
    for key, default in defaults.items():
        if key in entry or default is not None:
            _architecture_entry(entries, f"{name}.{key}", entry.get(key, default), (*path, key))


def _stage(entries: Entries, number: int, entry: Any) -> None:
    path: KeyPath = ("architecture", "stages", number - 1)
    if not isinstance(entry, Mapping):
        entries.problem(path, f"a stage is a mapping with kernel, expand, channels, depth, ..., got {entry!r}")
        return
    entries.keys(path, entry, required=("channels", "depth"), optional=(*STAGE_SETTINGS, *PAIRS))
    for short, (first, rest) in PAIRS.items():
        if short in entry and (first in entry or rest in entry):
            entries.problem((*path, short), f"{short} sets both {first} and {rest}; keep it, or the two")
        elif short not in entry and not (first in entry and rest in entry):
            entries.problem(path, f"a stage needs {short}, or both {first} and {rest}")
        elif short in entry:
            _architecture_entry(entries, f"stage{number}.{first}", entry[short], (*path, short))
            entries.owners[f"stage{number}.{rest}"] = f"stage{number}.{first}"
    for name in STAGE_SETTINGS:
        if name in entry or name in STAGE:
            _architecture_entry(entries, f"stage{number}.{name}", entry.get(name, STAGE.get(name)), (*path, name))
