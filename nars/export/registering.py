"""The names that timm knows exported members by, and how it gets to know them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from nars.errors import expect
from nars.export.errors import ExportError
from nars.export.layout import CONFIG, WEIGHTS, MemberConfig, read_config
from nars.network import GENERIC, register_generic, register_network
from nars.space import Architecture

_registered: dict[str, Path] = {}
"""What this process has registered: name -> folder. timm's registry is of the process, too."""


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


def register(folder: str | Path, *, family: str | None = None) -> tuple[str, ...]:
    """Make timm know the exported members in and below `folder`, for this process.

    Afterwards `timm.create_model(name, checkpoint_path=...)`, `timm.create_model(name, pretrained=True)`, both also
    with `features_only=True`, and `timm.create_model("local-dir:FOLDER", pretrained=True)` work. Registering a folder
    again reads it anew.

    Args:
        folder: A member's folder, or one that holds several, such as a run's.
        family: Name of the family instead of the one it was exported under, for two runs of one name:
            members are then called nars_<family>_<name of their folder>.

    Returns:
        The names, sorted.

    Raises:
        ExportError: there is no exported member in or below the folder, two have one name, one is registered with
            another folder, or one is damaged. Nothing is registered then.
    """
    expect(folder, (str, Path), "register takes a member's folder, or one that holds several", error=ExportError)
    found: dict[str, tuple[Path, MemberConfig]] = {}
    for path in sorted(Path(folder).rglob(CONFIG)):
        if f'"{GENERIC}"' not in path.read_text(encoding="utf-8", errors="replace"):  # some other program's config.json
            continue
        home, config = path.parent.resolve(), read_config(path.parent)
        if not config.standalone:
            continue
        name = config.name if family is None else timm_name(family, home.name)
        if name in found:
            raise ExportError(
                f"Two exported members are called {name}: {found[name][0]} and {home}. Register their folders one by "
                f"one, the second under another name: nars.register(FOLDER, family=NAME)."
            )
        found[name] = (home, config)
    if not found:
        raise ExportError(
            f"No exported member of the family mbconv (a folder with {CONFIG}) in or below {folder}: run `nars export` "
            f"first; members of other families are opened by nars.export.load_member."
        )
    for name, (home, _) in found.items():
        earlier = _registered.get(name, home)
        if earlier != home and (earlier / CONFIG).is_file():
            raise ExportError(
                f"{name} is already registered with {earlier}, and {home} has the same name. Register the second under "
                f"another one: nars.register({str(folder)!r}, family=NAME)."
            )
    register_generic()
    for name, (home, config) in found.items():
        assert isinstance(config.architecture, Architecture)  # of the one family that is standalone
        register_network(name, config.architecture, config={**config.timm(), "file": str(home / WEIGHTS)})
        _registered[name] = home
    return tuple(sorted(found))


def _plain(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() else "_"
    return "" if unicodedata.combining(character) else f"u{ord(character):x}"
