"""The exact ends of a space: its smallest and largest cost, and networks that have them.

Of a space of networks: the best way to each state that a step can hand on (`nars.space.chain`) is all that later steps
need to know. That is dynamic programming: exact, with work that grows with the number of stages instead of the number
of networks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nars.space.block_latency import LatencyCosts
from nars.space.blocks import Block
from nars.space.chain import Step, start, steps, walk
from nars.space.costs import MBCONV_COSTS, block_costs
from nars.space.errors import SpaceError
from nars.space.settings import Choice, FloatArray, Population
from nars.space.space import Space
from nars.space.tables import AdditiveCostTable, ArrayCostTable, ListedCostTable


def cost_range(space: Space) -> dict[str, tuple[float, float]]:
    """Exact smallest and largest value of each cost over the whole space, {name: (min, max)}.

    Raises:
        SpaceError: a generic space is too large to list, or the choices of a space of networks are so entangled
            that four million ways would have to be kept apart.
    """
    rows = extreme_rows(space)
    names = list(rows)
    costs = space.costs(np.concatenate([rows[name] for name in names]))
    return {name: (float(costs[name][2 * i]), float(costs[name][2 * i + 1])) for i, name in enumerate(names)}


@lru_cache(maxsize=8)
def extreme_rows(space: Space) -> dict[str, Population]:
    """A candidate with the smallest and one with the largest value of each cost, {name: (2, D)}; the first recipe.

    Raises:
        SpaceError: as for `cost_range`.
    """
    return _listed(space) if space.kind == "generic" else _chained(space)


def enumerate_architectures(space: Space, *, limit: int = 5_000_000) -> Population:
    """Every distinct architecture with the first recipe, (M, D).

    Raises:
        SpaceError: there are more than `limit`.
    """
    return _enumerate(space, space.components("architecture"), limit=limit)


def _enumerate(space: Space, components: list[tuple[int, ...]], *, limit: int) -> Population:
    settings = [space.enumerate_component(component) for component in components]
    count = float(np.prod([float(len(part)) for part in settings]))
    if count > limit:
        raise SpaceError(f"{space.name} has {count:.3g} candidates to list, at most {limit:,} can be; fix some choices")
    rows = np.zeros((1, len(space.dimensions)), dtype=np.int64)
    for component, part in zip(components, settings, strict=True):
        rows = np.repeat(rows, len(part), axis=0)
        rows[:, list(component)] = np.tile(part, (len(rows) // len(part), 1))
    return rows


def _listed(space: Space) -> dict[str, Population]:
    """Of a generic space: every combination that the costs can tell apart."""
    table = space.table
    if isinstance(table, AdditiveCostTable):
        return _summed(space, table)
    if isinstance(table, ListedCostTable):
        return _known(space, table)
    components = space.components("architecture") + space.components("recipe")
    if isinstance(table, ArrayCostTable):
        components = [component for component in components if set(component) & set(table.columns)]
    X = _enumerate(space, components, limit=5_000_000)
    return {name: X[[values.argmin(), values.argmax()]] for name, values in space.costs(X).items()}


def _known(space: Space, table: ListedCostTable) -> dict[str, Population]:
    """Of the candidates that are listed, which are all that there is to know."""
    listed = table.rows
    X = np.zeros((len(listed), len(space.dimensions)), dtype=np.int64)
    X[:, range(X.shape[1]) if table.columns is None else table.columns] = listed
    return {name: X[[np.nanargmin(values), np.nanargmax(values)]] for name, values in table.costs.items()}


def _summed(space: Space, table: AdditiveCostTable) -> dict[str, Population]:
    """Of sums: the best of each group of interdependent choices by itself."""
    ends = {name: np.zeros((2, len(space.dimensions)), dtype=np.int64) for name in table.names}
    for component in space.components("architecture") + space.components("recipe"):
        X = np.zeros((len(part := space.enumerate_component(component)), len(space.dimensions)), dtype=np.int64)
        X[:, list(component)] = part
        for name, values in table.lookup(X).items():
            ends[name][:, list(component)] = part[[values.argmin(), values.argmax()]]
    return ends


def _chained(space: Space) -> dict[str, Population]:
    """Of a space of networks."""
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
    # Totals are signed: the smallest wins. A sum starts at 0, and so does the largest of no peaks: peaks are positive.
    states, total = start(space), np.zeros(1)
    path = states.X
    for step in chain:
        ways = walk(space, states, step)
        value = sign * np.broadcast_to(_cost_of(space, ways.block, cost), ways.state.shape)
        before = total[ways.state]
        if cost != "peak_activations":
            value = before + value
        else:
            value = np.minimum(before, value) if largest else np.maximum(before, value)
        order = np.lexsort((value, ways.reached))
        best = order[np.unique(ways.reached[order], return_index=True)[1]]
        path = path[ways.state[best]]
        path[:, step.fresh] = ways.picks[best]
        states, total = ways.states, value[best]
    row: Population = path[int(np.argmin(total))]
    return row


def _cost_of(space: Space, block: Block, cost: str) -> FloatArray:
    """What a step adds to a cost; for the peak, its own peak (none where the block is not there)."""
    if cost not in MBCONV_COSTS:
        if not isinstance(space.table, LatencyCosts):
            raise SpaceError(f"{space.name}: the range of {cost} is not known, it comes from a table of its own")
        return space.table.of_block(block)
    costs = block_costs(block)
    if cost == "peak_activations":
        return np.where(np.greater(costs.times, 0), costs.peak, 0).astype(np.float64)
    parts = {"flops": costs.flops, "params": costs.params, "weights": costs.weights, "activations": costs.activations}
    return (costs.times * parts[cost]).astype(np.float64)
