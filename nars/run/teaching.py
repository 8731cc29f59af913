"""Teachers from outside the family: any timm model, a member of another run, any network trained by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nars.errors import ConfigError
from nars.run.config import Final, RunConfig
from nars.run.naming import budget_name

if TYPE_CHECKING:
    from torch import nn

    from nars.images import ImageData, Listing
    from nars.recipe import Teaching
    from nars.space import AnyArchitecture

LARGEST, NONE, TIMM = "largest", "none", "timm:"


def check_teacher(config: RunConfig) -> None:
    """Refuse a teacher that nobody can find, before anything is computed.

    Raises:
        ConfigError: it is no member of the family, and no folder of an exported one.
    """
    teacher, names = config.final.teacher, member_names(config)
    if teacher in (LARGEST, NONE, *names) or teacher.startswith(TIMM):
        return
    from nars.export.layout import ARCHITECTURE, CONFIG  # brings timm, which most configurations are checked without
    from nars.train import trained_in

    if (Path(teacher) / CONFIG).is_file() or trained_in(teacher) is not None:
        return
    if (Path(teacher) / ARCHITECTURE).is_file():
        raise ConfigError(f"final.teacher: {teacher} is not trained yet; first: nars train {teacher}")
    raise ConfigError(
        f"final.teacher: must be largest, none, a member ({', '.join(names)}), timm:NAME, the folder of an exported "
        f"member (with {CONFIG}), or that of a scaled network or an answer that nars train has trained; got {teacher!r}"
    )


def teaches_itself(config: RunConfig) -> bool:
    """Whether the teacher is a member of the family, which is trained first."""
    return config.final.teacher in (LARGEST, *member_names(config))


def try_teacher(final: Final, images: Listing, *, fetch: bool = False) -> None:
    """Open a teacher from outside the family and leave it, so that what it can fail of shows before all computing.

    Args:
        final: names it.
        images: what it is to teach on.
        fetch: also download timm's weights, which final training then finds on this machine.

    Raises:
        ConfigError, TrainError, ExportError: as `outside_teacher`.
    """
    if final.teacher.startswith(TIMM):
        from nars.train import check_timm_teacher

        weights = Path(final.teacher_weights) if final.teacher_weights else None
        check_timm_teacher(final.teacher, images, checkpoint=weights, fetch=fetch)
    else:
        _check_classes(final, KnownNetwork.of(final.teacher), images).load()


@dataclass(frozen=True, kw_only=True)
class KnownNetwork:
    """A trained network in a folder: exported, or where it was trained."""

    classes: tuple[str, ...]
    in_channels: int
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    multi_label: bool
    """Whether its logits are of labels that stand by themselves."""
    load: Callable[[], nn.Module]
    """The network in eval mode."""

    @staticmethod
    def of(folder: str) -> KnownNetwork:
        """What is there.

        Raises:
            ExportError, TrainError: its files are damaged, or the training is not done.
        """
        from nars.train import load_trained, read_trained, trained_in

        place = trained_in(folder)
        if place is not None:
            from nars.space import read_architecture

            about = read_trained(place)
            own = read_architecture(about.architecture)
            return KnownNetwork(
                classes=about.classes,
                in_channels=own.in_channels,
                resolution=own.resolution,
                mean=about.mean,
                std=about.std,
                multi_label=about.multi_label,
                load=lambda: load_trained(place),
            )
        from nars.export import load_member, read_config

        config = read_config(folder)
        return KnownNetwork(
            classes=tuple(config.classes),
            in_channels=config.architecture.in_channels,
            resolution=config.architecture.resolution,
            mean=config.mean,
            std=config.std,
            multi_label=config.multi_label,
            load=lambda: load_member(folder),
        )


def _check_classes(final: Final, known: KnownNetwork, images: Listing | ImageData) -> KnownNetwork:
    """The same, if it knows these images' classes.

    Raises:
        ConfigError: it knows others.
    """
    if known.classes != tuple(images.classes) or known.in_channels != images.in_channels:
        raise ConfigError(
            f"final.teacher: {final.teacher} knows {len(known.classes)} classes in images of {known.in_channels} "
            f"channels ({', '.join(known.classes[:3])}, ...), {images.name} has {len(images.classes)} in "
            f"{images.in_channels} ({', '.join(images.classes[:3])}, ...); take one that was trained on the same "
            f"classes"
        )
    if known.multi_label != images.multi_label:
        theirs, ours = (
            "several labels" if one else "one class each" for one in (known.multi_label, images.multi_label)
        )
        raise ConfigError(
            f"final.teacher: {final.teacher} was trained on images with {theirs}, those of {images.name} have {ours}; "
            f"take one that was trained on labels of this kind"
        )
    return known


def member_names(config: RunConfig) -> list[str]:
    """Names of the family's members, known before the search."""
    return [budget_name(budget) for budget in config.members]


def teaching_by(final: Final, network: nn.Module, *, resolution: int | None) -> Teaching:
    """A network that teaches as the configuration has it, at the resolution that it names, else at this one."""
    from nars.recipe import Teaching

    return Teaching(
        network=network,
        resolution=final.teacher_resolution or resolution,
        images=final.teacher_images,
        weight=final.distillation,
        temperature=final.teacher_temperature,
        sees=final.teacher_sees,
    )


def family_teaching(final: Final, network: nn.Module, architecture: AnyArchitecture) -> Teaching:
    """A network of a family that teaches as the configuration has it."""
    by = teaching_by(final, network, resolution=architecture.resolution)
    return replace(by, normalization=architecture.normalization)


def outside_teacher(final: Final, images: ImageData) -> Teaching:
    """A timm model or a trained network in a folder, at the resolution that it wants.

    Args:
        final: names it; not a member of this family.
        images: what it is to teach on; it gets them normalized as it was trained.

    Raises:
        ConfigError: the exported member knows other classes or channels.
        TrainError: timm has no such model, or weights that do not fit the images.
        ExportError: the folder's export is damaged.
    """
    import torch

    from nars.train import Renormalized, timm_resolution, timm_teacher

    if final.teacher.startswith(TIMM):
        weights = Path(final.teacher_weights) if final.teacher_weights else None
        by_timm = final.teacher_normalization == "timm"
        network = timm_teacher(final.teacher, images, checkpoint=weights, normalized_by_timm=by_timm)
        own = timm_resolution(final.teacher) if final.teacher_images == "rendered" else None
        return teaching_by(final, network, resolution=own)
    known = _check_classes(final, KnownNetwork.of(final.teacher), images)
    theirs = torch.tensor(known.mean), torch.tensor(known.std)
    model = Renormalized(known.load(), ours=(images.mean, images.std), theirs=theirs)
    return teaching_by(final, model, resolution=known.resolution)
