"""The exact ends of a space that is no chain of blocks: by listing what the costs can tell apart."""

from __future__ import annotations

import numpy as np

from nars.space.extremes import list_rows
from nars.space.families.generic.tables import AdditiveCostTable, ListedCostTable
from nars.space.settings import Population
from nars.space.space import Space


def extremes(space: Space) -> dict[str, Population]:
    """A row with the smallest and one with the largest value of each cost, {name: (2, D)}.

    Raises:
        SpaceError: the space is too large to list.
    """
    table = space.table
    if isinstance(table, AdditiveCostTable):
        return _summed(space, table)
    if isinstance(table, ListedCostTable):
        return _known(space, table)
    components = space.components("architecture") + ([] if space.computes_costs else space.components("recipe"))
    X = list_rows(space, components, limit=5_000_000)
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
