"""Runs that an earlier version began: what they lack is added when they are opened, if nothing has changed since."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from nars.errors import ConfigError
from nars.files.atomic import write_json
from nars.run.config import RunConfig
from nars.run.folder import RunFolder, read_json
from nars.run.identity import DataFacts, origin_of, other_images, space_with
from nars.run.places import absolute, whole_or_near
from nars.run.run import read_images, smallest_resolution
from nars.run.settled import keep_export, keep_settings, settings_of
from nars.space import load_space, read_document
from nars.store import write_space


def upgraded(kept: dict[str, Any], config: RunConfig, home: RunFolder, *, format: int) -> dict[str, Any]:
    """Bring the folder of a run without a format to this one; returns its file's new content, which is written too.

    It gets its own copy of the space, what is to be known of its images without them, and says of each final training
    and export what it is one of: nothing could change in such a run.

    Raises:
        ConfigError: the space's file is not there, or has changed since the run began.
        DataError: the images have to be read for it and cannot be, or have changed.
    """
    config = absolute(config, partial(whole_or_near, folder=home.path))
    facts = _facts(kept, config, home)
    fingerprint = kept["space"]["fingerprint"]
    candidates = (space_with(file, facts) for file in (config.space, home.predictor / "space.yaml"))
    space = next((found for found in candidates if found is not None and found.fingerprint == fingerprint), None)
    if space is None:
        there = Path(config.space).is_file() or Path(config.space).suffix == ""
        state = "has changed since" if there else "is not there"
        raise ConfigError(
            f"{home.path} was begun by an earlier version of nars, which kept no copy of its space, and {config.space} "
            f"{state} (fingerprint {fingerprint}), or this version reads it otherwise. Put that file "
            f"back as it was when the run began"
        )
    write_space(space, home.space_file)
    document = {
        **kept,
        "format": format,
        "config": config.model_dump(mode="json"),
        "data": facts.to_dict(),
        "origin": origin_of(config, space=fingerprint, data=facts.fingerprint),
        # What its files do not say of themselves is by this configuration.
        "earlier": {"rounds": config.collect.rounds},
    }
    _keep_trainings(config, home, document["origin"])
    write_json(home.run_file, document)
    return document


def _facts(kept: dict[str, Any], config: RunConfig, home: RunFolder) -> DataFacts:
    """Facts about the images: from the predictor's space where there is one, else they are read."""
    known, numbers = kept["data"], None
    file = home.predictor / "space.yaml"
    if file.is_file():
        architecture = read_document(file).content.get("architecture", {})
        numbers = architecture.get("classes"), architecture.get("in_channels")
    if numbers is not None and all(isinstance(number, int) for number in numbers):
        return DataFacts(name=known["name"], fingerprint=known["fingerprint"], count=numbers[0], in_channels=numbers[1])
    images = read_images(config, resolution=smallest_resolution(load_space(config.space)))
    facts = DataFacts.about(images, name=known["name"])
    if facts.fingerprint != known["fingerprint"]:
        before = DataFacts(name=known["name"], fingerprint=known["fingerprint"], count=0, in_channels=0)
        raise other_images(home, before, facts, place=config.images.name)
    return facts


def _keep_trainings(config: RunConfig, home: RunFolder, origin: str) -> None:
    """Say of the family's trainings and exports what they are of."""
    if not home.family_file.is_file():
        return
    members = {entry["name"]: entry for entry in read_json(home.family_file)["members"]}
    largest = max(members, key=lambda name: members[name]["costs"]["flops"])
    teacher = config.final.teacher
    taught_by: Any = members[largest]["choices"] if teacher == "largest" else teacher
    if teacher in members:
        taught_by = members[teacher]["choices"]
    own = teacher if teacher in members else largest
    for name, entry in members.items():
        if home.training(name).is_dir():
            settings = settings_of(config.final, choices=entry["choices"], teacher=taught_by, origin=origin)
            keep_settings(home, name, settings)
        result = home.training_result(name)
        if result.is_file() and (home.member(name) / "card.json").is_file():
            keep_export(home, name, read_json(result)["identity"])
    if home.training("teacher").is_dir():
        settings = settings_of(config.final, choices=members[own]["choices"], teacher="none", origin=origin)
        keep_settings(home, "teacher", settings)
