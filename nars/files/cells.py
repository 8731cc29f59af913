"""Cells of people's tables as choices: numbers by value, words by text, whatever type a file has stored them with."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, final

import numpy as np

from nars.arrays import Floats, Ints

Value = int | float | str | bool | None
"""What a choice can be: a JSON scalar."""


SINGLE = 1e-6
"""Relative tolerance of numbers: what single precision and seven written digits leave."""
HALF = 1e-3
"""The same for half precision."""

_NOTHING = frozenset({"", "none", "null", "nan", "na", "n/a", "<na>", "nat", "~"})
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_MOST_SHOWN = 12


def is_nothing(cell: Any) -> bool:
    """Whether a cell is empty, or a word for that."""
    if isinstance(cell, str):
        return cell.strip().casefold() in _NOTHING
    if isinstance(cell, Decimal):
        return cell.is_nan()
    return cell is None or (isinstance(cell, (float, np.floating)) and math.isnan(cell))


def number_of(cell: Any) -> float | None:
    """A cell as a number, whatever type it has; None where it is none."""
    if isinstance(cell, (bool, np.bool_)):
        return None
    if isinstance(cell, (int, float, Decimal, np.integer, np.floating)):
        try:
            return float(cell)
        except (OverflowError, ValueError):  # a whole number of more than 308 digits; a signalling NaN
            return math.nan if isinstance(cell, Decimal) else math.copysign(math.inf, cell > 0 or -1)
    if isinstance(cell, str) and re.fullmatch(
        r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|infinity)", cell.strip()
    ):
        return float(cell.strip())
    return None


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ChoiceReader:
    """Finds the choice that a cell means; `literal` for values of Python, where text is text and True not 1."""

    values: tuple[Value, ...]
    log: bool
    literal: bool

    def choice(self, cell: Any, *, tolerance: float = SINGLE) -> int | None:
        """Index of the choice that is equal to the cell; None where none is."""
        if isinstance(cell, bytes):
            cell = cell.decode("utf-8", errors="replace")
        if isinstance(cell, (bool, np.bool_)):
            return self._truth(bool(cell))
        if isinstance(cell, str):
            return self._text(cell, tolerance)
        if is_nothing(cell):
            return self._absent()
        number = number_of(cell)
        if number is not None:
            return self._number(number, tolerance)
        return self._words.get(str(cell))

    def nearest(self, cell: Any) -> tuple[int, float] | None:
        """The nearest choice to a number and how far it is, as a share of the range, on the dimension's scale.

        None for what is no number, or lies outside the range by more than half a step.
        """
        number, (at, numbers) = number_of(cell), self._numbers
        if number is None or not math.isfinite(number) or len(numbers) < 2 or (self.log and number <= 0):
            return None
        scaled, place = (np.log(numbers), math.log(number)) if self.log else (numbers, number)
        if not scaled[0] - (scaled[1] - scaled[0]) / 2 <= place <= scaled[-1] + (scaled[-1] - scaled[-2]) / 2:
            return None
        best = int(np.abs(scaled - place).argmin())
        return int(at[best]), float(abs(scaled[best] - place) / (scaled[-1] - scaled[0]))

    def expected(self, cell: Any) -> str:
        """What the choices are, for a person who gave this cell instead."""
        number, (_, numbers) = number_of(cell), self._numbers
        if len(self.values) <= _MOST_SHOWN:
            return f"one of {list(self.values)}"
        if len(numbers) < len(self.values):
            return f"one of {len(self.values)} choices ({', '.join(map(repr, self.values[:_MOST_SHOWN]))}, ...)"
        text = f"one of {len(numbers):,} numbers from {numbers[0]:g} to {numbers[-1]:g}"
        if number is None or not math.isfinite(number):
            return text
        near = np.sort(numbers[np.argsort(np.abs(numbers - number), kind="stable")[:3]])
        return f"{text} (the nearest: {', '.join(f'{value:.6g}' for value in near)})"

    # -- one kind of cell each ----------------------------------------------------------------------------------------

    def _text(self, cell: str, tolerance: float) -> int | None:
        if self.literal:
            return self._words.get(cell)
        text = cell.strip()
        folded = text.casefold()
        if text in self._words:
            return self._words[text]
        if folded in _NOTHING and None in self.values:
            return self.values.index(None)
        if (same := [i for word, i in self._words.items() if word.casefold() == folded]) and len(same) == 1:
            return same[0]
        if folded in _TRUTH:
            return self._truth(_TRUTH[folded])
        number = number_of(text)
        if number is not None:
            return self._number(number, tolerance)
        return self._absent() if folded in _NOTHING else None

    def _number(self, number: float, tolerance: float) -> int | None:
        at, numbers = self._numbers
        if len(numbers):
            gap = float(np.diff(numbers).min()) if len(numbers) > 1 else abs(float(numbers[0]))
            best = int(np.abs(numbers - number).argmin())
            # Of the gap too: 1e-18 is a 0 that was computed.
            if abs(numbers[best] - number) <= max(tolerance * abs(float(numbers[best])), 1e-6 * gap):
                return int(at[best])
        return self._truth(bool(number)) if number in (0, 1) and not self.literal else None

    def _truth(self, value: bool) -> int | None:
        for choice, known in enumerate(self.values):
            if known is value:
                return choice
        if self.literal:
            return None
        same = [choice for word, choice in self._words.items() if _TRUTH.get(word.casefold()) is value]
        at, numbers = self._numbers
        if not same and numbers.tolist() == [0.0, 1.0]:
            same = [int(at[int(value)])]
        return same[0] if len(same) == 1 else None

    def _absent(self) -> int | None:
        """None, or the one word for it: other tools write both as an empty cell."""
        if None in self.values:
            return self.values.index(None)
        words = [] if self.literal else [i for word, i in self._words.items() if word.casefold() in _NOTHING]
        return words[0] if len(words) == 1 else None

    @cached_property
    def _words(self) -> dict[str, int]:
        return {value: choice for choice, value in enumerate(self.values) if isinstance(value, str)}

    @cached_property
    def _numbers(self) -> tuple[Ints, Floats]:
        """Choices that are numbers, or (in a file, which cannot tell) words that read as one, ascending."""
        found = [(number_of(value), choice) for choice, value in enumerate(self.values) if self._counts(value)]
        pairs = sorted((number, choice) for number, choice in found if number is not None)
        return np.array([choice for _, choice in pairs], dtype=np.int64), np.array([number for number, _ in pairs])

    def _counts(self, value: Value) -> bool:
        return not (self.literal and isinstance(value, str))
