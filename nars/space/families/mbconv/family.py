"""The family of FBNetV3's networks, as `nars.space.families.family.Family` asks for it: this module is the family.

Its settings are the fields of `Stem`, `Stage` and `Head` (`architecture.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from nars.files import Value
from nars.space.describe import spell, word
from nars.space.dimension import Choice, Fixed, Population
from nars.space.families.family import Costs, Layout
from nars.space.families.mbconv import architecture as settings, costs as closed_form, extremes as ends, quick
from nars.space.families.mbconv.architecture import (
    PAIRS,
    STAGE_SETTINGS,
    Architecture,
    Head,
    Part,
    Stage,
    Stem,
    defaults,
)
from nars.space.families.mbconv.blocks import columns_of
from nars.space.families.mbconv.chain import stage_count
from nars.space.families.rules import ANYTHING, Rule
from nars.space.files.document import KeyPath
from nars.space.files.entries import Entries
from nars.space.recipe import RECIPE_SETTINGS
from nars.space.space import Space

cost_names = closed_form.COST_NAMES
builder = "nars.network.mbconv.models:classifier"
initializer = None
standalone = True

_ROWS_AT_ONCE = 4096
"""Costs are computed for so many rows at a time, so that the dozens of columns in between stay in the cache."""


def rule(setting: str) -> Rule:
    """What holds for a setting, by its full name."""
    if setting.startswith("recipe."):
        return RECIPE_SETTINGS.get(setting.removeprefix("recipe."), ANYTHING)
    return settings.rule(setting)


# ---- the space file


def read(entries: Entries, architecture: Mapping[str, Any]) -> Sequence[str]:
    """Resolution, stem, stages and head of a space file; all settings in the order of the network."""
    entries.keys(("architecture",), architecture, required=("resolution", "stem", "stages", "head"))
    if "resolution" in architecture:
        entries.add("resolution", architecture["resolution"], ("architecture", "resolution"))
    if "stem" in architecture:
        _part(entries, "stem", architecture["stem"], Stem)
    stages = architecture.get("stages", [])
    if "stages" in architecture and (not isinstance(stages, list) or not stages):
        entries.problem(("architecture", "stages"), f"takes a list of at least one stage, got {stages!r}")
        stages = []
    for number, stage in enumerate(stages, 1):
        _stage(entries, number, stage)
    if "head" in architecture:
        _part(entries, "head", architecture["head"], Head)
    parts: list[tuple[str, Part]] = [("stem", Stem), *((f"stage{n}", Stage) for n in range(1, len(stages) + 1))]
    return ["resolution", *(f"{name}.{s.name}" for name, part in [*parts, ("head", Head)] for s in fields(part))]


def _part(entries: Entries, name: str, entry: Any, part: Part) -> None:
    path: KeyPath = ("architecture", name)
    names, left_out = [setting.name for setting in fields(part)], defaults(part)
    if not isinstance(entry, Mapping):
        entries.problem(path, f"takes a mapping with {', '.join(names)}, got {entry!r}")
        return
    entries.keys(path, entry, required=[key for key in names if key not in left_out], optional=names)
    for key in names:
        if key in entry or key in left_out:
            entries.add(f"{name}.{key}", entry.get(key, left_out.get(key)), (*path, key))


def _stage(entries: Entries, number: int, entry: Any) -> None:
    path: KeyPath = ("architecture", "stages", number - 1)
    if not isinstance(entry, Mapping):
        entries.problem(path, f"a stage is a mapping with kernel, expand, channels, depth, ..., got {entry!r}")
        return
    halves, left_out = [name for pair in PAIRS.values() for name in pair], defaults(Stage)
    required = [name for name in STAGE_SETTINGS if name not in halves and name not in left_out]
    entries.keys(path, entry, required=required, optional=(*STAGE_SETTINGS, *PAIRS))
    for short, (first, rest) in PAIRS.items():
        if short in entry and (first in entry or rest in entry):
            entries.problem((*path, short), f"{short} sets both {first} and {rest}; keep it, or the two")
        elif short not in entry and not (first in entry and rest in entry):
            entries.problem(path, f"a stage needs {short}, or both {first} and {rest}")
        elif short in entry:
            entries.add(f"stage{number}.{first}", entry[short], (*path, short))
            entries.owners[f"stage{number}.{rest}"] = f"stage{number}.{first}"
    for name in STAGE_SETTINGS:
        if name in entry or name in left_out:
            entries.add(f"stage{number}.{name}", entry.get(name, left_out.get(name)), (*path, name))


def check(entries: Entries, space: Space) -> None:
    """Note a stage whose first convolution can be larger than what it gets: only short paddings allow that."""
    sides = {(side - 1) // stride + 1 for side in space.values("resolution") for stride in space.values("stem.stride")}
    for stage in (f"stage{number}" for number in range(1, stage_count(space) + 1)):
        after = set()
        for kernel in space.values(f"{stage}.kernel_first"):
            for given in space.values(f"{stage}.first_padding"):
                padding = kernel // 2 if given is None else given
                if min(sides) + 2 * padding < kernel:
                    entries.problem(
                        entries.settings[f"{stage}.first_padding"].path,
                        f"a kernel of {kernel} with padding {padding} leaves nothing of a feature map of {min(sides)} "
                        f"pixels; raise the resolution or the padding",
                    )
                    return
                strides = space.values(f"{stage}.stride")
                after |= {(side + 2 * padding - kernel) // stride + 1 for side in sides for stride in strides}
        sides = after


def relocated(space: Space) -> dict[str, Any]:
    """Nothing: the file names no others."""
    return {}


# ---- rows


def costs(space: Space, X: Population) -> Costs:
    """Every cost in `cost_names`, each float64 (N,); see `costs.py` for the conventions."""
    starts = range(0, max(1, len(X)), _ROWS_AT_ONCE)
    chunks = [X[at : at + _ROWS_AT_ONCE] for at in starts]
    parts = [closed_form.mbconv_costs(columns_of(space, chunk), n=len(chunk)) for chunk in chunks]
    return parts[0] if len(parts) == 1 else {k: np.concatenate([part[k] for part in parts]) for k in cost_names}


def statistics(space: Space, X: Population) -> Costs:
    """The number of blocks, of 5x5 and larger ones, of gated ones, and mean expansion and width over blocks."""
    zero = np.zeros(len(X))
    blocks, large, gated, expansion, width = zero, zero, zero, zero, zero
    for stage in columns_of(space, X).stages:
        rest = stage["depth"] - 1
        blocks = blocks + stage["depth"]
        large = large + (stage["kernel_first"] > 3) + rest * (stage["kernel_rest"] > 3)
        gated = gated + stage["se"] * stage["depth"]
        expansion = expansion + stage["expand_first"] + rest * stage["expand_rest"]
        width = width + stage["channels"] * stage["depth"]
    return {
        "blocks": blocks,
        "blocks.large": large,
        "blocks.gated": gated,
        "mean.expansion": expansion / blocks,
        "mean.width": width / blocks,
    }


def architectures(space: Space, X: Population) -> list[Architecture]:
    """The networks of X, written out."""
    shape = {"in_channels": space.in_channels, "classes": space.classes}
    return [Architecture.of(record, **shape) for record in space.to_records(X)]


extremes = ends.extremes
quick_costs = quick.quick_costs
read_architecture = Architecture.from_dict
architecture_costs = closed_form.architecture_costs


# ---- people


def layout(space: Space) -> Layout:
    """A table laid out as in the paper; "a / b": first block of the stage / the others."""
    columns: dict[str, list[str]] = {}
    plain, left_out = [setting.name for setting in fields(Stage) if not setting.metadata["heading"]], defaults(Stage)
    for setting in fields(Stage):
        if heading := setting.metadata["heading"]:
            columns.setdefault(heading, []).append(setting.name)

    def say(part: str, names: Sequence[str]) -> str:
        own = [f"{part}.{name}" for name in names]
        return " / ".join(spell(space, name) for name in own[: len({space.settings[name] for name in own})])

    def stage(number: int) -> tuple[str, ...]:
        part = f"stage{number}"
        first, *others = (say(part, names) for names in columns.values())
        for name in plain:
            if space.settings[f"{part}.{name}"] != Fixed(left_out.get(name)):
                first += f", {name.replace('_', ' ')} {say(part, [name]).replace('null', 'k // 2')}"
        return (str(number), "MBConv", first, *others)

    def end(name: str, block: str, kernel: str, **own: str) -> tuple[str, ...]:
        cells = {"k": kernel, "n": "1"} | {key: say(name, [own[key]]) for key in own}
        return (name, block, *(cells.get(heading, "-") for heading in columns))

    stem = {"c": "channels", "s": "stride", "act": "activation"}
    head = {"e": "expand", "c": "channels", "act": "activation"}
    return Layout(
        headings=("stage", "block", *columns),
        rows=(
            end("stem", "conv", "3", **stem),
            *map(stage, range(1, stage_count(space) + 1)),
            end("head", "MBPool", "-", **head),
        ),
        note=(
            "k kernel, e expansion, c channels, n blocks, s stride; triples: lowest, highest, step; lists: choices; "
            "a / b: first block of the stage / the others"
        ),
        settings=frozenset(name for name in space.settings if name.partition(".")[0] not in ("resolution", "recipe")),
        others="recipe and resolution",
    )


def line(space: Space, record: Mapping[str, Value]) -> str:
    """Resolution, stem, then per stage k kernels, e ratios, c channels, n depth."""

    def pair(stage: str, what: str) -> str:
        first, rest = record[f"{stage}.{what}_first"], record[f"{stage}.{what}_rest"]
        return word(first) if first == rest or record[f"{stage}.depth"] == 1 else f"{word(first)}/{word(rest)}"

    parts = [f"{record['resolution']} px, stem {record['stem.channels']}"]
    for number in range(1, stage_count(space) + 1):
        stage = f"stage{number}"
        se = " se" if record[f"{stage}.se"] and isinstance(space.settings[f"{stage}.se"], Choice) else ""
        depth, channels = record[f"{stage}.depth"], record[f"{stage}.channels"]
        parts.append(f"k{pair(stage, 'kernel')} e{pair(stage, 'expand')} c{channels} n{depth}{se}")
    return " | ".join(parts)
