"""What can be wrong with a network."""

from __future__ import annotations

from nars.errors import UserError


class NetworkError(UserError):
    """No network can be built from this architecture; the message says which setting is wrong and what is allowed."""


class LatencyError(UserError):
    """The blocks of a space cannot be timed like this; the message names the way out."""
