"""Networks beyond the searched budgets: scaled up or down from two members of a family.

The paper made FBNetV3-A from B, F and G from E this way (arXiv 2006.02049, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nars.errors import ConfigError
from nars.files.atomic import write_text
from nars.printing import brief_repr
from nars.recipe import Recipe
from nars.run import Run
from nars.space import Architecture, Scaling, architecture_costs, dump_yaml, shorten
from nars.stages.member import Member
from nars.stages.members import finished_family
from nars.stages.scaled import nearest_scalings, raised_depth
from nars.stages.training import architecture_of, recipe_of


@dataclass(frozen=True, kw_only=True)
class Grown:
    """A scaled network, and the two files that `nars train` takes."""

    __repr__ = brief_repr

    name: str
    """Its budget, e.g. "8M"."""
    source: str
    """The member it comes from."""
    scaling: Scaling
    architecture: Architecture
    recipe: Recipe
    """The source's; above the largest searched member with a stochastic depth of 0.2 at least."""
    costs: dict[str, float]
    folder: Path


def grow(
    run: Run, budgets: Sequence[float], *, members: tuple[str, str] | None = None, direction: Scaling | None = None
) -> tuple[Grown, ...]:
    """Scale to each budget, and write architecture and recipe to the run's scaled/ folder.

    The direction is the one in which the search itself went from the smaller member to the larger one: how much deeper,
    wider and finer that is (`nars.space.growth`), or EfficientNet's if it is none of these. EfficientNet's also takes
    over where that direction ends or goes in too large steps. Each budget starts from that of the two members that is
    nearer to it, and keeps its recipe; above the largest of the family, where networks overfit sooner, with the paper's
    stochastic depth of 0.2 where the recipe has less.

    Args:
        run: A run with a finished search.
        budgets: FLOPs, > 0.
        members: Two names; the smallest and the largest member when None.
        direction: Factors >= 1 to use instead.

    Raises:
        ConfigError: the search is not finished, has no such members, or there are no networks behind them.
        SpaceError: a budget is too far from both.
    """
    run.config.check_networks()
    small, large = _pair(run, members)
    a, b = architecture_of(run, small), architecture_of(run, large)
    if not isinstance(a, Architecture) or not isinstance(b, Architecture):
        raise ConfigError(f"scaling makes stages of MBConv blocks deeper and wider, got networks of {a.family}")
    sources = [(a, small.costs["flops"]), (b, large.costs["flops"])]
    scaled = nearest_scalings(sources, budgets, direction=direction)  # all of them, before a file is written
    return tuple(
        _keep(run, name, (small, large)[place], architecture, scaling)
        for name, (place, architecture, scaling) in zip(_names(budgets), scaled, strict=True)
    )


def _names(budgets: Sequence[float]) -> list[str]:
    """As people write them; those that would be equal to four digits, in full."""
    short = [shorten(budget) for budget in budgets]
    return [name if short.count(name) == 1 else f"{budget:.0f}" for name, budget in zip(short, budgets, strict=True)]


def _pair(run: Run, names: tuple[str, str] | None) -> tuple[Member, Member]:
    """The two members, the one of fewer FLOPs first."""
    family = {member.name: member for member in finished_family(run, "scaling")}
    chosen = [*family] if names is None else [*names]
    unknown = [name for name in chosen if name not in family]
    if unknown or len(set(chosen)) < 2:
        raise ConfigError(
            f"scaling starts from two different members, got {', '.join(chosen)}; the family has {', '.join(family)}"
        )
    ordered = sorted((family[name] for name in chosen), key=lambda member: member.costs["flops"])
    return ordered[0], ordered[-1]


def _keep(run: Run, name: str, source: Member, architecture: Architecture, scaling: Scaling) -> Grown:
    costs: dict[str, float] = {**architecture_costs(architecture)}
    recipe, largest = recipe_of(run, source), max(member.costs["flops"] for member in finished_family(run, "scaling"))
    if costs["flops"] > largest:
        recipe = replace(recipe, stochastic_depth=raised_depth(recipe))
    folder = run.folder.scaled(name)
    write_text(folder / "architecture.yaml", dump_yaml(architecture.to_dict()))
    write_text(folder / "recipe.yaml", dump_yaml(recipe.to_dict()))
    return Grown(
        name=name,
        source=source.name,
        scaling=scaling,
        architecture=architecture,
        recipe=recipe,
        costs=costs,
        folder=folder,
    )
