"""A campaign's table and sample in regime rehearsal without a training: accuracies by a formula."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from nars.store import Sample, SampleStore
from nars.tasks import Trial


def accuracy(trial: Trial) -> float:
    """More multiply-accumulates and less weight decay are better; two seeds differ."""
    return 20 + 3 * np.log10(trial.costs["flops"]) - float(trial.recipe["weight_decay"]) * 300 + trial.seed


def make(folder: Path) -> None:
    """All that `campaign_pairs.py` leaves."""
    import campaign_pairs as script
    from regime_trials import REGIMES

    regime = REGIMES["rehearsal"]
    task, pairs = script.pairs_of(regime, argparse.Namespace(architectures=6, recipes=6, pairs=24))
    for name, trials in script.steps_of(task, pairs, thrice=2):
        SampleStore(folder / name).append([_answered(trial, accuracy(trial)) for trial in trials])
    rows = {"architectures": pairs.architectures, "recipes": pairs.recipes, "random": pairs.random}
    described = {"regime": asdict(regime), **{name: X.tolist() for name, X in rows.items()}}
    (folder / "design.json").write_text(json.dumps(described))
    first = {"budget": 4e5, "row": pairs.random[0].tolist(), "predicted": 40.0}
    (folder / "searched.json").write_text(json.dumps({"pairs": 0, "members": [first]}))  # nobody needs to search


def _answered(trial: Trial, value: float) -> Sample:
    same = ("record", "choices", "costs", "seed", "space", "data", "fidelity", "round", "key")
    return Sample(
        **{name: getattr(trial, name) for name in same},
        status="ok",
        value=value,
        curve=(value - 5, value),
        epochs=2,
        planned_epochs=2,
        seconds=0.01,
        also={"cpu_seconds": 1.0},
    )
