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
from nars.space import SECONDS, Agreement, LearnedCosts, Population, Space
from nars.stages.predictors import predictor_folder
from nars.store import Sample, SampleStore

FEWEST = 20
"""Trainings that seconds are learned from at least."""

_KEPT = 5 / 6
"""Share of the trainings that take no longer than is said."""

_HELD_OUT = 5
"""Every fifth is left out once, to see how far off the others are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingTime(LearnedCosts):
    """A `CostTable` with the cost "seconds": of a whole training of the search, on the machine that has measured some.

    They are what five trainings of six stay below: a search for the best within a limit would else find those that are
    thought to be quicker than they are. Final training takes longer, by its epochs and images; what is slow in one is
    slow in the other.
    """

    __repr__ = brief_repr

    predictor: Predictor
    """Fitted to logarithms of seconds."""
    margin: float
    """Factor on what is expected, >= 1."""
    agreement: Agreement
    """With trainings that it was not fitted to."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the space's own table, then "seconds"."""
        return (*([] if self.space.table is None else self.space.table.names), SECONDS)

    @property
    def fingerprint(self) -> str:
        """Of the space's own table, if it has one: seconds say nothing about what a row means."""
        return "" if self.space.table is None else self.space.table.fingerprint

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Each cost (N,) of the canonical rows X."""
        own = {} if self.space.table is None else self.space.table.lookup(X)
        expected = np.exp(self.predictor.predict_mean(self.predictor.inputs(self.space, X)))
        return own | {SECONDS: self.margin * expected}


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
    expected = np.exp(some.predict_mean(inputs[apart]) - logarithms[apart])
    return space.with_table(
        TrainingTime(
            space=space,
            predictor=blank.fit(inputs, logarithms, seed=0),
            margin=max(1.0, float(np.quantile(1 / expected, _KEPT))),
            agreement=Agreement.of(np.abs(expected - 1.0)),
        )
    )


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
