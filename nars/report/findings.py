"""The contents of a run folder, gathered for showing. Reads files only; nothing is computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nars.run.folder import RunFolder, read_json
from nars.store import SampleStore


@dataclass(frozen=True, kw_only=True)
class MemberFinding:
    """One member of the family, with whatever is known of it by now."""

    name: str
    budget: float
    """FLOPs it had to keep."""
    costs: Mapping[str, float]
    record: Mapping[str, Any]
    """Every setting, "recipe.*" included."""
    predicted: float
    """Accuracy that the predictor expects at the search's stop epoch, percent."""
    predicted_std: float
    history: tuple[tuple[int, float], ...]
    """(evaluations, best predicted accuracy) after each generation of the search."""
    seconds: float
    """Time that the search took for this budget."""
    result: Mapping[str, Any] | None
    """Final training: validation and test accuracy in percent; None before it is done."""
    card: Mapping[str, Any] | None
    """The export's card: latency, parity of each form; None before it is done."""

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's settings."""
        return {name.removeprefix("recipe."): v for name, v in self.record.items() if name.startswith("recipe.")}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a run has found so far."""

    run: Mapping[str, Any]
    """Configuration, versions, fingerprints."""
    pretraining: Mapping[str, Any] | None
    """Stage 1: card of the pretrained predictor."""
    rounds: tuple[Mapping[str, Any], ...]
    samples: pd.DataFrame
    """One row per training outcome."""
    members: tuple[MemberFinding, ...]
    doubts: tuple[str, ...] = ()
    """What to doubt about the family's predictions, a sentence each."""

    @property
    def stop_epoch(self) -> int | None:
        """Epoch at which the later rounds stopped."""
        return int(self.rounds[0]["stop_epoch"]) if self.rounds else None


def read_findings(folder: RunFolder) -> Findings:
    """Gather what a run folder holds.

    Raises:
        DataError: it is no run folder, or one of its files is damaged.
    """
    run = read_json(folder.run_file)
    card = folder.encoder / "card.json"
    family = read_json(folder.family_file) if folder.family_file.is_file() else {"members": []}
    return Findings(
        run=run,
        pretraining=read_json(card) if card.is_file() else None,
        rounds=tuple(folder.rounds()),
        samples=SampleStore(folder.samples).frame() if folder.samples.is_dir() else pd.DataFrame(),
        members=tuple(_member(folder, entry) for entry in family["members"]),
        doubts=(*(entry["note"] for entry in family["members"] if entry.get("note")), *family.get("doubts", ())),
    )


def _member(folder: RunFolder, entry: Mapping[str, Any]) -> MemberFinding:
    trained = entry.get("same_as") or entry["name"]  # one network for two budgets is trained and exported once
    result, card = folder.training(trained) / "result.json", folder.member(trained) / "card.json"
    return MemberFinding(
        name=entry["name"],
        budget=entry["budget"],
        costs=entry["costs"],
        record=entry["record"],
        predicted=entry["predicted"],
        predicted_std=entry["predicted_std"],
        history=tuple((int(count), float(score)) for count, score in entry["history"]),
        seconds=entry["seconds"],
        result=read_json(result) if result.is_file() else None,
        card=read_json(card) if card.is_file() else None,
    )
