"""Of what each final training is one, and each export: so that what has not changed is not computed again.

A final training lies in training/NAME with settings.json. One by other settings lies beside it, in training/NAME~HASH,
until the whole family is trained; then it takes the place of the old one. Killed at any moment, the next start sees
from the names how far that has come.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic

from nars.files.atomic import write_json
from nars.run.config import Final, as_trained
from nars.run.folder import RunFolder, read_json
from nars.run.identity import digest

_OLD = "~old"

Settings = dict[str, Any]

MemberIdentity = list[int] | dict[str, Any]
"""Network and recipe of a member: its row of the population matrix, (D,), or how it was scaled from one."""


def settings_of(
    final: Final, *, choices: MemberIdentity, teacher: MemberIdentity | str, origin: str, cropping: str = "pad"
) -> Settings:
    """What decides a final training.

    Args:
        final: how the family is trained.
        choices: of the member.
        teacher: the member that teaches; else the teacher as the configuration has it, or "none".
        origin: of the run.
        cropping: of its images (`data.cropping`).
    """
    return {
        "origin": origin,
        "choices": choices,
        "final": _deciding(final),
        "teacher": teacher,
        # An earlier version drew it for eight images at a time: one that it left unfinished begins again beside it.
        **({} if final.policy == "none" or final.learns or final.draws else {"policy": "for each image"}),
        # One also learned to pad, which spoils random parts.
        **({"learned": "without padding"} if final.learns and cropping == "resized" else {}),
    }


def keep_settings(folder: RunFolder, name: str, settings: Settings) -> None:
    """Write them beside a training."""
    write_json(folder.training_settings(name), settings)


def is_settled(folder: RunFolder, name: str, settings: Settings, *, teachers: Sequence[MemberIdentity]) -> bool:
    """Whether a finished training by these settings is in its place.

    Args:
        folder: of the run.
        name: of the training.
        settings: wanted.
        teachers: all members, of the family and those that have left it: taught by one of them it counts, also
            where another would teach today.
    """
    if not folder.training_result(name).is_file():
        return False
    kept = _kept(folder.training_settings(name))
    if kept is None:  # of unknown origin: TrainError if it is another
        return True
    if any(kept[key] != settings[key] for key in ("origin", "choices", "final")):
        return False
    return isinstance(kept["teacher"], str) or kept["teacher"] in teachers


def is_begun(folder: RunFolder, name: str, member: MemberIdentity) -> bool:
    """Whether there is a final training of this name and of this network and recipe, finished or not."""
    file = folder.training_settings(name)
    return file.is_file() and bool(read_json(file)["choices"] == member)


def place_for(folder: RunFolder, name: str, settings: Settings) -> str:
    """Where a training by these settings is done: in its place, or beside another one."""
    beside = f"{name}~{digest(settings)[:8]}"
    if folder.training(beside).is_dir():
        return beside
    if not folder.training(name).is_dir() or _kept(folder.training_settings(name)) in (None, settings):
        return name
    return beside


def take_places(folder: RunFolder, places: dict[str, str]) -> None:
    """Put finished trainings into their place, {name: place they were done in}, instead of what was there."""
    for name, place in places.items():
        if place == name or not folder.training(place).is_dir():  # another process of the run was here before
            continue
        home, old = folder.training(name), folder.training(name + _OLD)
        if home.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            home.rename(old)
        folder.training(place).rename(home)
        shutil.rmtree(old, ignore_errors=True)


def clear_replaced(folder: RunFolder) -> None:
    """Delete what a killed `take_places` has left of old trainings."""
    for path in folder.training("any").parent.glob(f"*{_OLD}"):
        if folder.training(path.name.removesuffix(_OLD)).is_dir():
            shutil.rmtree(path)


def keep_export(folder: RunFolder, name: str, identity: str) -> None:
    """Note which training a member's export is of."""
    write_json(folder.exports_file, _exports(folder.exports_file) | {name: identity})


def is_exported(folder: RunFolder, name: str, identity: str) -> bool:
    """Whether a member's export is there and of this training."""
    return (folder.member(name) / "card.json").is_file() and _exports(folder.exports_file).get(name) == identity


def _exports(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _deciding(final: Final) -> dict[str, Any]:
    """What of the section decides the weights."""
    idle = {"watch"} if final.learns or final.draws else {"watch", "online"}
    return final.model_dump(mode="json", exclude=idle)


def _kept(file: Path) -> Settings | None:
    """What is written beside a training, with the keys of final training that have come since."""
    if not file.is_file():
        return None
    settings = read_json(file)
    try:
        final = _deciding(Final.model_validate(as_trained(settings["final"])))
    except (pydantic.ValidationError, KeyError):
        return settings
    return settings | {"final": final}
