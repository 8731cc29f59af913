"""One network that was trained by itself, exported: an answer, a scaled network, any timm model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nars.errors import ConfigError, DataError
from nars.export import (
    Card,
    Verification,
    calibration_images,
    compared_on,
    export_member,
    quantize_member,
    read_card,
    timm_name,
    verify,
)
from nars.files.atomic import write_json
from nars.images import ImageData, public_name
from nars.recipe import likeliest_recipe
from nars.run import Reporter, Run, RunConfig, Silent, reopen_run
from nars.run.folder import read_json
from nars.run.given import kept_config
from nars.run.run import read_images
from nars.space import read_architecture
from nars.stages.answer_folder import EXPORTED, TRAINING
from nars.stages.exporting import export, quantize
from nars.stages.finished import check_stage, load_trained, needed
from nars.stages.members import read_family
from nars.stages.training import architecture_of
from nars.studies.pairs import OTHER, find_pair
from nars.train import (
    RESULT,
    MemberResult,
    TrainedNetwork,
    is_trained,
    load_trained as load_network,
    read_trained,
    trained_in,
)

_NOTE = "exported.json"
"""In the folder of a training: of which result the export is."""


def export_trained(
    place: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    again: bool = False,
    int8: bool = False,
    reporter: Reporter | None = None,
) -> Card:
    """Export a network that `nars train` has trained, every form checked against PyTorch.

    Example:
        >>> export_trained("answers/4M")

    Args:
        place: folder of an answer, of a scaled network, of a training by itself, or of a member, which is exported with
            the rest of its family.
        folder: where to; exported/ in `place` when None.
        overrides: dotted keys of its run configuration, where its images are at another place by now.
        again: also where it is exported already.
        int8: also its int8 form, calibrated on training images, with its accuracy on the test images in the card.
        reporter: who is told.

    Raises:
        ConfigError: nothing is trained there.
        DataError: its images are gone, or others.
        ExportError, ParityError, TrainError: an extra is missing, a form differs from PyTorch, files are damaged.
    """
    reporter = reporter or Silent()
    if (member := of_a_family(place, reporter)) is not None:
        refuse_overrides(*member, overrides)
        return _export_member(*member, folder=folder, again=again, int8=int8)
    training = training_of(place)
    home = _home(Path(place), training, folder)
    result, note = MemberResult.load(training / RESULT), training / _NOTE
    made = {"identity": result.identity, "folder": str(home.absolute())}
    if not again and (home / "card.json").is_file() and note.is_file() and read_json(note) == made:
        card = read_card(home)
        if int8 and card.int8 is None:
            about, config = read_trained(training), _config_of(training, overrides)
            card = _quantize(about.name, home, images_of_training(about, config, training, reporter), reporter)
        return card
    about, config = read_trained(training), _config_of(training, overrides)
    images = images_of_training(about, config, training, reporter)
    with reporter.bar(f"export: {about.name}", 1) as advance:
        card = export_member(
            load_network(training),
            home,
            name=timm_name(config.name, about.name),
            architecture=read_architecture(about.architecture),
            recipe=dict(about.recipe) if result.policy is None else likeliest_recipe(result.policy),
            data=replace(images, name=public_name(config.images.name)),
            accuracy={"validation": result.validation_accuracy, "test": result.test_accuracy},
            test_scores=result.test_scores,
            test_classes=result.test_classes,
            policy=result.policy,
            progress=lambda file: advance(0, file),
        )
    write_json(note, made)
    reporter.say(f"export: {about.name} to {home}, largest difference {max(card.max_difference.values()):.1e}")
    return _quantize(about.name, home, images, reporter) if int8 else card


def verify_trained(
    place: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Verification:
    """Each form of such an export, loaded by its own runtime and compared on the test images.

    Args:
        place, folder, overrides, reporter: as for `export_trained`.

    Raises:
        As `export_trained`.
    """
    if (member := of_a_family(place, reporter or Silent())) is not None:
        run, name = member
        (found,) = [one for one in read_family(run).members if one.name == name]
        test = run.final_images.seen_by(architecture_of(run, found)).test
        return verify(run.folder.member(found.same_as or name), *compared_on(test))
    training = training_of(place)
    about = read_trained(training)
    test = images_of_training(about, _config_of(training, overrides), training, reporter or Silent()).test
    return verify(_home(Path(place), training, folder), *compared_on(test))


def training_of(place: str | Path, what: str = "nars export") -> Path:
    """The folder of the finished training that a folder has; `what` needs it, for the message.

    Raises:
        ConfigError: none has been trained there.
    """
    found = trained_in(place)
    if found is None and (pair := find_pair(place)) is not None:
        found = trained_in(pair.training)
    if found is None or not is_trained(found):
        raise ConfigError(
            f"{what} goes on where nars train ends, and {place} is not trained. First: nars train {place}"
        )
    return found


def of_a_family(place: str | Path, reporter: Reporter) -> tuple[Run, str] | None:
    """The run and the name of a member that was not trained by itself."""
    if trained_in(place) is not None:
        return None
    pair = find_pair(place)
    if pair is None or pair.run is None or pair.training.parent != pair.run.path / OTHER:
        return None
    if trained_in(pair.training) is not None:
        return None
    return reopen_run(pair.run.path, reporter=reporter), pair.name


def refuse_overrides(run: Run, name: str, overrides: Mapping[str, Any] | None) -> None:
    """A member's run keeps its own configuration.

    Raises:
        ConfigError: other values are asked for.
    """
    if overrides:
        raise ConfigError(
            f"{name} is of the run {run.folder.path}, whose own {', '.join(overrides)} count; leave out --set, or "
            f"change the run: nars run {run.folder.path} --set ..."
        )


def _export_member(run: Run, name: str, *, folder: str | Path | None, again: bool, int8: bool) -> Card:
    if folder is not None:
        raise ConfigError(f"{name} is exported into family/ of its run, {run.folder.path}; leave out --out")
    check_stage(run, "export")
    family = read_family(run)
    trained = needed(run, "export", load_trained(run, family))
    exported = export(run, trained, again=again)
    return (quantize(run, exported) if int8 else exported).cards[name]


def _home(place: Path, training: Path, folder: str | Path | None) -> Path:
    if folder is not None:
        return Path(folder)
    return training.parent / EXPORTED if training.name == TRAINING else training / EXPORTED


def _config_of(training: Path, overrides: Mapping[str, Any] | None) -> RunConfig:
    return kept_config(read_trained(training).config, overrides or {}, source=str(training)).config


def _quantize(name: str, home: Path, images: ImageData, reporter: Reporter) -> Card:
    with reporter.bar(f"int8: {name}", 1):
        return quantize_member(home, calibration=calibration_images(images), evaluation=images.test)


def images_of_training(about: TrainedNetwork, config: RunConfig, training: Path, reporter: Reporter) -> ImageData:
    """The images that a network was trained on by itself.

    Raises:
        DataError: they are gone, or others.
    """
    architecture = read_architecture(about.architecture)
    images = read_images(config, resolution=architecture.resolution, whole=True, reporter=reporter)
    if images.fingerprint != about.images:
        raise DataError(
            f"{config.images.name} does not hold the images that {training} was trained on. Put them back as they "
            f"were, or name the place where they are (--set data.name=imagefolder:PATH)"
        )
    mean, std = (torch.tensor(values) for values in (about.mean, about.std))
    return replace(
        images.seen_by(architecture), mean=mean, std=std
    )  # of weights from elsewhere they are those of these
