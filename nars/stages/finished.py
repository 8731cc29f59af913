"""What of a run is done, seen from its folder, and what a stage lacks; loads nothing of what would do the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from nars.errors import ConfigError
from nars.run import Run, Stage
from nars.run.journal import read_results
from nars.run.settled import MemberIdentity, Settings, is_exported, is_settled, settings_of
from nars.run.teaching import LARGEST
from nars.stages.measured import load_measured
from nars.stages.member import Member
from nars.stages.members import Family, distinct, read_family
from nars.stages.predictors import load_fitted
from nars.train import MemberResult

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class TrainedFamily:
    """The family with its weights."""

    family: Family
    results: Mapping[str, MemberResult]
    """Each member's, by name; members with the same network and recipe share one."""


def load_trained(run: Run, family: Family) -> TrainedFamily | None:
    """The trained family; None while the final training of a member by today's settings is not done.

    Raises:
        TrainError: a result is damaged.
    """
    if untrained(run, family):
        return None
    results = {
        member.name: MemberResult.load(run.folder.training_result(member.same_as or member.name))
        for member in family.members
    }
    return TrainedFamily(family=family, results=results)


def is_finished(run: Run) -> bool:
    """Whether nothing is left to compute.

    Raises:
        DataError: a file in the run's folder was edited, or belongs to another run.
    """
    family = read_family(run)
    if family.missing or family.changed:
        return False
    if not run.config.trains_images:
        if load_measured(run, family) is None:
            return False
    elif (trained := load_trained(run, family)) is None or unexported(run, trained):
        return False
    return run.folder.report_file.is_file() and not _is_older(run, family)


def _is_older(run: Run, family: Family) -> bool:
    """Whether the report is older than what it tells."""
    written = run.folder.report_file.stat().st_mtime_ns
    cards = [run.folder.member(member.name) / "card.json" for member in distinct(family.members)]
    cards = [*run.folder.finals.glob("*.parquet")] if not run.config.trains_images else cards
    return any(file.stat().st_mtime_ns > written for file in (run.folder.family_file, *cards))


def untrained(run: Run, family: Family) -> list[Member]:
    """Those whose final training by today's settings is not done."""
    own = own_teacher(run, family)
    taught_by = run.config.final.teacher if own is None else own.identity
    known = [member.identity for member in family.answered]
    return [
        member
        for member in distinct(family.members)
        if not is_settled(run.folder, member.name, settings_for(run, member, taught_by), teachers=known)
    ]


def unexported(run: Run, trained: TrainedFamily) -> list[Member]:
    """Those whose export is missing or of another training."""
    members = distinct(trained.family.members)
    return [m for m in members if not is_exported(run.folder, m.name, trained.results[m.name].identity)]


def settings_for(run: Run, member: Member, teacher: MemberIdentity | str) -> Settings:
    """What decides a member's final training; `teacher` is the member that teaches it, or what else does."""
    return settings_of(
        run.config.final,
        choices=member.identity,
        teacher=teacher,
        origin=run.origin,
        cropping=run.config.images.cropping,
    )


def own_teacher(run: Run, family: Family) -> Member | None:
    """The member that teaches the others; None where nobody does, or somebody from outside."""
    if run.config.final.teacher == LARGEST:
        return max(family.members, key=lambda member: member.costs["flops"])
    return next((member for member in family.members if member.name == run.config.final.teacher), None)


def check_stage(run: Run, stage: Stage) -> None:
    """Refuse a stage whose predecessor is not done: its command does not begin a search that nobody has asked for.

    Raises:
        ConfigError: naming what is missing, and the command for it.
        DataError: what is there was edited, or belongs to another run.
    """
    missing = _missing(run, stage)
    if missing is None:
        return
    lacks, before = missing
    raise ConfigError(
        f"nars {stage} goes on where nars {before} ends, and {run.folder.path} {lacks}. First: nars {before} "
        f"{run.folder.path} (with the same --set, if any), or nars run {run.folder.path} for all stages"
    )


def needed(run: Run, stage: Stage, result: Result | None) -> Result:
    """The result that a stage goes on with, as loaded.

    Raises:
        ConfigError: there is none.
    """
    check_stage(run, stage)
    assert result is not None
    return result


def _measured(run: Run) -> bool:
    """Whether stage 2 has ended and no predictor is asked, so that none may be there."""
    return run.config.search.preset == "measured" and len(read_results(run.folder)) >= run.config.collect.rounds


def _missing(run: Run, stage: Stage) -> tuple[str, str] | None:
    """What a stage lacks, and the stage that makes it."""
    if stage == "collect" and not (run.folder.encoder / "card.json").is_file():
        return "has no pretrained predictor yet", "pretrain"
    if stage == "search" and load_fitted(run) is None and not _measured(run):
        return f"has not done its {run.config.collect.rounds} rounds of stage 2", "collect"
    if stage not in ("train", "export"):
        return None
    family = read_family(run)
    if family.missing:
        lacks = "no family yet" if not family.members else f"no member for {len(family.missing)} of its budgets"
        return f"has {lacks}", "search"
    if not run.config.trains_images:
        return None
    if stage == "export" and (waiting := untrained(run, family)):
        return f"has no final training by these settings of {', '.join(m.name for m in waiting)}", "train"
    return None
