"""The exact ends of a space: its smallest and largest cost."""

from __future__ import annotations

import numpy as np

from nars.space.errors import SpaceError
from nars.space.settings import Population
from nars.space.space import Space

_SWEEPS = 20


def cost_range(space: Space) -> dict[str, tuple[float, float]]:
    """Exact smallest and largest value of each cost over the whole space, {name: (min, max)}."""
    return {
        name: (_extreme(space, name, largest=False), _extreme(space, name, largest=True)) for name in space.cost_names
    }


def _extreme(space: Space, cost: str, *, largest: bool) -> float:
    """Best value of one cost.

    A generic space is small enough to enumerate. In a space of networks each group of interdependent choices (a stage) moves the cost
    in a direction that no other group can turn round, so optimising one group after the other, each
    exhaustively, until nothing improves ends at the optimum.
    """
    sign = -1.0 if largest else 1.0
    components = space.components("architecture")
    if space.kind == "generic":
        X = enumerate_architectures(space)
        return float(sign * (sign * space.costs(X)[cost]).min())
    row = np.zeros((1, len(space.dimensions)), dtype=np.int64)
    best = float("inf")
    for _ in range(_SWEEPS):
        before = best
        for component in components:
            settings = space.enumerate_component(component)
            candidates = np.repeat(row, len(settings), axis=0)
            candidates[:, list(component)] = settings
            values = sign * space.costs(candidates)[cost]
            winner = int(values.argmin())
            if values[winner] < best:
                best, row = float(values[winner]), candidates[winner : winner + 1]
        if best == before:
            break
    return sign * best


def enumerate_architectures(space: Space, *, limit: int = 5_000_000) -> Population:
    """Every distinct architecture with the first recipe, (M, D).

    Raises:
        SpaceError: there are more than `limit`.
    """
    count = space.size("architecture")
    if count > limit:
        raise SpaceError(f"{space.name} has {count:.3g} architectures; at most {limit:,} can be enumerated")
    rows = np.zeros((1, len(space.dimensions)), dtype=np.int64)
    for component in space.components("architecture"):
        settings = space.enumerate_component(component)
        rows = np.repeat(rows, len(settings), axis=0)
        rows[:, list(component)] = np.tile(settings, (len(rows) // len(settings), 1))
    return rows
