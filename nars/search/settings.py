"""How a search spends its evaluations."""

from __future__ import annotations

from dataclasses import dataclass

from nars.errors import require
from nars.space import SpaceError


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """The adaptive genetic algorithm; the values given here are the paper's (FBNetV3, section 3.3, stage 3).

    k1 to k4 and the floor of the mutation are Srinivas & Patnaik's (1994, section IV).
    """

    first: int = 100
    """Size of the first generation: half from the seed population, half random; >= 2."""
    children: int = 24
    """Children of each survivor per generation, >= 1."""
    survivors: int = 40
    """Candidates that go on to the next generation, >= 2."""
    patience: int = 5
    """Generations without a gain above `least_gain` until the score counts as saturated, >= 1."""
    least_gain: float = 1e-4
    """Smallest gain of the best score (percent of accuracy) that counts, >= 0."""
    max_evaluations: int = 50_000
    """Distinct candidates scored in one search, >= 1."""
    k1: float = 1.0
    """Crossover probability of a pair whose better half is average; 0..1."""
    k2: float = 0.5
    """Mutation probability per choice of an average parent; 0..1."""
    k3: float = 1.0
    """Crossover probability of a pair below average; 0..1."""
    k4: float = 0.5
    """Mutation probability per choice of a parent below average; 0..1."""
    mutation_floor: float = 0.005
    """Least mutation probability per choice, so that the best go on changing; 0..1."""
    steps: float = 0.0
    """Share of the mutations of an ordinal choice that go to a neighbouring value; 0..1."""
    climbs: int = 0
    """Climbs side by side (`nars.search.climbing`), as far as there are evaluations for them, instead of the genetic
    algorithm; 0: the genetic algorithm. >= 0."""

    def __post_init__(self) -> None:
        least = {"children": 1, "patience": 1, "max_evaluations": 1, "first": 2, "survivors": 2}
        for name, got in vars(self).items():
            if name in ("k1", "k2", "k3", "k4", "mutation_floor", "steps"):
                require(SpaceError, 0 <= got <= 1, f"search setting {name}", "a probability, 0 to 1", got)
            else:
                rule = least.get(name, 0)
                require(SpaceError, got >= rule, f"search setting {name}", f">= {rule}", got)


PAPER = SearchSettings()
"""The paper's search as it is described."""

DEFAULT = SearchSettings(children=6, survivors=20, k2=0.1, k4=0.1, mutation_floor=0.03, steps=0.5, climbs=12)
"""Climbs by many exchanges at a time, with kicks, find better scores after 3,000 and after 50,000 evaluations than the
genetic algorithm, which several questions at once (`pareto_search`) still go to: with small generations and less
mutation."""

PRESETS = {"paper": PAPER, "default": DEFAULT}
"""Search settings by name."""
