"""Stage 3 where trainings are few: the best measured candidate of each budget, without a predictor's opinion.

With a dozen trainings a predictor of a space of millions is a guess, and the candidate that it likes best the one that
it is most wrong about. What has been trained is known, up to the noise of its validation images; so the candidate that
the run began with, which somebody had a reason for, stays unless another beats it by more than that noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nars.errors import DataError
from nars.metric import Metric
from nars.run import Run
from nars.run.journal import Journal
from nars.run.starting import start_row
from nars.space import Bounds, Population
from nars.stages.member import Member
from nars.stages.stopping import cut_at, label
from nars.store import Sample


@dataclass(frozen=True, kw_only=True)
class Pick:
    """The answer to a budget."""

    row: Population
    """(1, D)."""
    value: float
    """As it was measured; NaN where nothing was."""
    error: float
    """Standard error of that, by the number of validation images; 0 where the metric does not say."""


def pick(run: Run, budgets: Sequence[Bounds], names: Sequence[str]) -> list[Member]:
    """A member for each budget, by what stage 2 has measured; without any training the candidate to start with.

    Raises:
        DataError: nothing that was trained keeps a budget.
    """
    samples = [] if run.config.collect.rounds == 0 else _measured(run)
    stop = cut_at(run.folder)
    start = run.config.collect.start
    row = start_row(run.space, start) if start else None
    return [
        _member(run, name, budget, best_within(budget, run, samples, start=row, stop=stop))
        for name, budget in zip(names, budgets, strict=True)
    ]


def best_within(
    budget: Bounds, run: Run, samples: Sequence[Sample], *, start: Population | None, stop: int | None
) -> Pick:
    """The best measured candidate within a budget; the start, unless another is better by more than the noise.

    Values are those of the epoch `stop`, after which later rounds ended; of the last where None.

    Raises:
        DataError: none keeps it.
    """
    metric, images = run.metric, _validated(run)
    if start is not None and not samples:
        return Pick(row=start, value=math.nan, error=0.0)
    inside = [sample for sample in samples if keeps(budget, sample)]
    if not inside:
        raise DataError(
            f"none of the {len(samples)} candidates that stage 2 has trained keeps {budget}; widen the budget, or the "
            f"range of the run to what it allows (range)"
        )
    best = max(inside, key=lambda sample: metric.score(label(sample, stop)))
    first = next((sample for sample in inside if start is not None and sample.choices == tuple(start[0])), best)
    error = standard_error(metric, label(first, stop), images)
    if metric.score(label(best, stop)) - metric.score(label(first, stop)) <= error:
        best = first
    value = label(best, stop)
    row = np.array([best.choices], dtype=np.int64)
    return Pick(row=row, value=value, error=standard_error(metric, value, images))


def keeps(budget: Bounds, sample: Sample) -> bool:
    """Whether a sample that was measured keeps a budget."""
    return sample.result is not None and budget.keeps(sample.costs)


def standard_error(metric: Metric, value: float, images: int | None) -> float:
    """Of a share in percent that was measured on so many images; 0 for what is no share."""
    if metric.unit != "%" or not images:
        return 0.0
    share = min(max(value / 100, 0.0), 1.0)
    return 100 * math.sqrt(share * (1 - share) / images)


def _measured(run: Run) -> list[Sample]:
    """The trainings of this run that came to an end, in the order of proposal."""
    journal = Journal(run)
    known = {sample.choices: sample for sample in journal.samples() if sample.status == "ok"}
    rows = [tuple(row) for plan in journal.plans() for row in plan.choices]
    return [known[row] for row in rows if row in known]


def _validated(run: Run) -> int | None:
    known = run.data_facts.images
    return None if known is None else known[1]


def _member(run: Run, name: str, budget: Bounds, picked: Pick) -> Member:
    return Member(
        name=name,
        budget=budget,
        choices=tuple(int(choice) for choice in picked.row[0]),
        record=run.space.to_records(picked.row)[0],
        costs={key: float(cost[0]) for key, cost in run.space.costs(picked.row).items()},
        predicted=picked.value,
        predicted_std=picked.error,
        history=(),
        seconds=0.0,
    )
