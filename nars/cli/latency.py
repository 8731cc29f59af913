"""`nars latency`: measure the blocks or networks of a space on a device, so that latency is a cost like the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from nars.cli.starting import load_torch
from nars.errors import ConfigError
from nars.printing import plain_console

if TYPE_CHECKING:
    from nars.network.runner import OnnxRunner
    from nars.space import DeviceCosts, Space
    from nars.stages import DeviceLatency

_NETWORKS = 40
"""Whole networks that are measured where blocks cannot be."""


@dataclass(frozen=True, kw_only=True)
class By:
    """What measures: a command of the user's, or ONNX Runtime or PyTorch here."""

    runner: Annotated[
        str | None,
        typer.Option(
            help="Command that takes an ONNX file, {onnx}, and prints milliseconds: the numbers at the end of its last "
            "line, repeated measurements where there are several ('mean 12.3 ms' is one, '12.1 12.4 12.2' are three); "
            "where that line is nothing but numbers, such lines right above it count too."
        ),
    ] = None
    timeout: Annotated[float, typer.Option(help="Seconds that the command may take for one file.")] = 300.0
    repeats: Annotated[
        int, typer.Option(help="Measurements of each file, at least: the command is called again until it has so many.")
    ] = 3
    device: Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or cuda:N.")] = "auto"
    runtime: Annotated[
        str | None, typer.Option(help="eager (PyTorch; of blocks, unless told otherwise) or onnxruntime.")
    ] = None
    batch: Annotated[int, typer.Option(help="Batch size, images.")] = 1
    threads: Annotated[int | None, typer.Option(help="CPU threads; 1 if not given.")] = None


def latency(
    space: Annotated[
        str, typer.Argument(help="Built-in space, YAML file, or the folder of a run or predictor: its own space.")
    ],
    networks: Annotated[
        int | None,
        typer.Option(
            help=f"Measure so many whole networks in place of blocks, and fit latency to them ({_NETWORKS} where the "
            f"runner's networks have no blocks)."
        ),
    ] = None,
    members: Annotated[
        bool, typer.Option("--members", help="Measure the exported members of a run, beside what the table says.")
    ] = False,
    *,
    by: By,
    classes: Annotated[
        int | None, typer.Option(help="Number of classes in your data; the space's own if not given.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Image channels: 1 is gray, 3 RGB; the space's own if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Table to write or to complete (JSON); with --members, the table to compare.")
    ] = None,
) -> None:
    """Measure each distinct block of a space once, or whole networks. If interrupted, the same command resumes it.

    A candidate's latency is the sum of its blocks: nars space sample SPACE --latency TABLE --max-latency 12ms

    Any device: --runner 'python -m nars.network.timing {onnx}' measures here; for another machine, e.g. --runner
    "sh -c 'scp -q {onnx} pi:m.onnx && ssh pi bench.sh m.onnx'". Each file has one float input of a fixed shape.
    """
    _check(by, networks, members=members, classes=classes, channels=channels)
    if members:
        _members(space, by, out)
    elif by.runner is None and networks is None:
        _blocks_here(_space(space, classes, channels), by, out)
    else:
        _by_files(_space(space, classes, channels), by, networks, out)


def _check(by: By, networks: int | None, *, members: bool, classes: int | None, channels: int | None) -> None:
    """Refuse options that say nothing together."""
    here = {"--device": by.device != "auto", "--runtime": by.runtime, "--threads": by.threads is not None}
    if by.runner is not None and (given := [option for option, value in here.items() if value]):
        raise ConfigError(f"--runner decides itself what {', '.join(given)} say; leave them out, or the runner")
    if by.runner is None and (networks or members) and (by.device not in ("auto", "cpu") or by.runtime == "eager"):
        raise ConfigError(
            "whole networks are measured by ONNX Runtime on this CPU, or by --runner; leave out --device and --runtime"
        )
    if members and (networks is not None or classes is not None or channels is not None):
        raise ConfigError("--members measures what a run has exported; leave out --networks, --classes and --channels")


def _blocks_here(space: Space, by: By, out: Path | None) -> None:
    """Blocks, called in turns by PyTorch or ONNX Runtime in this process."""
    load_torch(everything=False)
    from nars.network.mbconv.block_timing import latency_file, measure_blocks
    from nars.parallel import AUTO, resolve_device
    from nars.space import LatencyCosts

    device, runtime, threads = by.device, by.runtime or "eager", 1 if by.threads is None else by.threads
    if device == AUTO:  # neither ONNX Runtime nor a Mac's GPU is measured
        device = "cpu" if runtime == "onnxruntime" else resolve_device(AUTO, mps=False)
    device = resolve_device(device)
    path = out or latency_file(
        space, device=device, runtime=runtime, batch=by.batch, threads=threads, folder=Path("latency")
    )
    with _bar("blocks") as progress:
        table = measure_blocks(
            space, path, device=device, runtime=runtime, batch=by.batch, threads=threads, progress=progress
        )
    _console().print(f"{len(table.milliseconds)} blocks in {path} ({table.device}, {runtime}, {threads} threads)")
    _say_range(space, LatencyCosts(space=space, table=table), by.batch)


