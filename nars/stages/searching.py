"""Stage 3: the best pair for each budget, by the predictor alone, on the CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from nars.errors import ConfigError
from nars.predictors import Predictor
from nars.printing import counted
from nars.run import Run
from nars.run.journal import Journal, read_results
from nars.run.naming import budget_names
from nars.search import PRESETS, Step, search_family
from nars.space import Bounds, Population, SpaceError
from nars.stages.member import Member, ScaledFrom
from nars.stages.members import Family, family_in, read_family, write_family
from nars.stages.picking import pick
from nars.stages.predictors import scorer
from nars.stages.scaled import scale_members
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


def search(run: Run, predictor: Predictor | None) -> Family:
    """Ask the predictor for a member for each budget that has none; the others keep theirs.

    Args:
        run: whose budgets.
        predictor: of stage 2; None where nothing was searched (`collect.rounds` 0).

    Raises:
        DataError: the family in the folder was edited, or belongs to another run.
    """
    family = read_family(run)
    if predictor is None or run.config.search.preset == "measured":
        return _picked(run, family)
    wanted = [budget for budget in family.missing if budget not in run.config.family.scale]
    found = _searched(run, predictor, family, wanted) if wanted else ()
    answered = _write(run, [*family.members, *found], family.removed)
    if found:
        predicted = ", ".join(f"{m.name} -> {run.metric.spell(m.predicted)} predicted" for m in found)
        seconds = sum(member.seconds for member in found)
        run.log(f"stage 3: {counted(len(found), 'budget')} answered in {seconds:.1f} s: {predicted}")
    for member in answered.members:
        if member.scaled is not None and member.budget in family.missing:
            run.log(f"scaling: {member.name} is {member.scaled.source}, {_factors(member.scaled)}")
    for sentence in answered.attention:
        run.log(f"stage 3: attention: {sentence}")
    return answered


def _searched(run: Run, predictor: Predictor, family: Family, budgets: Sequence[Bounds]) -> tuple[Member, ...]:
    """The best pair for each of these budgets."""
    known = [member for member in family.answered if member.scaled is None]
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
    prediction = predictor.predict(predictor.inputs(run.space, found.rows))
    records = run.space.to_records(found.rows)
    ends = [started, *(finished[number] for number in range(len(found.members)))]
    return tuple(
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


def _picked(run: Run, family: Family) -> Family:
    """The best measured of each budget that has no member."""
    wanted = [budget for budget in family.missing if budget not in run.config.family.scale]
    found = pick(run, wanted, _names(run, wanted))
    everything = {member.budget: member for member in (*family.members, *found)}
    ordered = [*(everything[budget] for budget in run.config.budgets), *_scaled(run, everything)]
    answered = write_family(run, ordered, family.removed, doubts=_doubts(run, ordered))
    for member in found:
        nothing = math.isnan(member.predicted)
        how = "nothing was searched" if nothing else f"the best measured, {run.metric.spell(member.predicted)}"
        run.log(f"stage 3: {member.name}: {run.space.family.line(run.space, member.record)} ({how})")
    return answered


def _write(run: Run, members: Sequence[Member], removed: Sequence[Member]) -> Family:
    """Keep the family, with those scaled that are to be, and what there is to doubt.

    Args:
        run: of the family.
        members: all searched ones, and those scaled ones that are known, in any order.
        removed: those whose budgets have left the configuration.
    """
    there = {member.budget: member for member in members}
    ordered = [*(there[budget] for budget in run.config.budgets), *_scaled(run, there)]
    return write_family(run, ordered, removed, doubts=_doubts(run, ordered))


def _doubts(run: Run, members: Sequence[Member]) -> tuple[str, ...]:
    """What not to rely on, of the answers of a predictor; nothing where none has chosen a member."""
    chosen = [member for member in members if member.scaled is None and member.history]
    return doubts(_evidence(run, chosen)) if chosen else ()


def _scaled(run: Run, there: Mapping[Bounds, Member]) -> list[Member]:
    """The members that are to be scaled, those that are there as they are; all searched ones are there."""
    budgets = run.config.family.scale
    wanted = [budget for budget in budgets if budget not in there]
    searched = [there[budget] for budget in run.config.budgets]
    try:
        made = scale_members(run.space, searched, wanted, _names(run, wanted)) if wanted else []
    except SpaceError as error:
        raise ConfigError(f"family.scale: {error} (--set family.scale=...)") from error
    known = {**there, **dict(zip(wanted, made, strict=True))}
    return [known[budget] for budget in budgets]


def _factors(scaled: ScaledFrom) -> str:
    factors = asdict(scaled.factors)
    return ", ".join(f"{name} x {factor:.3g}" for name, factor in factors.items())


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
