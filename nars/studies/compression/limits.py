"""What a compressed model is to keep, and the one of the front that does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nars.errors import ConfigError, require
from nars.metric import ACCURACY, Metric
from nars.space import loosened
from nars.studies.compression.measuring import Measured


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on a model; None where there is none."""

    max_bytes: float | None = None
    """Of its file."""
    max_drop: float | None = None
    """How much worse it may be on validation images than the float32 file of the network as it was trained, in the
    metric's unit."""
    metric: Metric = ACCURACY

    def __post_init__(self) -> None:
        for name, value, rule, least in (
            ("max_bytes", self.max_bytes, "a number above 0, such as 300k", 1.0),
            ("max_drop", self.max_drop, "a number from 0 on, such as 1", 0.0),
        ):
            require(ConfigError, value is None or least <= value < math.inf, name, rule, value)

    def __bool__(self) -> bool:
        return self.max_bytes is not None or self.max_drop is not None

    def __str__(self) -> str:
        name, unit = self.metric.name.replace("_", " "), self.metric.unit
        said = [
            "" if self.max_bytes is None else f"at most {self.max_bytes:,.0f} bytes",
            "" if self.max_drop is None else f"{name} at most {f'{self.max_drop:g} {unit}'.rstrip()} worse",
        ]
        return " and ".join(part for part in said if part)

    def keeps_bytes(self, one: Measured) -> bool:
        """Whether a model is small enough."""
        return self.max_bytes is None or one.bytes <= loosened(self.max_bytes)

    def keeps_drop(self, one: Measured, whole: Measured) -> bool:
        """Whether a model is good enough."""
        return self.max_drop is None or drop(one, whole) <= loosened(self.max_drop)


def drop(one: Measured, whole: Measured) -> float:
    """How much worse a model is on validation images, in the metric's unit."""
    return whole.score - one.score


def choose(front: Sequence[Measured], whole: Measured, limits: Limits, *, trainings: int) -> Measured | None:
    """The model that keeps the limits: the best where bytes are limited, else the smallest; None without any.

    Args:
        front: Models that no other beats.
        whole: The float32 file of the network as it was trained.
        limits: Asked for.
        trainings: Fine-tunings that were allowed, for the message.

    Raises:
        ConfigError: none does; the text names the nearest.
    """
    if not limits:
        return None
    kept = [one for one in front if limits.keeps_bytes(one) and limits.keeps_drop(one, whole)]
    if not kept:
        raise ConfigError(_nothing(front, whole, limits, trainings))
    if limits.max_bytes is None:
        return min(kept, key=lambda one: (one.bytes, one.latency_ms))
    return min(kept, key=lambda one: (-one.score, one.bytes, one.latency_ms))


def _nothing(front: Sequence[Measured], whole: Measured, limits: Limits, trainings: int) -> str:
    small = [one for one in front if limits.keeps_bytes(one)]
    good = [one for one in front if limits.keeps_drop(one, whole)]
    nearest = [min(good, key=lambda one: one.bytes)] if good else []
    nearest += [min(small or front, key=(lambda one: drop(one, whole)) if small else (lambda one: one.bytes))]
    listed = "; ".join(
        f"{one.name} with {one.bytes:,} bytes, {limits.metric.spell(drop(one, whole))} worse"
        for one in {one.name: one for one in nearest}.values()
    )
    return (
        f"no model has {limits}; nearest: {listed}. Allow as much (--max-bytes, --max-drop), or look further: "
        f"--trainings {2 * max(trainings, 1)}"
    )