def _by_files(space: Space, by: By, networks: int | None, out: Path | None) -> None:
    """Blocks or whole networks as ONNX files, by the runner."""
    from nars.network.fitting_latency import measure_networks
    from nars.network.mbconv.block_files import measure_block_files
    from nars.space import device_table, latency_costs

    runner = _runner(by)
    if networks is None and space.kind != "mbconv":
        networks = _NETWORKS
    how = re.sub(r"[^\w.]+", "-", runner.device.replace("{onnx}", ""))[:40].strip("-.")
    name = f"{space.name}-{how}-b{by.batch}{'' if networks is None else '-networks'}.json"
    path = out or Path("latency") / name
    with _bar("files" if networks is None else "networks") as progress:
        if networks is None:
            measure_block_files(space, path, runner, batch=by.batch, repeats=by.repeats, progress=progress)
        else:
            measure_networks(
                space,
                path,
                runner,
                networks=networks,
                encode=partial(_encoder(space), batch=by.batch),
                batch=by.batch,
                repeats=by.repeats,
                progress=progress,
            )
    costs = latency_costs(space, path)
    _console().print(f"latency of {space.name} in {path} ({runner.device})")
    if (agreement := device_table(costs).agreement) is not None:
        _console().print(f"networks that it was not fitted to: {agreement}")
    _say_range(space, costs, by.batch)


def _encoder(space: Space) -> Callable[..., bytes]:
    """A network of the space, and batch=, as the content of an ONNX file."""
    if space.kind == "mbconv":
        from nars.network.mbconv.block_onnx import network_graph

        return network_graph
    load_torch(everything=False)
    from nars.export.onnx import untrained_onnx

    return untrained_onnx


def _members(name: str, by: By, out: Path | None) -> None:
    """The exported members of a run, measured and shown."""
    from nars.network.runner import runner_of
    from nars.report import write_report
    from nars.run import load_config
    from nars.run.folder import existing_run
    from nars.space import device_table, latency_costs, read_document, read_space
    from nars.stages import measure_members

    folder = existing_run(name)
    load_config(folder.path.absolute()).check_networks()
    space = read_space(read_document(folder.space_file))
    file = out or (folder.table_file if folder.table_file.is_file() else None)
    table = None if file is None else latency_costs(space, file, named=name)
    if by.runner is None and table is not None:
        runner = runner_of(device_table(table), timeout=by.timeout)
    else:
        runner = _runner(by)
    load_torch(everything=False)
    with _bar("members") as progress:
        found = measure_members(folder, space, runner, table=table, repeats=by.repeats, progress=progress)
    _show(found)
    if folder.report_file.is_file():
        write_report(folder)


def _show(found: DeviceLatency) -> None:
    from nars.report import FittingTable

    rows = [[one.name, *one.figures] for one in found.members]
    console = plain_console()
    console.print(f"milliseconds by {found.device}", soft_wrap=True)
    caption = "±: standard deviation of repeated measurements."
    caption += f" The table, on networks that it was not fitted to: {found.agreement}." if found.agreement else ""
    console.print(FittingTable(["member", "table", "measured", "table off"], rows, left=["member"], caption=caption))


def _runner(by: By) -> OnnxRunner:
    from nars.network.runner import command_runner, onnxruntime_runner

    if by.runner is not None:
        return command_runner(by.runner, timeout=by.timeout)
    return onnxruntime_runner(1 if by.threads is None else by.threads)


def _say_range(space: Space, costs: DeviceCosts, batch: int) -> None:
    from nars.space import SpaceError, cost_range

    try:
        low, high = cost_range(space.with_table(costs))["latency"]
    except SpaceError:  # too large to know its ends
        return
    _console().print(f"networks of {space.name}: {low:.3g} - {high:.3g} ms for a batch of {batch}")


def _console() -> Console:
    return plain_console(stderr=True, soft_wrap=True)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar, moved by (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _space(name: str, classes: int | None, channels: int | None) -> Space:
    """The space of that name or file with so many classes and channels, or that of the run or predictor in a folder."""
    from nars.run import reopen_run
    from nars.space import load_space, read_document, read_space, space_names
    from nars.stages import predictor_folder

    home = Path(name)
    searched = any((home / file).is_file() for file in ("run.json", "card.json", "predictor/card.json"))
    if not searched and (name in space_names() or home.suffix in (".yaml", ".yml")):
        return load_space(name, classes=classes, in_channels=channels)
    try:
        found = read_space(read_document(predictor_folder(name) / "space.yaml"))
    except ConfigError as error:
        if not (home / "run.json").is_file():
            raise ConfigError(
                f"{name!r} is no built-in space ({', '.join(space_names())}), no YAML file, and no folder of a run or "
                f"predictor; give one of them"
            ) from error
        found = reopen_run(home).space  # its search has not come to a predictor yet
    for option, wanted, own in (("--classes", classes, found.classes), ("--channels", channels, found.in_channels)):
        if wanted not in (None, own):
            raise ConfigError(f"{option} of {name} is {own}, that of its data; got {wanted}. Leave the option out")
    return found
