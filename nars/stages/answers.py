"""The answers to a question, kept: a folder for each budget, with the predictor and the run that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nars.arrays import Ints
from nars.errors import ConfigError
from nars.run.folder import RunFolder, read_json, run_in
from nars.run.journal import read_results
from nars.run.naming import budget_names
from nars.space import Space, read_document, read_space
from nars.stages.answer_folder import (
    EXPORTED,
    SPACE,
    TRAINING,
    Candidate,
    KeptPlan,
    PredictorSource,
    RunSource,
    SavedAnswer,
    is_answer,
    read_answer,
    write_answer,
)
from nars.stages.predictors import predictor_folder
from nars.store import write_space

if TYPE_CHECKING:
    from nars.stages.asking import BudgetAnswer, FamilyAnswer


def save_answers(
    answer: FamilyAnswer, predictor: str | Path, folder: str | Path, *, names: Sequence[str] | None = None
) -> tuple[SavedAnswer, ...]:
    """Write each budget's answer to a folder of its own, named like the members of a run ("4M").

    An answer that is there already stays, with what it was trained to and how it was verified.

    Args:
        answer: of `ask`.
        predictor: that was asked, as `ask` took it.
        folder: where their folders go.
        names: one for each budget, instead of its own.

    Raises:
        ConfigError: an answer to the same budget that differs is there, and has been worked with.
    """
    home = predictor_folder(predictor)
    source, run = _source(str(predictor), home), _run_of(home)
    space = read_space(read_document(home / SPACE))
    names = names or budget_names([one.bounds for one in answer.budgets])
    made = tuple(
        SavedAnswer(
            folder=Path(folder) / name,
            name=name,
            bounds=budget.bounds,
            candidates=_candidates(answer.space, budget),
            plan=_plan(budget),
            predictor=source,
            run=run,
            space_fingerprint=space.fingerprint,
            metric=answer.metric,
        )
        for budget, name in zip(answer.budgets, names, strict=True)
    )
    kept = [_there(one) for one in made]  # all are looked at before one is written
    for one, earlier in zip(made, kept, strict=True):
        if earlier is None:
            write_space(space, one.folder / SPACE)
            write_answer(one)
    return tuple(earlier or one for one, earlier in zip(made, kept, strict=True))


def _there(answer: SavedAnswer) -> SavedAnswer | None:
    """The same answer, if it is in its folder; None where there is none, or another that nothing was done with."""
    if not is_answer(answer.folder):
        return None
    earlier = read_answer(answer.folder)
    same = replace(earlier, verified=None, predictor=answer.predictor, run=answer.run)
    if same == answer and earlier.predictor.weights == answer.predictor.weights:
        return earlier
    used = [name for name in (TRAINING, EXPORTED) if (answer.folder / name).exists()]
    if used or earlier.verified is not None:
        done = "has been verified" if earlier.verified is not None else f"has {' and '.join(used)}/ in it"
        raise ConfigError(
            f"{answer.folder} holds another answer to this budget, which {done}; put the new one into another folder "
            f"with --out, or delete that one"
        )
    return None


def _source(name: str, home: Path) -> PredictorSource:
    card = read_json(home / "card.json")
    origin = card.get("origin") or {}
    return PredictorSource(
        name=name,
        folder=str(home.absolute()),
        weights=card.get("weights"),
        samples=card.get("samples", 0),
        rounds=origin.get("rounds"),
        verified=tuple(origin.get("verified", ())),
    )


def _run_of(home: Path) -> RunSource | None:
    """The run that a predictor lies in the folder of."""
    folder = run_in(home.parent)
    return None if folder is None else run_source(folder)


def run_source(folder: RunFolder) -> RunSource | None:
    """What an answer keeps of a run; None before the first round is measured, and for trials without a run."""
    document, results = read_json(folder.run_file), read_results(folder)
    if not results:
        return None
    return RunSource(
        folder=str(folder.path.absolute()),
        origin=str(document.get("origin")),
        config=document["config"],
        stop_epoch=results[0].stop_epoch,
        images=document["data"]["fingerprint"],
    )


def _candidates(space: Space, budget: BudgetAnswer) -> tuple[Candidate, ...]:
    """Those of the plan, the first to be trained first."""
    at: Ints = budget.plan.train
    rows, ties = budget.ties.rows[at], budget.ties
    return tuple(
        Candidate(
            choices=tuple(row),
            record=record,
            costs={name: float(values[rank]) for name, values in ties.costs.items()},
            predicted=float(ties.predicted[rank]),
            predicted_std=float(ties.predicted_std[rank]),
        )
        for rank, row, record in zip(at.tolist(), rows.tolist(), space.to_records(rows), strict=True)
    )


def _plan(budget: BudgetAnswer) -> KeptPlan:
    plan, belief = budget.plan, budget.plan.belief
    return KeptPlan(
        gains=tuple(plan.gains.tolist()),
        more=plan.more,
        margin=plan.margin,
        ties=len(budget.ties.rows) - 1,
        cut=budget.cut,
        mean=tuple(belief.mean.tolist()),
        covariance=tuple(map(tuple, belief.covariance.tolist())),
        noise=tuple(belief.noise.tolist()),
    )
