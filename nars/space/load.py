"""A space from its YAML file, with every mistake in it found in one reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nars.space.architecture import ACTIVATIONS
from nars.space.choices import Spec, SpecError, read_spec
from nars.space.dimension import Condition, Dimension, Equivalence, Group, Value
from nars.space.document import Document, KeyPath
from nars.space.errors import SpaceError
from nars.space.settings import STAGE_SETTINGS, Choice, CostTable, Fixed, Setting
from nars.space.space import Space

_STEM = {"channels": None, "stride": 2, "activation": "hard_swish"}
_HEAD = {"expand": 6, "channels": 1984, "activation": "hard_swish"}
_STAGE: dict[str, Any] = {"stride": 1, "se": False, "activation": "hard_swish", "first_padding": None}
_PAIRS = {"kernel": ("kernel_first", "kernel_rest"), "expand": ("expand_first", "expand_rest")}

RECIPE_SETTINGS: Mapping[str, tuple[float, float] | tuple[str, ...] | Literal["switch"]] = {
    "learning_rate": (1e-7, 100.0),
    "optimizer": ("rmsprop", "sgd", "adamw"),
    "ema": "switch",
    "dropout": (0.0, 0.95),
    "stochastic_depth": (0.0, 0.95),
    "mixup": (0.0, 10.0),
    "weight_decay": (0.0, 1.0),
    "label_smoothing": (0.0, 0.95),
}
"""What a recipe may set, with the range or the words allowed."""

_LIMITS: dict[str, tuple[float, float] | tuple[str, ...] | Literal["switch"]] = {
    "resolution": (4, 4096), "channels": (1, 16384), "stride": (1, 2), "activation": ACTIVATIONS,
    "kernel_first": (1, 31), "kernel_rest": (1, 31), "expand_first": (1, 32), "expand_rest": (1, 32), "depth": (1, 64),
    "se": "switch", "first_padding": (0, 15), "expand": (1, 32),
}  # fmt: skip
_WHOLE = {"resolution", "channels", "stride", "kernel_first", "kernel_rest", "depth", "first_padding", "expand"}


def read_space(
    document: Document, *, classes: int | None = None, in_channels: int | None = None, table: CostTable | None = None
) -> Space:
    """The space that a document describes.

    Args:
        document: the parsed file.
        classes: number of classes of the data at hand; the file's own number when None.
        in_channels: number of image channels of the data at hand; the file's own when None.
        table: costs of a generic space, when already known.

    Raises:
        SpaceError: one line per mistake, each with file, line, rule and fix.
    """
    reader = _Reader(document)
    space = reader.read(classes=classes, in_channels=in_channels, table=table)
    if reader.problems or space is None:
        raise SpaceError("\n".join(reader.problems))
    return space


@dataclass
class _Reader:
    document: Document
    problems: list[str] = field(default_factory=list)
    specs: dict[str, tuple[Spec, KeyPath, Group]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    """Setting -> setting whose entry it shares (kernel_rest -> kernel_first where the file says `kernel`)."""

    def problem(self, path: KeyPath, text: str) -> None:
        self.problems.append(f"{self.document.where(path)}: {text}")

    # -- the file ------------------------------------------------------------------------------------------------------

    def read(self, *, classes: int | None, in_channels: int | None, table: CostTable | None) -> Space | None:
        content = self.document.content
        if not isinstance(content, Mapping):
            self.problem(
                (), f"a space file is a mapping with name, kind, architecture and recipe, got {type(content).__name__}"
            )
            return None
        self.keys((), content, required=("name", "architecture"), optional=("kind", "about", "recipe"))
        kind = content.get("kind", "mbconv")
        if kind not in ("mbconv", "generic"):
            self.problem(("kind",), f"kind takes mbconv or generic, got {kind!r}")
        architecture, recipe = content.get("architecture"), content.get("recipe") or {}
        for key, part in (("architecture", architecture), ("recipe", recipe)):
            if not isinstance(part, Mapping):
                self.problem((key,), f"takes a mapping of settings, got {part!r}")
        if self.problems or not isinstance(architecture, Mapping) or not isinstance(recipe, Mapping):
            return None
        stages = 0
        if kind == "generic":
            for name, entry in architecture.items():
                self.entry(str(name), entry, ("architecture", name), "architecture")
        else:
            stages = self.mbconv(architecture)
        for name, entry in recipe.items():
            if kind == "mbconv" and name not in RECIPE_SETTINGS:
                self.problem(("recipe", name), f"unknown recipe setting; allowed are {', '.join(RECIPE_SETTINGS)}")
                continue
            limit = RECIPE_SETTINGS[name] if kind == "mbconv" else None
            self.entry(f"recipe.{name}", entry, ("recipe", name), "recipe", limit=limit)
        if self.problems:
            return None
        dimensions, settings = self.resolve()
        if not dimensions and not self.problems:
            self.problem((), "every setting is fixed: there is nothing to search; give at least one a list or a range")
        if self.problems:
            return None
        if kind == "mbconv":
            dimensions = [self.with_padding_rule(d, dimensions, settings) for d in dimensions]
        return Space(
            name=str(content["name"]),
            kind=kind,
            about=str(content.get("about", "")).strip(),
            dimensions=tuple(dimensions),
            settings=settings,
            stages=stages,
            in_channels=in_channels if in_channels is not None else architecture.get("in_channels", 3),
            classes=classes if classes is not None else architecture.get("classes", 1000),
            table=table,
        )

    def mbconv(self, architecture: Mapping[str, Any]) -> int:
        self.keys(
            ("architecture",),
            architecture,
            required=("resolution", "stem", "stages", "head"),
            optional=("in_channels", "classes"),
        )
        for name in ("in_channels", "classes"):
            value = architecture.get(name, 1)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                self.problem(("architecture", name), f"takes a whole number above 0, got {value!r}")
        if "resolution" in architecture:
            self.entry(
                "resolution",
                architecture["resolution"],
                ("architecture", "resolution"),
                "architecture",
                limit=_LIMITS["resolution"],
            )
        self.part("stem", architecture.get("stem"), _STEM, required=("channels",))
        stages = architecture.get("stages")
        if not isinstance(stages, list) or not stages:
            self.problem(("architecture", "stages"), "takes a list of at least one stage")
            stages = []
        for number, stage in enumerate(stages, 1):
            self.stage(number, stage)
        self.part("head", architecture.get("head"), _HEAD, required=())
        return len(stages)

    def part(self, name: str, entry: Any, defaults: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
        path: KeyPath = ("architecture", name)
        if not isinstance(entry, Mapping):
            self.problem(path, f"takes a mapping with {', '.join(defaults)}, got {entry!r}")
            return
        self.keys(path, entry, required=required, optional=tuple(defaults))
        for key, default in defaults.items():
            if key in entry or default is not None:
                self.entry(f"{name}.{key}", entry.get(key, default), (*path, key), "architecture", limit=_LIMITS[key])

    def stage(self, number: int, entry: Any) -> None:
        path: KeyPath = ("architecture", "stages", number - 1)
        if not isinstance(entry, Mapping):
            self.problem(path, f"a stage is a mapping with kernel, expand, channels, depth, ..., got {entry!r}")
            return
        self.keys(path, entry, required=("channels", "depth"), optional=(*STAGE_SETTINGS, *_PAIRS))
        for short, (first, rest) in _PAIRS.items():
            if short in entry and (first in entry or rest in entry):
                self.problem((*path, short), f"{short} sets both {first} and {rest}; keep it, or the two")
            elif short not in entry and not (first in entry and rest in entry):
                self.problem(path, f"a stage needs {short}, or both {first} and {rest}")
            elif short in entry:
                self.entry(f"stage{number}.{first}", entry[short], (*path, short), "architecture", limit=_LIMITS[first])
                self.owners[f"stage{number}.{rest}"] = f"stage{number}.{first}"
        for name in STAGE_SETTINGS:
            if name in entry or name in _STAGE:
                value = entry[name] if name in entry else _STAGE[name]
                self.entry(f"stage{number}.{name}", value, (*path, name), "architecture", limit=_LIMITS[name])

    def keys(
        self, path: KeyPath, entry: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        for key in required:
            if key not in entry:
                self.problem(path, f"{key!r} is missing; add it")
        for key in entry:
            if key not in required and key not in optional:
                self.problem(
                    (*path, key), f"unknown key; allowed are {', '.join(dict.fromkeys((*required, *optional)))}"
                )

    # -- one entry -----------------------------------------------------------------------------------------------------

    def entry(
        self,
        name: str,
        entry: Any,
        path: KeyPath,
        group: Group,
        *,
        limit: tuple[float, float] | tuple[str, ...] | str | None = None,
    ) -> None:
        try:
            spec = read_spec(entry)
        except SpecError as error:
            self.problem(path, str(error))
            return
        for value in spec.values:
            fault = _fault(name.rsplit(".", 1)[-1], value, limit)
            if fault:
                self.problem(path, fault)
                return
        self.specs[name] = (spec, path, group)

    # -- references ----------------------------------------------------------------------------------------------------

    def resolve(self) -> tuple[list[Dimension], dict[str, Setting]]:
        """Dimensions (architecture first) and the settings that read them."""
        for name, (spec, path, _) in self.specs.items():
            if spec.same_as is not None:
                target = spec.same_as
                if target not in self.specs or self.specs[target][0].same_as is not None or target == name:
                    self.problem(
                        path,
                        f"same_as names a setting with choices of its own, got {target!r}; there are {', '.join(self.specs)}",
                    )
                else:
                    self.owners[name] = target
        names = sorted(
            (n for n, (s, _, _) in self.specs.items() if len(s.values) > 1), key=lambda n: self.specs[n][2] == "recipe"
        )
        names = self.parents_first(names)
        index = {name: i for i, name in enumerate(names)}
        settings: dict[str, Setting] = {}
        for name in self.setting_names():
            owner = self.owners.get(name, name)
            owner = self.owners.get(owner, owner)
            if owner not in self.specs:
                continue  # a problem that was reported already
            settings[name] = Choice(index[owner]) if owner in index else Fixed(self.specs[owner][0].values[0])
        dimensions = []
        for name in names:
            spec, path, group = self.specs[name]
            users = [setting for setting, choice in settings.items() if choice == Choice(index[name])]
            dimensions.append(
                Dimension(
                    name=_short(name, users), values=spec.values, group=group, ordinal=spec.ordinal, log=spec.log,
                    active_when=self.conditions(users, spec, path, group, index), paper=spec.paper,
                )
            )  # fmt: skip
        return dimensions, settings

    def setting_names(self) -> list[str]:
        """All settings in the order of the network: a stage's pairs side by side."""
        names = dict.fromkeys([*self.specs, *self.owners])

        def order(name: str) -> tuple[int, int, int]:
            head, _, tail = name.partition(".")
            stage = int(head[5:]) if head.startswith("stage") and head[5:].isdigit() else 0
            place = {"resolution": 0, "stem": 1, "head": 3, "recipe": 4}.get(head, 2)
            return place, stage, STAGE_SETTINGS.index(tail) if stage and tail in STAGE_SETTINGS else 0

        return sorted(names, key=order)

    def parents_first(self, names: list[str]) -> list[str]:
        """Dimensions so ordered that a condition's own dimension comes first (depth before kernel_rest)."""

        def rank(name: str) -> tuple[bool, bool]:
            spec, _, group = self.specs[name]
            tail = name.rsplit(".", 1)[-1]
            return group == "recipe", tail in ("kernel_rest", "expand_rest", "first_padding") or spec.when is not None

        return sorted(names, key=rank)

    def conditions(
        self, users: list[str], spec: Spec, path: KeyPath, group: Group, index: Mapping[str, int]
    ) -> tuple[Condition, ...]:
        """When a dimension has an effect: its `when`, or, for what only later blocks read, a depth above 1."""
        if spec.when is not None:
            name, wanted = spec.when
            full = name if name in self.specs else f"recipe.{name}" if group == "recipe" else name
            if full not in index or self.specs[full][0].when is not None:
                self.problem(
                    path, f"when names a setting that is a choice by itself, got {name!r}; there are {', '.join(index)}"
                )
                return ()
            values = self.specs[full][0].values
            missing = [value for value in wanted if value not in values]
            if missing:
                self.problem(path, f"when: {name} never is {missing[0]!r}; it takes {list(values)}")
            return (
                Condition(dimension=index[full], choices=frozenset(values.index(v) for v in wanted if v in values)),
            )
        found: dict[Condition, None] = {}
        for user in users:
            stage, _, tail = user.rpartition(".")
            depth = self.owners.get(f"{stage}.depth", f"{stage}.depth")
            if tail not in ("kernel_rest", "expand_rest") or not stage.startswith("stage") or depth not in index:
                fixed = self.specs[depth][0].values if depth in self.specs else ()
                if tail in ("kernel_rest", "expand_rest") and fixed == (1,):
                    self.problem(path, f"{user} has no effect: {depth} is fixed at 1; give it one value")
                return ()
            deeper = [i for i, value in enumerate(self.specs[depth][0].values) if value != 1]
            if len(deeper) == len(self.specs[depth][0].values):
                return ()
            found[Condition(dimension=index[depth], choices=frozenset(deeper))] = None
        return tuple(found)

    def with_padding_rule(
        self, dimension: Dimension, dimensions: list[Dimension], settings: Mapping[str, Setting]
    ) -> Dimension:
        """A padding equal to kernel // 2 is the default padding: the same network must be the same row."""
        users = [
            name
            for name, setting in settings.items()
            if name.endswith(".first_padding") and setting == Choice(dimensions.index(dimension))
        ]
        if not users or None not in dimension.values:
            return dimension
        default, rules = dimension.values.index(None), []
        for user in users:
            kernel = settings[user.replace("first_padding", "kernel_first")]
            if not isinstance(kernel, Choice):
                continue
            for i, value in enumerate(dimension.values):
                same = [
                    k
                    for k, size in enumerate(dimensions[kernel.dimension].values)
                    if value is not None and int(size or 0) // 2 == value
                ]
                if same:
                    rules.append(
                        Equivalence(
                            choice=i,
                            same_as=default,
                            when=Condition(dimension=kernel.dimension, choices=frozenset(same)),
                        )
                    )
        return Dimension(
            name=dimension.name, values=dimension.values, group=dimension.group, ordinal=False,
            active_when=dimension.active_when, equivalences=tuple(rules), paper=dimension.paper,
        )  # fmt: skip


def _short(name: str, users: list[str]) -> str:
    """ "stage1.kernel" for the dimension that both kernel_first and kernel_rest read."""
    stage, _, tail = name.rpartition(".")
    for short, (first, rest) in _PAIRS.items():
        if tail == first and f"{stage}.{rest}" in users:
            return f"{stage}.{short}"
    return name


def _fault(name: str, value: Value, limit: Any) -> str | None:
    """Why a value cannot be a choice of this setting, or None."""
    if limit is None or (name == "first_padding" and value is None):
        return None
    if limit == "switch":
        return None if isinstance(value, bool) else f"takes true or false, got {value!r}"
    if isinstance(limit[0], str):
        return None if value in limit else f"takes one of {', '.join(limit)}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"takes a number from {limit[0]:g} to {limit[1]:g}, got {value!r}"
    if not limit[0] <= value <= limit[1]:
        return f"must lie in {limit[0]:g} .. {limit[1]:g}, got {value:g}"
    if name in _WHOLE and not isinstance(value, int):
        return f"takes whole numbers, got {value!r}"
    if name in ("kernel_first", "kernel_rest") and int(value) % 2 == 0:
        return f"kernels are odd, so that a feature map keeps its size, got {value}"
    return None
