"""Stage 3: the best pair for each budget, by the predictor alone, on the CPU."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from nars.run import Run
from nars.run.naming import budget_names
from nars.search import PRESETS, Step, search_family
from nars.space import Bounds, Population
from nars.stages.collecting import collect
from nars.stages.measuring import measured
from nars.stages.members import Family, Member, names_of_old_families, read_family, write_family
from nars.stages.predictors import scorer
from nars.stages.trust import Answer, Evidence, doubts, evidence_of

_SEED_POPULATION = 50
"""Best pairs of stage 2 in the first generation (paper: 50)."""


def search(run: Run) -> tuple[Member, ...]:
    """Ask the predictor for one member per budget; what was asked before is read from the run's folder.

    Where only some budgets are new, the others keep their members.

    Raises:
        DataError: the family in the folder was edited, or belongs to another run.
    """
    family = read_family(run)
    if family.missing:
        return _answer(run, family)
    return _write(run, family.members, family.removed)[0] if family.changed else family.members


def _answer(run: Run, family: Family) -> tuple[Member, ...]:
    """Search for the budgets that have no member yet."""
    predictor = collect(run)
    known, budgets = family.answered, family.missing
    started = time.perf_counter()
    finished: dict[int, float] = {}
    with run.reporter.bar("stage 3: searching", len(budgets)) as advance:

        def on_generation(budget: int, step: Step) -> None:
            advance(1 if budget not in finished else 0, f"{step.evaluations:,} scored, best {step.best:.2f} %")
            finished[budget] = time.perf_counter()

        found = search_family(
            run.space,
            scorer(run.space, predictor),
            [Bounds.at_most(flops=budget) for budget in budgets],
            rng=run.rng(3, len(known)) if known else run.rng(3),
            seed_population=_seeds(run, known),
            settings=PRESETS[run.config.search.preset],
            progress=on_generation,
        )
    seconds = time.perf_counter() - started
    prediction = predictor.predict(run.space.encode(found.rows))
    records = run.space.to_records(found.rows)
    ends = [started, *(finished[number] for number in range(len(found.members)))]
    members = tuple(
        Member(
            name=name,
            budget=budget,
            choices=tuple(int(choice) for choice in result.row),
            record=record,
            costs=result.costs,
            predicted=float(mean),
            predicted_std=float(std),
            history=tuple((step.evaluations, step.best) for step in result.history),
            seconds=round(end - begin, 3),
        )
        for name, budget, result, record, mean, std, begin, end in zip(
            _names(run, budgets),
            budgets,
            found.members,
            records,
            prediction.mean,
            prediction.std,
            ends[:-1],
            ends[1:],
            strict=True,
        )
    )
    everything = {member.budget: member for member in (*family.members, *members)}
    answered = [everything[budget] for budget in run.config.search.budgets]
    told, doubtful = _write(run, answered, family.removed)
    run.log(f"stage 3: {len(members)} budgets answered in {seconds:.1f} s: " + _spell(members))
    for sentence in [*(member.note for member in told if member.note), *doubtful]:
        run.log(f"stage 3: attention: {sentence}")
    return told


def _write(run: Run, members: Sequence[Member], removed: Sequence[Member]) -> tuple[tuple[Member, ...], list[str]]:
    """Keep the family; returns it with what is to be said of it."""
    doubtful = list(doubts(_evidence(run, members)))
    return write_family(run, members, removed, doubts=doubtful), doubtful


def _names(run: Run, budgets: Sequence[float]) -> list[str]:
    """Of budgets that have no member: those that they had in an earlier family, else new ones."""
    earlier = names_of_old_families(run)
    new = [budget for budget in budgets if budget not in earlier]
    return [
        (earlier | dict(zip(new, budget_names(new, taken=earlier.values()), strict=True)))[budget] for budget in budgets
    ]


def _evidence(run: Run, members: Sequence[Member]) -> Evidence:
    answers = (
        Answer(name=member.name, record=member.record, predicted=member.predicted, std=member.predicted_std)
        for member in members
    )
    known = run.image_facts.images
    validation = len(run.images.validation) if known is None else known[1]
    return evidence_of(answers, run.space, run.folder.rounds(), validation_images=validation)


def _seeds(run: Run, known: Sequence[Member]) -> Population:
    """Stage 2's pairs, best measured first, and the members of other budgets: a larger one is never worse."""
    X, accuracy = measured(run)
    best = X[np.argsort(-accuracy, kind="stable")[:_SEED_POPULATION]]
    return np.concatenate([best, [member.choices for member in known]]) if known else best


def _spell(members: Sequence[Member]) -> str:
    return ", ".join(f"{member.name} -> {member.predicted:.2f} % predicted" for member in members)
