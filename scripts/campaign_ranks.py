"""Claim 9: which of two networks of equal cost is better depends on the recipe. The table names them, seeds judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from campaign_arms import Ground, Step, arm_of_pair, hours, kept, trained
from campaign_replay import Cells, load_cells

SEEDS = 5

EQUAL = 1.25
"""Multiply-accumulates whose ratio is less count as equal."""


def ranks(ground: Ground) -> Iterator[str]:
    """Both networks with both recipes."""
    folder = ground.out / "ranks"
    seeds = 2 if ground.rehearsed else ground.seeds or SEEDS
    if ground.plan:
        yield from hours([Step(what="two by two", trainings=4 * seeds, folder=folder / "samples", seconds=20)])
        return
    chosen = kept(
        folder / "pairs.json", lambda: crossed(load_cells(ground.pairs), equal=100 if ground.rehearsed else EQUAL)
    )
    arms = [arm_of_pair(ground, np.array(one["row"]), {"model": one["model"], "by": one["by"]}) for one in chosen]
    yield from trained(ground, folder / "samples", arms, seeds)


def crossed(cells: Cells, *, equal: float = EQUAL) -> list[dict[str, Any]]:
    """The two networks of equal FLOPs, each ahead of the other with one recipe, the smaller lead as large as can be.

    FLOPs whose ratio is below `equal` count as equal.

    Raises:
        SystemExit: no two networks of the table have equal FLOPs.
    """
    accuracy = cells.cube.mean(axis=2)
    flops = cells.flops.reshape(accuracy.shape)[:, 0]
    near = np.abs(np.log(flops[:, None] / flops[None])) < np.log(equal)
    ahead = accuracy[:, None] - accuracy[None]  # (A, A, R)
    smaller = np.where(np.triu(near, 1), np.minimum(ahead.max(axis=2), -ahead.min(axis=2)), -np.inf)
    if not np.isfinite(smaller).any():
        raise SystemExit("no two architectures of the table have equal multiply-accumulates; train more of it")
    first, second = np.unravel_index(smaller.argmax(), smaller.shape)
    recipes = {"1": ahead[first, second].argmax(), "2": ahead[first, second].argmin()}
    return [
        {"model": network, "by": recipe, "row": cells.X[row * cells.recipes + column].tolist()}
        for network, row in {"1": first, "2": second}.items()
        for recipe, column in recipes.items()
    ]
