"""The family in its file: one member per budget, and what a larger budget brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nars.errors import DataError
from nars.printing import brief_repr
from nars.run import ConfigError, Run
from nars.run.folder import read_json, write_sealed
from nars.run.settled import is_begun
from nars.space import SpaceError, cost_range, shorten

_CLOSE = 1e-9
"""Relative difference of a cost that is one of arithmetic."""


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
    same_as: str | None = None
    """The member that is the same network with the same recipe, and is trained and exported for both."""
    note: str = ""
    """Why this budget brings nothing beyond a smaller one, where that is so."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """What stage 3 has answered so far, by one predictor."""

    members: tuple[Member, ...]
    """One per budget of the configuration that has been answered, in its order."""
    removed: tuple[Member, ...]
    """Of budgets that have left the configuration since."""
    missing: tuple[float, ...]
    """Budgets that are to be answered yet."""
    changed: bool = False
    """Whether the file has members of other budgets than the configuration, or in another order."""

    @property
    def answered(self) -> tuple[Member, ...]:
        """All of them."""
        return self.members + self.removed


def distinct(members: Sequence[Member]) -> list[Member]:
    """Those that are trained and exported."""
    return [member for member in members if member.same_as is None]


def read_family(run: Run) -> Family:
    """The family as far as the run's folder has it; empty where stage 2 has gone on since.

    Raises:
        DataError: the file was edited, or belongs to another run.
    """
    budgets = run.config.search.budgets
    if not run.folder.family_file.is_file():
        return Family(members=(), removed=(), missing=budgets)
    document = read_json(run.folder.family_file)
    if run.rounds_of(document) < run.config.collect.rounds:
        return Family(members=(), removed=(), missing=budgets)
    known = {entry["budget"]: _member(entry) for entry in [*document["members"], *document.get("removed", ())]}
    _check(run, document, list(known.values()))
    return Family(
        changed=[entry["budget"] for entry in document["members"]] != list(budgets),
        members=tuple(known[budget] for budget in budgets if budget in known),
        removed=tuple(member for budget, member in known.items() if budget not in budgets),
        missing=tuple(budget for budget in budgets if budget not in known),
    )


def write_family(
    run: Run, members: Sequence[Member], removed: Sequence[Member], *, doubts: Sequence[str]
) -> tuple[Member, ...]:
    """Write the family's file; returns the members with what is to be said of each."""
    told = _compared(run, members)
    document = {
        "origin": run.origin,
        "rounds": run.config.collect.rounds,
        "members": [asdict(member) for member in told],
        "removed": [asdict(member) for member in removed],
        "doubts": list(doubts),
    }
    write_sealed(run.folder.family_file, document)
    return told


def finished_family(run: Run, what: str) -> tuple[Member, ...]:
    """The family of a run whose search is finished; `what` needs it, for the message.

    Raises:
        ConfigError: the search is not finished.
    """
    family = read_family(run)
    if family.missing:
        lacks = ", ".join(shorten(budget) for budget in family.missing) if family.members else "family"
        raise ConfigError(
            f"{what} needs a finished search, {run.folder.path} has no {lacks} yet; go on with it first "
            f"(nars run {run.folder.path}, or nars search {run.folder.path})"
        )
    return family.members


def names_of_old_families(run: Run) -> dict[float, str]:
    """Names that budgets have already, whatever became of their members."""
    if not run.folder.family_file.is_file():
        return {}
    document = read_json(run.folder.family_file)
    return {entry["budget"]: entry["name"] for entry in [*document["members"], *document.get("removed", ())]}


def _member(entry: dict[str, Any]) -> Member:
    return Member(
        **{key: value for key, value in entry.items() if key not in ("choices", "history")},
        choices=tuple(entry["choices"]),
        history=tuple((count, best) for count, best in entry["history"]),
    )


def _check(run: Run, document: dict[str, Any], members: Sequence[Member]) -> None:
    """See that choices, settings and costs are those of one network each, of this run's space and within its budget.

    Raises:
        DataError: they are not.
    """
    file = run.folder.family_file
    if document.get("origin", run.origin) != run.origin:
        raise DataError(
            f"{file} belongs to another run: its space, images, seed or settings were others. Put this run's own file "
            f"back, or delete it: stage 3 is then done again (nars search {run.folder.path})"
        )
    if not members:
        return
    try:
        X = run.space.check(np.array([member.choices for member in members], dtype=np.int64))
    except (SpaceError, ValueError) as error:
        raise DataError(
            f"{file}: its choices are none of the space {run.space.name} ({error}). Put this run's own file back, or "
            f"delete it: stage 3 is then done again (nars search {run.folder.path})"
        ) from error
    costs = run.space.costs(X)
    for row, (member, record) in enumerate(zip(members, run.space.to_records(X), strict=True)):
        found = {name: float(values[row]) for name, values in costs.items()}
        other = [name for name, value in member.record.items() if record.get(name) != value]
        wrong = [name for name, value in member.costs.items() if name in found and _differs(value, found[name])]
        fault = None
        if other:
            fault = f"its choices say {other[0]} {record.get(other[0])!r}, its record {member.record[other[0]]!r}"
        elif wrong:
            fault = f"its choices have {found[wrong[0]]:g} {wrong[0]}, the file says {member.costs[wrong[0]]:g}"
        elif found["flops"] > member.budget:
            fault = f"its choices have {found['flops']:,.0f} FLOPs, more than its budget of {member.budget:,.0f}"
        if fault is not None:
            raise DataError(
                f"{file}: the member {member.name} is not of one piece: {fault}. The file was edited or belongs to "
                f"another space; put it back, or delete it: stage 3 is then done again (nars search {run.folder.path})"
            )


def _differs(told: float, found: float) -> bool:
    return abs(told - found) > _CLOSE * max(1.0, abs(found))


def _compared(run: Run, members: Sequence[Member]) -> tuple[Member, ...]:
    """The members with whom they are the same as, and why.

    Of several with the same network and recipe that one is trained which has been already, else that of the smallest
    budget.
    """
    ascending = sorted(members, key=lambda member: member.budget)
    owners: dict[tuple[int, ...], str] = {}
    begun = [m for m in ascending if m.same_as is None and is_begun(run.folder, m.name, m.choices)]
    for member in [*begun, *ascending]:
        owners.setdefault(member.choices, member.name)
    told = []
    for member in members:
        smaller = [m for m in members if m.choices == member.choices and m.budget < member.budget]
        note = _note(run, member, max(smaller, key=lambda m: m.budget)) if smaller else ""
        owner = owners[member.choices]
        told.append(replace(member, same_as=None if owner == member.name else owner, note=note))
    return tuple(told)


def _note(run: Run, member: Member, smaller: Member) -> str:
    """Why a budget is answered by the member of a smaller one, and what to do about it."""
    largest, high = cost_range(run.space)["flops"][1], run.config.flops.high
    flops = shorten(member.costs["flops"])
    if largest <= smaller.budget:
        why = f"the largest network of the space has {shorten(largest)} FLOPs; a larger one needs a larger space"
    elif high < member.budget:
        why = (
            f"stage 2 has measured networks of up to {shorten(high)} FLOPs (flops.high), and beyond that the predictor "
            f"sees nothing better; a run with a higher flops.high would look there"
        )
    else:
        why = "the predictor sees nothing better in between; more rounds (collect.rounds) may, or a budget further away"
    return f"{member.name} brings nothing beyond {smaller.name}: the same network ({flops} FLOPs) and recipe; {why}"
