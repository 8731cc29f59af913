"""From a trained network to a front of smaller ones: what may be chosen is searched, and what is chosen is measured.

After AutoCompress (arXiv 1907.03141) and PocketFlow: pruning and quantisation are chosen together, for each stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nars.errors import ConfigError, require
from nars.export import require_onnx
from nars.network import require_pruning
from nars.parallel import resolve_device
from nars.run import Reporter, Silent
from nars.space import Population
from nars.studies.compression.choices import Choice, choices_of
from nars.studies.compression.limits import Limits, choose
from nars.studies.compression.measuring import Measured, measure
from nars.studies.compression.planning import first_rows, next_rows, read_plan, write_plan
from nars.studies.compression.results import Compressed, keep_front, write_table
from nars.studies.compression.sensitivity import Estimates, estimate, learned
from nars.studies.compression.source import find_source
from nars.studies.compression.workshop import Workshop, settle

TRAININGS = 6
"""Fine-tunings if nobody says otherwise."""
_SHORTER = 4
"""A fine-tuning has so many times fewer epochs than the final training."""

_Known = list[tuple[Choice, Measured]]


def compress(
    place: str | Path,
    *,
    max_bytes: float | None = None,
    max_drop: float | None = None,
    folder: str | Path | None = None,
    trainings: int = TRAININGS,
    epochs: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Compressed:
    """Search smaller forms of a trained network: int8 or float32, and fewer channels, for each of its stages.

    First each stage is pruned and quantised by itself, which gives quick estimates of any combination. A search for the
    front of the estimated metric, bytes and latency then proposes rounds of combinations; each pruned network is taught
    for a few epochs by the unpruned one, exported, quantised and measured as ONNX Runtime runs its file. Candidates are
    chosen by validation images; the test split is looked at for the models of the final table alone.

    All that is done is kept in the folder: interrupted, the same call goes on, and with more `trainings` or other
    limits it makes only what is new.

    Example:
        >>> found = compress("runs/digits/family/500k", max_bytes=60e3, max_drop=1)
        >>> found.chosen, found.model(found.chosen)

    Args:
        place: Folder of a member (runs/NAME/family/BUDGET), or of an answer or a scaled network that is trained.
        max_bytes: Largest ONNX file; of such models the best by the run's metric is chosen.
        max_drop: How much worse the run's metric may be on validation images, in its unit: 1 is one percent of
            accuracy, 0.05 a log loss of 0.35 in place of 0.3. Without `max_bytes` the smallest such is chosen.
        folder: Gets the results; compressed/NAME in the run's folder, or compressed/ beside the training, when None.
        trainings: Fine-tunings, >= 0: so many prunings are tried. 0 only quantises.
        epochs: Of each, >= 1; a quarter of the final training's when None.
        overrides: Dotted keys of the run configuration that the network was trained by, where its images are at another
            place by now or fine-tuning needs other settings; not of a member, whose run has its own.
        device: Where to fine-tune, as `nars.parallel.resolve_device` takes it.
        reporter: Who is told.

    Returns:
        The front, with the chosen model.

    Raises:
        ConfigError: nothing is trained there, a value is out of range, the folder holds something else, or no model
            keeps the limits; the text names the nearest, and the front is in the folder.
        DataError, TrainError: its images are gone, or files are damaged.
        DeviceError: there is no such device.
        ExportError, NetworkError: an extra is missing, or the network cannot be pruned or quantised.
    """
    limits = Limits(max_bytes=max_bytes, max_drop=max_drop)
    require(ConfigError, trainings >= 0, "trainings", "0 or more", trainings)
    require(ConfigError, epochs is None or epochs >= 1, "epochs", "1 or more", epochs)
    require_onnx()
    require_pruning()
    reporter = reporter or Silent()
    source = find_source(place, reporter, overrides)
    limits = replace(limits, metric=source.metric)
    workshop = Workshop(
        source=source,
        folder=Path(folder) if folder is not None else source.home,
        epochs=epochs if epochs is not None else max(1, source.run.final.epochs // _SHORTER),
        device=resolve_device(device),
        reporter=reporter,
    )
    settle(workshop)
    estimates = estimate(workshop)
    known = _measured(workshop, estimates, limits, trainings)
    every = {one.name: one for one in (estimates.whole, *estimates.quantised, *(one for _, one in known))}
    found = keep_front(workshop, estimates.whole, list(every.values()))
    write_table(found, Limits())  # also where no model keeps the limits
    found = replace(found, chosen=choose(found.front, found.whole, limits, trainings=trainings))
    write_table(found, limits)
    return found


def _measured(workshop: Workshop, estimates: Estimates, limits: Limits, trainings: int) -> _Known:
    """Round after round, until so many prunings are fine-tuned or there are no others worth it."""
    known: _Known = []
    rounds = read_plan(workshop)
    number = 0
    while True:
        if number == len(rounds):
            rows = _proposed(workshop, learned(estimates, known), rounds, limits, trainings)
            if not len(rows):
                return known
            rounds.append(rows)
            write_plan(workshop, rounds)
        known += _round(workshop, number, rounds[number])
        number += 1


def _proposed(
    workshop: Workshop, estimates: Estimates, rounds: Sequence[Population], limits: Limits, trainings: int
) -> Population:
    rng = np.random.default_rng([workshop.source.run.seed, len(rounds)])
    if not rounds:
        return first_rows(estimates, rng=rng)
    tried = np.concatenate(rounds)
    prunings = {choice.pruning for choice in choices_of(workshop.stages, workshop.space, tried) if any(choice.pruned)}
    left = trainings - len(prunings)
    return next_rows(estimates, tried, most=left, limits=limits, rng=rng) if left > 0 else tried[:0]


def _round(workshop: Workshop, number: int, rows: Population) -> _Known:
    """Make and measure the candidates of a round, as far as they are not."""
    choices = choices_of(workshop.stages, workshop.space, rows)
    trained = {choice.pruning for choice in choices if any(choice.pruned)}
    steps = len(choices) + workshop.epochs * len(trained)
    known: _Known = []
    with workshop.reporter.bar(f"round {number}" if number else "nothing pruned", steps) as advance:
        for choice in choices:
            known.append((choice, measure(workshop, choice, advance)))
            advance(1, f"{choice.name}: {known[-1][1].spelled}")
    return known
