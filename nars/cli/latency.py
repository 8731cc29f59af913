"""`nars latency`: measure the blocks of a space on this machine, so that latency is a cost like the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from nars.cli.starting import load_torch
from nars.errors import ConfigError

if TYPE_CHECKING:
    from nars.space import Space


def latency(
    space: Annotated[
        str, typer.Argument(help="Built-in space, YAML file, or the folder of a run or predictor: its own space.")
    ],
    device: Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or cuda:N.")] = "auto",
    runtime: Annotated[str, typer.Option(help="eager (PyTorch) or onnxruntime.")] = "eager",
    batch: Annotated[int, typer.Option(help="Batch size, images.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    classes: Annotated[
        int | None, typer.Option(help="Number of classes in your data; the space's own if not given.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Image channels: 1 is gray, 3 RGB; the space's own if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write or to complete (JSON).")] = None,
) -> None:
    """Measure each distinct block of a space once; an interrupted run goes on where it stopped.

    A candidate's latency is the sum of its blocks: nars space sample SPACE --latency TABLE --max-latency 12ms
    """
    load_torch(everything=False)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from nars.network.mbconv.block_timing import latency_file, measure_blocks
    from nars.parallel import AUTO, resolve_device
    from nars.space import LatencyCosts, cost_range

    if device == AUTO:  # neither ONNX Runtime nor a Mac's GPU is measured
        device = "cpu" if runtime == "onnxruntime" else resolve_device(AUTO, mps=False)
    device = resolve_device(device)
    loaded = _space(space, classes, channels)
    path = out or latency_file(
        loaded, device=device, runtime=runtime, batch=batch, threads=threads, folder=Path("latency")
    )
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("blocks", total=None)
        table = measure_blocks(
            loaded,
            path,
            device=device,
            runtime=runtime,
            batch=batch,
            threads=threads,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    low, high = cost_range(loaded.with_table(LatencyCosts(space=loaded, table=table)))["latency"]
    console.print(f"{len(table.milliseconds)} blocks in {path} ({table.device}, {runtime}, {threads} threads)")
    console.print(f"networks of {loaded.name}: {low:.3g} - {high:.3g} ms for a batch of {batch}")


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
