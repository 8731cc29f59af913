"""Candidates as people read them: one flat dict of settings each, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nars.files import Value
from nars.space.dimension import Dimension
from nars.space.errors import SpaceError
from nars.space.families.rules import Rule
from nars.space.reading import ABSENT, Cells
from nars.space.settings import Fixed, Population, Setting

Record = Mapping[str, Value]

_MOST_SHOWN = 20


def to_records(
    dimensions: Sequence[Dimension], settings: Mapping[str, Setting], X: Population
) -> list[dict[str, Value]]:
    """Each row of X as {setting: value}, fixed settings included."""
    columns = []
    for setting in settings.values():
        if isinstance(setting, Fixed):
            columns.append([setting.value] * len(X))
        else:
            values = dimensions[setting.dimension].values
            columns.append([values[choice] for choice in X[:, setting.dimension].tolist()])
    return [dict(zip(settings, row, strict=True)) for row in zip(*columns, strict=True)]


def from_records(
    name: str,
    dimensions: tuple[Dimension, ...],
    settings: Mapping[str, Setting],
    records: Sequence[Record],
    *,
    rule: Callable[[str], Rule],
) -> Population:
    """The rows of readable candidates, not yet canonical; settings that are fixed or without effect may be left out.

    Raises:
        SpaceError: settings are missing, unknown, or have values that are none of the choices; all of them are listed.
    """
    for row, record in enumerate(records):
        unknown = sorted(set(record) - set(settings))
        if unknown:
            raise SpaceError(f"{name} has no setting {unknown[0]!r} (candidate {row}); it has {', '.join(settings)}")
    columns = {key: [record.get(key, ABSENT) for record in records] for key in settings}
    cells = Cells(dimensions=dimensions, settings=settings, columns=columns, rows=len(records), literal=True, rule=rule)
    X, faults, _ = cells.read()
    if faults:
        lines = [f"candidate {fault.row}: {fault.setting} {fault.text}" for fault in faults]
        raise SpaceError(one_message(f"values that {name} does not have", lines))
    return X


def one_message(what: str, lines: Sequence[str]) -> str:
    """Many faults as one text: a single one as a sentence, else the first twenty and a count."""
    if len(lines) == 1:
        return lines[0]
    shown = [f"  {line}" for line in lines[:_MOST_SHOWN]]
    more = [f"  and {len(lines) - _MOST_SHOWN:,} more"] if len(lines) > _MOST_SHOWN else []
    return "\n".join([f"{len(lines):,} {what}:", *shown, *more])
