"""The whole method in order. Each stage leaves its result in the run's folder; one that is done is loaded."""

from __future__ import annotations

from nars.run import Run
from nars.run.environment import check_machine
from nars.stages.collecting import collect
from nars.stages.exporting import ExportedFamily, export, load_exported, unexported
from nars.stages.members import Family, distinct, read_family
from nars.stages.pool import load_pool, sample_pool
from nars.stages.predictors import load_fitted
from nars.stages.pretraining import load_pretrained, pretrain
from nars.stages.searching import load_family, search
from nars.stages.training import load_trained, train


def run_all(run: Run) -> ExportedFamily:
    """From a space and images to an exported family (FBNetV3, algorithm 1).

    Raises:
        ConfigError: what a stage needs is not installed; before any of them begins.
    """
    check_machine(run.config, run.execution, run.folder, "export")
    pool = load_pool(run) or sample_pool(run)  # Sobol pairs, labelled for free
    pretrained = load_pretrained(run) or pretrain(run, pool)  # stage 1: encoder + proxy head
    predictor = load_fitted(run) or collect(run, pool, pretrained)  # stage 2: rounds of propose, train, learn
    family = load_family(run) or search(run, predictor)  # stage 3: one member per budget
    trained = load_trained(run, family) or train(run, family)  # the largest on labels, then all by distillation
    return load_exported(run, trained) or export(run, trained)  # checked against PyTorch


def is_finished(run: Run) -> bool:
    """Whether nothing is left to compute.

    Raises:
        DataError: a file in the run's folder was edited, or belongs to another run.
    """
    family = read_family(run)
    trained = None if family.missing or family.changed else load_trained(run, family)
    if trained is None or unexported(run, trained):
        return False
    return run.folder.report_file.is_file() and not _is_older(run, family)


def _is_older(run: Run, family: Family) -> bool:
    """Whether the report is older than what it tells."""
    written = run.folder.report_file.stat().st_mtime_ns
    cards = [run.folder.member(member.name) / "card.json" for member in distinct(family.members)]
    return any(file.stat().st_mtime_ns > written for file in (run.folder.family_file, *cards))
