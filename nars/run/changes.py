"""What may change in a run that has begun, and what is then computed again.

    key                            may change        computed again
    about, data.streaming,         always            nothing
      final.watch
    space, data.name, data.root    always: another   nothing
                                     place of the
                                     same content
    search.budgets                 always            for each added budget stage 3, its final training and its export;
                                                     the other members stay as they are, to the bit. A removed budget
                                                     leaves the family; its files stay, and come back with it.
    family.scale                   always            as search.budgets, for the members that are scaled
    search.preset                  before stage 3    -
    final.*                        always            final training from its first epoch (a schedule over more epochs
                                                     is another training), beside the old one, which it replaces when
                                                     the whole family is trained; then the exports
    collect.rounds                 not below the     the added rounds; the samples so far are the same. Then stage 3,
                                     rounds that     and final training and export of the members that are others now
                                     have begun      or were taught by one that is
    everything else                never             it decides the samples or the predictor: another run

The configuration that a run began with stays valid: what has grown since is kept, where that is opened again. Smaller
values are asked for with the run's folder (nars run runs/quick --set final.epochs=16).

A member that is larger than all others when its budget is added is its own teacher, trained on labels first, as the
largest always is; members that the former largest taught are kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nars.errors import ConfigError
from nars.run.config import RunConfig, set_value, value_at
from nars.run.folder import RunFolder
from nars.run.journal import planned_sizes
from nars.space import shorten

_ALWAYS = ("about", "data.streaming", "search.budgets", "family.", "final.")
_PLACES = ("space", "data.name", "data.root")
"""Compared by what is there: not here."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A key of the configuration that is not as it was."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key} was {_said(self.before)}, now {_said(self.now)}"


def _said(value: Any) -> str:
    """A value of a configuration as a user writes it: budgets with their units."""
    match value:
        case [*items] if items:
            return ", ".join(map(_said, items))
        case dict() if value:
            return " ".join(f"{name} {_said(item)}" for name, item in value.items())
        case float() if value >= 1000 and value == round(value):
            return f"{shorten(value)}"
        case _:
            return repr(value)


def changes(before: RunConfig, now: RunConfig) -> list[Change]:
    """All keys that differ; places apart, which are compared by their content."""
    found = _compare(before.model_dump(mode="json"), now.model_dump(mode="json"), "")
    return [change for change in found if change.key not in _PLACES]


def refuse_others(found: Sequence[Change], now: RunConfig, folder: RunFolder) -> None:
    """Let through what may change as the run stands.

    Raises:
        ConfigError: something else has changed.
    """
    faults = [fault for change in found if (fault := _fault(change, now, folder)) is not None]
    if faults:
        raise ConfigError(
            f"{folder.path} holds a run with another configuration ({'; '.join(faults)}). Go on with it as it is "
            f"(nars run {folder.path}), or begin another in another folder with --out. What may change in a run: "
            f"search.budgets, family.scale, final.*, and collect.rounds upwards."
        )


def as_begun(asked: RunConfig, kept: RunConfig, began: Mapping[str, Any]) -> tuple[RunConfig, list[Change]]:
    """The configuration with what has grown since, where it asks for what the run began with.

    Args:
        asked: by a file, which does not know of the growth.
        kept: the run's.
        began: dotted keys that have changed since the run began, with their first values.

    Returns:
        What to go on with, and what of it was asked for otherwise (`now`, where the run has `before`).
    """
    document, grown = asked.model_dump(mode="json"), kept.model_dump(mode="json")
    back = [Change(key=key, before=value_at(grown, key), now=first) for key, first in began.items()]
    back = [change for change in back if value_at(document, change.key) == change.now != change.before]
    for change in back:
        set_value(document, change.key, change.before)
    return RunConfig.model_validate(document), back


def first_values(began: Mapping[str, Any], found: Sequence[Change]) -> dict[str, Any]:
    """The same keys and values after these changes."""
    first = {change.key: change.before for change in found} | dict(began)
    back = {change.key for change in found if first[change.key] == change.now}
    return {key: value for key, value in first.items() if key not in back}


def begun_rounds(folder: RunFolder, config: RunConfig) -> int:
    """Rounds whose candidates have been chosen; asynchronous ones are smaller than `per_round`, and count as such."""
    sizes = planned_sizes(folder)
    return math.ceil(sum(sizes) / config.collect.per_round) if config.collect.asynchronous else len(sizes)


def _fault(change: Change, now: RunConfig, folder: RunFolder) -> str | None:
    if change.key == "search.preset":
        return f"{change}, and the family is there" if folder.family_file.is_file() else None
    if change.key == "collect.rounds":
        begun = begun_rounds(folder, now)
        return f"{change}, and {begun} rounds have begun" if change.now < begun else None
    return None if change.key.startswith(_ALWAYS) else str(change)


def _compare(before: Any, now: Any, key: str) -> list[Change]:
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [_compare(before.get(k), now.get(k), f"{key}.{k}".lstrip(".")) for k in sorted({*before, *now})]
        return [change for part in parts for change in part]
    return [] if before == now else [Change(key=key, before=before, now=now)]
