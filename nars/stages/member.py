"""A member of the family: searched for a budget, or scaled from one that was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nars.files import Value
from nars.printing import brief_repr
from nars.run.settled import MemberIdentity
from nars.space import AnyArchitecture, Architecture, Bounds, Scaling, Space, recipe_in, scale


@dataclass(frozen=True, kw_only=True)
class ScaledFrom:
    """How a member was made that was not searched."""

    source: str
    """Name of the searched member that it comes from."""
    factors: Scaling
    stochastic_depth: float | None = None
    """Of its recipe, where that is not the source's."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member of the family: a budget's answer, or a network scaled from one."""

    __repr__ = brief_repr

    name: str
    """The budget as people write it, e.g. "550M"."""
    budget: Bounds
    """What it keeps."""
    choices: tuple[int, ...]
    """Its row of the population matrix, (D,); of a scaled one that of its source."""
    record: dict[str, Any]
    """Every setting, readable."""
    costs: dict[str, float]
    predicted: float
    """Expected value of the metric at the search's stop epoch; NaN where nothing was searched, and of a scaled one."""
    predicted_std: float
    history: tuple[tuple[int, float], ...]
    """(evaluations, best prediction) after each generation."""
    seconds: float
    """Time the search took."""
    same_as: str | None = None
    """The member that is the same network with the same recipe, and is trained and exported for both."""
    note: str = ""
    """Why this budget brings nothing beyond a smaller one, where that is so."""
    scaled: ScaledFrom | None = None
    """How it was made, where it was not searched."""

    @property
    def identity(self) -> MemberIdentity:
        """Network and recipe in plain types: equal for members that are the same."""
        if self.scaled is None:
            return list(self.choices)
        factors = asdict(self.scaled.factors)
        return {"scaled": list(self.choices), **factors, "stochastic_depth": self.scaled.stochastic_depth}

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's settings, without those that have no effect in it."""
        return recipe_in(self.record)


def member_architecture(space: Space, member: Member) -> AnyArchitecture:
    """The network of a member, of the space's classes."""
    architecture: AnyArchitecture
    (architecture,) = space.architectures(np.array([member.choices], dtype=np.int64))
    if member.scaled is None:
        return architecture
    assert isinstance(architecture, Architecture)  # nothing else is scaled
    return scale(architecture, member.scaled.factors)


def member_recipe(space: Space, member: Member) -> dict[str, Value]:
    """The settings of its recipe."""
    (recipe,) = space.recipes(np.array([member.choices], dtype=np.int64))
    deeper = None if member.scaled is None else member.scaled.stochastic_depth
    return recipe if deeper is None else {**recipe, "stochastic_depth": deeper}
