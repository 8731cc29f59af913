"""The time that a run was given (`nars run --time`), and what is used of it, interrupted starts included."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nars.errors import ConfigError
from nars.files.atomic import write_json
from nars.run.folder import read_json

if TYPE_CHECKING:
    from nars.train import Deadline

LEAST = 60.0
"""Seconds that a run may be given at least: loading the libraries and exporting a network take half of them."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(s)(?:ec[a-z]*)?|(m)(?:in[a-z]*)?|(h)(?:rs?|ours?)?|(d)(?:ays?)?)(?![a-z])")


def seconds_of(text: str) -> float:
    """A time as people write it: 90s, 30m, "1h 30m", 2.5 hours.

    Raises:
        ConfigError: it is none, or below `LEAST`.
    """
    compact = text.strip().lower()
    if not compact or _PARTS.sub("", compact).strip():
        raise ConfigError(f"--time takes a time with its unit, e.g. 30m, 1h30m or 90s; got {text!r}")
    seconds = sum(float(number) * _UNITS["".join(unit)] for number, *unit in _PARTS.findall(compact))
    if seconds < LEAST:
        raise ConfigError(f"--time is at least {LEAST:.0f}s, half of which loading and exporting take; got {text!r}")
    return seconds


def spell_time(seconds: float) -> str:
    """45 s, 12:30 min, 2:05 h."""
    if seconds < 100:
        return f"{max(0.0, seconds):.0f} s"
    unit, length = ("min", 60) if seconds < 6000 else ("h", 3600)
    return f"{int(seconds // length)}:{int(seconds % length * 60 / length):02d} {unit}"


@final
class Clock:
    """Counts the time of one run; `file` keeps it, so that the next start knows what is left."""

    def __init__(
        self, file: Path, *, asked: float, used: float = 0.0, tail: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        """A clock that is running.

        Args:
            file: of the run's folder.
            asked: seconds that the run was given.
            used: seconds that are used when it is made.
            tail: seconds that export and report take in the end.
            now: seconds of any clock that goes on.
        """
        self._file, self.asked, self._before, self.tail = file, asked, used, tail
        self._now, self._began = now, now()
        self._noted = -1.0

    @staticmethod
    def kept(file: Path, *, asked: float | None = None) -> Clock | None:
        """The clock of a run that goes on, perhaps with another time than it was given; None where it has none."""
        if not file.is_file():
            return None
        document = read_json(file)
        return Clock(file, asked=asked or document["asked"], used=document["used"], tail=document["tail"])

    def begin(self, used: float) -> None:
        """This start has used so many seconds already."""
        self._began = self._now() - used

    @property
    def used(self) -> float:
        """Seconds since the run began, without those between its starts."""
        return self._before + self._now() - self._began

    @property
    def left(self) -> float:
        """Seconds for trainings: what export and report take is left out; negative where it is over."""
        return self.asked - self.used - self.tail

    @property
    def spelled(self) -> str:
        """What is left of the time that was asked for, export and report included: "1:15 min left of 5:00 min"."""
        return f"{spell_time(self.asked - self.used)} left of {spell_time(self.asked)}"

    @property
    def deadline(self) -> Deadline:
        """When trainings are to be done."""
        from nars.train import Deadline

        return Deadline(at=time.time() + self.left)

    def note(self, more: Mapping[str, Any] | None = None) -> None:
        """Keep what is used, at most once a second; with what else is to be kept beside it, at once."""
        if more is None and self._now() - self._noted < 1.0 and self._noted >= 0:
            return
        self._noted = self._now()
        kept = read_json(self._file) if self._file.is_file() else {}
        about = {"asked": self.asked, "used": round(self.used, 1), "tail": self.tail}
        write_json(self._file, kept | dict(more or {}) | about)
