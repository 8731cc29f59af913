"""Where everything of one run lies. The one place that knows the file names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nars.errors import ConfigError, DataError
from nars.files.sealed import read_sealed


@final
class _Place:
    """A path below a run's folder, as an attribute of it."""

    def __init__(self, below: str) -> None:
        self._below = below

    def __get__(self, folder: RunFolder, owner: type[RunFolder]) -> Path:
        return folder.path / self._below


@dataclass(frozen=True)
class RunFolder:
    """The files of a run; each is written whole, so what exists is finished.

    All that a run was made from is in it, apart from its images: it can be moved, and opened from anywhere.
    """

    path: Path

    run_file = _Place("run.json")
    """Configuration, seed, versions, space and data fingerprints."""
    space_file = _Place("space/space.yaml")
    """The run's own copy of its space, which alone counts, with the numbers of classes and channels of its images in
    it; tables of costs beside it."""
    table_file = _Place("space/latency.json")
    """The run's own copy of its device table, where latency is a cost."""
    pool_file = _Place("pool.parquet")
    """The Sobol pool with its free statistics."""
    encoder = _Place("encoder")
    """Stage 1: the predictor pretrained on them."""
    samples = _Place("samples")
    """The sample store: one row per training outcome."""
    kept = _Place("kept")
    """Of a run with a time: the weights of the best candidate that stage 2 has trained so far."""
    time_file = _Place("time.json")
    """The time that the run was given, what is used of it, and what was expected to take how long."""
    plan_file = _Place("plan.yaml")
    """The run configuration that was chosen for that time, to be changed, with the reasons."""
    best_so_far = _Place("best-so-far")
    """Export of the best that there is before the run is finished."""
    prior = _Place("prior")
    """Samples that the run was given when it began: of its own fidelity in same/, of others in other/."""
    predictor = _Place("predictor")
    """Stage 2's result: the predictor that has seen all samples."""
    informed = _Place("informed")
    """The predictor that has learned from verifications too (`nars verify`); stage 2's stays as it is."""
    family_file = _Place("family/family.json")
    """Stage 3's answer: one member per budget."""
    exports_file = _Place("exports.json")
    """Which training each export was made of."""
    latency_file = _Place("latency-members.json")
    """What the exported members take on the user's device."""
    finals = _Place("final")
    """The sample store of members that a trainer of one's own has finally trained."""
    swaps = _Place("swap")
    """The sample store of `nars swap`: architectures with other members' recipes."""
    report_file = _Place("report.html")
    """The page to open."""
    log_file = _Place("nars.log")
    """What happened when."""

    def round_plan(self, number: int) -> Path:
        """The candidates of a round (from 1), written before any of them is trained."""
        return self.path / "rounds" / f"round-{number}-plan.json"

    def round_result(self, number: int) -> Path:
        """What a round (from 1) found, written after its last training."""
        return self.path / "rounds" / f"round-{number}.json"

    def training(self, name: str) -> Path:
        """Final training of one member, or of the teacher."""
        return self.path / "training" / name

    def training_result(self, name: str) -> Path:
        """What came of a final training, its last file."""
        return self.training(name) / "result.json"

    def training_settings(self, name: str) -> Path:
        """What decided a final training: choices, settings, teacher."""
        return self.training(name) / "settings.json"

    def member(self, name: str) -> Path:
        """One exported member."""
        return self.path / "family" / name

    def scaled(self, name: str) -> Path:
        """A network grown from the family by compound scaling."""
        return self.path / "scaled" / name


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a run, which a seal may protect.

    Raises:
        DataError: missing, not a JSON object, or sealed and edited since.
    """
    return read_sealed(path, error=DataError, what="JSON file", again="Delete it to redo that step")


def run_in(folder: str | Path) -> RunFolder | None:
    """The run that is in a folder, or that it is the family/ of; None where there is none."""
    for path in (Path(folder), *((Path(folder).parent,) if Path(folder).name == "family" else ())):
        if RunFolder(path).run_file.is_file():
            return RunFolder(path)
    return None


def existing_run(folder: str | Path) -> RunFolder:
    """The same.

    Raises:
        ConfigError: there is none.
    """
    home = run_in(folder)
    if home is None:
        raise ConfigError(f"{folder} holds no run (no run.json); give the folder that nars run wrote")
    return home
