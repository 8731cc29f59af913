"""The contents of a run folder, gathered for showing. Reads files only; nothing is computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nars.export.card import Card, read_card
from nars.run.folder import RunFolder, read_json
from nars.run.journal import RoundResult, read_results
from nars.stages.members import Family, family_in
from nars.store import SampleStore
from nars.train.result import MemberResult


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a run has found so far."""

    run: Mapping[str, Any]
    """Configuration, versions, fingerprints."""
    pretraining: Mapping[str, Any] | None
    """Stage 1: card of the pretrained predictor."""
    rounds: tuple[RoundResult, ...]
    samples: pd.DataFrame
    """One row per training outcome."""
    family: Family
    results: Mapping[str, MemberResult]
    """Final training of the members by name, where it is done."""
    cards: Mapping[str, Card]
    """Export of the members by name, where it is done."""


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
    return Findings(
        run=run,
        pretraining=read_json(card) if card.is_file() else None,
        rounds=tuple(read_results(folder)),
        samples=SampleStore(folder.samples).frame() if folder.samples.is_dir() else pd.DataFrame(),
        family=family,
        results={name: MemberResult.load(file) for name, file in results.items() if file.is_file()},
        cards={name: read_card(path) for name, path in exports.items() if (path / "card.json").is_file()},
    )
