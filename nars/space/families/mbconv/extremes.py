"""The exact ends of a space of networks: candidates with its smallest and largest costs.

The best way to each state that a step can hand on (`chain.py`) is all that later steps need to know. That is dynamic
programming: exact, with work that grows with the number of stages instead of the number of networks.
"""

from __future__ import annotations

import numpy as np

from nars.arrays import Floats
from nars.space.dimension import Choice, Population
from nars.space.errors import SpaceError
from nars.space.families.fitted_latency import FittedLatency
from nars.space.families.mbconv.block_latency import LatencyCosts
from nars.space.families.mbconv.block_sums import block_sum
from nars.space.families.mbconv.blocks import Block
from nars.space.families.mbconv.chain import Step, start, steps, walk
from nars.space.families.mbconv.costs import COST_NAMES, PEAK, block_costs
from nars.space.space import Space


def extremes(space: Space) -> dict[str, Population]:
    """A row with the smallest and one with the largest value of each cost, {name: (2, D)}.

    Raises:
        SpaceError: the choices are so entangled that four million ways would have to be kept apart.
    """
    chain = list(steps(space, activations=space.table is not None))
    found = {"resolution": np.zeros((2, len(space.dimensions)), dtype=np.int64)}
    if isinstance(setting := space.settings["resolution"], Choice):
        found["resolution"][1, setting.dimension] = space.cardinalities[setting.dimension] - 1
    for cost in space.cost_names:
        if cost != "resolution":
            found[cost] = np.stack([_best(space, chain, cost, largest=largest) for largest in (False, True)])
    return {name: space.canonical(found[name]) for name in space.cost_names}


def _best(space: Space, chain: list[Step], cost: str, *, largest: bool) -> Population:
    """The row (D,) with the smallest or largest cost."""
    sign = -1.0 if largest else 1.0
    join = np.add if cost != PEAK else np.minimum if largest else np.maximum
    # Totals are signed: the smallest wins. A sum starts at 0, and so does the largest of no peaks: peaks are positive.
    states, total = start(space), np.zeros(1)
    path = states.X
    for step in chain:
        ways = walk(space, states, step)
        value = join(total[ways.state], sign * np.broadcast_to(_cost_of(space, ways.block, cost), ways.state.shape))
        order = np.lexsort((value, ways.reached))
        best = order[np.unique(ways.reached[order], return_index=True)[1]]
        path = path[ways.state[best]]
        path[:, step.fresh] = ways.picks[best]
        states, total = ways.states, value[best]
    row: Population = path[int(np.argmin(total))]
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
