"""What a space file may say for one setting, and when the setting has an effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.files import Value
from nars.space.files.scalars import as_whole, unquote


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What holds for a setting: the numbers between two limits, a list of words, or true / false; anything by default.

    Other settings are named relative to the part of the network that the setting belongs to.
    """

    low: float | None = None
    high: float | None = None
    whole: bool = False
    odd: bool = False
    words: tuple[str, ...] = ()
    switch: bool = False
    unread: tuple[str, Value] | None = None
    """Another setting, and its value at which nothing reads this one: ("depth", 1) of the later blocks' kernel."""
    read: tuple[str, tuple[Value, ...]] | None = None
    """Another setting that a file need not name, and its values at which this one is read: ("recipe.loss", ("focal",))
    of focal_gamma."""
    default: tuple[str, Callable[[int], int]] | None = None
    """Another setting, and what null stands for as a function of its value. Without it null is no choice."""
    short: str | None = None
    """The name that a file may give this setting and the one beside it at once: "kernel" of first and later blocks."""

    @property
    def limited(self) -> bool:
        """Whether some values are no choices."""
        return self.low is not None or bool(self.words) or self.switch

    @property
    def depends_on(self) -> str | None:
        """The setting whose value decides whether this one has an effect."""
        found = self.unread or self.read
        return None if found is None else found[0]

    def reads(self, value: Value) -> bool:
        """Whether this setting has an effect where `depends_on` has this value."""
        return (self.unread is None or value != self.unread[1]) and (self.read is None or value in self.read[1])

    def fault(self, value: Value) -> str | None:
        """Why a value cannot be a choice of the setting, or None."""
        if not self.limited or (self.default is not None and value is None):
            return None
        if self.switch:
            return None if isinstance(value, bool) else f"takes true or false, got {value!r}"
        if self.words:
            return None if value in self.words else f"takes one of {', '.join(self.words)}, got {value!r}"
        assert self.low is not None
        assert self.high is not None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"takes a number from {self.low:g} to {self.high:g}, got {value!r}{unquote(value)}"
        if not self.low <= value <= self.high:
            return f"must lie in {self.low:g} .. {self.high:g}, got {value:g}"
        if self.whole and not isinstance(value, int):
            return f"takes whole numbers, got {value!r}{as_whole(value)}"
        if self.odd and int(value) % 2 == 0:
            return f"kernels are odd, so that a feature map keeps its size, got {value}"
        return None

    def numbers(self, values: Sequence[Value]) -> NDArray[Any]:
        """Choices as numbers, (choices,) int64, or float64 where they can be fractions.

        A word is its place in the list, null is -1.
        """
        found = [self.words.index(v) if isinstance(v, str) else -1 if v is None else v for v in values]
        return np.array(found, dtype=np.float64).astype(
            np.float64 if self.low is not None and not self.whole else np.int64
        )


ANYTHING = Rule()

RESOLUTION = Rule(low=4, high=4096, whole=True)
"""Side of the images, pixels."""
