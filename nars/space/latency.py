"""A device table's file as a cost of a space: `space.with_table(latency_costs(space, "pi.json"))`."""

from __future__ import annotations

import shlex
from pathlib import Path

from nars.space.errors import SpaceError
from nars.space.families.device import DeviceTable, names_of, read_device_file
from nars.space.families.fitted_latency import FittedLatency
from nars.space.families.mbconv.block_latency import LatencyCosts, LatencyTable
from nars.space.space import Space

DeviceCosts = LatencyCosts | FittedLatency
"""Both are cost tables with the cost "latency"."""


def latency_costs(space: Space, file: str | Path, *, named: str | None = None) -> DeviceCosts:
    """The cost "latency", milliseconds, by a device table of either kind: measured blocks, or fitted to networks.

    Args:
        space: of the networks, with the classes and channels of its data.
        file: what `nars latency` wrote.
        named: how a person names the space to `nars latency`, where that says classes and channels too: the folder of a
            run or predictor.

    Raises:
        SpaceError: there is no such file, it was edited, it is of other networks, or lacks blocks of the space; the
            text has the command that measures what is missing.
    """
    path = Path(file)
    if not path.exists():
        command = shlex.join(["nars", "latency", *names_of(space, named), "--out", str(file)])
        raise SpaceError(f"there is no device table {file}; make it by: {command}")
    document = read_device_file(path)
    try:
        if "weights" in document:
            return FittedLatency.from_dict(document, space, named=named, file=path)
        table = LatencyTable.from_dict(document)
    except SpaceError as error:
        raise SpaceError(f"{path}: {error}") from error
    costs = LatencyCosts(space=space, table=table, named=named, file=path)
    costs.check_complete()
    return costs


def device_table(costs: DeviceCosts) -> DeviceTable:
    """What a device table says of its device, and of how far it can be trusted."""
    return costs.table if isinstance(costs, LatencyCosts) else costs
