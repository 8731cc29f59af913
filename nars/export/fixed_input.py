"""A fingerprint of what a network computes, the same on every machine and runtime that computes it right."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def fixed_input(in_channels: int, resolution: int) -> torch.Tensor:
    """float32 (1, in_channels, resolution, resolution) in -1..1 by whole-number arithmetic: pixel i is 37 i mod 256."""
    import torch  # whoever reads a card does without

    pixels = torch.arange(in_channels * resolution * resolution) * 37 % 256
    return pixels.reshape(1, in_channels, resolution, resolution) / 127.5 - 1


@dataclass(frozen=True, kw_only=True)
class LogitsHash:
    """Hash of one row of logits, rounded to a grid on which the rounding is never close.

    Plain rounding flips where a logit sits near the middle of two grid points, and two runtimes differ by 1e-6 or so.
    So the grid is placed by the logits themselves: its boundaries go through the widest gap of their positions within
    a step, which is at least step / classes. With a step of 1e-3 x classes every logit keeps 5e-4 from a boundary, more
    than the 1e-4 that two right runtimes may differ by.
    """

    sha256: str
    """Hash of the grid indices as little-endian int64."""
    step: float
    offset: float

    @staticmethod
    def of(logits: torch.Tensor) -> LogitsHash:
        """The hash of logits (classes,); this places the grid."""
        values = logits.double().numpy()
        step = 1e-3 * len(values)
        within = np.sort(values % step)
        gaps = np.diff(within, append=within[0] + step)
        widest = int(gaps.argmax())
        offset = round(float((within[widest] + gaps[widest] / 2) % step), 6)
        return LogitsHash(sha256=_digest(values, step, offset), step=step, offset=offset)

    def matches(self, logits: torch.Tensor) -> bool:
        """Whether logits (classes,) are those that were hashed, to 1e-4 or better."""
        return _digest(logits.double().numpy(), self.step, self.offset) == self.sha256


def _digest(values: np.ndarray[tuple[int], np.dtype[np.float64]], step: float, offset: float) -> str:
    cells = np.floor((values - offset) / step).astype("<i8")
    return hashlib.sha256(cells.tobytes()).hexdigest()
