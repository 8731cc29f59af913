"""`nars latency`: measure the blocks of a space on this machine, so that latency is a cost like the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn


def mount(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command(epilog="Example: nars latency digits --runtime onnxruntime")(latency)


def latency(
    space: Annotated[str, typer.Argument(help="Built-in space or the path of a YAML file.")],
    device: Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or cuda:N.")] = "auto",
    runtime: Annotated[str, typer.Option(help="eager (PyTorch) or onnxruntime.")] = "eager",
    batch: Annotated[int, typer.Option(help="Images at once.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    classes: Annotated[int | None, typer.Option(help="Classes of your data; the space's own when absent.")] = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels of your images, 1 grey or 3 RGB; the space's own when absent.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write or complete (JSON).")] = None,
) -> None:
    """Measure each distinct block of a space once; an interrupted run goes on where it stopped.

    A candidate's latency is the sum of its blocks: nars space sample SPACE --latency TABLE --max-latency 12ms
    """
    from nars.evaluate.latency import latency_file, measure_blocks
    from nars.parallel import AUTO, resolve_device
    from nars.space import LatencyCosts, cost_range, load_space

    if device == AUTO:  # neither ONNX Runtime nor a Mac's GPU is measured
        device = "cpu" if runtime == "onnxruntime" else resolve_device(AUTO, mps=False)
    device = resolve_device(device)
    loaded = load_space(space, classes=classes, in_channels=channels)
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
