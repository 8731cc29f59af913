"""The contents of a run folder, gathered for showing. Reads files only; nothing is computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nars.export.card import Card, read_card
from nars.metric import Metric
from nars.run.config import RunConfig
from nars.run.folder import RunFolder, read_json
from nars.run.journal import RoundResult, read_results
from nars.stages.measured import measured_in
from nars.stages.member_latency import DeviceLatency, read_member_latency
from nars.stages.members import Family, family_in
from nars.train.mistakes import Mistake, read_mistakes
from nars.train.result import MemberResult

if TYPE_CHECKING:
    import pandas as pd

    from nars.store import Sample


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a run has found so far."""

    folder: RunFolder
    run: Mapping[str, Any]
    """Configuration, versions, fingerprints."""
    pretraining: Mapping[str, Any] | None
    """Stage 1: card of the pretrained predictor."""
    rounds: tuple[RoundResult, ...]
    family: Family
    results: Mapping[str, MemberResult]
    """Final training of the members by name, where it is done."""
    cards: Mapping[str, Card]
    """Export of the members by name, where it is done."""
    mistakes: Mapping[str, tuple[Mistake, ...]]
    """Test images that the trained members take for another class, by the member's name."""
    measured: Mapping[str, Sample]
    """Final training by a trainer of one's own, of the members by name, where it is done."""
    latency: DeviceLatency | None
    """What the exported members take on the user's device, where that was measured."""

    @cached_property
    def config(self) -> RunConfig:
        """Of the run."""
        return RunConfig.model_validate(self.run["config"])

    @property
    def metric(self) -> Metric:
        """What was measured."""
        return self.config.measured

    @cached_property
    def binned(self) -> str | None:
        """The cost that plots show, that of stage 2's bins; None where there are no costs."""
        known = [*self.config.range, *(cost for member in self.family.members for cost in member.budget), "flops"]
        costs = [name.removeprefix("cost.") for name in map(str, self.samples) if name.startswith("cost.")]
        return next((name for name in (*known, *costs) if name in costs), None)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per training outcome."""
        import pandas as pd

        from nars.store import SampleStore

        return SampleStore(self.folder.samples).frame() if self.folder.samples.is_dir() else pd.DataFrame()


def read_findings(folder: RunFolder) -> Findings:
    """Gather what a run folder holds.

    Raises:
        DataError: it is no run folder, or one of its files is damaged.
        TrainError, ExportError: the result of a final training or of an export is.
    """
    run = read_json(folder.run_file)
    card, family = folder.encoder / "card.json", family_in(folder)
    # One network for two budgets is trained and exported once.
    places = {member.name: member.same_as or member.name for member in family.members}
    results = {name: folder.training_result(place) for name, place in places.items()}
    exports = {name: folder.member(place) for name, place in places.items()}
    trained = {name: MemberResult.load(file) for name, file in results.items() if file.is_file()}
    return Findings(
        folder=folder,
        run=run,
        pretraining=read_json(card) if card.is_file() else None,
        rounds=tuple(read_results(folder)),
        family=family,
        results=trained,
        mistakes={name: read_mistakes(result.weights.parent) for name, result in trained.items()},
        latency=read_member_latency(folder),
        cards={name: read_card(path) for name, path in exports.items() if (path / "card.json").is_file()},
        measured=measured_in(folder, family, epochs=run["config"].get("final", {}).get("epochs", 0)),
    )
