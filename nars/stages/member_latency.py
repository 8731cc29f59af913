"""The members' latency on the user's device: what the device table says, beside what the exported files take there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nars.errors import ConfigError, DataError
from nars.export.card import sha256
from nars.files.sealed import write_sealed
from nars.network.errors import LatencyError
from nars.network.measured import REPEATS, Measurement, measure_files, measurements_folder
from nars.network.runner import OnnxRunner, runner_of
from nars.run import Run
from nars.run.folder import RunFolder, read_json
from nars.space import DeviceCosts, Space, device_table, latency_costs
from nars.stages.members import distinct, family_in


@dataclass(frozen=True, kw_only=True)
class MemberLatency:
    """Milliseconds of one member."""

    name: str
    table: float | None
    """By the device table; None where there was none."""
    file: str
    """Hash of its exported ONNX file."""
    measured: Measurement
    """What that takes."""

    @property
    def figures(self) -> tuple[str, str, str]:
        """By the table, measured, and how far the table is above that, for people; "-" where there was no table."""
        spread = self.measured.spread
        measured = f"{spell_milliseconds(self.measured.undisturbed)} ± {spread:{'.2g' if spread < 100 else ',.0f'}}"
        if self.table is None or self.off is None:
            return "-", measured, "-"
        return spell_milliseconds(self.table), measured, f"{self.off:+.1f} %"

    @property
    def off(self) -> float | None:
        """How far the table is above what was measured, percent."""
        return None if self.table is None else 100 * (self.table / self.measured.undisturbed - 1)


@dataclass(frozen=True, kw_only=True)
class DeviceLatency:
    """Milliseconds of a family's members on one device."""

    device: str
    """The text of the command that measured, or "cpu: Intel Xeon ..."."""
    agreement: str
    """How far the table is from whole networks, in words; "" where that is not known."""
    members: tuple[MemberLatency, ...]


def spell_milliseconds(value: float) -> str:
    """Three figures or all whole ones: "0.0123", "12.3", "1,234"."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measure_members(
    folder: RunFolder,
    space: Space,
    runner: OnnxRunner,
    *,
    table: DeviceCosts | None,
    repeats: int = REPEATS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DeviceLatency:
    """Measure the exported members of a run, and keep it in its folder; what was measured before is not again.

    Args:
        folder: Of the run.
        space: Of the run.
        runner: What measures; the table's own, for figures that can be compared.
        table: Device table of the space.
        repeats: Measurements of each member, at least.
        progress: Called with (members measured, members in all).

    Raises:
        ConfigError: no member is exported.
        LatencyError: the runner fails; what it has measured so far stays.
    """
    family = family_in(folder).members
    members = [member for member in distinct(family) if _onnx(folder, member.name).is_file()]
    if not members:
        raise ConfigError(
            f"members are measured once they are exported, and {folder.path} has no exported one; run: nars export "
            f"{folder.path}"
        )
    device = None if table is None else device_table(table)
    found = measure_files(
        [partial(_fixed, _onnx(folder, member.name), 1 if device is None else device.batch) for member in members],
        runner,
        measurements_folder(folder.latency_file, runner),
        repeats=repeats,
        progress=lambda done: progress(done, len(members)),
    )
    told: dict[str, float] = {}
    searched = [member for member in members if member.scaled is None]  # a table knows the blocks of the space alone
    if table is not None and searched:
        rows = np.array([member.choices for member in searched], dtype=np.int64)
        by_block = table.lookup(space.canonical(rows))["latency"].tolist()
        told = dict(zip((member.name for member in searched), by_block, strict=True))
    latency = DeviceLatency(
        device=runner.device,
        agreement="" if device is None or device.agreement is None else str(device.agreement),
        members=tuple(
            MemberLatency(
                name=member.name, table=told.get(member.name), file=sha256(_onnx(folder, member.name)), measured=one
            )
            for member, one in zip(members, found, strict=True)
        ),
    )
    write_sealed(folder.latency_file, _to_dict(latency))
    return latency


def measure_again(run: Run) -> None:
    """Measure a run's exported members by what measured its device table; say what to do where that is not there."""
    if run.config.latency is None:
        return
    table = latency_costs(run.space, run.folder.table_file)
    try:
        runner = runner_of(device_table(table))
        with run.reporter.bar("latency of the members", len(distinct(family_in(run.folder).members))) as advance:
            found = measure_members(
                run.folder, run.space, runner, table=table, progress=lambda done, total: advance(1, "")
            )
    except LatencyError as error:
        run.reporter.say(
            f"warning: the members were not measured again: {error}. Later: nars latency {run.folder.path} --members"
        )
        return
    for one in found.members:
        by_table, measured, off = one.figures
        run.log(f"latency of {one.name}: {measured} ms, {by_table} ms by the table ({off})")


def read_member_latency(folder: RunFolder) -> DeviceLatency | None:
    """What `measure_members` has kept of the exports that are there; None where it has not been asked.

    Raises:
        DataError: its file was edited or is damaged.
    """
    if not folder.latency_file.is_file():
        return None
    document = read_json(folder.latency_file)
    try:
        members = [
            MemberLatency(
                name=one["name"],
                table=one["table"],
                file=one["file"],
                measured=Measurement(tuple(map(float, one["milliseconds"]))),
            )
            for one in document["members"]
        ]
        files = {one.name: _onnx(folder, one.name) for one in members}
        here = tuple(one for one in members if files[one.name].is_file() and sha256(files[one.name]) == one.file)
        return DeviceLatency(device=document["device"], agreement=document["agreement"], members=here)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder.latency_file} is not what nars writes ({error!r}). Delete it.") from error


def _onnx(folder: RunFolder, name: str) -> Path:
    return folder.member(name) / "model.onnx"


def _fixed(file: Path, batch: int) -> bytes:
    from nars.export.onnx import fixed_batch  # which loads torch

    return fixed_batch(file.read_bytes(), batch)


def _to_dict(latency: DeviceLatency) -> dict[str, Any]:
    members = [
        {"name": one.name, "table": one.table, "file": one.file, "milliseconds": list(one.measured.milliseconds)}
        for one in latency.members
    ]
    return {"device": latency.device, "agreement": latency.agreement, "members": members}
