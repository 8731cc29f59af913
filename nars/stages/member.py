"""A member of the family: searched for a budget, or scaled from one that was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nars.printing import brief_repr
from nars.run.settled import MemberIdentity
from nars.space import Bounds, Scaling, recipe_in


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
    predicted: float | None
    """Expected value of the metric at the search's stop epoch; None of a scaled one, which no predictor knows."""
    predicted_std: float | None
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
