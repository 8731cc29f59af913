"""What is not the same in two spaces, for people."""

from __future__ import annotations

from typing import Any

from nars.space.settings import Fixed
from nars.space.space import Space

_MOST_CHOICES = 12
"""Choices of a setting that a message repeats."""


def differences(before: Space, now: Space) -> list[str]:
    """What is not the same in two spaces, a phrase for each setting; empty where rows mean the same in both."""
    if before.fingerprint == now.fingerprint:
        return []
    found = []
    for name in [*before.settings, *(name for name in now.settings if name not in before.settings)]:
        one, two = _choices(before, name), _choices(now, name)
        if one != two:
            found.append(f"{name} was {_spell(one)}, now {_spell(two)}")
    for what in ("kind", "classes", "in_channels"):
        if getattr(before, what) != getattr(now, what):
            found.append(f"{what} was {getattr(before, what)}, now {getattr(now, what)}")
    tables = [space.table.fingerprint if space.table else None for space in (before, now)]
    if not now.computes_costs and tables[0] != tables[1]:
        found.append("the costs have changed")
    return found or ["the order or the conditions of its settings have changed"]


def _choices(space: Space, name: str) -> list[Any] | None:
    """What a setting can be; None where there is no such setting."""
    setting = space.settings.get(name)
    if setting is None:
        return None
    return [setting.value] if isinstance(setting, Fixed) else list(space.dimensions[setting.dimension].values)


def _spell(choices: list[Any] | None) -> str:
    if choices is None:
        return "not there"
    if len(choices) == 1:
        return f"{choices[0]!r}"
    if len(choices) > _MOST_CHOICES:
        return f"{len(choices)} choices from {choices[0]!r} to {choices[-1]!r}"
    return repr(choices)
