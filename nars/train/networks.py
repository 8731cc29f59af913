"""Networks from elsewhere: any timm model to be trained with a searched recipe, or to teach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, final

import timm
import torch
from timm.models import load_checkpoint
from torch import Tensor, nn

from nars.images import ImageData
from nars.network.building import seeded
from nars.network.timm_models import create, why_no_weights
from nars.recipe import Recipe, Teaching
from nars.space import AnyArchitecture
from nars.train.result import TrainError

PREFIX = "timm:"
_REASON = 300
"""Characters of what torch says that an error repeats: it lists every tensor that does not fit."""


class Labelled(Protocol):
    """What a network must know of an image set."""

    @property
    def name(self) -> str:
        """What the set is called."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""

    @property
    def in_channels(self) -> int:
        """1 (gray) or 3 (RGB)."""


def timm_network(
    name: str,
    data: Labelled,
    *,
    recipe: Recipe | None = None,
    seed: int,
    pretrained: bool = False,
    checkpoint: Path | None = None,
) -> nn.Module:
    """A timm model for the classes and channels of an image set.

    Args:
        name: As timm names it, with or without the prefix "timm:", such as "timm:resnet18".
        data: What it is for.
        recipe: Its dropout and stochastic depth are built in, as far as the model knows them.
        seed: For the initial weights; torch's global generator is left alone.
        pretrained: Start from timm's weights (downloaded); the classifier is new if the classes differ in number.
        checkpoint: Start from weights in a file (safetensors, or what torch saved).

    Raises:
        TrainError: timm has no such model, or the file does not fit it.
    """
    name = known_timm(name)
    options: dict[str, Any] = {"num_classes": len(data.classes), "in_chans": data.in_channels, "pretrained": pretrained}
    drops = {} if recipe is None else {"drop_rate": recipe.dropout, "drop_path_rate": recipe.stochastic_depth}
    with seeded(seed):
        model = create(name, options, drops)
    if checkpoint is not None:
        try:
            load_checkpoint(model, str(checkpoint), weights_only=True)  # the default of later timm alone
        except Exception as error:  # no file, no weights or another network's: torch and timm raise many classes
            reason = " ".join(str(error).split())[:_REASON]
            raise TrainError(
                f"{checkpoint} does not hold weights of {name} for the {len(data.classes)} classes of {data.name} in "
                f"{data.in_channels} channels ({reason}). Train it on them first."
            ) from error
    return model


def timm_teacher(
    name: str, data: ImageData, *, checkpoint: Path | None = None, normalized_by_timm: bool = False
) -> nn.Module:
    """A timm model as a teacher, with timm's weights or those of a file; takes images normalized for `data`.

    `normalized_by_timm` says that the file's weights want images as timm has them for the model, not as `data`'s are.

    Raises:
        TrainError: as `timm_network`, or timm has no weights for this number of classes, or they cannot be downloaded.
    """
    if checkpoint is not None:
        model = timm_network(name, data, seed=0, checkpoint=checkpoint)
        if not normalized_by_timm:
            return model.eval()
    else:
        model = _with_timm_weights(name, data)
    config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    known = torch.tensor(config["mean"]), torch.tensor(config["std"])
    if data.in_channels != len(known[0]):  # timm has summed the first layer over the channels
        known = known[0].mean().expand(data.in_channels), known[1].mean().expand(data.in_channels)
    return Renormalized(model, ours=(data.mean, data.std), theirs=known).eval()


def timm_resolution(name: str) -> int:
    """Side of the images that timm has a model for, pixels.

    Raises:
        TrainError: timm has no such model.
    """
    known = timm.get_pretrained_cfg(known_timm(name), allow_unregistered=True)
    if known is None:
        raise TrainError(f"timm does not say which images {name} wants; say so (final.teacher_resolution).")
    return int(known.input_size[-1])


def teaching_for(architecture: AnyArchitecture, teaching: Teaching | None, images: ImageData) -> Teaching | None:
    """A teacher for a network of its own normalization, or a teacher that has one: it gets its input as it knows it."""
    if teaching is None or teaching.normalization == architecture.normalization:
        return teaching
    own = images.at(architecture.resolution)
    ours, theirs = (
        (own.mean, own.std) if seen is None else (torch.tensor(seen[0]), torch.tensor(seen[1]))
        for seen in (architecture.normalization, teaching.normalization)
    )
    return replace(teaching, network=Renormalized(teaching.network, ours=ours, theirs=theirs))


def check_timm_teacher(name: str, data: Labelled, *, checkpoint: Path | None = None, fetch: bool = False) -> None:
    """Find out early why `timm_teacher` would fail; with `fetch`, timm's weights are downloaded (and kept) for it.

    Raises:
        TrainError: as `timm_teacher`.
    """
    if checkpoint is not None:
        timm_network(name, data, seed=0, checkpoint=checkpoint)
    elif fetch:
        _with_timm_weights(name, data)
    else:
        _require_weights(name, data)


def _require_weights(name: str, data: Labelled) -> None:
    """Refuse a model that timm does not have, or has no weights of for so many classes."""
    known = timm.get_pretrained_cfg(known_timm(name), allow_unregistered=True)
    if known is None or not known.has_weights:
        raise TrainError(
            f"timm has no weights of {name}. Train it on {data.name} first and give its checkpoint "
            f"(final.teacher_weights)."
        )
    if known.num_classes != len(data.classes):
        raise TrainError(
            f"timm's weights of {name} know {known.num_classes} classes, {data.name} has {len(data.classes)}: the "
            f"classifier would be untrained and teach noise. Train it on {data.name} first and give its checkpoint "
            f"(final.teacher_weights)."
        )


def _with_timm_weights(name: str, data: Labelled) -> nn.Module:
    _require_weights(name, data)
    try:
        if not (why := why_no_weights(known_timm(name))):
            return timm_network(name, data, seed=0, pretrained=True)
        cause = None
    except Exception as error:  # the hub's client and its HTTP library raise many classes
        why, cause = f"{type(error).__name__}: {error}", error
    raise TrainError(
        f"timm's weights of {name} could not be downloaded ({why}). Mend the connection, or give a file "
        f"(final.teacher_weights)."
    ) from cause


def known_timm(name: str) -> str:
    """The name without its prefix, of a model that timm has.

    Raises:
        TrainError: timm has none of this name; the text has some that are close.
    """
    name = name.removeprefix(PREFIX)
    if not timm.is_model(name):
        near = timm.list_models(f"*{name}*")[:5] or timm.list_models(f"{name[:4]}*")[:5]
        raise TrainError(
            f"timm has no model {name!r}; close to it: {', '.join(near) or 'nothing'}. See timm.list_models()."
        )
    return name


@final
class Renormalized(nn.Module):
    """A network that was trained with other mean and deviation than its input comes with."""

    def __init__(self, model: nn.Module, *, ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
        """Mean and deviation (C,) of the input as it comes and as the network knows it; a pixel of 255 counts as 1."""
        super().__init__()
        self.model = model
        self.register_buffer("scale", (ours[1] / theirs[1]).view(1, -1, 1, 1))
        self.register_buffer("shift", ((ours[0] - theirs[0]) / theirs[1]).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, classes)."""
        logits: Tensor = self.model(images * self.get_buffer("scale") + self.get_buffer("shift"))
        return logits
