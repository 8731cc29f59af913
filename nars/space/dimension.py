"""What can be chosen and when the choice has an effect, how a setting reads it, and what a population is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from nars.arrays import Floats, Floats32, Ints
from nars.files import Value

Group = Literal["architecture", "recipe"]

Population = Ints
"""(N, D) choice indices, 0 <= X[:, d] < len(dimensions[d].values)."""


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
    """Encoded as one min-max normalized number; otherwise one-hot."""
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
    def code(self) -> Floats32:
        """Encoding of every choice, (choices, width): one-hot rows, or min-max normalized numbers in [0, 1]."""
        if not self.ordinal:
            return np.eye(len(self.values), dtype=np.float32)
        numbers = np.array([float(value) for value in self.values if value is not None], dtype=np.float64)
        if self.log:
            numbers = np.log(numbers)
        scaled: Floats = (numbers - numbers[0]) / (numbers[-1] - numbers[0])
        return scaled.astype(np.float32)[:, None]


@dataclass(frozen=True)
class Fixed:
    """A setting that is the same for every candidate."""

    value: Value


@dataclass(frozen=True)
class Choice:
    """A setting that reads dimension number `dimension`; several settings may share one."""

    dimension: int


Setting = Fixed | Choice


class CostTable(Protocol):
    """Costs that are looked up: of a generic space, or measured ones beside the closed form."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs."""

    @property
    def fingerprint(self) -> str:
        """Hash of the table's content."""

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Each cost (N,) of the canonical rows X."""
