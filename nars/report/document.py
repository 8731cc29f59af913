"""What a run found, for programs: `nars report --json`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from nars.report.findings import Findings
from nars.stages.member import Member


def document_of(findings: Findings) -> dict[str, Any]:
    """The family with all its figures, and how each round went, in plain types; values in the metric's unit."""
    rounds = [
        {
            "round": one.round,
            "stop_epoch": one.stop_epoch,
            "statuses": dict(one.statuses),
            "best": one.best,
            "tau": one.tau,
        }
        for one in findings.rounds
    ]
    return {
        "name": findings.config.name,
        "folder": str(findings.folder.path),
        "space": findings.run["space"]["fingerprint"],
        "metric": findings.metric.document,
        "rounds": rounds,
        "members": [_member(findings, member) for member in findings.family.members],
        "attention": list(findings.family.attention),
    }


def _member(findings: Findings, member: Member) -> dict[str, Any]:
    """One member; None for what is not known yet."""
    result, card = findings.results.get(member.name), findings.cards.get(member.name)
    measured = findings.measured.get(member.name)
    return {
        "name": member.name,
        "budget": member.budget.document,
        "same_as": member.same_as,
        "costs": member.costs,
        "record": member.record,
        "predicted": None if math.isnan(member.predicted) else member.predicted,
        "predicted_std": member.predicted_std,
        "scaled": None if member.scaled is None else asdict(member.scaled),
        "validation": None if result is None else result.validation,
        "test": None if result is None else result.test,
        "measured": None if measured is None else measured.result,
        "latency_ms": None if card is None else dict(card.latency_ms),
    }
