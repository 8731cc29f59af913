"""One network, fully trained: an answer, a scaled network, a member by itself, any timm model, one in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nars.errors import ConfigError, DataError
from nars.images import ImageData
from nars.network import Start, build, read_start, start_from
from nars.network.timm_models import timm_architecture
from nars.parallel import resolve_device
from nars.recipe import Recipe, Teaching, joined_peers
from nars.run import Execution, Reporter, Run, RunConfig, Silent, check_training, read_config, reopen_run
from nars.run.fidelity import final_augmenting, final_settings
from nars.run.folder import RunFolder
from nars.run.places import absolute
from nars.run.run import introduce, read_images
from nars.run.settled import is_settled
from nars.run.teaching import LARGEST, NONE, family_teaching, member_names, outside_teacher
from nars.space import AnyArchitecture, load_space, published
from nars.stages.finished import own_teacher, settings_for
from nars.stages.member import Member
from nars.stages.members import Family, read_family
from nars.stages.training import TEACHER, architecture_of, network_of
from nars.stages.watching import watching
from nars.studies.pairs import Pair, architecture_in, find_pair, images_of, read_mapping
from nars.train import EpochReport, MemberResult, Renormalized, TrainedNetwork, known_timm, teaching_for, train_network

_TIMM_RESOLUTION = 32
"""Pixels, of a timm network without another wish: the side of CIFAR's images."""


_PUBLISHED = ("fbnetv3-", "fbnetv3_")


