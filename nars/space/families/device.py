"""What every device table says of what it was measured on, how far it can be trusted, and the command that makes it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nars.arrays import Floats
from nars.files.sealed import read_sealed
from nars.space.errors import SpaceError
from nars.space.files.builtin import shipped
from nars.space.space import Space

COMMAND = "command"
"""The runtime of a table that a user's own command has measured; its text is the table's device."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a table is from whole networks that it was not fitted on, which were measured in the same way."""

    networks: int
    """How many were measured."""
    median: float
    """Median of |table / measured - 1|, percent."""
    most: float
    """What 90 % of them stay below, percent."""

    @staticmethod
    def of(deviations: Floats) -> Agreement:
        """From |table / measured - 1| of each network, (K,)."""
        median, most = (100 * float(value) for value in np.quantile(deviations, [0.5, 0.9]))
        return Agreement(networks=len(deviations), median=median, most=most)

    @property
    def apart(self) -> str:
        """In words, without how many there were."""
        return f"{self.median:.1f} % off in the median, 90 % within {self.most:.1f} %"

    def __str__(self) -> str:
        return f"{self.apart} ({self.networks} networks)"


class DeviceTable(Protocol):
    """What milliseconds were measured on."""

    @property
    def device(self) -> str:
        """ "cpu: Intel Xeon ...", "cuda:0: NVIDIA ...", or the text of the command that measures."""

    @property
    def runtime(self) -> str:
        """ "eager", "onnxruntime" or `COMMAND`."""

    @property
    def batch(self) -> int:
        """Images at once; milliseconds are per batch."""

    @property
    def threads(self) -> int:
        """CPU threads; 0 where a command decides."""

    @property
    def agreement(self) -> Agreement | None:
        """What whole networks say of the table; None where too few were measured to know."""


def read_device_file(path: Path) -> dict[str, Any]:
    """The document in the file of a device table.

    Raises:
        SpaceError: it is missing, was edited, or is something else.
    """
    return read_sealed(path, error=SpaceError, what="latency table", again="Make one with `nars latency SPACE`")


def latency_command(
    space: Space, table: DeviceTable, *, named: str | None, file: Path | None, networks: int | None = None
) -> str:
    """The command that measures what such a table lacks of a space, as a shell takes it.

    Args:
        space: to measure.
        table: what there is, or is to be.
        named: how a person names the space to `nars latency`, where that says classes and channels too: the folder of a
            run or predictor; None: by the space's name or file.
        file: where the table is kept.
        networks: whole networks to measure; None for blocks.
    """
    device = re.match(r"cpu|cuda(:\d+)?", table.device)
    own = {"--device": device[0] if device else None, "--runtime": table.runtime}
    if table.runtime == COMMAND:
        own = {"--runner": table.device}
    how = {
        **own,
        "--networks": None if networks is None else str(networks),
        "--batch": str(table.batch),
        "--threads": None if table.runtime == COMMAND else str(table.threads),
        "--out": None if file is None else str(file),
    }
    options = [part for option, value in how.items() if value is not None for part in (option, value)]
    return shlex.join(["nars", "latency", *names_of(space, named), *options])


def names_of(space: Space, named: str | None) -> list[str]:
    """A space with its classes and channels as `nars latency` takes them; `named` as for `latency_command`."""
    if named is not None:
        return [named]
    source = Path(space.document.source)
    name = str(source) if source.is_file() and source.parent != shipped("space") else space.name
    return [name, "--classes", str(space.classes), "--channels", str(space.in_channels)]
