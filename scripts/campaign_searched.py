"""What the campaign's pairs say is best: the predictor fitted on all of them, and its answer to each budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaign_arms import Ground, kept
from nars.arrays import Floats
from nars.predictors import Predictor
from nars.search import search_family
from nars.space import Bounds, Population, sobol
from nars.stages import scorer
from nars.store import SampleStore

BUDGETS = (0.4e6, 0.8e6, 1.5e6)
"""Multiply-accumulates: published networks cannot be scaled to fewer, their layers would have less than 8 channels."""

_POOL = 2048
_BEST = 50
"""Pairs that the search starts from."""


@dataclass(frozen=True)
class Found:
    """An answer to a budget."""

    budget: float
    row: Population
    """(D,)"""
    predicted: float
    """Accuracy in percent."""


def measured(ground: Ground) -> tuple[Population, Floats]:
    """The distinct pairs of table and sample, (N, D), and the mean accuracy of each over its seeds, (N,)."""
    values: dict[tuple[int, ...], list[float]] = {}
    for name in ("table", "sample"):
        for sample in SampleStore(ground.pairs / name).samples():
            if sample.result is not None:
                values.setdefault(sample.choices, []).append(sample.result)
    return np.array(list(values), dtype=np.int64), np.array([np.mean(some) for some in values.values()])


def searched(ground: Ground, budgets: Sequence[float] = BUDGETS) -> list[Found]:
    """The best predicted pair of each budget; chosen once and kept in OUT/searched.json, whatever is measured later."""
    document = kept(ground.out / "searched.json", lambda: _searched(ground, budgets))
    return [Found(m["budget"], np.array(m["row"]), m["predicted"]) for m in document["members"]]


def _searched(ground: Ground, budgets: Sequence[float]) -> dict[str, Any]:
    space = ground.space
    X, y = measured(ground)
    pretrained = Predictor.pretrained(space, sobol(space, _POOL, seed=0), seed=0)
    predictor = pretrained.fit(space.encode(X), y, seed=0)
    family = search_family(
        space,
        scorer(space, predictor),
        [Bounds.at_most(flops=budget) for budget in budgets],
        rng=np.random.default_rng(0),
        seed_population=X[np.argsort(-y, kind="stable")[:_BEST]],
    )
    told = predictor.predict_mean(space.encode(family.rows))
    return {
        "pairs": len(X),
        "members": [
            {"budget": budget, "row": row.tolist(), "predicted": float(value)}
            for budget, row, value in zip(budgets, family.rows, told, strict=True)
        ],
    }
