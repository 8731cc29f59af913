"""A space as a table for people, laid out as in the paper, and its size beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from nars.files import Value
from nars.space.counting import paper_size
from nars.space.dimension import Dimension
from nars.space.files.scalars import needs_quotes
from nars.space.settings import Choice, Fixed
from nars.space.space import Space


def settings_table(space: Space) -> list[tuple[str, str]]:
    """The settings that the family's table does not show, (name, choices)."""
    layout = space.family.layout(space)
    return [(name, spell(space, name)) for name in space.settings if layout is None or name not in layout.settings]


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
    differing = [dimension for dimension in space.dimensions if dimension.paper is not None]
    if not differing:
        return [f"{ours} (architectures x recipes)"]
    paper = _count(paper_size(space.dimensions, "architecture"), paper_size(space.dimensions, "recipe"))
    lines = [
        f"{ours} (architectures x recipes) as shipped",
        f"{paper} with the paper's ranges (the paper says 10^17 x 10^7 for its joint search)",
        "wider than the paper's, so that published networks are members:",
    ]
    for dimension in differing:
        assert dimension.paper is not None
        lines.append(f"  {dimension.name}: {choices(dimension)}; in the paper {dimension.paper.text}")
    return lines


def _count(architectures: int, recipes: int) -> str:
    return f"{power(architectures)} x {power(recipes)}"


def power(number: int) -> str:
    """4.9e19 as people write it: "4.9 x 10^19"; small numbers in full."""
    if number < 100_000:
        return f"{number:,}"
    exponent = len(str(number)) - 1
    return f"{number / 10**exponent:.1f}e{exponent}"


def summary(names: Sequence[str], row: Mapping[str, Value]) -> str:
    """The named settings of a candidate in one line."""
    return " ".join(f"{name.removeprefix('recipe.')}={word(row[name])}" for name in names)