def train_pair(
    place: str | Path,
    *,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    options: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> MemberResult:
    """Train the network in a folder to the end: an answer, a scaled network, a member, an exported one.

    Images and final training are those of the run that it comes from; it is taught by the run's trained teacher, or the
    one that its settings name, else by labels alone.

    Example:
        >>> train_pair("answers/4M", overrides={"final.epochs": 60})

    Args:
        place: the folder.
        config: of another run, or of one where the network comes from none: built-in name, file, or folder of a run.
        overrides: dotted keys with new values.
        options: those keys with the option that gave them, for errors.
        folder: gets checkpoint, weights and result; training/ in the network's own when None. Started again it goes on.
        weights: file of weights to start from, such as timm's of FBNetV3; all names and shapes must be the network's.
        device: as `nars.parallel.resolve_device` takes it.
        reporter: who is told.

    Raises:
        NetworkError: the weights are of another network.
        ConfigError: no such network, it comes from no run, or the teacher does not fit.
        DataError, DeviceError, RecipeError, TrainError: missing or other images, no such device, a wrong setting.
    """
    pair = find_pair(place)
    if pair is None:
        raise ConfigError(
            f"{place} holds no network to train: give an answer's folder (nars search --out), a scaled network's (nars "
            f"scale), a member's (runs/NAME/family/BUDGET), or one with architecture.yaml and recipe.yaml"
        )
    overrides = overrides or {}
    given = read_config(config, overrides, options=options) if config is not None else pair.given(overrides, options)
    check_training(given.config, Execution(device=device), place=given.place)
    divided = any(key == "seed" or key.partition(".")[0] == "data" for key in overrides)  # otherwise than they were
    same = None if config is not None or divided else pair.images
    start = None if weights is None else read_start(weights, in_channels=pair.architecture.in_channels)
    return train_found(
        pair,
        given.config,
        images=same,
        folder=Path(folder) if folder else None,
        start=start,
        device=device,
        reporter=reporter,
    )


def train_found(
    pair: Pair,
    config: RunConfig,
    *,
    images: str | None,
    folder: Path | None = None,
    start: Start | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> MemberResult:
    """The same of a pair and a configuration that are known and checked; `images` is the fingerprint that theirs must
    have, None if any will do. `start` has weights to start from."""
    reporter = reporter or Silent()
    data = read_images(config, resolution=pair.architecture.resolution, whole=True, reporter=reporter)
    if images is not None and data.fingerprint != images:
        raise DataError(
            f"{config.images.name} does not hold the images of the run that {pair.place} comes from. Put them back as "
            f"they were, or train on others by naming them: --data imagefolder:PATH"
        )
    teaching, taught_by = _teaching(config, pair.run, data, reporter)
    return _train(
        _for_images(pair.architecture, data),
        pair.recipe,
        data,
        config,
        name=pair.name,
        folder=folder or pair.training,
        teaching=teaching,
        taught_by=taught_by,
        start=start,
        device=device,
        reporter=reporter,
    )


def train_other(
    config: RunConfig,
    model: str,
    recipe: Path,
    *,
    folder: Path,
    resolution: int | None,
    weights: Path | None = None,
    device: str,
    reporter: Reporter,
) -> MemberResult:
    """Train any network with a searched recipe, on the images and in the way of a run configuration.

    It is taught by the configuration's teacher if that comes from outside a family, else by labels alone. Processes
    that `torchrun` started train it together.

    Args:
        config: Images, seed and final training are taken from it.
        model: timm's name, e.g. "timm:resnet18", a published one, e.g. "fbnetv3-b", or the path of an
            architecture.yaml (`nars scale`).
        recipe: A member's recipe.yaml.
        folder: Gets checkpoint, weights and result; started again it goes on.
        resolution: Side of the images, pixels; when None the architecture's own, and 32 for timm.
        weights: File of weights to start from, as in `train_pair`.
        device: Where, as `nars.parallel.resolve_device` takes it.
        reporter: Who is told.

    Raises:
        ConfigError: a file cannot be read, or the teacher does not fit.
        DeviceError: there is no such device.
        RecipeError, TrainError, DataError, NetworkError: a wrong setting, an unknown model, missing images.
    """
    device = resolve_device(device)
    searched = Recipe.from_dict(read_mapping(recipe, "a recipe"))
    architecture = _named(model)
    side = resolution or (_TIMM_RESOLUTION if architecture is None else architecture.resolution)
    images = read_images(config, resolution=side, whole=True)
    teaching = outside_teacher(config.final, images) if _from_outside(config) else None
    if architecture is None:
        architecture = timm_architecture(known_timm(model), resolution=side, in_channels=1, classes=2)
    return _train(
        _for_images(architecture, images),
        searched,
        images,
        config,
        name=model,
        folder=folder,
        teaching=teaching,
        taught_by="" if teaching is None else config.final.teacher,
        start=None if weights is None else read_start(weights, in_channels=images.in_channels),
        device=device,
        reporter=reporter,
    )


def _named(model: str) -> AnyArchitecture | None:
    """The network of a file, or a published one; None of timm's, which waits for its images."""
    if Path(model).suffix in (".yaml", ".yml"):
        return architecture_in(Path(model))
    return published(model).architecture if model.lower().startswith(_PUBLISHED) else None


def _for_images(architecture: AnyArchitecture, images: ImageData) -> AnyArchitecture:
    """The network with the classes, channels and resolution of images."""
    return replace(
        architecture, resolution=images.resolution, classes=len(images.classes), in_channels=images.in_channels
    )


def _train(
    architecture: AnyArchitecture,
    recipe: Recipe,
    images: ImageData,
    config: RunConfig,
    *,
    name: str,
    folder: Path,
    teaching: Teaching | None,
    taught_by: str,
    start: Start | None,
    device: str,
    reporter: Reporter,
) -> MemberResult:
    """One training, by all processes that torchrun has started; its folder says what it is of."""
    teaching = teaching_for(architecture, teaching, images)
    images = images.seen_by(architecture)
    if start is not None and start.normalization is not None:
        mean, std = (torch.tensor(values) for values in start.normalization)
        if teaching is not None:  # it gets what the network gets
            teaching = replace(
                teaching, network=Renormalized(teaching.network, ours=(mean, std), theirs=(images.mean, images.std))
            )
        images = replace(images, mean=mean, std=std)
    about = TrainedNetwork(
        name=name,
        architecture=architecture.to_dict(),
        recipe=recipe.to_dict(),
        config=absolute(config).model_dump(mode="json"),
        images=images.fingerprint,
        classes=images.classes,
        mean=tuple(images.mean.tolist()),
        std=tuple(images.std.tolist()),
        taught_by=taught_by,
        multi_label=images.multi_label,
    )
    network = build(architecture, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, seed=config.seed)
    if start is not None:
        left = start_from(network, start)
        but = f" but for {', '.join(left)}, which is of other classes" if left else ""
        reporter.say(f"{name} starts from the weights of {start.source}{but}")
    with joined_peers(resolve_device(device)) as (peers, own_device):
        if not peers.first:
            reporter = Silent()
        introduce(images, reporter.say)
        final = config.final
        with (
            reporter.bar(f"training {name}", recipe.epochs_of(final.epochs)) as advance,
            watching(final.watch if peers.first else (), folder=folder, name=name) as watch,
        ):

            def on_epoch(report: EpochReport) -> None:
                advance(1, report.metric.spell(report.accuracy))
                watch("network", report)

            result = train_network(
                network,
                recipe,
                images,
                final_settings(config, images=len(images.train)),
                folder=folder,
                seed=config.seed,
                teaching=teaching,
                augmenting=final_augmenting(config, lambda: load_space(config.space)),
                device=own_device,
                threads=1,
                peers=peers,
                metric=config.measured,
                on_epoch=on_epoch,
            )
        if peers.first:
            about.save(folder)
    return result


def _from_outside(config: RunConfig) -> bool:
    return config.final.teacher not in (LARGEST, NONE, *member_names(config))


def _teaching(
    config: RunConfig, folder: RunFolder | None, images: ImageData, reporter: Reporter
) -> tuple[Teaching | None, str]:
    """Who teaches, and in words; (None, "") for labels alone."""
    if config.final.teacher == NONE:
        return None, ""
    if _from_outside(config):
        reporter.say(f"taught by {config.final.teacher}")
        return outside_teacher(config.final, images), config.final.teacher
    found, lacks = None, "the network comes from no run that is still there"
    if folder is not None:
        found, lacks = _of_the_family(config, folder, images)
    if found is None or folder is None:
        reporter.say(f"on labels alone: final.teacher is {config.final.teacher}, of a family, and {lacks}")
        return None, ""
    teaching, name = found
    reporter.say(f"taught by {name} of {folder.path}")
    return teaching, f"{name} of {folder.path}"


def _training_of(run: Run, family: Family, member: Member) -> str:
    """Name of the training whose weights teach; the teacher's in the folder may be of a member that was the largest
    once and has left the family."""
    labels_alone = settings_for(run, member, NONE)
    if member == own_teacher(run, family) and is_settled(run.folder, TEACHER, labels_alone, teachers=()):
        return TEACHER
    return member.same_as or member.name


def _of_the_family(config: RunConfig, folder: RunFolder, images: ImageData) -> tuple[tuple[Teaching, str] | None, str]:
    """The trained teacher among the members of a run and its name, or what is lacking."""
    if images_of(folder) != images.fingerprint:
        return None, f"{folder.path} has trained its teacher on other images"
    run = reopen_run(folder.path)
    family = read_family(run)
    if not family.members:
        return None, f"{folder.path} has no family yet"
    largest = max(family.members, key=lambda member: member.costs["flops"])
    wanted = next((member for member in family.members if member.name == config.final.teacher), largest)
    # The run's own teacher teaches as it was trained on labels alone, before it was distilled itself.
    place = _training_of(run, family, wanted)
    if not run.folder.training_result(place).is_file():
        return None, f"{folder.path} has not trained it yet (nars train {folder.path})"
    network = network_of(run, wanted, MemberResult.load(run.folder.training_result(place)).weights)
    return (family_teaching(config.final, network, architecture_of(run, wanted)), wanted.name), ""
