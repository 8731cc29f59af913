"""Claim 10: search against no search at equal total time: a search on the table, then a long training of what it found,
against a training of a usual network with a usual recipe for the whole time.

Time is that of the table's trainings, whatever trains here: so many seconds are so many epochs of a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from campaign_arms import FIRST_SEED, Arm, Ground, Step, arm_of_pair, hours, trained
from campaign_pairs import USUAL_RECIPES, USUAL_RESOLUTIONS
from campaign_replay import Cells, chosen, load_cells, ours, pretrained_on_space
from nars.arrays import Floats

MINUTES = (4.0, 8.0, 16.0)
"""Total times."""
SHARE = 0.5
"""Of the total that is spent on the search."""
SEEDS = 2
"""Each with a search of its own."""


def total_time(ground: Ground) -> Iterator[str]:
    """Both ways for each total time."""
    minutes, seeds = ((0.04,), 2) if ground.rehearsed else (MINUTES, ground.seeds or SEEDS)
    if ground.plan:
        yield from hours(
            [
                Step(
                    what=f"{total:g} minutes in all",
                    trainings=2 * seeds,
                    folder=_folder(ground, total),
                    seconds=60 * total * (2 - SHARE) / 2,
                )
                for total in minutes
            ]
        )
        return
    cells = load_cells(ground.pairs)
    search, usual = ours(pretrained_on_space(cells.space)), best_usual(cells)
    for total in minutes:
        for seed in range(seeds):
            spent = np.array([60 * SHARE * total])
            found = int(chosen(search, cells, spent, rng=np.random.default_rng(seed))[0])
            ways = {
                "search": (found if found >= 0 else usual, 60 * (1 - SHARE) * total),
                "no search": (usual, 60 * total),
            }
            arms = [
                _arm(ground, cells, cell, seconds, {"minutes": total, "way": way}, seed)
                for way, (cell, seconds) in ways.items()
            ]
            yield from trained(ground, _folder(ground, total), arms, 1)


def _folder(ground: Ground, total: float) -> Path:
    return ground.out / "time" / f"{total:g}-minutes"


def best_usual(cells: Cells) -> int:
    """The cell of the usual networks and recipes that is best in the table: no search pays nothing to know that."""
    usual = [
        architecture * cells.recipes + recipe
        for architecture in range(min(len(USUAL_RESOLUTIONS), cells.architectures))
        for recipe in range(min(len(USUAL_RECIPES), cells.recipes))
    ]
    means: Floats = cells.values.mean(axis=1)
    return max(usual, key=lambda cell: means[cell])


def _arm(ground: Ground, cells: Cells, cell: int, seconds: float, labels: dict[str, float | str], seed: int) -> Arm:
    each = float(cells.seconds[cell].mean()) / cells.curves.shape[2]
    epochs = max(round(seconds / each), 2)
    task = replace(ground.task, regime=replace(ground.regime, epochs=epochs))
    arm = arm_of_pair(ground, cells.X[cell], {**labels, "epochs": epochs}, task=task)
    return replace(arm, first_seed=FIRST_SEED + seed)
