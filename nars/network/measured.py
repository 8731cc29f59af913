"""Measurements of ONNX files that are kept: what a file took is on the disk once it is known, under its content's hash.

So whoever is interrupted goes on where he was, and what several spaces share is measured once.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, stdev

import numpy as np

from nars.files.atomic import write_json
from nars.network.errors import LatencyError
from nars.network.runner import OnnxRunner
from nars.network.timing import QUIET
from nars.printing import counted

REPEATS = 3
"""Measurements of each file, at least, unless told otherwise."""
_SETTLED = 1.1
"""A measurement above the fastest fifth by this factor is of a time when something else was running."""
_AGAIN = 3
"""How often a file is measured again, at most, while half of its measurements are such."""

Encode = Callable[[], bytes]
"""Makes the content of an ONNX file."""


@dataclass(frozen=True)
class Measurement:
    """What one file took."""

    milliseconds: tuple[float, ...]
    """Each time that it was measured."""

    @property
    def undisturbed(self) -> float:
        """Milliseconds: the median without what is far above the fastest fifth, as other programs only add time."""
        return median(self._counted)

    @property
    def spread(self) -> float:
        """Standard deviation of those that count, milliseconds; 0 of a single one."""
        counted = self._counted
        return stdev(counted) if len(counted) > 1 else 0.0

    @property
    def settled(self) -> bool:
        """Whether most of them count."""
        return 2 * len(self._counted) > len(self.milliseconds)

    @property
    def _counted(self) -> Sequence[float]:
        most = _SETTLED * float(np.quantile(self.milliseconds, QUIET))
        return [value for value in self.milliseconds if value <= most]


def measurements_folder(table: Path, runner: OnnxRunner) -> Path:
    """Where a runner's measurements for a device table are kept: another table or another runner, another folder."""
    identity = json.dumps([runner.device, runner.runtime, runner.threads, dict(runner.versions)], sort_keys=True)
    return table.with_name(f"{table.stem}.measured") / hashlib.sha256(identity.encode()).hexdigest()[:12]


def measure_files(
    files: Sequence[Encode],
    runner: OnnxRunner,
    folder: Path,
    *,
    repeats: int = REPEATS,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Measurement]:
    """What each ONNX file takes; those that are in the folder are not measured again.

    Args:
        files: Each makes the content of one.
        runner: What measures them, one after the other; again until it has printed `repeats` numbers, and a few times
            more where they show that something else was running.
        folder: Where measurements are kept, a small JSON file each.
        repeats: At least 1.
        progress: Called with the number of files that are done.

    Raises:
        LatencyError: the runner fails; what it has measured so far stays.
    """
    if repeats < 1:
        raise LatencyError(f"--repeats is at least 1, got {repeats}")
    found: list[Measurement] = []
    for encode in files:
        try:
            found.append(_measure(encode(), runner, folder, repeats))
        except LatencyError as error:
            raise LatencyError(
                f"{error}. What is measured so far, {counted(len(found), 'file')} of {len(files)}, is kept in "
                f"{folder}; the same command goes on from there"
            ) from error
        progress(len(found))
    return found


def _measure(onnx: bytes, runner: OnnxRunner, folder: Path, repeats: int) -> Measurement:
    name = hashlib.sha256(onnx).hexdigest()[:24]
    kept = folder / f"{name}.json"
    values = _kept(kept)
    if len(values) >= repeats:
        return Measurement(values)
    with tempfile.TemporaryDirectory(prefix="nars-latency-") as place:
        file = Path(place) / f"{name}.onnx"
        file.write_bytes(onnx)
        calls = 0
        while len(values) < repeats or (calls <= _AGAIN and not Measurement(values).settled):
            values += tuple(runner.milliseconds(file))
            calls += 1
            write_json(kept, {"runner": runner.device, "runtime": runner.runtime, "milliseconds": list(values)})
    return Measurement(values)


def _kept(file: Path) -> tuple[float, ...]:
    """What an earlier run has measured; nothing where the file is damaged."""
    try:
        return tuple(float(value) for value in json.loads(file.read_text(encoding="utf-8"))["milliseconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
