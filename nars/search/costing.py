"""The costs a search can be bound by: the space's own and further ones, such as the latency of a device table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from nars.search.tabulated import tabulated_costs
from nars.space import Bounds, Population, Space, SpaceError

CostFunction = Callable[[Population], dict[str, NDArray[np.float64]]]
"""Costs of canonical rows: X (N, D) -> {name: (N,)}."""

ExtraCosts = Mapping[str, Callable[[Population], NDArray[np.float64]]]
"""Further costs by name, each X (N, D) -> (N,); of networks they may depend on the architecture only."""

Score = Callable[[Population], NDArray[np.float64]]
"""Predicted accuracy of canonical rows: X (N, D) -> (N,) in percent."""


def cost_function(space: Space, bounds: Bounds, extra: ExtraCosts | None = None) -> CostFunction:
    """All costs of a space in one function.

    Raises:
        SpaceError: the bounds name a cost that neither the space nor `extra` has.
    """
    extra = dict(extra or {})
    known = (*space.cost_names, *extra)
    for name in bounds:
        if name not in known:
            raise SpaceError(f"no cost is called {name!r}; a bound can be set on {', '.join(known)}")
    own = tabulated_costs(space)
    if not extra:
        return own

    def costs(X: Population) -> dict[str, NDArray[np.float64]]:
        return own(X) | {name: np.asarray(cost(X), dtype=np.float64) for name, cost in extra.items()}

    return costs


def costed_columns(space: Space) -> NDArray[np.int64]:
    """Columns of X that costs can depend on: the architecture's; all of them where costs come from a table."""
    return space.columns_of("architecture") if space.kind == "mbconv" else np.arange(len(space.dimensions))
