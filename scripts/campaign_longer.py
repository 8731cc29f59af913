"""The fidelity check: pairs of the random sample, two of each FLOPs bin, trained ten times as long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from campaign_arms import Ground, Step, arm_of_pair, hours, kept, trained
from nars.arrays import Ints
from nars.store import Sample, SampleStore
from regime_trials import RegimeTask

FACTOR = 10
BINS, EACH = 8, 2


def longer(ground: Ground) -> Iterator[str]:
    """One training each, from the seed that the short one had."""
    folder = ground.out / "longer" / "samples"
    bins, factor = (2, 2) if ground.rehearsed else (BINS, FACTOR)
    if ground.plan:
        yield from hours([Step(what="long trainings", trainings=EACH * bins, folder=folder, seconds=20 * factor)])
        return
    task = RegimeTask(ground.images, ground.regime)
    short = [s for s in SampleStore(ground.pairs / "sample").samples() if s.seed == 0 and s.result is not None]
    order = {tuple(row): number for number, row in enumerate(ground.design["random"])}
    short.sort(key=lambda sample: order[sample.choices])
    by_number = {order[sample.choices]: sample for sample in short}
    arms = []
    for number in kept(folder.parent / "pairs.json", lambda: [order[short[n].choices] for n in spread(short, bins)]):
        sample = by_number[number]
        labels = {"pair": number, "flops": sample.costs["flops"], "short": float(sample.result or 0)}
        arm = arm_of_pair(ground, np.array(sample.choices), labels, task=task)
        arms.append(replace(arm, first_seed=sample.seed, epochs=factor * ground.regime.epochs))
    yield from trained(ground, folder, arms, 1)


def spread(samples: list[Sample], bins: int) -> Ints:
    """The first `EACH` of each bin of equally many FLOPs ranks, places in `samples`: whatever their accuracy."""
    flops = np.array([sample.costs["flops"] for sample in samples])
    ranked = np.array_split(np.argsort(flops, kind="stable"), bins)
    return np.concatenate([np.sort(part)[:EACH] for part in ranked])
