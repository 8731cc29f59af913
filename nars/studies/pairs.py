"""Pairs of network and recipe by their folder: an answer, a member of a run, a scaled network, an exported one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nars.errors import ConfigError
from nars.printing import brief_repr
from nars.recipe import Recipe
from nars.run.config import RunConfig
from nars.run.folder import RunFolder, read_json, run_in
from nars.run.given import Given, kept_config, read_config
from nars.space import AnyArchitecture, SpaceError, load_space, read_architecture, read_document
from nars.stages.answer_folder import ARCHITECTURE, RECIPE, TRAINING, RunSource, SavedAnswer, is_answer, read_answer
from nars.stages.member import member_architecture, member_recipe
from nars.stages.members import family_in

OTHER = "other"
"""Folder in a run's, of networks that are trained by themselves."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A network and the recipe to train it with."""

    __repr__ = brief_repr

    name: str
    """As people call it, e.g. "4M"."""
    place: Path
    """The folder that it was named by."""
    architecture: AnyArchitecture
    recipe: Recipe
    training: Path
    """Where it is trained."""
    run: RunFolder | None = None
    """The run that it comes from, where that is still there."""
    kept: Mapping[str, Any] | None = None
    """The run's configuration, where the run is gone."""
    images: str | None = None
    """Fingerprint of the run's images of final training; None where it is not known."""

    def given(self, overrides: Mapping[str, Any], options: Mapping[str, str] | None = None) -> Given:
        """The run configuration that it is trained by.

        Args:
            overrides: dotted keys with new values.
            options: those keys with the option that gave them, for errors.

        Raises:
            ConfigError: it comes from no run, or a value is wrong.
        """
        if self.run is not None:
            return read_config(self.run.path.absolute(), overrides, options=options)
        if self.kept is not None:
            return kept_config(self.kept, overrides, source=str(self.place), options=options)
        raise ConfigError(
            f"{self.place} comes from no run, so that nobody knows its images and how to train: name a run "
            f"configuration, e.g. --config cifar10, or the folder of a run"
        )


def find_pair(place: str | Path) -> Pair | None:
    """What is in a folder; None where that is no pair: a run, a name, nothing.

    Raises:
        ConfigError, DataError: it is one that cannot be trained, or its files are damaged.
    """
    folder = Path(place)
    if is_answer(folder):
        return _of_answer(read_answer(folder))
    around = run_in(folder.absolute().parent.parent) if folder.name else None
    if around is not None and folder.absolute().parent.name in ("family", "training"):
        return _of_member(folder, around)
    if not all((folder / file).is_file() for file in (ARCHITECTURE, RECIPE)):
        return None
    inside = around if folder.absolute().parent.name == "scaled" else None
    return Pair(
        name=folder.absolute().name,
        place=folder,
        architecture=architecture_in(folder / ARCHITECTURE),
        recipe=Recipe.from_dict(read_mapping(folder / RECIPE, "a recipe")),
        training=folder / TRAINING,
        run=inside,
        images=None if inside is None else images_of(inside),
    )


def images_of(run: RunFolder) -> str | None:
    """Fingerprint of a run's images of final training; None where it has not loaded them yet."""
    document = read_json(run.run_file)
    known = document.get("final_data") or (None if _narrowed(document["config"]) else document["data"])
    return None if known is None else str(known["fingerprint"])


def _narrowed(config: Mapping[str, Any]) -> bool:
    """Whether a search has fewer images than final training."""
    return any(config["data"].get(key) is not None for key in ("max_train", "search_classes"))


def architecture_in(file: Path) -> AnyArchitecture:
    """A network from a YAML file, as `nars scale` and `nars export` write it.

    Raises:
        ConfigError: no such file, or not an architecture in it.
    """
    try:
        return read_architecture(read_mapping(file, "an architecture"))
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error


def read_mapping(file: Path, what: str) -> dict[str, Any]:
    """The settings in a YAML file.

    Args:
        file: E.g. a member's recipe.yaml.
        what: It should hold, for the message.

    Raises:
        ConfigError: no such file, or no mapping in it.
    """
    try:
        content = read_document(file).content
    except SpaceError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold {what} (a mapping of settings), got {content!r}; take one that nars wrote")
    return content


def _of_answer(answer: SavedAnswer) -> Pair:
    if answer.space.family.builder is None:
        raise ConfigError(
            f"{answer.folder} is an answer in {answer.space.name}, whose choices have no network behind them; its "
            f"settings.yaml is for your own trainer"
        )
    source, run = answer.run, None
    if source is not None:
        run = run_in(source.folder)
        if run is not None and str(read_json(run.run_file).get("origin")) != source.origin:
            run = None  # another run by now
    row = np.array([answer.chosen.choices], dtype=np.int64)
    return Pair(
        name=answer.name,
        place=answer.folder,
        architecture=answer.space.architectures(row)[0],
        recipe=Recipe.from_dict(read_mapping(answer.folder / RECIPE, "a recipe")),
        training=answer.folder / TRAINING,
        run=run,
        kept=None if source is None else source.config,
        images=_images(source) if run is None else images_of(run),
    )


def _images(source: RunSource | None) -> str | None:
    return None if source is None or _narrowed(source.config) else source.images


def _of_member(folder: Path, run: RunFolder) -> Pair | None:
    members = {member.name: member for member in family_in(run).answered}
    if folder.name not in members:
        return None
    member, document = members[folder.name], read_json(run.run_file)
    RunConfig.model_validate(document["config"]).check_networks()
    facts = document["data"]
    space = load_space(run.space_file, classes=facts["count"], in_channels=facts["in_channels"])
    smoothing = {"label_smoothing": document["config"]["final"]["label_smoothing"]}
    return Pair(
        name=member.name,
        place=folder,
        architecture=member_architecture(space, member),
        recipe=Recipe.from_dict(smoothing | member_recipe(space, member)),
        training=run.path / OTHER / member.name,
        run=run,
        images=images_of(run),
    )
