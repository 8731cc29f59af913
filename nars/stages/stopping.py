"""The epoch after which the trainings of later rounds stop, from the first round of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nars.errors import DataError
from nars.evaluate import FEWEST_CURVES, StopAdvice, choose_stop_epoch
from nars.run import Run
from nars.run.config import Collect
from nars.run.folder import RunFolder
from nars.run.journal import read_results
from nars.space import cost_unit, loosened, shorten
from nars.store import Sample

FEWEST_TO_LEARN = 2
"""Values that a predictor can be fitted to."""

_MESSAGE = 300
"""Characters of what failed trainings say that an error repeats."""


_HOPELESS = 8
"""Trainings without a success after which nobody tries on."""


def stop_advice(run: Run, samples: Sequence[Sample]) -> StopAdvice:
    """When the order of candidates is known well enough (paper: rank correlation 0.92), also between two budgets.

    Raises:
        DataError: so many trainings of the first round failed that no predictor can learn from the rest.
    """
    config = run.config.collect
    full = [sample for sample in samples if sample.status == "ok" and len(sample.result_curve) == config.epochs]
    if len(full) < FEWEST_CURVES:
        return _uncut(samples, len(full), config)
    curves = np.array([sample.result_curve for sample in full], dtype=np.float64).reshape(len(full), config.epochs)
    return choose_stop_epoch(
        run.metric.score(curves), threshold=_threshold(config), rng=run.rng(2), bins=_bins(run, full)
    )


def _threshold(config: Collect) -> float:
    assert config.stop_correlation is not None, "without one, nobody asks when to stop"
    return config.stop_correlation


def _bins(run: Run, samples: Sequence[Sample]) -> dict[str, NDArray[np.bool_]]:
    """Which samples (n,) lie between two neighbouring budgets, or the ends of the range, by name."""
    cost = run.binned
    if cost is None:
        return {}
    costs = np.array([sample.costs[cost] for sample in samples])
    low, high = run.config.range.limits.get(cost, (-math.inf, math.inf))
    least, _ = run.config.range.ends(cost)
    limits = (budget.high(cost) for budget in run.config.budgets)
    edges = [low, *sorted({limit for limit in limits if low < limit < high}), high]
    return {
        f"{_between(a, b)} {cost_unit(cost)}": (costs >= least if a == low else costs > loosened(a))
        & (costs <= loosened(b))
        for a, b in pairwise(edges)
    }


def _between(low: float, high: float) -> str:
    if high == math.inf:
        return "any" if low == -math.inf else f"over {shorten(low)}"
    return f"up to {shorten(high)}" if low == -math.inf else f"{shorten(low)} to {shorten(high)}"


def _uncut(samples: Sequence[Sample], full: int, config: Collect) -> StopAdvice:
    """What is said when hardly a training of the first round succeeded: later ones are full ones too."""
    if full < FEWEST_TO_LEARN:
        raise failed(samples, "of round 1")
    nothing = (math.nan,) * config.epochs
    return StopAdvice(
        epoch=config.epochs,
        cautious_epoch=config.epochs,
        threshold=_threshold(config),
        correlations=nothing,
        intervals=tuple((math.nan, math.nan) for _ in nothing),
        saved=0.0,
        top_kept=0,
        top_size=0,
        within_bins={},
        warnings=(
            f"only {full} of the {len(samples)} trainings of round 1 succeeded, too few for a rank correlation: "
            f"training is not cut.",
        ),
    )


def failed(samples: Sequence[Sample], which: str = "") -> DataError:
    """The error that says why so few of these trainings have a value."""
    failures = [sample for sample in samples if sample.status != "ok"]
    reasons = "; ".join(dict.fromkeys(f"{sample.status}: {sample.message}" for sample in failures))
    which = f"trainings {which}".strip()
    return DataError(
        f"{len(failures)} of the {len(samples)} {which} failed ({reasons[:_MESSAGE]}); the predictor cannot learn from "
        f"{len(samples) - len(failures)}. Mend the cause (limits are collect.trial_seconds and "
        f"collect.trial_gigabytes) or raise collect.per_round, and begin in another folder."
    )


def refuse_failures(samples: Sequence[Sample]) -> None:
    """Of a first round that nothing is to be cut short after.

    Raises:
        DataError: all of its trainings failed, and they are so many that the next will too.
    """
    if len(samples) >= _HOPELESS and all(sample.status != "ok" for sample in samples):
        raise failed(samples, "of round 1")


def cut_at(folder: RunFolder) -> int | None:
    """The epoch after which later rounds of a run stopped; None where none was cut short."""
    results = read_results(folder)
    return results[0].stop_epoch if results and results[0].advice is not None else None


def label(sample: Sample, stop_epoch: int | None) -> float:
    """The value that counts: at the stop epoch, or at the end while that is not chosen yet; of the
    averaged weights where the recipe has them.

    Round 1 trains on beyond the stop epoch, but its label is the accuracy at that epoch too: labels of one kind. What a
    run was given without a curve counts as it is.
    """
    if not sample.result_curve and sample.result is not None:
        return sample.result
    return sample.result_curve[(stop_epoch or len(sample.curve)) - 1]
