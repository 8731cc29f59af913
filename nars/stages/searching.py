"""Stage 3: the best pair for each budget, by the predictor alone, on the CPU."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nars.atomic import write_json
from nars.data.run_folder import read_json
from nars.search import PRESETS, Progress, search_family
from nars.space import Bounds, Population, shorten
from nars.space.brief import brief_repr
from nars.stages.collecting import collect
from nars.stages.config import ConfigError
from nars.stages.measuring import measured
from nars.stages.predictors import scorer
from nars.stages.run import Run
from nars.stages.trust import Answer, Evidence, doubts, evidence_of

_SEED_POPULATION = 50
"""Best pairs of stage 2 in the first generation (paper: 50)."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member of the family: a budget's answer."""

    __repr__ = brief_repr

    name: str
    """The budget as people write it, e.g. "550M"."""
    budget: float
    """FLOPs it keeps."""
    choices: tuple[int, ...]
    """Its row of the population matrix, (D,)."""
    record: dict[str, Any]
    """Every setting, readable."""
    costs: dict[str, float]
    predicted: float
    """Expected accuracy at the search's stop epoch, percent."""
    predicted_std: float
    history: tuple[tuple[int, float], ...]
    """(evaluations, best predicted accuracy) after each generation."""
    seconds: float
    """Time the search took."""


def search(run: Run) -> tuple[Member, ...]:
    """Ask the predictor for one member per budget; read from the run's folder when it was asked before."""
    if run.folder.family_file.is_file():
        return _read(run)
    predictor = collect(run)
    started = time.perf_counter()
    finished: dict[int, float] = {}
    with run.reporter.bar("stage 3: searching", len(run.config.search.budgets)) as advance:

        def on_generation(budget: int, step: Progress) -> None:
            advance(1 if budget not in finished else 0, f"{step.evaluations:,} scored, best {step.best:.2f} %")
            finished[budget] = time.perf_counter()

        family = search_family(
            run.space,
            scorer(run.space, predictor),
            [Bounds.at_most(flops=budget) for budget in run.config.search.budgets],
            rng=run.rng(3),
            seed_population=_best_measured(run),
            settings=PRESETS[run.config.search.preset],
            progress=on_generation,
        )
    seconds = time.perf_counter() - started
    prediction = predictor.predict(run.space.encode(family.rows))
    records = run.space.to_records(family.rows)
    ends = [started, *(finished[number] for number in range(len(family.members)))]
    members = tuple(
        Member(
            name=shorten(budget),
            budget=budget,
            choices=tuple(int(choice) for choice in result.row),
            record=record,
            costs=result.costs,
            predicted=float(mean),
            predicted_std=float(std),
            history=tuple((step.evaluations, step.best) for step in result.history),
            seconds=round(end - begin, 3),
        )
        for budget, result, record, mean, std, begin, end in zip(
            run.config.search.budgets, family.members, records, prediction.mean, prediction.std, ends[:-1], ends[1:],
            strict=True,
        )
    )  # fmt: skip
    doubtful = doubts(_evidence(run, members))
    write_json(run.folder.family_file, {"members": [asdict(member) for member in members], "doubts": doubtful})
    run.log(f"stage 3: {len(members)} budgets answered in {seconds:.1f} s: " + _spell(members))
    for sentence in doubtful:
        run.log(f"stage 3: attention: {sentence}")
    return members


def finished_family(run: Run, what: str) -> tuple[Member, ...]:
    """The family of a run whose search is finished; `what` needs it, for the message.

    Raises:
        ConfigError: the search is not finished.
    """
    if not run.folder.family_file.is_file():
        raise ConfigError(
            f"{what} needs a finished search, {run.folder.path} has no family yet; go on with it first "
            f"(nars search CONFIG --out {run.folder.path})"
        )
    return _read(run)


def _evidence(run: Run, members: Sequence[Member]) -> Evidence:
    answers = (
        Answer(name=member.name, record=member.record, predicted=member.predicted, std=member.predicted_std)
        for member in members
    )
    return evidence_of(answers, run.space, run.folder.rounds(), validation_images=len(run.images.validation))


def _best_measured(run: Run) -> Population:
    """Stage 2's pairs, best measured first."""
    X, accuracy = measured(run)
    return X[np.argsort(-accuracy, kind="stable")[:_SEED_POPULATION]]


def _read(run: Run) -> tuple[Member, ...]:
    document = read_json(run.folder.family_file)
    return tuple(
        Member(
            **{key: value for key, value in entry.items() if key not in ("choices", "history")},
            choices=tuple(entry["choices"]),
            history=tuple((count, best) for count, best in entry["history"]),
        )
        for entry in document["members"]
    )


def _spell(members: Sequence[Member]) -> str:
    return ", ".join(f"{member.name} -> {member.predicted:.2f} % predicted" for member in members)
