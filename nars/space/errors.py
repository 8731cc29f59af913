"""What can be wrong with a space or a request to it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Ints
from nars.errors import NarsWarning, UserError


class SpaceError(UserError):
    """A space, a candidate or a bound is not valid; the text says the rule, what was found, and the fix."""


class SpaceWarning(NarsWarning):
    """A space file is read as it stands, but was hardly meant so."""


class InfeasibleError(SpaceError):
    """No candidate of the space keeps the bounds."""

    def __init__(self, message: str, *, nearest: Mapping[str, float]) -> None:
        super().__init__(message)
        self.nearest = dict(nearest)
        """Costs of the candidate that misses the bounds by least: bounds widened to these are feasible."""


class UnlistedError(SpaceError):
    """A table of costs that says nothing about some candidates."""

    def __init__(self, X: Ints, missing: NDArray[np.bool_], *, cost: str | None = None, listed: int) -> None:
        self.row = X[int(np.flatnonzero(missing)[0])]
        """(D,) choices of the first of them."""
        of = f"{int(missing.sum()):,} of {len(X):,} candidates" + (f" ({listed:,} are listed)" if listed else "")
        self.what = f"has no {cost!r} for {of}" if cost else f"lacks {of}"
        super().__init__(self.message(f"the choices {self.row.tolist()}"))

    def message(self, first: str) -> str:
        """The error in words; `first` describes the first candidate."""
        return (
            f"the table of costs {self.what}, the first with {first}; complete the table, or take what it lacks out of "
            f"the space"
        )
