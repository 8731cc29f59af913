"""The journal of stage 2: what each round chose, what each training gave, what each round found.

All of stage 2's state is in it: whoever opens it anew goes on where the last one stopped. This is the only place that
knows how rounds and plans are written; where their files are, `RunFolder` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from nars.errors import DataError
from nars.evaluate.stopping import StopAdvice
from nars.printing import brief_repr
from nars.run.folder import RunFolder, read_json, write_sealed
from nars.space import Population

if TYPE_CHECKING:
    from nars.run.run import Run
    from nars.store import Sample

Accuracies = tuple[float | None, ...]
"""Percent; None for what is not known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """The candidates of a round, in the journal before any of them is trained: interrupted, it goes on with the
    same."""

    __repr__ = brief_repr

    number: int
    """Of the round, from 1."""
    X: Population
    """(m, D)"""
    predicted: Accuracies
    """(m,) what made it choose them; None where there was no predictor yet."""
    epochs: int
    """To train each of them."""
    alive: NDArray[np.int64] | None = None
    """Candidates of the pool still favorable, ascending; where rounds wait, the result before has them."""
    learned_from: int = 0
    """Trainings that `alive` goes back to."""
    learning_seconds: float = 0.0
    """Spent on fitting the predictor for it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundResult:
    """What a round found, after its last training."""

    __repr__ = brief_repr

    number: int
    """Of the round, from 1."""
    stop_epoch: int
    """Epochs of the trainings planned from now on."""
    statuses: Mapping[str, int]
    """Trainings by outcome."""
    predicted: Accuracies
    """(m,) as in its plan."""
    measured: Accuracies
    """(m,) at the stop epoch; None where the training failed."""
    tau: float | None
    """Kendall's tau of predicted and measured; None for fewer than three pairs."""
    alive: NDArray[np.int64] | None = None
    """Candidates of the pool still favorable, ascending; where rounds do not wait, plans have them."""
    advice: StopAdvice | None = None
    """Of the round that decided the stop epoch, the first."""

    @property
    def best(self) -> float | None:
        """Highest accuracy; None where nothing could be measured."""
        return max((value for value in self.measured if value is not None), default=None)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items(), reverse=True))
        best = "nothing could be measured" if self.best is None else f"best {self.best:.2f} %"
        tau = "" if self.tau is None else f"; Kendall tau of the predictions {self.tau:.2f}"
        stop = "" if self.advice is None else f"; later rounds stop after epoch {self.stop_epoch}"
        if self.advice is not None and self.advice.saved:
            stop += f" and save {100 * self.advice.saved:.0f} % of their epochs"
        return f"round {self.number}: {counts}; {best}{tau}{stop}"

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(predicted, measured) of the candidates that have both."""
        both = zip(self.predicted, self.measured, strict=True)
        return [(before, after) for before, after in both if before is not None and after is not None]


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
        while (file := run.folder.round_plan(len(plans) + 1)).is_file():
            document = read_json(file)
            if document.get("origin", run.origin if run.begun_earlier else None) != run.origin:
                raise DataError(
                    f"{file} belongs to another run: its space, images, seed or settings were others. Put this run's "
                    f"own rounds/ back, or delete it: candidates are chosen again, and what is measured is not trained "
                    f"again."
                )
            if "epochs" not in document:  # begun by an earlier version
                known = run.config.collect.epochs if not plans else read_results(run.folder)[0].stop_epoch
                document["epochs"] = known
            plans.append(_plan(document, file))
        return plans

    def results(self) -> list[RoundResult]:
        """The rounds that are measured to their end, in order."""
        return read_results(self._run.folder)

    def measured(self) -> tuple[Population, NDArray[np.float64]]:
        """Candidates that could be measured, (n, D), and their accuracy at the stop epoch, (n,) in percent."""
        X = np.concatenate([plan.X for plan in self.plans()])
        accuracy = np.array([value for result in self.results() for value in result.measured], dtype=np.float64)
        return X[~np.isnan(accuracy)], accuracy[~np.isnan(accuracy)]

    def keep_sample(self, sample: Sample) -> None:
        """An outcome; when this returns, it is on the disk."""
        self._store.append([sample])

    def keep_plan(self, plan: Plan) -> None:
        """A new round."""
        document: dict[str, Any] = {
            "round": plan.number,
            "epochs": plan.epochs,
            "choices": plan.X.tolist(),
            "predicted": plan.predicted,
            "origin": self._run.origin,
        }
        if plan.alive is not None:
            document |= {"learned_from": plan.learned_from, "learning_seconds": plan.learning_seconds}
            document["alive"] = plan.alive.tolist()
        write_sealed(self._run.folder.round_plan(plan.number), document)

    def keep_result(self, result: RoundResult) -> None:
        """A round that is measured to its end."""
        document: dict[str, Any] = {
            "round": result.number,
            "stop_epoch": result.stop_epoch,
            "statuses": dict(result.statuses),
            "predicted": result.predicted,
            "measured": result.measured,
            "tau": result.tau,
            "best": result.best,
            "origin": self._run.origin,
        }
        if result.alive is not None:
            document["alive"] = result.alive.tolist()
        if result.advice is not None:
            document["advice"] = _plain(result.advice)
        write_sealed(self._run.folder.round_result(result.number), document)
        self._store.compact()  # one file per round reads faster than one per training


def check_samples(run: Run) -> None:
    """See that the sample stores of the run's folder hold samples of its space and images, if any.

    Raises:
        StoreError: they hold others.
    """
    from nars.store import COST_CONVENTION, Identity, SampleStore

    ours = Identity(space=run.space.fingerprint, data=run.image_facts.fingerprint, cost_convention=COST_CONVENTION)
    for folder in (run.folder.samples, run.folder.swaps):
        theirs = SampleStore(folder).identity if folder.is_dir() else None
        if theirs is not None:
            ours.refuse_mixing(theirs, here=f"the run in {run.folder.path}", there=f"the store {folder}")


def read_results(folder: RunFolder) -> list[RoundResult]:
    """The rounds of a run that are measured to their end, in order.

    Raises:
        DataError: a file was edited or is damaged.
    """
    results: list[RoundResult] = []
    while (file := folder.round_result(len(results) + 1)).is_file():
        results.append(_result(read_json(file), file))
    return results


def planned_sizes(folder: RunFolder) -> list[int]:
    """Candidates of each round that has been planned, in order."""
    sizes: list[int] = []
    while (file := folder.round_plan(len(sizes) + 1)).is_file():
        sizes.append(len(_plan({"epochs": 0} | read_json(file), file).X))
    return sizes


def _plan(document: Mapping[str, Any], file: Path) -> Plan:
    try:
        alive = document.get("alive")
        return Plan(
            number=document["round"],
            X=np.array(document["choices"], dtype=np.int64),
            predicted=tuple(document["predicted"]),
            epochs=document["epochs"],
            alive=None if alive is None else np.array(alive, dtype=np.int64),
            learned_from=document.get("learned_from", 0),
            learning_seconds=document.get("learning_seconds", 0.0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, error) from error


def _result(document: Mapping[str, Any], file: Path) -> RoundResult:
    try:
        alive, advice = document.get("alive"), document.get("advice")
        return RoundResult(
            number=document["round"],
            stop_epoch=int(document["stop_epoch"]),
            statuses=document.get("statuses", {}),
            predicted=tuple(document["predicted"]),
            measured=tuple(document["measured"]),
            tau=document["tau"],
            alive=None if alive is None else np.array(alive, dtype=np.int64),
            advice=None if advice is None else _advice(advice),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(f"{file} is not what nars writes ({error!r}). Put it back, or delete it to redo that step.")


def _plain(advice: StopAdvice) -> dict[str, Any]:
    """For JSON, which has no nan: an epoch at which all candidates were equal has no correlation."""
    return asdict(advice) | {
        "correlations": [None if math.isnan(value) else value for value in advice.correlations],
        "intervals": [None if any(map(math.isnan, ends)) else ends for ends in advice.intervals],
        "within_bins": {name: None if math.isnan(value) else value for name, value in advice.within_bins.items()},
    }


def _advice(document: Mapping[str, Any]) -> StopAdvice:
    return StopAdvice(
        **{
            **document,
            "correlations": tuple(math.nan if value is None else value for value in document["correlations"]),
            "intervals": tuple((math.nan,) * 2 if ends is None else tuple(ends) for ends in document["intervals"]),
            "within_bins": {n: math.nan if value is None else value for n, value in document["within_bins"].items()},
            "warnings": tuple(document["warnings"]),
        }
    )
