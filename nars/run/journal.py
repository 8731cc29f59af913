"""The journal of stage 2: what each round chose, what each training gave, what each round found.

All of stage 2's state is in it: whoever opens it anew goes on where the last one stopped. This is the only place that
knows how rounds and plans are written; where their files are, `RunFolder` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from nars.arrays import Floats
from nars.errors import DataError
from nars.evaluate.stopping import StopAdvice
from nars.files.sealed import write_sealed
from nars.metric import ACCURACY, Metric
from nars.printing import brief_repr
from nars.run.folder import RunFolder, read_json
from nars.run.identity import of_another_run
from nars.space import Population

if TYPE_CHECKING:
    from nars.run.run import Run
    from nars.store import Sample

Kept = TypeVar("Kept")
Values = tuple[float | None, ...]
"""In the unit of the metric; None for what is not known."""


def pairs(predicted: Values, measured: Values) -> list[tuple[float, float]]:
    """(predicted, measured) of the candidates that have both."""
    both = zip(predicted, measured, strict=True)
    return [(before, after) for before, after in both if before is not None and after is not None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The candidates of a round, kept before any of them is trained: interrupted, it goes on with the same."""

    __repr__ = brief_repr

    round: int
    """From 1."""
    epochs: int
    """To train each candidate."""
    choices: tuple[tuple[int, ...], ...]
    """(m, D)"""
    predicted: Values
    """(m,) what made it choose them; None where there was no predictor yet, or it had learned from that candidate."""
    learned_from: int = 0
    """Trainings that `alive` goes back to."""
    learning_seconds: float = 0.0
    """Spent on fitting the predictor for it."""
    alive: tuple[int, ...] | None = None
    """Candidates of the pool still favorable, ascending; where rounds wait, the result before has them."""

    @cached_property
    def rows(self) -> Population:
        """The candidates, (m, D)."""
        return np.array(self.choices, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class RoundResult:
    """What a round found, after its last training."""

    __repr__ = brief_repr

    round: int
    """From 1."""
    stop_epoch: int
    """Epochs of the trainings planned from now on."""
    statuses: dict[str, int]
    """Trainings by outcome."""
    predicted: Values
    """(m,) as in its plan."""
    measured: Values
    """(m,) at the stop epoch; None where the training failed."""
    tau: float | None
    """Kendall's tau of predicted and measured; None for fewer than three pairs."""
    alive: tuple[int, ...] | None = None
    """Candidates of the pool still favorable, ascending; where rounds do not wait, plans have them."""
    advice: StopAdvice | None = None
    """On the stop epoch, in the round that decided it, the first."""
    metric: Metric = ACCURACY
    """What is measured."""

    @property
    def best(self) -> float | None:
        """Best value; None where nothing could be measured."""
        return max((value for value in self.measured if value is not None), default=None, key=self.metric.score)

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {status}" for status, number in sorted(self.statuses.items(), reverse=True))
        best = "nothing could be measured" if self.best is None else f"best {self.metric.spell(self.best)}"
        tau = "" if self.tau is None else f"; Kendall tau of the predictions {self.tau:.2f}"
        stop = "" if self.advice is None else f"; later rounds stop after epoch {self.stop_epoch}"
        if self.advice is not None and self.advice.saved:
            stop += f" and save {100 * self.advice.saved:.0f} % of their epochs"
        return f"round {self.round}: {counts}; {best}{tau}{stop}"

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(predicted, measured) of the candidates that have both."""
        return pairs(self.predicted, self.measured)


@final
class Journal:
    """Stage 2 of one run."""

    def __init__(self, run: Run) -> None:
        from nars.store import SampleStore  # brings pyarrow, which those who read results alone do without

        self._run, self._store = run, SampleStore(run.folder.samples)

    def samples(self) -> tuple[Sample, ...]:
        """All outcomes."""
        return self._store.samples()

    def plans(self) -> list[Plan]:
        """The rounds that have been planned, in order.

        Raises:
            DataError: a file was edited, or belongs to another run.
        """
        run, plans = self._run, list[Plan]()
        for file in _existing(run.folder.round_plan):
            document = read_json(file)
            if not run.is_own(document.get("origin")):
                raise of_another_run(file, "candidates are chosen again, and what is measured is not trained again")
            if "epochs" not in document:  # begun by an earlier version
                document["epochs"] = read_results(run.folder)[0].stop_epoch if plans else run.config.collect.epochs
            plans.append(_checked(Plan, document, file))
        return plans

    def results(self) -> list[RoundResult]:
        """The rounds that are measured to their end, in order; what a round without its plan has found is nobody's."""
        planned = sum(1 for _ in _existing(self._run.folder.round_plan))
        return read_results(self._run.folder)[:planned]

    def measured(self) -> tuple[Population, Floats]:
        """Candidates that could be measured, (n, D), and what they came to at the stop epoch, (n,)."""
        X = np.concatenate([plan.rows for plan in self.plans()])
        values = np.array([value for result in self.results() for value in result.measured], dtype=np.float64)
        return X[~np.isnan(values)], values[~np.isnan(values)]

    def keep_sample(self, sample: Sample) -> None:
        """An outcome; when this returns, it is on the disk."""
        self._store.append([sample])

    def keep_plan(self, plan: Plan) -> None:
        """A new round, which takes the place of those from it on, if a plan was deleted to be made again."""
        self._forget(plan.round)
        document = asdict(plan)
        if plan.alive is None:  # rounds that wait have all this in the result before
            for name in ("alive", "learned_from", "learning_seconds"):
                del document[name]
        write_sealed(self._run.folder.round_plan(plan.round), document | {"origin": self._run.origin})

    def _forget(self, first: int) -> None:
        """Remove rounds from this one on, so that no result stands beside other candidates; samples stay."""
        folder, last = self._run.folder, first
        for file in folder.round_plan(first).parent.glob("round-*.json"):
            number = file.stem.removeprefix("round-").removesuffix("-plan")
            last = max(last, int(number)) if number.isdecimal() else last
        for each in range(last, first - 1, -1):  # killed in between, no gap hides a round that is left
            folder.round_result(each).unlink(missing_ok=True)
            folder.round_plan(each).unlink(missing_ok=True)

    def keep_result(self, result: RoundResult) -> None:
        """A round that is measured to its end."""
        document = asdict(result) | {"best": result.best, "origin": self._run.origin}
        del document["metric"]
        if result.metric != ACCURACY:
            document["metric"] = result.metric.document
        if result.advice is not None:
            document["advice"] = _plain(document["advice"])
        document = {name: value for name, value in document.items() if value is not None or name in ("tau", "best")}
        write_sealed(self._run.folder.round_result(result.round), document)
        self._store.compact()  # one file per round reads faster than one per training


def check_samples(run: Run) -> None:
    """See that the sample stores of the run's folder hold samples of its space and images, if any.

    Raises:
        StoreError: they hold others.
    """
    from nars.store import COST_CONVENTION, Identity, SampleStore

    ours = Identity(
        space=run.space.fingerprint, data=run.data_facts.fingerprint, cost_convention=COST_CONVENTION, metric=run.metric
    )
    for folder in (run.folder.samples, run.folder.swaps):
        theirs = SampleStore(folder).identity if folder.is_dir() else None
        if theirs is not None:
            ours.refuse_mixing(theirs, here=f"the run in {run.folder.path}", there=f"the store {folder}")


def read_results(folder: RunFolder) -> list[RoundResult]:
    """The rounds of a run that are measured to their end, in order.

    Raises:
        DataError: a file was edited or is damaged.
    """
    return [
        _checked(RoundResult, document | {"advice": _with_nan(document.get("advice"))}, file)
        for file, document in ((file, read_json(file)) for file in _existing(folder.round_result))
    ]


def planned_sizes(folder: RunFolder) -> list[int]:
    """Candidates of each round that has been planned, in order."""
    return [len(_checked(Plan, {"epochs": 0} | read_json(file), file).choices) for file in _existing(folder.round_plan)]


def _existing(place: Callable[[int], Path]) -> Iterator[Path]:
    """The files of round 1, 2, ... up to the first that is not there."""
    return takewhile(Path.is_file, map(place, count(1)))


def _checked(kind: type[Kept], document: Mapping[str, Any], file: Path) -> Kept:
    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        raise DataError(
            f"{file} is not what nars writes ({error.errors()[0]['loc']}: {error.errors()[0]['msg']}). Put it back, or "
            f"delete it to redo that step."
        ) from error


def _plain(advice: Mapping[str, Any]) -> dict[str, Any]:
    """For JSON, which has no nan: an epoch at which all candidates were equal has no correlation."""
    return {
        **advice,
        "correlations": [None if math.isnan(value) else value for value in advice["correlations"]],
        "intervals": [None if any(map(math.isnan, ends)) else ends for ends in advice["intervals"]],
        "within_bins": {name: None if math.isnan(value) else value for name, value in advice["within_bins"].items()},
    }


def _with_nan(advice: dict[str, Any] | None) -> dict[str, Any] | None:
    """The reverse of `_plain`."""
    if advice is None:
        return None
    return {
        **advice,
        "correlations": [math.nan if value is None else value for value in advice["correlations"]],
        "intervals": [(math.nan, math.nan) if ends is None else ends for ends in advice["intervals"]],
        "within_bins": {name: math.nan if value is None else value for name, value in advice["within_bins"].items()},
    }
