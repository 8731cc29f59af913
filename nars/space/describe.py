"""A space in words: as a table laid out as in the paper, its size beside the paper's, and how two of them differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import get_args

from nars.files import Value
from nars.space.counting import paper_size
from nars.space.dimension import Choice, Dimension, Fixed
from nars.space.files.scalars import needs_quotes
from nars.space.recipe import RECIPE_SAYS, Purpose
from nars.space.space import Space


def settings_table(space: Space) -> list[tuple[str, list[tuple[str, str]]]]:
    """The settings that the family's table does not show, [(what they are for, [(name, choices)])].

    Those of recipes come by their purpose where networks are trained by them; the others first, for nothing in
    particular ("").
    """
    layout = space.family.layout(space)
    shown = [name for name in space.settings if layout is None or name not in layout.settings]
    purposes = {} if space.family.builder is None else {f"recipe.{name}": s.purpose for name, s in RECIPE_SAYS.items()}
    groups = [("", [name for name in shown if name not in purposes])]
    groups += [(purpose, [n for n in shown if purposes.get(n) == purpose]) for purpose in get_args(Purpose)]
    return [
        (purpose, [(name, spell(space, name) + _where(space, name)) for name in names])
        for purpose, names in groups
        if names
    ]


def _where(space: Space, name: str) -> str:
    """When a setting of the recipe has an effect, to follow its choices."""
    setting = space.settings[name]
    if isinstance(setting, Fixed) or space.dimensions[setting.dimension].group != "recipe":
        return ""
    found = []
    for condition in space.dimensions[setting.dimension].active_when:
        other = space.dimensions[condition.dimension]
        wanted = " or ".join(word(other.values[choice]) for choice in sorted(condition.choices))
        found.append(f"{other.name.removeprefix('recipe.')} is {wanted}")
    return f" where {' or '.join(found)}" if found else ""


def spell(space: Space, name: str) -> str:
    """What a setting can be, in a cell of a table."""
    setting = space.settings[name]
    if isinstance(setting, Fixed):
        return word(setting.value)
    dimension = space.dimensions[setting.dimension]
    owner = next(other for other, choice in space.settings.items() if choice == Choice(setting.dimension))
    stage = name.rpartition(".")[0]
    if owner != name and owner.rpartition(".")[0] != stage:
        return f"as {dimension.name}"
    return choices(dimension)


def choices(dimension: Dimension) -> str:
    """A dimension's choices, short: "(24, 48, 8)" for lowest, highest, step; "[3, 5]" for a list."""
    values = dimension.values
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) == len(values) and len(values) > 2:
        step = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
        if all(math.isclose(b - a, step, rel_tol=1e-6) for a, b in pairwise(numbers)):
            return f"({numbers[0]:g}, {numbers[-1]:g}, {step:g})"
        if len(numbers) > 6:
            return (
                f"{numbers[0]:g} .. {numbers[-1]:g}, {len(numbers)} choices{' on a log scale' if dimension.log else ''}"
            )
    return f"[{', '.join(word(value) for value in values)}]"


def word(value: Value) -> str:
    """One choice; a word that could be taken for a number or a switch is quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return repr(value) if needs_quotes(value) else value.replace("hard_swish", "hswish")


def counts(space: Space) -> list[str]:
    """Lines on the number of architectures and recipes: as shipped, and with the paper's ranges where those differ."""
    ours = _count(space.size("architecture"), space.size("recipe"))
    differing = [(dimension, dimension.paper) for dimension in space.dimensions if dimension.paper is not None]
    if not differing:
        return [f"{ours} (architectures x recipes)"]
    published = _count(paper_size(space.dimensions, "architecture"), paper_size(space.dimensions, "recipe"))
    return [
        f"{ours} (architectures x recipes) as shipped",
        f"{published} with the paper's ranges (the paper says 10^17 x 10^7 for its joint search)",
        "wider than the paper's, so that published networks are members:",
        *(f"  {dimension.name}: {choices(dimension)}; in the paper {paper.text}" for dimension, paper in differing),
    ]


def _count(architectures: int, recipes: int) -> str:
    return f"{power(architectures)} x {power(recipes)}"


def power(number: int) -> str:
    """4.9e19 as people write it: "4.9 x 10^19"; small numbers in full."""
    if number < 100_000:
        return f"{number:,}"
    exponent = len(str(number)) - 1
    return f"{number / 10**exponent:.1f}e{exponent}"


def summary(names: Sequence[str], row: Mapping[str, Value]) -> str:
    """The named settings of a candidate in one line, numbers to three digits."""
    return ", ".join(f"{name.removeprefix('recipe.')} {_rounded(row[name])}" for name in names)


def _rounded(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else word(value)


_MOST_CHOICES = 12
"""Choices of a setting that a message repeats."""


def differences(before: Space, now: Space) -> list[str]:
    """What is not the same in two spaces, a phrase for each setting; empty where rows mean the same in both."""
    if before.fingerprint == now.fingerprint:
        return []
    found = []
    for name in [*before.settings, *(name for name in now.settings if name not in before.settings)]:
        one, two = (space.values(name) if name in space.settings else () for space in (before, now))
        if one != two:
            found.append(f"{name} was {_in_short(one)}, now {_in_short(two)}")
    for what in ("kind", "classes", "in_channels"):
        if getattr(before, what) != getattr(now, what):
            found.append(f"{what} was {getattr(before, what)}, now {getattr(now, what)}")
    tables = [space.table.fingerprint if space.table else None for space in (before, now)]
    if not now.computes_costs and tables[0] != tables[1]:
        found.append("the costs have changed")
    return found or ["the order or the conditions of its settings have changed"]


def _in_short(values: tuple[Value, ...]) -> str:
    """What a setting can be, for a message; nothing where there is no such setting."""
    if len(values) <= 1:
        return repr(values[0]) if values else "not there"
    if len(values) > _MOST_CHOICES:
        return f"{len(values)} choices from {values[0]!r} to {values[-1]!r}"
    return repr(list(values))
