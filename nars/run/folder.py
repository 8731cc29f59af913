"""Where everything of one run lies. The one place that knows the file names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nars.errors import DataError
from nars.files.atomic import machine_at_fault, write_json

_SEAL = "seal"
"""Key of a JSON file's own hash."""


@dataclass(frozen=True)
class RunFolder:
    """The files of a run; each is written whole, so what exists is finished.

    All that a run was made from is in it, apart from its images: it can be moved, and opened from anywhere.

    run.json             configuration, seed, versions, space and data fingerprints
    space/space.yaml     the run's own copy of its space, which alone counts; tables of costs beside it
    pool.parquet         the Sobol pool with its free statistics
    encoder/             stage 1: the predictor pretrained on them
    samples/             the sample store: one row per training outcome
    rounds/round-1.json  what each round of stage 2 chose, where it stopped, how well the predictor did
    predictor/           stage 2's result
    family/family.json   stage 3's answer: one member per budget
    training/NAME/       final training of each member, and of the teacher, with settings.json: what it is a training of
    family/NAME/         export of each member
    exports.json         which training each export was made of
    swap/                sample store of architectures with other members' recipes
    scaled/NAME/         networks grown from the family by compound scaling
    report.html, nars.log
    """

    path: Path

    @property
    def run_file(self) -> Path:
        """Configuration and versions."""
        return self.path / "run.json"

    @property
    def space_file(self) -> Path:
        """The run's own copy of its space, with the numbers of classes and channels of its images in it."""
        return self.path / "space" / "space.yaml"

    @property
    def pool_file(self) -> Path:
        """The pool."""
        return self.path / "pool.parquet"

    @property
    def encoder(self) -> Path:
        """The pretrained predictor."""
        return self.path / "encoder"

    @property
    def samples(self) -> Path:
        """The sample store."""
        return self.path / "samples"

    def round_plan(self, number: int) -> Path:
        """The candidates of a round (from 1), written before any of them is trained."""
        return self.path / "rounds" / f"round-{number}-plan.json"

    def round_result(self, number: int) -> Path:
        """What a round (from 1) found, written after its last training."""
        return self.path / "rounds" / f"round-{number}.json"

    @property
    def predictor(self) -> Path:
        """The predictor that has seen all samples."""
        return self.path / "predictor"

    @property
    def family_file(self) -> Path:
        """The answer of stage 3."""
        return self.path / "family" / "family.json"

    @property
    def swaps(self) -> Path:
        """The sample store of `nars swap`."""
        return self.path / "swap"

    def scaled(self, name: str) -> Path:
        """A network grown from the family by compound scaling."""
        return self.path / "scaled" / name

    def training(self, name: str) -> Path:
        """Final training of one member, or of the teacher."""
        return self.path / "training" / name

    def training_result(self, name: str) -> Path:
        """What came of a final training, its last file."""
        return self.training(name) / "result.json"

    def training_settings(self, name: str) -> Path:
        """What a final training is one of: choices, settings, teacher."""
        return self.training(name) / "settings.json"

    def member(self, name: str) -> Path:
        """One exported member."""
        return self.path / "family" / name

    @property
    def exports_file(self) -> Path:
        """Which training each export was made of."""
        return self.path / "exports.json"

    @property
    def report_file(self) -> Path:
        """The page to open."""
        return self.path / "report.html"

    @property
    def log_file(self) -> Path:
        """What happened when."""
        return self.path / "nars.log"


def write_sealed(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON object with a hash of itself in it, by which `read_json` sees that somebody has edited it."""
    write_json(path, {**document, _SEAL: _hash(document)})


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        DataError: missing, not a JSON object, or sealed and edited since.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        if machine_at_fault(error):
            raise
        raise DataError(
            f"{path} must be a JSON file that nars wrote, reading it gave: {error}. Delete it to redo that step."
        ) from error
    if not isinstance(document, dict):
        raise DataError(f"{path} must hold a JSON object, got {type(document).__name__}. Delete it to redo that step.")
    seal = document.pop(_SEAL, None)
    if seal is not None and seal != _hash(document):
        raise DataError(
            f"{path} has been edited since nars wrote it (its seal does not fit its content). Put it back as it was, "
            f"or delete it to redo that step."
        )
    return document


def _hash(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]


def run_in(folder: str | Path) -> RunFolder | None:
    """The run that is in a folder, or that it is the family/ of; None where there is none."""
    for path in (Path(folder), *((Path(folder).parent,) if Path(folder).name == "family" else ())):
        if RunFolder(path).run_file.is_file():
            return RunFolder(path)
    return None
