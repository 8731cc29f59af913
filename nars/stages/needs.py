"""Whether the stage before is done: a command for one stage does not begin a search that nobody has asked for."""

from __future__ import annotations

from typing import TypeVar

from nars.run import ConfigError, Run, Stage
from nars.stages.finished import untrained
from nars.stages.members import read_family
from nars.stages.predictors import load_fitted

Result = TypeVar("Result")


def check_stage(run: Run, stage: Stage) -> None:
    """Refuse a stage whose predecessor is not done; nothing is computed.

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


def _missing(run: Run, stage: Stage) -> tuple[str, str] | None:
    """What a stage lacks, and the stage that makes it."""
    if stage == "collect" and not (run.folder.encoder / "card.json").is_file():
        return "has no pretrained predictor yet", "pretrain"
    if stage == "search" and load_fitted(run) is None:
        return f"has not done its {run.config.collect.rounds} rounds of stage 2", "collect"
    if stage not in ("train", "export"):
        return None
    family = read_family(run)
    if family.missing:
        lacks = "no family yet" if not family.members else f"no member for {len(family.missing)} of its budgets"
        return f"has {lacks}", "search"
    if stage == "export" and (waiting := untrained(run, family)):
        return f"has no final training by these settings of {', '.join(m.name for m in waiting)}", "train"
    return None
