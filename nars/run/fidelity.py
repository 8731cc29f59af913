"""How thoroughly a run's configuration says to train: the candidates of the search, and finally the family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from nars.files import Value
from nars.recipe import (
    AUGMENTATION,
    BUILT_IN,
    Augmentation,
    Choices,
    Drawn,
    Online,
    PolicyName,
    Schedule,
    TrainingSettings,
    read_policy,
)
from nars.run.config import Collect, Data, Final, RunConfig
from nars.space import Space


def search_settings(config: RunConfig, *, images: int | None) -> TrainingSettings:
    """How every candidate of the search is trained; `images` are those that it is trained on, None where nobody
    knows."""
    collect = config.collect
    return TrainingSettings(
        schedule=_schedule(collect),
        batch_size=collect.batch_size,
        augmentation=_augmentation(config.images),
        ema_decay=collect.ema_decay,
        ema_warmup=warms_up(collect, images),
        amp=collect.amp,
        compiler="inductor" if collect.compile else None,
    )


def final_settings(config: RunConfig, *, images: int | None) -> TrainingSettings:
    """How every network of final training is trained; `images` as in `search_settings`."""
    final = config.final
    policy = "none" if final.learns or final.draws else cast(PolicyName, final.policy)
    return TrainingSettings(
        schedule=_schedule(final),
        batch_size=final.batch_size,
        augmentation=replace(_augmentation(config.images), policy=policy, erasing=final.erasing),
        # The recipe was found at the search's batch size.
        learning_rate_scale=final.batch_size / config.collect.batch_size if final.scale_learning_rate else 1.0,
        ema_decay=final.ema_decay,
        ema_warmup=warms_up(final, images),
        accumulation=final.accumulation,
        amp=final.amp == "bf16",
        channels_last=final.channels_last,
        compiler="inductor" if final.compile else None,
    )


def final_augmenting(config: RunConfig, space: Callable[[], Space]) -> Online | Drawn | None:
    """How augmentation changes in the course of each final training; None where it does not.

    Args:
        config: of the run.
        space: that of the run, which is asked for where settings are learned.

    Raises:
        RecipeError: the file of a policy is none.
    """
    final = config.final
    if final.draws:
        return Drawn(policy=read_policy(final.policy), chunk=final.online.chunk)
    if not final.learns:
        return None
    return Online(choices=learned_choices(space(), config.images.cropping), **final.online.model_dump())


def learned_choices(space: Space, cropping: str = "pad") -> Choices:
    """What augmentation is learned over: the choices of the space, built-in ones of settings that it does not vary.

    A crop pads images, so that where random parts of them are cut ("resized") it stays out, unless the space has it.

    Of many numbers a few from end to end: some dozen updates do not learn the chances of twenty.
    """
    names = [name for name in AUGMENTATION if name != "crop" or cropping == "pad" or _varied(space, name)]
    return {name: _few(_varied(space, name)) or BUILT_IN[name] for name in names}


def built_in_choices(space: Space, cropping: str = "pad") -> tuple[str, ...]:
    """The settings of these whose choices are the built-in ones."""
    return tuple(name for name in learned_choices(space, cropping) if not _varied(space, name))


def _varied(space: Space, name: str) -> tuple[Value, ...]:
    """The choices of a space for a setting of recipes; none where there is nothing to choose."""
    full = f"recipe.{name}"
    values: tuple[Value, ...] = space.values(full) if full in space.settings else ()
    return values if len(values) > 1 else ()


def _few(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """All words, and at most `_MOST` numbers, evenly spaced with both ends."""
    if len(values) <= _MOST or isinstance(values[0], str):
        return values
    return tuple(values[round(place * (len(values) - 1) / (_MOST - 1))] for place in range(_MOST))


_MOST = 5
"""Choices of a setting that are learned over."""


_LENGTHS = 20
"""Lengths 1 / (1 - decay) of the moving average from which a training has a constant decay by itself: after fewer, the
average is largely of weights at a large learning rate, hardly trained. The paper's trainings have 22 and 37."""


def warms_up(part: Collect | Final, images: int | None) -> bool:
    """Whether the decay of the moving average rises, in trainings on so many images."""
    if part.ema_warmup != "auto":
        return part.ema_warmup
    if images is None:
        return True
    steps = part.epochs * max(1, images // part.batch_size)
    return steps * (1.0 - part.ema_decay) < _LENGTHS


def _augmentation(data: Data) -> Augmentation:
    return Augmentation(
        crop=data.crop, flip=data.flip, cropping=data.cropping, scale=data.scale, ratio=data.ratio, color=data.color
    )


def _schedule(part: Collect | Final) -> Schedule:
    return Schedule(epochs=part.epochs, warmup_epochs=part.warmup_epochs, kind=part.schedule, decay=part.decay)
