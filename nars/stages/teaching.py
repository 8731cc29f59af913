"""Teachers from outside the family: any timm model, or an exported member of another run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from nars.data import ImageData
from nars.space import shorten
from nars.stages.config import ConfigError, Final, RunConfig

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


def member_names(config: RunConfig) -> list[str]:
    """Names of the family's members, known before the search."""
    return [shorten(budget) for budget in config.search.budgets]


def outside_teacher(final: Final, images: ImageData) -> tuple[nn.Module, int | None]:
    """A timm model or an exported member, and the resolution that it wants (None: as the student's).

    Args:
        final: names it; not a member of this family.
        images: what it is to teach on; it gets them normalised as it was trained.

    Raises:
        ConfigError: the exported member knows other classes or channels.
        TrainError: timm has no such model, or weights that do not fit the images.
        ExportError: the folder's export is damaged.
    """
    from nars.export import load_member, read_config
    from nars.train import Renormalized, timm_teacher

    if final.teacher.startswith(_TIMM):
        weights = Path(final.teacher_weights) if final.teacher_weights else None
        return timm_teacher(final.teacher, images, checkpoint=weights), final.teacher_resolution
    config = read_config(final.teacher)
    if config.classes != images.classes or config.architecture.in_channels != images.in_channels:
        raise ConfigError(
            f"final.teacher: {final.teacher} knows {len(config.classes)} classes in images of "
            f"{config.architecture.in_channels} channels ({', '.join(config.classes[:3])}, ...), {images.name} has "
            f"{len(images.classes)} in {images.in_channels} ({', '.join(images.classes[:3])}, ...); take one that was "
            f"trained on the same classes"
        )
    theirs = torch.tensor(config.mean), torch.tensor(config.std)
    model = Renormalized(load_member(final.teacher), ours=(images.mean, images.std), theirs=theirs)
    return model.eval(), final.teacher_resolution or config.architecture.resolution
