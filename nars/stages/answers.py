"""Answers in folders: one per budget, with all that training needs; `nars train`, `verify` and `export` take them.

answers/4M/
    answer.json         budget, candidates, plan, predictor, run; what verification found. Sealed
    space.yaml          copy of the space (and of its table of costs)
    architecture.yaml   the chosen network and its recipe; settings.yaml with both where the space has no networks
    recipe.yaml
    training/           made by nars train
    exported/           made by nars export
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nars.arrays import Ints
from nars.errors import ConfigError, DataError
from nars.files.atomic import write_text
from nars.files.sealed import write_sealed
from nars.metric import ACCURACY, Metric
from nars.printing import brief_repr
from nars.recipe import Recipe
from nars.run.folder import RunFolder, read_json, run_in
from nars.run.journal import read_results
from nars.run.naming import budget_names
from nars.search import Belief
from nars.space import Bounds, Population, Space, SpaceError, dump_yaml, load_space, read_document, read_space
from nars.stages.consistency import contradictions
from nars.stages.predictors import predictor_folder
from nars.store import write_space

if TYPE_CHECKING:
    from nars.stages.asking import BudgetAnswer, FamilyAnswer

ANSWER = "answer.json"
ARCHITECTURE, RECIPE, SETTINGS = "architecture.yaml", "recipe.yaml", "settings.yaml"
TRAINING, EXPORTED = "training", "exported"
"""Folders in an answer's, or in a scaled network's."""
SPACE = "space.yaml"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of those that the plan trains."""

    __repr__ = brief_repr

    choices: tuple[int, ...]
    """(D,), its row of choice indices."""
    record: dict[str, Any]
    """Every setting."""
    costs: dict[str, float]
    predicted: float
    predicted_std: float


@dataclass(frozen=True, kw_only=True)
class KeptPlan:
    """A `VerificationPlan` for a file: k candidates in the order in which they are to be trained."""

    __repr__ = brief_repr

    gains: tuple[float, ...]
    """(k,), expected value of the best after so many trainings, over that of the first untrained."""
    more: float
    """What one more training would add."""
    margin: float
    """Difference that counts as none."""
    ties: int
    """Candidates that may well be better than the first, of those looked at."""
    cut: bool
    """Whether there are more of them than were looked at."""
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    noise: tuple[float, ...]
    """Of the `Belief`: (k,), (k, k), (k,); in the metric's scores, of which more is better."""

    @property
    def belief(self) -> Belief:
        """What the predictor knew of them."""
        return Belief(mean=np.array(self.mean), covariance=np.array(self.covariance), noise=np.array(self.noise))


@dataclass(frozen=True, kw_only=True)
class PredictorSource:
    """Which predictor an answer is from."""

    name: str
    """As it was asked for."""
    folder: str
    weights: str | None = None
    """Hash of its weights."""
    samples: int = 0
    """Trainings that it has learned from."""
    rounds: int | None = None
    """Rounds of its run's stage 2 that these were; None where it has no run."""
    verified: tuple[str, ...] = ()
    """Keys of trainings beyond these, of earlier verifications."""


@dataclass(frozen=True, kw_only=True)
class RunSource:
    """The run of that predictor: how candidates were trained, and how a network is trained finally."""

    __repr__ = brief_repr

    folder: str
    origin: str
    """By which its files are known (`nars.run.identity.origin_of`)."""
    config: dict[str, Any]
    """The run configuration."""
    stop_epoch: int
    """Epochs of a training in the search."""
    images: str
    """Fingerprint of the search's images."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training that verification counts."""

    candidate: int
    """Its place in the plan, from 0."""
    seed: int
    key: str
    """Of its sample in the store."""
    status: str
    value: float | None
    """What it measured; None where it failed."""
    learned: bool = False
    """Whether the predictor had learned from it before it was asked."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What training the plan's candidates has found."""

    __repr__ = brief_repr

    winner: int
    """Place in the plan, from 0."""
    known: bool
    """Whether it is the best of the plan, or behind it by the margin at most, as surely as was asked."""
    probability: float
    confidence: float
    """Probability asked for."""
    margin: float
    value: float
    """Mean of what the winner's trainings measured."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """(k,), what is known of each candidate's true value by all trainings and the predictor; in the metric's unit."""
    epochs: int
    """Of each training."""
    store: str
    """Folder of the samples."""
    trainings: tuple[Training, ...]


@dataclass(frozen=True, kw_only=True)
class SavedAnswer:
    """An answer in its folder."""

    __repr__ = brief_repr

    folder: Path
    name: str
    """Of its budget, e.g. "4M"."""
    bounds: Bounds
    candidates: tuple[Candidate, ...]
    """Those of the plan, (k,): the first is predicted best."""
    plan: KeptPlan
    predictor: PredictorSource
    run: RunSource | None
    space_fingerprint: str
    metric: Metric = ACCURACY
    """Of the predictions and measurements."""
    verified: Verified | None = field(default=None)

    @property
    def chosen(self) -> Candidate:
        """The one to train finally: the winner of verification, before that the one predicted best."""
        return self.candidates[0 if self.verified is None else self.verified.winner]

    @cached_property
    def space(self) -> Space:
        """The folder's copy."""
        return load_space(self.folder / SPACE)

    @property
    def rows(self) -> Population:
        """The candidates, (k, D)."""
        return np.array([candidate.choices for candidate in self.candidates], dtype=np.int64)

    def files(self, candidate: Candidate) -> dict[str, str]:
        """The text of the files that spell a candidate out, by name."""
        row = np.array([candidate.choices], dtype=np.int64)
        if self.space.family.builder is None:
            return {SETTINGS: dump_yaml(candidate.record)}
        smoothing = {} if self.run is None else {"label_smoothing": self.run.config["final"]["label_smoothing"]}
        recipe = Recipe.from_dict(smoothing | self.space.recipes(row)[0])
        architecture = self.space.architectures(row)[0].to_dict()
        return {ARCHITECTURE: dump_yaml(architecture), RECIPE: dump_yaml(recipe.to_dict())}


