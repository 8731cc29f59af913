"""The table of a space's blocks by a runner: each block is an ONNX file, and whole networks say what the sum is worth.

A network takes `constant + factor * (sum of its blocks)`. Each block's own time is without what a call costs whatever
it computes (that of an empty graph), which is once in the constant; the factor is what a runtime gains or loses
between blocks. Both are fitted to whole networks, which also say how far the table is off: each by a fit without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from nars.arrays import Floats
from nars.network.errors import LatencyError
from nars.network.mbconv.block_onnx import chained_graph, empty_graph, network_graph
from nars.network.measured import REPEATS, Encode, measure_files, measurements_folder
from nars.network.runner import OnnxRunner
from nars.space import Agreement, LatencyCosts, LatencyTable, Population, Space, distinct, distinct_blocks, sobol

_WHOLE = 24
"""Whole networks that are measured, from the fastest to the slowest of `_DRAWN` by the sum of their blocks."""
_DRAWN = 512
_LEAST = 4
"""Fewer whole networks say nothing of a line's slope and error."""


def measure_block_files(
    space: Space,
    path: Path,
    runner: OnnxRunner,
    *,
    batch: int = 1,
    repeats: int = REPEATS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LatencyTable:
    """The latency table of a space by a runner; measurements are kept beside `path`, and made once.

    Args:
        space: Of kind mbconv.
        path: JSON file of the table, written once all is measured; blocks of other spaces that it has stay in it.
        runner: What measures.
        batch: Images at once, which the files say; milliseconds are per batch.
        repeats: Measurements of each file, at least.
        progress: Called with (files measured, files in all).

    Raises:
        LatencyError: the runner fails, or `path` holds a table of another device.
        SpaceError: `path` holds something else, or the space has no blocks.
    """
    if batch < 1:
        raise LatencyError(f"batch is at least 1, got {batch}")
    table = LatencyTable(
        device=runner.device, runtime=runner.runtime, batch=batch, threads=runner.threads, versions=runner.versions
    )
    earlier = earlier_table(path, table)
    folder, wanted = measurements_folder(path, runner), distinct_blocks(space)
    total = 1 + len(wanted) + min(_WHOLE, len(_networks(space)))
    files: list[Encode] = [empty_graph, *(partial(chained_graph, [shape], batch=batch) for shape in wanted)]
    call, *blocks = measure_files(files, runner, folder, repeats=repeats, progress=lambda done: progress(done, total))
    own = {shape: max(found.undisturbed - call.undisturbed, 1e-6) for shape, found in zip(wanted, blocks, strict=True)}
    spread = {shape: found.spread for shape, found in zip(wanted, blocks, strict=True)}
    table = replace(table, milliseconds={**earlier.milliseconds, **own}, spread={**earlier.spread, **spread})
    X, sums = _whole(space, table)
    files = [partial(network_graph, network, batch=batch) for network in space.architectures(X)]
    whole = measure_files(
        files, runner, folder, repeats=repeats, progress=lambda done: progress(1 + len(wanted) + done, total)
    )
    table = _calibrated(table, sums, np.array([found.undisturbed for found in whole]))
    table.write(path)
    return table


def earlier_table(path: Path, table: LatencyTable) -> LatencyTable:
    """What an earlier run measured in the same way; the empty table when there was none.

    Raises:
        LatencyError: it measured in another way.
        SpaceError: `path` holds something else.
    """
    if not path.exists():
        return table
    earlier = LatencyTable.read(path)
    for name in ("device", "runtime", "batch", "threads", "versions"):
        there, here = getattr(earlier, name), getattr(table, name)
        if dict(there) != here if name == "versions" else there != here:
            raise LatencyError(
                f"{path} was measured with {name} {there!r}, now it is {here!r}: such times do not mix; take another "
                f"--out, or delete the file"
            )
    return earlier


def fitted_line(sums: Floats, whole: Floats) -> tuple[float, float]:
    """Constant and factor, neither negative, with whole = constant + factor * sums (K,) at the least relative error."""
    from scipy.optimize import nnls

    (constant, factor), _ = nnls(np.stack([1 / whole, sums / whole], axis=1), np.ones(len(whole)))
    return float(constant), float(factor)


def _networks(space: Space) -> Population:
    """Distinct architectures of a space, (<= `_DRAWN`, D)."""
    X = sobol(space, _DRAWN, seed=0)
    X[:, space.columns_of("recipe")] = 0
    return distinct(space.canonical(X))


def _whole(space: Space, table: LatencyTable) -> tuple[Population, Floats]:
    """The networks to measure, fastest first, and the sums of their blocks (K,)."""
    X = _networks(space)
    sums = LatencyCosts(space=space, table=table).lookup(X)["latency"]
    order = np.argsort(sums, kind="stable")
    some = order[np.unique(np.linspace(0, len(order) - 1, min(_WHOLE, len(order))).astype(np.int64))]
    return X[some], sums[some]


def _calibrated(table: LatencyTable, sums: Floats, whole: Floats) -> LatencyTable:
    if len(whole) < _LEAST:
        return replace(table, factor=float(np.median(whole / sums)))
    off = []
    for left in range(len(whole)):
        constant, factor = fitted_line(np.delete(sums, left), np.delete(whole, left))
        off.append(abs((constant + factor * sums[left]) / whole[left] - 1))
    constant, factor = fitted_line(sums, whole)
    return replace(table, constant=constant, factor=factor, agreement=Agreement.of(np.array(off)))
