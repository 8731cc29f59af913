"""What can be wrong with a space or a request to it."""

from __future__ import annotations

from collections.abc import Mapping


class SpaceError(ValueError):
    """A space, a candidate or a bound is not valid; the text says the rule, what was found, and the fix."""


class SpaceWarning(UserWarning):
    """A space file is read as it stands, but was hardly meant so."""


class InfeasibleError(SpaceError):
    """No candidate of the space keeps the bounds."""

    def __init__(self, message: str, *, nearest: Mapping[str, float]) -> None:
        super().__init__(message)
        self.nearest = dict(nearest)
        """Costs of the candidate that misses the bounds by least: bounds widened to these are feasible."""
