"""Members beyond the searched budgets: scaled up or down from the smallest and the largest searched one.

The paper made FBNetV3-A from B, F and G from E this way (arXiv 2006.02049, section 4). A direction that makes networks
larger is learned from the two, as the paper prints none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nars.errors import ConfigError
from nars.recipe import Recipe
from nars.space import (
    EFFICIENTNET,
    Architecture,
    Bounds,
    Scaling,
    Space,
    architecture_costs,
    growth,
    scale,
    scale_to,
    shorten,
)
from nars.stages.member import Member, ScaledFrom

STOCHASTIC_DEPTH = 0.2
"""Of the networks above the searched ones: F and G of the paper (section 4.3)."""


def scale_members(
    space: Space, searched: Sequence[Member], budgets: Sequence[Bounds], names: Sequence[str]
) -> list[Member]:
    """A member for each of N budgets, N names beside them, scaled from the searched ones.

    Raises:
        ConfigError: the space's networks are not of stages of MBConv blocks.
        SpaceError: a budget is too far from all searched ones.
    """
    ordered = sorted(searched, key=lambda member: member.costs["flops"])
    ends = [ordered[0], *([ordered[-1]] if ordered[-1].choices != ordered[0].choices else [])]
    sources = [(_network(space, member), member.costs["flops"]) for member in ends]
    found = nearest_scalings(sources, [budget.high("flops") for budget in budgets])
    members = []
    for name, budget, (place, network, factors) in zip(names, budgets, found, strict=True):
        deeper = _deeper(space, ends[place], network, ordered[-1])
        by = ScaledFrom(source=ends[place].name, factors=factors, stochastic_depth=deeper)
        members.append(scaled_member(space, ends[place], by, name=name, budget=budget))
    return members


def nearest_scalings(
    sources: Sequence[tuple[Architecture, float]], budgets: Sequence[float], *, direction: Scaling | None = None
) -> list[tuple[int, Architecture, Scaling]]:
    """For each budget the place of the source that is nearer to it, the scaled network, and the factors.

    The direction is the one in which the search itself went from the smaller network to the larger one: how much
    deeper, wider and finer that is (`nars.space.growth`), or EfficientNet's if it is none of these. EfficientNet's also
    takes over where that direction ends or goes in too large steps.

    Args:
        sources: one or two networks with their FLOPs, the smaller first.
        budgets: FLOPs, > 0.
        direction: factors >= 1 to use instead, and nothing else.

    Raises:
        SpaceError: a budget is too far from its source.
    """
    beyond = EFFICIENTNET if direction is None else None  # who names factors means these
    if direction is None:
        direction = (growth(sources[0][0], sources[-1][0]) if len(sources) > 1 else None) or EFFICIENTNET
    found = []
    for budget in budgets:
        far = [abs(math.log(budget / flops)) for _, flops in sources]
        place = far.index(min(far))
        found.append((place, *scale_to(sources[place][0], direction, flops=budget, beyond=beyond)))
    return found


def scaled_member(space: Space, source: Member, by: ScaledFrom, *, name: str, budget: Bounds) -> Member:
    """The member that scaling another one gives; nobody predicts what it is worth."""
    base = _network(space, source)
    network = scale(base, by.factors)
    record = source.record | {"resolution": network.resolution, "stem.channels": network.stem.channels}
    for number, stage in enumerate(network.stages, 1):
        changed = {"channels": stage.channels, "depth": stage.depth, "first_padding": stage.first_padding}
        record |= {f"stage{number}.{key}": value for key, value in changed.items()}
    if by.stochastic_depth is not None:
        record["recipe.stochastic_depth"] = by.stochastic_depth
    return replace(
        source,
        name=name,
        budget=budget,
        record=record,
        costs={key: float(value) for key, value in architecture_costs(network).items()},
        predicted=math.nan,
        predicted_std=0.0,
        history=(),
        seconds=0.0,
        same_as=None,
        note="",
        scaled=by,
    )


def raised_depth(recipe: Recipe) -> float:
    """Stochastic depth of a network above the searched ones, where networks overfit sooner."""
    return max(STOCHASTIC_DEPTH, recipe.stochastic_depth)


def fault_of_scaled(space: Space, member: Member) -> str | None:
    """What in the file of a scaled member contradicts its source and factors; None where nothing does."""
    assert member.scaled is not None
    (record,) = space.to_records(np.array([member.choices], dtype=np.int64))
    expected = scaled_member(
        space, replace(member, record=record), member.scaled, name=member.name, budget=member.budget
    )
    ours, theirs = member.record, expected.record
    other = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    if other:
        return f"scaling gives {other[0]} {theirs.get(other[0])!r}, its record says {ours.get(other[0])!r}"
    wrong = [key for key, value in expected.costs.items() if not math.isclose(member.costs.get(key, -1), value)]
    if wrong:
        return f"scaling gives {expected.costs[wrong[0]]:g} {wrong[0]}, the file says {member.costs.get(wrong[0])}"
    if expected.costs["flops"] > member.budget.ends("flops")[1]:
        return f"it has {shorten(expected.costs['flops'])} FLOPs, its budget is {member.budget}"
    return None


def _network(space: Space, member: Member) -> Architecture:
    (found,) = space.architectures(np.array([member.choices], dtype=np.int64))
    if not isinstance(found, Architecture):
        raise ConfigError(f"scaling makes stages of MBConv blocks deeper and wider, got networks of {found.family}")
    return found


def _deeper(space: Space, source: Member, network: Architecture, largest: Member) -> float | None:
    """The stochastic depth of a scaled network, where that is not its source's."""
    if architecture_costs(network)["flops"] <= largest.costs["flops"]:
        return None
    (recipe,) = space.recipes(np.array([source.choices], dtype=np.int64))
    return raised_depth(Recipe.from_dict(recipe))
