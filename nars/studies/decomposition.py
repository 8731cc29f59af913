"""How much of a table of accuracies is its rows, how much its columns, how much their interplay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Shares:
    """A two-way additive decomposition: y_ij = mean + row_i + column_j + rest_ij, each part's share of the variance."""

    deviation: float
    """Standard deviation of all cells, in the unit of the table."""
    architecture: float
    """Share of the rows' means in the variance, in [0, 1]; the three shares add up to 1 (all 0 in a constant table)."""
    recipe: float
    """Share of the columns' means."""
    interaction: float
    """The rest: what the two means do not explain, training noise included."""
    noise: float | None = None
    """Share that the noise of the cells alone would put into `interaction` on average; None when it is not known."""


def shares(table: NDArray[np.float64], *, cell_variance: float | None = None) -> Shares:
    """Decompose a complete table.

    Args:
        table: (rows, columns), finite: accuracy of architecture i with recipe j.
        cell_variance: Of the noise of one cell, in the squared unit of the table; None when it is not known.
    """
    rows = table.mean(axis=1, keepdims=True) - table.mean()
    columns = table.mean(axis=0, keepdims=True) - table.mean()
    rest = table - table.mean() - rows - columns
    total = float(((table - table.mean()) ** 2).sum())
    if np.ptp(table) == 0:
        return Shares(deviation=0.0, architecture=0.0, recipe=0.0, interaction=0.0)
    parts = [float((np.broadcast_to(part, table.shape) ** 2).sum()) / total for part in (rows, columns, rest)]
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return Shares(
        deviation=float(table.std()),
        architecture=parts[0],
        recipe=parts[1],
        interaction=parts[2],
        noise=None if cell_variance is None else freedom * cell_variance / total,
    )
