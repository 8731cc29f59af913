"""A network from elsewhere, trained with a searched recipe: any timm model, or an architecture in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from nars.errors import ConfigError
from nars.images import ImageData
from nars.network import build
from nars.parallel import resolve_device
from nars.recipe import Recipe, joined_peers
from nars.run import Reporter, RunConfig, Silent
from nars.run.fidelity import final_settings
from nars.run.run import introduce, read_images
from nars.run.teaching import LARGEST, NONE, member_names, outside_teacher
from nars.space import AnyArchitecture, SpaceError, read_architecture, read_document
from nars.stages.watching import watching
from nars.train import EpochReport, MemberResult, timm_network, train_network

_TIMM_RESOLUTION = 32
"""Pixels, of a timm network without another wish: the side of CIFAR's images."""


def train_other(
    config: RunConfig,
    model: str,
    recipe: Path,
    *,
    folder: Path,
    resolution: int | None,
    device: str,
    reporter: Reporter,
) -> MemberResult:
    """Train any network with a searched recipe, on the images and in the way of a run configuration.

    It is taught by the configuration's teacher if that comes from outside a family, else by labels alone. Processes
    that `torchrun` started train it together.

    Args:
        config: Images, seed and final training are taken from it.
        model: timm's name, e.g. "timm:resnet18", or the path of an architecture.yaml (`nars scale`).
        recipe: A member's recipe.yaml.
        folder: Gets checkpoint, weights and result; started again it goes on.
        resolution: Side of the images, pixels; when None the architecture's own, and 32 for timm.
        device: Where, as `nars.parallel.resolve_device` takes it.
        reporter: Who is told.

    Raises:
        ConfigError: a file cannot be read, or the teacher does not fit.
        DeviceError: there is no such device.
        RecipeError, TrainError, DataError, NetworkError: a wrong setting, an unknown model, missing images.
    """
    device = resolve_device(device)
    searched = Recipe.from_dict(read_mapping(recipe, "a recipe"))
    network, images = _network(config, model, searched, resolution)
    final = config.final
    by_labels = final.teacher in (LARGEST, NONE, *member_names(config))
    teaching = None if by_labels else outside_teacher(final, images)
    with joined_peers(device) as (peers, own_device):
        if not peers.first:
            reporter = Silent()
        introduce(images, reporter.say)
        with (
            reporter.bar(f"training {model}", final.epochs) as advance,
            watching(final.watch if peers.first else (), folder=folder, name=model) as watch,
        ):

            def on_epoch(report: EpochReport) -> None:
                advance(1, f"{report.accuracy:.2f} %")
                watch("network", report)

            return train_network(
                network,
                searched,
                images,
                final_settings(config),
                folder=folder,
                seed=config.seed,
                teaching=teaching,
                device=own_device,
                threads=1,
                peers=peers,
                on_epoch=on_epoch,
            )


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


def _network(config: RunConfig, model: str, recipe: Recipe, resolution: int | None) -> tuple[nn.Module, ImageData]:
    if Path(model).suffix in (".yaml", ".yml"):
        architecture = architecture_in(Path(model))
        images = read_images(config, resolution=resolution or architecture.resolution, whole=True)
        architecture = replace(
            architecture, resolution=images.resolution, classes=len(images.classes), in_channels=images.in_channels
        )
        drops = {"dropout": recipe.dropout, "stochastic_depth": recipe.stochastic_depth}
        return build(architecture, seed=config.seed, **drops), images
    images = read_images(config, resolution=resolution or _TIMM_RESOLUTION, whole=True)
    return timm_network(model, images, recipe=recipe, seed=config.seed), images
