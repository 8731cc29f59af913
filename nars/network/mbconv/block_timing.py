"""Measuring the blocks of a space on the machine at hand: the table behind the cost "latency".

Each distinct block is built as it stands in the network and timed by itself. Blocks are called in turn, many times, and
the fastest fifth counts: a busy machine only ever adds time, and adds it in bursts that no single block must pay for.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from nars.network.building import build
from nars.network.errors import LatencyError
from nars.network.mbconv.block_files import earlier_table
from nars.network.mbconv.block_onnx import chained_graph, empty_graph, session_runner
from nars.network.timing import QUIET
from nars.parallel import processor_name, torch_threads
from nars.space import (
    Architecture,
    BlockShape,
    Head,
    LatencyTable,
    Space,
    Stage,
    Stem,
    block_shapes,
    distinct_blocks,
    sobol,
)

RUNTIMES = ("eager", "onnxruntime")
"""PyTorch as it is, and ONNX Runtime on the exported graph."""

_AT_ONCE = 60
"""Blocks built and timed at a time; the table is saved after each such group."""
_DOZEN = 12
_WHOLE = 8
"""Whole networks that the table's factor is measured on."""
_ROUNDS = 4
_TURNS = 10
_WARMUP = 2
"""Each round calls each block `_TURNS` times; the first `_WARMUP` calls do not count."""
_CUDA_CALLS = 20
"""Calls per synchronisation on a GPU, where waiting would otherwise be part of each block's time."""

Run = Callable[[], object]


