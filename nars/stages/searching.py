"""Stage 3: the best pair for each budget, by the predictor alone, on the CPU."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from nars.predictors import Predictor
from nars.printing import counted
from nars.run import Run
from nars.run.journal import Journal, read_results
from nars.run.naming import budget_names
from nars.search import PRESETS, Step, search_family
from nars.space import Bounds, Population
from nars.stages.members import Family, Member, family_in, read_family, write_family
from nars.stages.predictors import scorer
from nars.stages.trust import Answer, Evidence, doubts, evidence_of

SEED_POPULATION = 50
"""Best pairs of stage 2 in the first generation (paper: 50)."""


def load_family(run: Run) -> Family | None:
    """The finished family; None while a budget lacks its member.

    Where budgets have left the configuration or changed places since, its file says so from now on.

    Raises:
        DataError: the family in the folder was edited, or belongs to another run.
    """
    family = read_family(run)
    if family.missing:
        return None
    return _write(run, family.members, family.removed) if family.changed else family


def search(run: Run, predictor: Predictor) -> Family:
    """Ask the predictor for a member for each budget that has none; the others keep theirs.

    Raises:
        DataError: the family in the folder was edited, or belongs to another run.
    """
    family = read_family(run)
    known, budgets = family.answered, family.missing
    started = time.perf_counter()
    finished: dict[int, float] = {}
    with run.reporter.bar("stage 3: searching", len(budgets)) as advance:

        def on_generation(budget: int, step: Step) -> None:
            best = run.metric.spell(run.metric.score(step.best))
            advance(1 if budget not in finished else 0, f"{step.evaluations:,} scored, best {best}")
            finished[budget] = time.perf_counter()

        found = search_family(
            run.space,
            scorer(run.space, predictor),
            budgets,
            rng=run.rng(3, len(known)) if known else run.rng(3),
            seed_population=_seeds(run, known),
            settings=PRESETS[run.config.search.preset],
            progress=on_generation,
        )
    seconds = time.perf_counter() - started
    prediction = predictor.predict(predictor.inputs(run.space, found.rows))
    records = run.space.to_records(found.rows)
    ends = [started, *(finished[number] for number in range(len(found.members)))]
    members = tuple(
        Member(
            name=name,
            budget=budget,
            choices=tuple(int(choice) for choice in result.row),
            record=records[at],
            costs=result.costs,
            predicted=float(run.metric.inside(prediction.mean[at])),
            predicted_std=float(prediction.std[at]),
            history=tuple((step.evaluations, run.metric.score(step.best)) for step in result.history),
            seconds=round(ends[at + 1] - ends[at], 3),
        )
        for at, (name, budget, result) in enumerate(zip(_names(run, budgets), budgets, found.members, strict=True))
    )
    everything = {member.budget: member for member in (*family.members, *members)}
    answered = _write(run, [everything[budget] for budget in run.config.budgets], family.removed)
    predicted = ", ".join(f"{member.name} -> {run.metric.spell(member.predicted)} predicted" for member in members)
    run.log(f"stage 3: {counted(len(members), 'budget')} answered in {seconds:.1f} s: {predicted}")
    for sentence in answered.attention:
        run.log(f"stage 3: attention: {sentence}")
    return answered


def _write(run: Run, members: Sequence[Member], removed: Sequence[Member]) -> Family:
    """Keep the family, with what there is to doubt."""
    return write_family(run, members, removed, doubts=doubts(_evidence(run, members)))


def _names(run: Run, budgets: Sequence[Bounds]) -> list[str]:
    """Names for budgets that have no member: those of an earlier family, else new ones."""
    earlier = {member.budget: member.name for member in family_in(run.folder).answered}
    new = [budget for budget in budgets if budget not in earlier]
    names = earlier | dict(zip(new, budget_names(new, taken=earlier.values()), strict=True))
    return [names[budget] for budget in budgets]


def _evidence(run: Run, members: Sequence[Member]) -> Evidence:
    answers = (
        Answer(name=member.name, record=member.record, predicted=member.predicted, std=member.predicted_std)
        for member in members
    )
    validation = None
    if run.config.trains_images:
        known = run.data_facts.images
        validation = len(run.images.validation) if known is None else known[1]
    results = read_results(run.folder)
    return evidence_of(answers, run.space, results, validation_images=validation, metric=run.metric)


def _seeds(run: Run, known: Sequence[Member]) -> Population:
    """Stage 2's pairs, best measured first, and the members of other budgets: a larger one is never worse."""
    X, values = Journal(run).measured()
    best = X[np.argsort(-run.metric.score(values), kind="stable")[:SEED_POPULATION]]
    return np.concatenate([best, [member.choices for member in known]]) if known else best
