"""The whole method in order. Each stage leaves its result in the run's folder; one that is done is loaded."""

from __future__ import annotations

from nars.errors import expect
from nars.run import Run
from nars.run.environment import check_machine
from nars.run.holding import holding
from nars.stages.collecting import collect
from nars.stages.exporting import ExportedFamily, export, load_exported
from nars.stages.finished import load_trained
from nars.stages.measured import MeasuredFamily, load_measured, measure_family
from nars.stages.pool import load_pool, sample_pool
from nars.stages.predictors import load_fitted
from nars.stages.pretraining import load_pretrained, pretrain
from nars.stages.searching import load_family, search
from nars.stages.training import train


def run_all(run: Run) -> ExportedFamily | MeasuredFamily:
    """From a space and images to an exported family (FBNetV3, algorithm 1).

    A family that a trainer of one's own trains is measured by it, and whatever it makes stays with it.

    Raises:
        ConfigError: what a stage needs is not installed, or another process computes in the folder; before any of them
            begins.
    """
    expect(run, Run, "run_all takes an opened run, e.g. open_run(load_config('digits'))")
    check_machine(run.config, run.execution, run.folder, "export")
    with holding(run.folder.path):
        predictor = None
        if run.config.collect.rounds:
            pool = load_pool(run) or sample_pool(run)  # Sobol pairs, labelled for free
            pretrained = load_pretrained(run) or pretrain(run, pool)  # stage 1: encoder + proxy head
            predictor = load_fitted(run) or collect(run, pool, pretrained)  # stage 2: rounds of propose, train, learn
        family = load_family(run) or search(run, predictor)  # stage 3: one member per budget
        if not run.config.trains_images:
            return load_measured(run, family) or measure_family(run, family)
        trained = load_trained(run, family) or train(run, family)  # the largest on labels, then all by distillation
        return load_exported(run, trained) or export(run, trained)  # checked against PyTorch
