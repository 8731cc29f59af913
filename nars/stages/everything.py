"""The whole method in order. Each stage leaves its result in the run's folder and is skipped when it is there."""

from __future__ import annotations

from nars.run import Run
from nars.run.environment import check_machine
from nars.stages.collecting import collect
from nars.stages.exporting import export, unexported
from nars.stages.members import distinct, read_family
from nars.stages.pool import sample_pool
from nars.stages.pretraining import pretrain
from nars.stages.searching import search
from nars.stages.training import train, untrained


def run_all(run: Run) -> None:
    """From a space and images to an exported family (FBNetV3, algorithm 1).

    Raises:
        ConfigError: what a stage needs is not installed; before any of them begins.
    """
    check_machine(run.config, run.execution, run.folder, "export")
    sample_pool(run)  # Sobol pairs, labelled for free
    pretrain(run)  # stage 1: encoder + proxy head
    collect(run)  # stage 2: rounds of propose, train, learn
    search(run)  # stage 3: one member per budget
    train(run)  # the largest on labels, then all by distillation
    export(run)  # checked against PyTorch


def is_finished(run: Run) -> bool:
    """Whether nothing is left to compute.

    Raises:
        DataError: a file in the run's folder was edited, or belongs to another run.
    """
    family = read_family(run)
    if family.missing or family.changed or untrained(run, family.members) or unexported(run):
        return False
    return run.folder.report_file.is_file() and not _is_older(run)


def _is_older(run: Run) -> bool:
    """Whether the report is older than what it tells."""
    written = run.folder.report_file.stat().st_mtime_ns
    cards = [run.folder.member(member.name) / "card.json" for member in distinct(read_family(run).members)]
    return any(file.stat().st_mtime_ns > written for file in (run.folder.family_file, *cards))
