"""Teachers from outside the family: any timm model, or an exported member of another run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nars.errors import ConfigError
from nars.run.config import Final, RunConfig
from nars.run.naming import budget_name

if TYPE_CHECKING:
    from nars.export import MemberConfig
    from nars.images import ImageData, Listing
    from nars.recipe import Teaching

LARGEST, NONE, _TIMM = "largest", "none", "timm:"


def check_teacher(config: RunConfig) -> None:
    """Refuse a teacher that nobody can find, before anything is computed.

    Raises:
        ConfigError: it is no member of the family, and no folder of an exported one.
    """
    teacher, names = config.final.teacher, member_names(config)
    if teacher in (LARGEST, NONE, *names) or teacher.startswith(_TIMM):
        return
    from nars.export.layout import CONFIG  # brings timm, which most configurations are checked without

    if (Path(teacher) / CONFIG).is_file():
        return
    raise ConfigError(
        f"final.teacher: must be largest, none, a member ({', '.join(names)}), timm:NAME, or the folder of an exported "
        f"member (with {CONFIG}); got {teacher!r}"
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
    if final.teacher.startswith(_TIMM):
        from nars.train import check_timm_teacher

        weights = Path(final.teacher_weights) if final.teacher_weights else None
        check_timm_teacher(final.teacher, images, checkpoint=weights, fetch=fetch)
    else:
        from nars.export import load_member

        _same_classes(final, images)
        load_member(final.teacher)


def _same_classes(final: Final, images: Listing | ImageData) -> MemberConfig:
    """The description of an exported member, if it knows these images' classes.

    Raises:
        ConfigError: it knows others.
        ExportError: the folder's export is damaged.
    """
    from nars.export import read_config

    config = read_config(final.teacher)
    if tuple(config.classes) != images.classes or config.architecture.in_channels != images.in_channels:
        raise ConfigError(
            f"final.teacher: {final.teacher} knows {len(config.classes)} classes in images of "
            f"{config.architecture.in_channels} channels ({', '.join(config.classes[:3])}, ...), {images.name} has "
            f"{len(images.classes)} in {images.in_channels} ({', '.join(images.classes[:3])}, ...); take one that was "
            f"trained on the same classes"
        )
    return config


def member_names(config: RunConfig) -> list[str]:
    """Names of the family's members, known before the search."""
    return [budget_name(budget) for budget in config.budgets]


def outside_teacher(final: Final, images: ImageData) -> Teaching:
    """A timm model or an exported member, at the resolution that it wants.

    Args:
        final: names it; not a member of this family.
        images: what it is to teach on; it gets them normalized as it was trained.

    Raises:
        ConfigError: the exported member knows other classes or channels.
        TrainError: timm has no such model, or weights that do not fit the images.
        ExportError: the folder's export is damaged.
    """
    import torch

    from nars.export import load_member
    from nars.recipe import Teaching
    from nars.train import Renormalized, timm_teacher

    if final.teacher.startswith(_TIMM):
        weights = Path(final.teacher_weights) if final.teacher_weights else None
        network = timm_teacher(final.teacher, images, checkpoint=weights)
        return Teaching(network=network, resolution=final.teacher_resolution, weight=final.distillation)
    config = _same_classes(final, images)
    theirs = torch.tensor(config.mean), torch.tensor(config.std)
    model = Renormalized(load_member(final.teacher), ours=(images.mean, images.std), theirs=theirs)
    resolution = final.teacher_resolution or config.architecture.resolution
    return Teaching(network=model, resolution=resolution, weight=final.distillation)
