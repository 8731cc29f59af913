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

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nars.errors import ConfigError, DataError
from nars.files.atomic import write_text
from nars.files.sealed import write_sealed
from nars.metric import ACCURACY, Metric
from nars.printing import brief_repr, counted
from nars.recipe import Recipe
from nars.run.folder import read_json
from nars.search import Belief
from nars.space import Bounds, Population, Space, SpaceError, dump_yaml, load_space
from nars.stages.consistency import contradictions

if TYPE_CHECKING:
    pass

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
    """The run of that predictor: how candidates were trained, and how a network is fully trained."""

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
        if inside := sorted(file.parent for file in home.glob(f"*/{ANSWER}")):
            raise ConfigError(
                f"{home} has a folder for each of {counted(len(inside), 'answer')}, and one is asked for at a time: "
                f"{', '.join(map(str, inside))}"
            )
        out = home if home.parent == Path() else home.parent
        raise ConfigError(
            f"{home} holds no answer (no {ANSWER}); nars search --predictor P --max-flops 4M --out {out} writes one"
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
