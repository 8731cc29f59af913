"""What a training takes as a cost that a question can limit: learned from the seconds of those that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nars.arrays import Floats
from nars.errors import ConfigError
from nars.predictors import Predictor
from nars.printing import brief_repr
from nars.run.folder import RunFolder
from nars.space import SECONDS, Agreement, CostTable, Population, Space
from nars.stages.predictors import predictor_folder
from nars.store import Sample, SampleStore

FEWEST = 20
"""Trainings that seconds are learned from at least."""

_HELD_OUT = 5
"""Every fifth is left out once, to see how far off the others are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingTime:
    """A `CostTable` with the cost "seconds": of a whole training of the search, on the machine that has measured some.

    Final training takes longer, by its epochs and images; what is slow in one is slow in the other.
    """

    __repr__ = brief_repr

    space: Space
    """Without this cost."""
    predictor: Predictor
    """Fitted to logarithms of seconds."""
    agreement: Agreement
    """With trainings that it was not fitted to."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the space's own table, then "seconds"."""
        return (*([] if self.space.table is None else self.space.table.names), SECONDS)

    @property
    def fingerprint(self) -> str:
        """Of the space's own table: seconds say nothing about what a row means."""
        return "" if self.space.table is None else self.space.table.fingerprint

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Each cost (N,) of the canonical rows X."""
        own = {} if self.space.table is None else self.space.table.lookup(X)
        return own | {SECONDS: _seconds(self.predictor, self.space, X)}


def with_seconds(space: Space, model: Predictor, name: str | Path) -> Space:
    """The space with the cost "seconds".

    Args:
        space: of the predictor.
        model: fitted to the run's or store's samples.
        name: of a run, a store or a predictor in one of them.

    Raises:
        ConfigError: there are no trainings that say what they took, or too few.
    """
    samples = _measured(name, space)
    if len(samples) < FEWEST:
        raise ConfigError(
            f"{SECONDS} are learned from {FEWEST} successful trainings or more; {name} has {len(samples)} that say "
            f"what they took. Ask a run or a store that has them, or leave the limit out"
        )
    whole = max(sample.planned_epochs for sample in samples)
    X = np.array([sample.choices for sample in samples], dtype=np.int64)
    logarithms = np.log([sample.seconds * whole / sample.epochs for sample in samples])
    # What was learned beside the encoder is of the metric; sources and failures are too.
    blank = replace(model, fitted=None, sources=(), failures=None)
    inputs = blank.inputs(space, X)
    apart = np.random.default_rng(0).permutation(len(X)) < len(X) // _HELD_OUT
    some = blank.fit(inputs[~apart], logarithms[~apart], seed=0)
    off = np.abs(_seconds(some, space, X[apart]) / np.exp(logarithms[apart]) - 1.0)
    fitted = blank.fit(inputs, logarithms, seed=0)
    return space.with_table(TrainingTime(space=space, predictor=fitted, agreement=Agreement.of(off)))


def training_time(table: CostTable | None) -> TrainingTime | None:
    """The table of a space, where it says what trainings take."""
    return table if isinstance(table, TrainingTime) else None


def _seconds(predictor: Predictor, space: Space, X: Population) -> Floats:
    return np.exp(predictor.predict_mean(predictor.inputs(space, X)))


def _measured(name: str | Path, space: Space) -> Sequence[Sample]:
    """Successful trainings of the space that say what they took."""
    home = predictor_folder(name).parent
    places = (RunFolder(home).samples, home)
    place = next((place for place in places if place.is_dir() and any(place.glob("*.parquet"))), None)
    if place is None:
        return ()
    return [
        sample
        for sample in SampleStore(place).samples()
        if sample.status == "ok" and sample.seconds > 0 and sample.epochs and sample.space == space.fingerprint
    ]
