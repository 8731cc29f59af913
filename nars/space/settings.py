"""What a population is, and how a setting of a candidate reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nars.files import Value

Population = NDArray[np.int64]
"""(N, D) choice indices, 0 <= X[:, d] < len(dimensions[d].values)."""

FloatArray = NDArray[np.float64]


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

    def lookup(self, X: Population) -> dict[str, FloatArray]:
        """Each cost (N,) of the canonical rows X."""
