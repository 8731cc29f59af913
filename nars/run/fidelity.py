"""How thoroughly a run's configuration says to train: the candidates of the search, and finally the family."""

from __future__ import annotations

from nars.recipe import Augmentation, Schedule, TrainingSettings
from nars.run.config import Collect, Final, RunConfig


def search_settings(config: RunConfig) -> TrainingSettings:
    """How every candidate of the search is trained."""
    collect, data = config.collect, config.images
    return TrainingSettings(
        schedule=_schedule(collect),
        batch_size=collect.batch_size,
        augmentation=Augmentation(crop=data.crop, flip=data.flip),
        ema_decay=collect.ema_decay,
        amp=collect.amp,
        compiler="inductor" if collect.compile else None,
    )


def final_settings(config: RunConfig) -> TrainingSettings:
    """How every network of final training is trained."""
    final, data = config.final, config.images
    return TrainingSettings(
        schedule=_schedule(final),
        batch_size=final.batch_size,
        augmentation=Augmentation(crop=data.crop, flip=data.flip, policy=final.policy, erasing=final.erasing),
        # The recipe was found at the search's batch size.
        learning_rate_scale=final.batch_size / config.collect.batch_size if final.scale_learning_rate else 1.0,
        ema_decay=final.ema_decay,
        accumulation=final.accumulation,
        amp=final.amp == "bf16",
        channels_last=final.channels_last,
        compiler="inductor" if final.compile else None,
    )


def _schedule(part: Collect | Final) -> Schedule:
    return Schedule(epochs=part.epochs, warmup_epochs=part.warmup_epochs, kind=part.schedule, decay=part.decay)