def measure_blocks(
    space: Space,
    path: Path,
    *,
    device: str = "cpu",
    runtime: str = "eager",
    batch: int = 1,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> LatencyTable:
    """The latency table of a space, every distinct block in it; what `path` holds already is not measured again.

    Args:
        space: Of kind mbconv.
        path: JSON file of the table, written after every few dozen blocks: an interrupted run goes on from there.
        device: As torch spells it, e.g. "cpu" or "cuda:0".
        runtime: One of `RUNTIMES`.
        batch: Images at once; milliseconds are per batch.
        threads: CPU threads.
        progress: Called with (blocks measured, blocks in all).

    Raises:
        LatencyError: unknown runtime, a missing package or device, or `path` holds a table of another machine.
        SpaceError: `path` holds something else, or the space has no networks.
    """
    if runtime not in RUNTIMES:
        raise LatencyError(f"runtime takes {' or '.join(RUNTIMES)}, got {runtime!r}")
    if runtime == "onnxruntime" and device != "cpu":
        raise LatencyError(f"ONNX Runtime is measured on the CPU here, got device {device!r}; use --runtime eager")
    if batch < 1 or threads < 1:
        raise LatencyError(f"batch and threads are at least 1, got {batch} and {threads}")
    table = LatencyTable(
        device=device_name(device), runtime=runtime, batch=batch, threads=threads, versions=_versions(runtime)
    )
    earlier = earlier_table(path, table)
    known = dict(earlier.milliseconds)
    wanted = distinct_blocks(space)
    missing = [shape for shape in wanted if shape not in known]
    if not missing and earlier.factor is not None:
        return earlier
    done = len(wanted) - len(missing)
    setting = _Setting(device=device, runtime=runtime, batch=batch, threads=threads)
    with torch_threads(threads), torch.inference_mode():
        # What a call costs whatever it computes: part of every block's time, but once of a network's.
        calls = [] if runtime == "eager" else _in_turns([(session_runner(empty_graph(), threads=threads), 1)])
        overhead = sum(calls)
        for at in range(0, len(missing), _AT_ONCE):
            group = missing[at : at + _AT_ONCE]
            times = _in_turns([setting.runner([shape], partial(build_block, shape)) for shape in group])
            for shape, milliseconds in zip(group, times, strict=True):
                # A network starts its session once: the stem, which every network has, keeps what that costs.
                known[shape] = max(milliseconds - (overhead if shape.kind != "stem" else 0.0), 1e-6)
            table = replace(table, milliseconds=known)
            table.write(path)
            done += len(group)
            if progress is not None:
                progress(done, len(wanted))
        factor = _factor(space, setting, overhead)
    table = replace(table, milliseconds=known, factor=factor)
    table.write(path)
    return table


def latency_file(space: Space, *, device: str, runtime: str, batch: int, threads: int, folder: Path) -> Path:
    """Where a table is kept unless told otherwise: the name says what it is for."""
    return folder / f"{space.name}-{device.replace(':', '')}-{runtime}-b{batch}-t{threads}.json"


def device_name(device: str) -> str:
    """What the device is, for people: "cpu: Intel(R) Xeon(R) Processor".

    Raises:
        LatencyError: there is no such device.
    """
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise LatencyError(f"no device is called {device!r}; use cpu, cuda or cuda:N") from error
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise LatencyError("PyTorch sees no GPU on this machine; use --device cpu")
        return f"{device}: {torch.cuda.get_device_name(device)}"
    if kind != "cpu":
        raise LatencyError(f"latency is measured on cpu or cuda, got {device!r}")
    return f"cpu: {processor_name()}"


def _versions(runtime: str) -> dict[str, str]:
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    if runtime == "onnxruntime":
        from importlib.metadata import version

        versions["onnxruntime"] = version("onnxruntime")
    return versions


def _in_turns(runners: list[tuple[Run, int]]) -> list[float]:
    """Milliseconds of one call of each.

    A dozen of them take turns, call by call, as the blocks of a network do: each finds the caches as others left them.
    """
    times: list[list[float]] = [[] for _ in runners]
    for _ in range(_ROUNDS):
        for at in range(0, len(runners), _DOZEN):
            for turn in range(_TURNS):
                for (run, calls), found in zip(runners[at : at + _DOZEN], times[at : at + _DOZEN], strict=True):
                    start = time.perf_counter()
                    run()
                    if turn >= _WARMUP:
                        found.append(1e3 * (time.perf_counter() - start) / calls)
    return [float(np.quantile(found, QUIET)) for found in times]


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """How everything in one table is measured."""

    device: str
    runtime: str
    batch: int
    threads: int

    def runner(self, shapes: Sequence[BlockShape], module: Callable[[], nn.Module]) -> tuple[Run, int]:
        """A call to time that runs some blocks in a row, and how often it runs them."""
        if self.runtime == "onnxruntime":
            return session_runner(chained_graph(shapes, batch=self.batch), threads=self.threads), 1
        named = shapes[0].to_dict()
        channels = named["in_channels"] if shapes[0].kind == "stem" else named["c_in"]
        network = module().eval().to(self.device)
        images = torch.zeros(self.batch, channels, named["side"], named["side"], device=self.device)
        if torch.device(self.device).type == "cpu":
            return lambda: network(images), 1

        def run() -> None:
            for _ in range(_CUDA_CALLS):
                network(images)
            torch.cuda.synchronize(self.device)

        return run, _CUDA_CALLS


def _factor(space: Space, setting: _Setting, overhead: float) -> float:
    """Time of a whole network over the sum of its blocks, both measured now so that the machine's mood cancels out."""
    ratios = []
    for architecture in space.architectures(sobol(space, _WHOLE, seed=0)):
        shapes = block_shapes(architecture)
        whole = setting.runner(shapes, partial(build, architecture, seed=None))
        parts = [setting.runner([shape], partial(build_block, shape)) for shape in shapes]
        first, *times = _in_turns([whole, *parts])
        ratios.append(first / (sum(times) - overhead * (len(times) - 1)))
    return median(ratios)


def build_block(shape: BlockShape) -> nn.Module:
    """One block, exactly as it stands in a network that `nars.network` builds; weights unspecified."""
    named = shape.to_dict()
    stem, head = Stem(channels=named.get("c_in", 8), stride=1), Head(expand=1, channels=8)
    stage = Stage(kernel_first=1, kernel_rest=1, expand_first=1, expand_rest=1, channels=stem.channels, depth=1)
    if shape.kind == "stem":
        stem = Stem(channels=named["channels"], stride=named["stride"], activation=named["activation"])
    elif shape.kind == "mbconv":
        stage = replace(
            stage,
            kernel_first=named["kernel"],
            expand_first=named["expand"],
            channels=named["c_out"],
            stride=named["stride"],
            se=bool(named["se"]),
            activation=named["activation"],
            first_padding=named["padding"],
        )
    else:
        head = Head(expand=named["expand"], channels=named["channels"], activation=named["activation"])
    model: Any = build(
        Architecture(
            resolution=named["side"],
            stem=stem,
            stages=(stage,),
            head=head,
            in_channels=named.get("in_channels", 1),
            classes=named.get("classes", 1),
        ),
        seed=None,
    )
    if shape.kind == "stem":
        return nn.Sequential(model.conv_stem, model.bn1)
    if shape.kind == "mbconv":
        block: nn.Module = model.blocks[0][0]
        return block
    # The rest of the network without its beginning runs the head in the model's own code.
    model.conv_stem, model.bn1, model.blocks = nn.Identity(), nn.Identity(), nn.Sequential(model.blocks[-1])
    rest: nn.Module = model
    return rest
