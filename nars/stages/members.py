"""The family in its file: one member per budget, and what a larger budget brings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from nars.errors import ConfigError, DataError
from nars.files.sealed import write_sealed
from nars.run import Run
from nars.run.folder import RunFolder, read_json
from nars.run.identity import of_another_run
from nars.run.naming import budget_name
from nars.run.settled import is_begun
from nars.space import Bounds, Scaling, Space, SpaceError, cost_range, cost_unit, shorten
from nars.stages.consistency import contradictions
from nars.stages.member import Member, ScaledFrom
from nars.stages.scaled import fault_of_scaled


@dataclass(frozen=True, kw_only=True)
class Family:
    """What stage 3 has answered so far, by one predictor."""

    members: tuple[Member, ...] = ()
    """One per budget of the configuration that has been answered, in its order."""
    removed: tuple[Member, ...] = ()
    """Members whose budgets have left the configuration since."""
    doubts: tuple[str, ...] = ()
    """What not to rely on, a sentence each."""
    missing: tuple[Bounds, ...] = ()
    """Budgets that are to be answered yet, by a search or by scaling."""
    changed: bool = False
    """Whether the file has members of other budgets than the configuration, or in another order."""

    @property
    def answered(self) -> tuple[Member, ...]:
        """All of them."""
        return self.members + self.removed

    @property
    def searched(self) -> tuple[Member, ...]:
        """Members that stage 3 has chosen, which the predictor knows."""
        return tuple(member for member in self.members if member.scaled is None)

    @property
    def attention(self) -> tuple[str, ...]:
        """What a person should know of the family, a sentence each."""
        return (*(member.note for member in self.members if member.note), *self.doubts)


def distinct(members: Sequence[Member]) -> list[Member]:
    """Those that are trained and exported."""
    return [member for member in members if member.same_as is None]


def family_in(folder: RunFolder) -> Family:
    """The family as its file has it, compared with nothing; an empty one where there is no file.

    Raises:
        DataError: the file was edited or is damaged.
    """
    file = folder.family_file
    document = read_json(file) if file.is_file() else {"members": []}
    try:
        members, removed = (tuple(map(_member, document.get(key, ()))) for key in ("members", "removed"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is not what nars writes ({error!r}). Delete it to redo that step.") from error
    return Family(members=members, removed=removed, doubts=tuple(document.get("doubts", ())))


def read_family(run: Run) -> Family:
    """The family as far as the run's folder has it; empty where stage 2 has gone on since.

    Raises:
        DataError: the file was edited, or belongs to another run.
    """
    budgets, kept = run.config.members, family_in(run.folder)
    document = read_json(run.folder.family_file) if kept.members else {}
    if not kept.members or run.rounds_of(document) < run.config.collect.rounds:
        return Family(missing=budgets)
    _check(run, document.get("origin", run.origin), kept.answered)
    scale = run.config.family.scale
    known = {member.budget: member for member in kept.answered}
    there = {budget: known[budget] for budget in budgets if budget in known and _fits(known[budget], budget in scale)}
    return Family(
        members=tuple(there.values()),
        removed=tuple(member for budget, member in known.items() if budget not in budgets),
        doubts=kept.doubts,
        missing=tuple(budget for budget in budgets if budget not in there),
        changed=[member.budget for member in kept.members] != list(budgets),
    )


def _fits(member: Member, scaled: bool) -> bool:
    """Whether a member was made as the configuration has its budget now."""
    return (member.scaled is not None) == scaled


def write_family(run: Run, members: Sequence[Member], removed: Sequence[Member], *, doubts: Sequence[str]) -> Family:
    """Write the family's file; returns it with the members compared with each other."""
    family = Family(members=_compared(run, members), removed=tuple(removed), doubts=tuple(doubts))
    document = {
        "origin": run.origin,
        "rounds": run.config.collect.rounds,
        "members": list(map(_entry, family.members)),
        "removed": list(map(_entry, family.removed)),
        "doubts": list(doubts),
    }
    write_sealed(run.folder.family_file, document)
    return family


def finished_family(run: Run, what: str) -> tuple[Member, ...]:
    """The searched members of a run whose search is finished; `what` needs it, for the message.

    Raises:
        ConfigError: the search is not finished.
    """
    family = read_family(run)
    if family.missing:
        lacks = ", ".join(map(budget_name, family.missing)) if family.members else "family"
        raise ConfigError(
            f"{what} needs a finished search, {run.folder.path} has no {lacks} yet; go on with it first "
            f"(nars run {run.folder.path}, or nars search {run.folder.path})"
        )
    return family.searched


def _entry(member: Member) -> dict[str, Any]:
    """A member in plain types."""
    values = {field.name: getattr(member, field.name) for field in fields(member) if field.name != "scaled"}
    if member.scaled is not None:
        values["scaled"] = asdict(member.scaled)
    values["predicted"] = None if math.isnan(member.predicted) else member.predicted
    short = member.budget == Bounds.at_most(flops=member.budget.high("flops"))
    return values | {"budget": member.budget.high("flops") if short else member.budget.document}


