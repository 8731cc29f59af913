"""The classes of a trained network one by one, and which it takes for which: for the page and for a member's README."""

from __future__ import annotations

from dataclasses import dataclass

from nars.report.findings import Findings
from nars.train.mistakes import Mistake
from nars.train.result import MemberResult

_MOST_CLASSES = 40
"""Whose confusion is shown as a matrix."""


@dataclass(frozen=True, kw_only=True)
class ClassView:
    """A member on the test images."""

    member: str
    scores: tuple[tuple[str, str], ...]
    """(metric, value) in words."""
    rows: tuple[tuple[str, ...], ...]
    """(class, images, recall, precision, F1)."""
    confusion: tuple[tuple[str, tuple[tuple[int, float], ...]], ...]
    """(class, for each class the images that are taken for it and the share of the row that they are); () of more than
    40 classes."""
    mistakes: tuple[Mistake, ...]
    """Images that are taken for another class."""


def class_views(findings: Findings, *, most: int) -> list[ClassView]:
    """One for each member whose final training says it; earlier ones do not.

    Args:
        findings: of the run.
        most: mistakes of each that are shown.
    """
    views = (_view(name, result, findings.mistakes[name][:most]) for name, result in findings.results.items())
    return [view for view in views if view is not None]


def _view(name: str, result: MemberResult, mistakes: tuple[Mistake, ...]) -> ClassView | None:
    table = result.test_classes
    if table is None:
        return None
    matrix = table.confusion if len(table.names) <= _MOST_CLASSES else ()
    return ClassView(
        member=name,
        scores=tuple(result.spelled_scores.items()),
        rows=tuple(table.rows()),
        confusion=tuple(
            (label, tuple((count, count / max(1, sum(row))) for count in row))
            for label, row in zip(table.names, matrix, strict=False)
        ),
        mistakes=mistakes,
    )
