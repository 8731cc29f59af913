"""One thing that can be chosen, and when the choice has an effect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nars.files import Value

Group = Literal["architecture", "recipe"]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """True where dimension number `dimension` holds one of `choices` (indices)."""

    dimension: int
    choices: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Choice `choice` of a dimension means the same network as choice `same_as` while `when` is true."""

    choice: int
    same_as: int
    when: Condition


@dataclass(frozen=True, kw_only=True)
class Slide:
    """Choice `choice` here and another one in dimension `next` is the same network as the other way round.

    Such is a layer left out among layers of equal shape.
    """

    choice: int
    next: int


@dataclass(frozen=True, kw_only=True)
class PaperRange:
    """What the publication gives for this dimension, where the shipped space differs."""

    text: str
    """As printed for people, e.g. "(180, 224, 4)"."""
    count: int
    """Number of distinct choices there, >= 1."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A named list of choices: one column of the population matrix."""

    name: str
    """e.g. "stage2.channels" or "recipe.optimizer"."""
    values: tuple[Value, ...]
    """The choices, at least two, ascending where they are numbers."""
    group: Group
    ordinal: bool
    """Encoded as one min-max normalised number; otherwise one-hot."""
    log: bool = False
    """Ordinal on a logarithmic scale."""
    active_when: tuple[Condition, ...] = ()
    """The choice has an effect where any of these holds; always, when empty."""
    equivalences: tuple[Equivalence, ...] = ()
    slide: Slide | None = None
    paper: PaperRange | None = None

    @property
    def width(self) -> int:
        """Number of columns in the encoding."""
        return 1 if self.ordinal else len(self.values)

    @cached_property
    def code(self) -> NDArray[np.float32]:
        """Encoding of every choice, (choices, width): one-hot rows, or min-max normalised numbers in [0, 1]."""
        if not self.ordinal:
            return np.eye(len(self.values), dtype=np.float32)
        numbers = np.array([float(value) for value in self.values if value is not None], dtype=np.float64)
        if self.log:
            numbers = np.log(numbers)
        scaled: NDArray[np.float64] = (numbers - numbers[0]) / (numbers[-1] - numbers[0])
        return scaled.astype(np.float32)[:, None]