_READ = ("budget", "choices", "history", "scaled", "predicted")
"""Entries that are not as their fields are."""


def _member(entry: dict[str, Any]) -> Member:
    scaled = entry.get("scaled")
    return Member(
        **{key: value for key, value in entry.items() if key not in _READ},
        scaled=None if scaled is None else ScaledFrom(**scaled | {"factors": Scaling(**scaled["factors"])}),
        predicted=math.nan if entry["predicted"] is None else entry["predicted"],
        budget=Bounds.read(entry["budget"]),
        choices=tuple(entry["choices"]),
        history=tuple((count, best) for count, best in entry["history"]),
    )


def _check(run: Run, origin: str, members: Sequence[Member]) -> None:
    """See that choices, settings and costs are those of one network each, of this run's space and within its budget.

    Raises:
        DataError: they are not.
    """
    file, again = run.folder.family_file, f"stage 3 is then done again (nars search {run.folder.path})"
    if origin != run.origin:
        raise of_another_run(file, again)
    searched = [member for member in members if member.scaled is None]
    try:
        faults = [
            (searched[number].name, fault)
            for number, fault in contradictions(run.space, searched, [member.budget for member in searched])
        ]
        faults += [
            (member.name, fault)
            for member in members
            if member.scaled is not None and (fault := fault_of_scaled(run.space, member)) is not None
        ]
    except (SpaceError, ValueError) as error:
        raise DataError(
            f"{file}: its choices are none of the space {run.space.name} ({error}). Put this run's own file back, or "
            f"delete it: {again}"
        ) from error
    for name, fault in faults:
        raise DataError(
            f"{file}: the member {name} is not of one piece: {fault}. The file was edited or belongs "
            f"to another space; put it back, or delete it: {again}"
        )


def _compared(run: Run, members: Sequence[Member]) -> tuple[Member, ...]:
    """The members with whom they are the same as, and why.

    Of several with the same network and recipe that one is trained which has been already, else that of the smallest
    budget.
    """
    ascending = sorted(members, key=lambda member: -sum(member.budget.within(other.budget) for other in members))
    owners: dict[str, str] = {}
    begun = [m for m in ascending if m.same_as is None and is_begun(run.folder, m.name, m.identity)]
    for member in [*begun, *ascending]:
        owners.setdefault(str(member.identity), member.name)
    compared = []
    for member in members:
        smaller = [m for m in ascending if m.identity == member.identity and _smaller(m.budget, member.budget)]
        note = _note(run, member, smaller[-1]) if smaller and member.scaled is None else ""
        owner = owners[str(member.identity)]
        compared.append(replace(member, same_as=None if owner == member.name else owner, note=note))
    return tuple(compared)


def _smaller(one: Bounds, other: Bounds) -> bool:
    return one != other and one.within(other)


def _largest(space: Space, cost: str) -> float:
    """The end of a cost; infinity where the space is too large to know it."""
    try:
        return cost_range(space)[cost][1]
    except SpaceError:
        return math.inf


def _note(run: Run, member: Member, smaller: Member) -> str:
    """Why a budget is answered by the member of a smaller one, and what to do about it."""
    alone, cost = len(member.budget.limits) == len(smaller.budget.limits) == 1, next(iter(smaller.budget))
    largest = _largest(run.space, cost) if alone else math.inf
    high, unit = run.config.range.high(cost), cost_unit(cost)
    what = "network" if run.config.trains_images else "candidate"
    if largest <= smaller.budget.ends(cost)[1]:
        why = f"the largest {what} of the space has {shorten(largest)} {unit}; a larger one needs a larger space"
    elif math.isnan(member.predicted):
        why = (
            "nothing was measured, both are the one to start with (collect.start); rounds (collect.rounds) look further"
        )
    elif not member.history:  # picked of those that are measured, no predictor had a say
        why = f"no better {what} is measured in between; more rounds (collect.rounds) may find one"
        if high < member.budget.high(cost) and math.isfinite(high):
            why = (
                f"stage 2 has measured {what}s of up to {shorten(high)} {unit} (range.{cost}.high), none beyond that; "
                f"a run with a higher range.{cost}.high would look there"
            )
    elif high < member.budget.high(cost) and math.isfinite(high):
        why = (
            f"stage 2 has measured {what}s of up to {shorten(high)} {unit} (range.{cost}.high), and beyond that the "
            f"predictor sees nothing better; a run with a higher range.{cost}.high would look there"
        )
    else:
        why = "the predictor sees nothing better in between; more rounds (collect.rounds) may, or a budget further away"
    same = f"the same {what} ({shorten(member.costs[cost])} {unit})"
    return f"{member.name} brings nothing beyond {smaller.name}: {same} and recipe; {why}"
