"""Claim 10: search against no search at equal total time: a search on the table, then a long training of what it found,
against a training of a usual network with a usual recipe for the whole time.

Time is that of the table's trainings, whatever trains here: so many seconds are so many epochs of a pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from campaign_arms import FIRST_SEED, Arm, Ground, Step, arm_of_pair, hours, kept, trained
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
    choices = kept(ground.out / "time" / "pairs.json", lambda: _choices(ground, minutes, seeds))
    for total, some in groupby(choices, key=lambda choice: float(choice["minutes"])):
        yield from trained(ground, _folder(ground, total), [_arm(ground, choice) for choice in some], 1)


def _arm(ground: Ground, choice: Mapping[str, Any]) -> Arm:
    labels = {name: choice[name] for name in ("minutes", "way", "epochs")}
    arm = arm_of_pair(ground, np.array(choice["row"]), labels)
    return replace(arm, first_seed=FIRST_SEED + choice["seed"], epochs=choice["epochs"])


def _choices(ground: Ground, minutes: Sequence[float], seeds: int) -> list[dict[str, Any]]:
    """What is trained for how long, by both ways, for each total time and seed."""
    cells = load_cells(ground.pairs)
    search, usual = ours(pretrained_on_space(cells.space)), best_usual(cells)
    found = []
    for total in minutes:
        for seed in range(seeds):
            spent = np.array([60 * SHARE * total])
            cell = int(chosen(search, cells, spent, rng=np.random.default_rng(seed))[0])
            ways = {"search": (cell if cell >= 0 else usual, 1 - SHARE), "no search": (usual, 1.0)}
            for way, (pair, share) in ways.items():
                each = float(cells.seconds[pair].mean()) / cells.curves.shape[2]
                epochs = max(round(60 * share * total / each), 2)
                how = {"minutes": total, "seed": seed, "way": way, "epochs": epochs}
                found.append(how | {"row": cells.X[pair].tolist()})
    return found


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
