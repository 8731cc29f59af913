"""The entries of a space file, each checked by itself; what refers to what is `nars.space.files.resolve`'s business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nars.errors import suggestion
from nars.space.dimension import Group
from nars.space.families.family import Family
from nars.space.families.rules import Rule
from nars.space.files.choices import Spec, SpecError, read_spec, remark
from nars.space.files.document import Document, KeyPath
from nars.space.files.scalars import YesNo
from nars.space.recipe import RECIPE_SETTINGS

SHAPE = ("in_channels", "classes")
"""What the architecture part of a space of networks may say of its data; the data at hand replace it."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One setting of the file."""

    spec: Spec
    path: KeyPath
    rule: Rule

    @property
    def group(self) -> Group:
        """The part of the file that it is in."""
        return "recipe" if self.path[0] == "recipe" else "architecture"


@dataclass
class Entries:
    """What was read so far, and every mistake found on the way."""

    document: Document
    family: Family
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
        self, path: KeyPath, entry: Mapping[str, Any], *, required: Sequence[str], optional: Sequence[str] = SHAPE
    ) -> None:
        """Note missing and unknown keys of a mapping."""
        for key in required:
            if key not in entry:
                self.problem(path, f"{key!r} is missing; add it")
        allowed = dict.fromkeys((*required, *optional))
        for key in entry:
            if key not in allowed:
                self.problem((*path, key), f"unknown key; allowed are {', '.join(allowed)}{suggestion(key, allowed)}")
        for key in SHAPE if set(SHAPE) <= set(optional) else ():
            value = entry.get(key, 1)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
                self.problem((*path, key), f"takes a whole number from 1 to 1,000,000, got {value!r}")

    def add(self, name: str, entry: Any, path: KeyPath) -> None:
        """Read one setting, or note what is wrong with it."""
        rule = self.family.rule(name)
        try:
            spec = read_spec(entry)
        except SpecError as error:
            self.problem(path, str(error))
            return
        if rule.limited and path[0] == "architecture" and spec.when is not None:
            self.problem(path, "when is for recipes and generic spaces: what a network does not use follows from depth")
            return
        for value in spec.values:
            if mistake := rule.fault(value):
                self.problem(path, mistake)
                return
        if not rule.limited and (doubt := remark(spec.values)):
            self.doubts.append(f"{self.document.where(path)}: {doubt}")
        self._assume(entry, spec, path)
        self.settings[name] = Entry(spec=spec, path=path, rule=rule)

    def add_recipe(self, recipe: Mapping[str, Any]) -> Sequence[str]:
        """Read the recipe: what `nars.recipe` can train networks by, or any names where there are no networks."""
        for name, entry in recipe.items():
            if name in RECIPE_SETTINGS or self.family.builder is None:
                self.add(f"recipe.{name}", entry, ("recipe", name))
            else:
                self.problem(("recipe", name), f"unknown recipe setting; allowed are {', '.join(RECIPE_SETTINGS)}")
        return [f"recipe.{name}" for name in recipe]

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
