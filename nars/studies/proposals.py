"""Stage 2 replayed: what its rounds would have found among measured candidates. A table answers, nothing is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from nars.metric import ACCURACY, Metric
from nars.predictors import Predictor
from nars.run import Plan
from nars.space import Bounds, Space, sobol
from nars.stages import CandidatePool, Rounds, RoundSettings
from nars.store import Sample
from nars.studies.replay import Measured, Replay, check_trainings, spent

_FIRST = 10
"""Successes before the predictor is asked; until then proposals are random in each cost bin."""
_POOL = 4096
"""Sobol architectures to pretrain on, beside the measured ones."""


def pretrained_on(table: Measured, space: Space, *, seed: int) -> Predictor:
    """The default predictor, pretrained on the free statistics of measured candidates.

    Args:
        table: The candidates.
        space: Theirs; one without costs of its own must have the table's.
        seed: For the pretraining and its pool.
    """
    X = table.choices
    if space.computes_costs:
        X = np.concatenate([X, sobol(space, _POOL, seed=seed)])
    return replace(Predictor.pretrained(space, X, seed=seed), metric=table.metric)


def table_rounds(
    table: Measured,
    space: Space,
    pretrained: Predictor,
    *,
    trainings: int,
    batch: int,
    cost: str | None,
    rng: np.random.Generator,
) -> Rounds[Sample]:
    """Stage 2 in rounds of `batch` among measured candidates, in random order until there are enough to learn from.

    Args:
        table, space: What to choose from, and the space of its candidates.
        pretrained: The predictor.
        trainings, batch: How many trainings in all, and in a round.
        cost: The cost whose range is cut into bins; None where there are no costs.
        rng: For the order, and for the fits.

    Raises:
        StoreError: more trainings than candidates.
    """
    check_trainings(table, trainings, batch)
    order = rng.permutation(len(table.values))
    pool = CandidatePool(X=table.choices[order], costs={name: cost[order] for name, cost in table.costs.items()})
    settings = RoundSettings(
        total=trainings,
        first=batch,
        later=batch,
        wait=True,
        epochs=1,
        bounds=Bounds(),
        cost=cost,
        metric=table.metric,
        fewest=_FIRST,
    )
    return Rounds(space, pool, pretrained, settings, trials=partial(unanswered, space), seeds=seeds_from(rng))


def replay_rounds(table: Measured, rounds: Rounds[Sample]) -> Replay:
    """Let stage 2 spend its trainings on measured candidates, see `table_rounds`."""
    asked: list[int] = []
    while (sample := rounds.ask()) is not None:
        (place,) = table.places(np.array([sample.choices], dtype=np.int64))
        rounds.tell(answered(sample, float(table.values[place]), metric=table.metric))
        asked.append(place)
    return spent(table, asked)


def seeds_from(rng: np.random.Generator) -> Iterator[int]:
    """Seeds without end, each drawn when it is asked for."""
    while True:
        yield int(rng.integers(2**31))


def unanswered(space: Space, plan: Plan) -> list[Sample]:
    """The candidates of a plan as samples that nobody has measured, for tables that answer instead of an engine."""
    costs = space.costs(plan.rows)
    return [
        Sample(
            key=hashlib.sha256(row.tobytes()).hexdigest()[:32],
            record=record,
            choices=tuple(row.tolist()),
            costs={name: float(values[number]) for name, values in costs.items()},
            status="error",
            epochs=plan.epochs,
            planned_epochs=plan.epochs,
            seconds=0.0,
            seed=0,
            space=space.fingerprint,
            data="a table",
            fidelity="as in the table",
            round=plan.round,
        )
        for number, (row, record) in enumerate(zip(plan.rows, space.to_records(plan.rows), strict=True))
    ]


def answered(sample: Sample, value: float | None, *, metric: Metric = ACCURACY) -> Sample:
    """The same, measured: with its value, or failed where that is None or NaN."""
    if value is None or np.isnan(value):
        return replace(sample, metric=metric)
    return replace(sample, status="ok", metric=metric, value=value, curve=(value,))