_KINDS: dict[str, Any] = {
    "name": str,
    "space": str,
    "metric": dict[str, Any],
    "bounds": dict[str, Any],
    "candidates": tuple[Candidate, ...],
    "plan": KeptPlan,
    "predictor": PredictorSource,
    "run": RunSource | None,
    "verified": Verified | None,
}
"""What is in answer.json."""


def save_answers(answer: FamilyAnswer, predictor: str | Path, folder: str | Path) -> tuple[SavedAnswer, ...]:
    """Write each budget's answer to a folder of its own, named like the members of a run ("4M").

    An answer that is there already stays, with what it was trained to and how it was verified.

    Args:
        answer: of `ask`.
        predictor: that was asked, as `ask` took it.
        folder: where their folders go.

    Raises:
        ConfigError: an answer to the same budget that differs is there, and has been worked with.
    """
    home = predictor_folder(predictor)
    source, run = _source(str(predictor), home), _run_of(home)
    space = read_space(read_document(home / SPACE))
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
        for budget, name in zip(answer.budgets, budget_names([one.bounds for one in answer.budgets]), strict=True)
    )
    kept = [_there(one) for one in made]  # all are looked at before one is written
    for one, earlier in zip(made, kept, strict=True):
        if earlier is None:
            write_space(space, one.folder / SPACE)
            write_answer(one)
    return tuple(earlier or one for one, earlier in zip(made, kept, strict=True))


def write_answer(answer: SavedAnswer) -> None:
    """Write answer.json, then the files that spell its choice out."""
    document = {
        "format": _FORMAT,
        "name": answer.name,
        "bounds": answer.bounds.document,
        "space": answer.space_fingerprint,
        "metric": answer.metric.document,
        "candidates": [asdict(candidate) for candidate in answer.candidates],
        "plan": asdict(answer.plan),
        "predictor": asdict(answer.predictor),
        "run": None if answer.run is None else asdict(answer.run),
        "verified": None if answer.verified is None else asdict(answer.verified),
    }
    write_sealed(answer.folder / ANSWER, document)
    _spell(answer)


def read_answer(folder: str | Path) -> SavedAnswer:
    """An answer by its folder, checked.

    Raises:
        ConfigError: the folder holds no answer.
        DataError: a file was edited, is missing or damaged, or belongs to another answer.
    """
    home = Path(folder)
    if not (home / ANSWER).is_file():
        raise ConfigError(
            f"{home} holds no answer (no {ANSWER}); nars search --predictor P --max-flops 4M --out {home.parent} "
            f"writes one"
        )
    answer = _read(home)
    try:
        found = answer.space.fingerprint
    except SpaceError as error:
        raise DataError(f"{home / SPACE} is the answer's space and cannot be read: {error}") from error
    if found != answer.space_fingerprint:
        raise DataError(
            f"{home / SPACE} is not the space of the answer beside it ({found}, not {answer.space_fingerprint}): put "
            f"its own back, or ask again"
        )
    _check_candidates(answer)
    for name, text in answer.files(answer.chosen).items():
        file = home / name
        there = file.read_text(encoding="utf-8") if file.is_file() else None
        if there == text:
            continue
        others = [answer.files(candidate)[name] for candidate in answer.candidates]
        if there is not None and there not in others:  # another candidate's: a verification was killed at its end
            raise DataError(
                f"{file} has been edited since nars wrote it: it is not the answer's choice any more. Delete it, and "
                f"it is written again; to train what you have made of it: nars train CONFIG --model architecture.yaml "
                f"--recipe recipe.yaml"
            )
        _spell(answer)
    return answer


def is_answer(folder: str | Path) -> bool:
    """Whether a folder holds an answer."""
    return (Path(folder) / ANSWER).is_file()


def _spell(answer: SavedAnswer) -> None:
    for name, text in answer.files(answer.chosen).items():
        write_text(answer.folder / name, text)


def _read(home: Path) -> SavedAnswer:
    from pydantic import TypeAdapter

    file = home / ANSWER
    document = read_json(file)
    if document.get("format") != _FORMAT:
        raise DataError(
            f"{file} has format {document.get('format')!r}, this version of nars reads {_FORMAT}; ask again, or use "
            f"the version that wrote it"
        )
    try:
        checked = {key: TypeAdapter(kind).validate_python(document[key]) for key, kind in _KINDS.items()}
        metric, bounds = Metric(**checked.pop("metric")), Bounds.read(checked.pop("bounds"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is not what nars writes ({error}); ask again") from error
    return SavedAnswer(folder=home, bounds=bounds, space_fingerprint=checked.pop("space"), metric=metric, **checked)


def _check_candidates(answer: SavedAnswer) -> None:
    """See that the candidates are of one piece each, and as many as the plan is about.

    Raises:
        DataError: they are not.
    """
    file = answer.folder / ANSWER
    try:
        sizes = {len(answer.candidates), len(answer.plan.gains), len(answer.plan.belief.mean)}
        faults = list(contradictions(answer.space, answer.candidates, [answer.bounds] * len(answer.candidates)))
    except (SpaceError, ValueError) as error:
        raise DataError(f"{file} is not of one piece: {error}; ask again") from error
    if len(sizes) > 1:
        raise DataError(f"{file} is not of one piece: its plan is about other candidates; ask again")
    for number, fault in faults:
        raise DataError(
            f"{file} is not of one piece: of candidate {number + 1}, {fault}. It was edited, or belongs to another "
            f"space; ask again"
        )


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
