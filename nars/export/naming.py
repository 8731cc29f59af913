"""Names of exported members for timm."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def timm_name(family: str, budget: str) -> str:
    """`nars_<family>_<budget>` in ASCII letters, digits and underscores, the same on every machine.

    Accents go ("Füchse" -> "Fuchse"), other letters become their code point ("日" -> "u65e5"), everything else an
    underscore: timm reads a dot as the start of a weights tag, and a slash or colon as a path.
    """
    return "_".join(("nars", *("".join(map(_plain, unicodedata.normalize("NFKD", part))) for part in (family, budget))))


def timm_names(family: str, budgets: Sequence[str]) -> dict[str, str]:
    """The name of each member of a family by its budget; those that would be equal ("1.5M", "1_5M") are numbered."""
    names: dict[str, str] = {}
    for budget in budgets:
        name = timm_name(family, budget)
        number = 2
        while name in names.values():
            name = f"{timm_name(family, budget)}_{number}"
            number += 1
        names[budget] = name
    return names


def _plain(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() else "_"
    return "" if unicodedata.combining(character) else f"u{ord(character):x}"
