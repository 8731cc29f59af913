"""The exact ends of a space of networks: candidates with its smallest and largest costs.

The best way to each state that a step can hand on (`chain.py`) is all that later steps need to know. That is dynamic
programming: exact, with work that grows with the number of stages instead of the number of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nars.arrays import Floats
from nars.space.dimension import Choice, Population
from nars.space.errors import SpaceError
from nars.space.families.fitted_latency import FittedLatency
from nars.space.families.mbconv.block_latency import LatencyCosts
from nars.space.families.mbconv.block_sums import block_sum
from nars.space.families.mbconv.blocks import Block
from nars.space.families.mbconv.chain import States, Step, Ways, start, steps, walk
from nars.space.families.mbconv.costs import COST_NAMES, PEAK, block_costs
from nars.space.space import Space


def extremes(space: Space) -> dict[str, Population]:
    """A row with the smallest and one with the largest value of each cost, {name: (2, D)}.

    Raises:
        SpaceError: the choices are so entangled that four million ways would have to be kept apart.
    """
    found = {"resolution": np.zeros((2, len(space.dimensions)), dtype=np.int64)}
    if isinstance(setting := space.settings["resolution"], Choice):
        found["resolution"][1, setting.dimension] = space.cardinalities[setting.dimension] - 1
    names = [name for name in space.cost_names if name != "resolution"]
    states = start(space)
    best = {(name, largest): _Best.none_yet(states) for name in names for largest in (False, True)}
    for step in steps(space, activations=space.table is not None):
        ways = walk(space, states, step)  # the same whatever it is to cost
        for name in names:
            cost = np.broadcast_to(_cost_of(space, ways.block, name), ways.state.shape)
            for largest in (False, True):
                best[name, largest] = best[name, largest].after(step, ways, cost, peak=name == PEAK, largest=largest)
        states = ways.states
    found |= {name: np.stack([best[name, largest].row for largest in (False, True)]) for name in names}
    return {name: space.canonical(found[name]) for name in space.cost_names}


@dataclass(frozen=True)
class _Best:
    """The best way to each state."""

    X: Population
    """(S, D) rows that reach it."""
    total: Floats
    """(S,) their costs so far, negative where the largest is sought: the smallest wins. A sum starts at 0, and so does
    the largest of no peaks: peaks are positive."""

    @staticmethod
    def none_yet(states: States) -> _Best:
        return _Best(states.X, np.zeros(len(states.X)))

    def after(self, step: Step, ways: Ways, cost: Floats, *, peak: bool, largest: bool) -> _Best:
        """The best after a step whose ways, (W,), add that cost."""
        join = np.add if not peak else np.minimum if largest else np.maximum
        value = join(self.total[ways.state], -cost if largest else cost)
        order = np.lexsort((value, ways.reached))
        chosen = order[np.unique(ways.reached[order], return_index=True)[1]]
        X = self.X[ways.state[chosen]]
        X[:, step.fresh] = ways.picks[chosen]
        return _Best(X, value[chosen])

    @property
    def row(self) -> Population:
        """(D,), of all states."""
        row: Population = self.X[int(np.argmin(self.total))]
        return row


def _cost_of(space: Space, block: Block, cost: str) -> Floats:
    """What a step adds to a cost; for the peak, its own peak (none where the block is not there)."""
    if cost not in COST_NAMES:
        if isinstance(space.table, LatencyCosts):
            return space.table.of_block(block)
        if isinstance(space.table, FittedLatency):
            return sum((w * block_sum(block, name) for name, w in space.table.weights.items()), np.zeros(1))
        raise SpaceError(f"{space.name}: the range of {cost} is not known, it comes from a table of its own")
    return block_costs(block).adds(cost).astype(np.float64)
