"""`nars swap`: every architecture of a family with every recipe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType

from nars.cli.options import DEVICE_HELP
from nars.cli.starting import hold, load_torch, say_device
from nars.printing import counted, plain_console, print_lines

if TYPE_CHECKING:
    from nars.metric import Metric
    from nars.stages import Member
    from nars.studies import Shares, Swap


def swap(
    folder: Annotated[Path, typer.Argument(help="Run folder with a family, or the family/ in it.")],
    train: Annotated[
        str | None,
        typer.Option(help="Also train: all, diagonal, or cells ARCHITECTURE:RECIPE, e.g. 150k:500k,500k:150k."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings per cell; two or more also measure the noise.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the matrix here.")] = None,
    engine: Annotated[str, typer.Option(help="Where trainings run: processes, in-process, ray.")] = "processes",
    workers: Annotated[int, typer.Option(help="Trainings at once; 0 is one per core or GPU.")] = 0,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
) -> None:
    """How much is architecture, how much recipe? Each member's architecture with each member's recipe.

    All are predicted; with --train they are trained as in stage 2, up to its stop epoch. If interrupted, the same
    command resumes it.
    """
    load_torch()
    from nars.files.atomic import write_json
    from nars.run import Terminal, execution, reopen_run
    from nars.studies import swap as swap_recipes

    how = execution(engine=engine, workers=workers, device=device)
    reporter = Terminal()
    run = reopen_run(folder, execution=how, reporter=reporter)
    if train is not None:
        hold(run.folder.path)
        say_device(how, reporter)
    found = swap_recipes(run, train=train, seeds=seeds)
    if json_file is not None:
        write_json(json_file, found.to_dict())
    console = plain_console()
    console.print(_table(found))
    print_lines(console, "predicted: " + _spell(found.predicted_shares, found.metric))
    if found.trained_shares is not None:
        print_lines(console, "trained: " + _spell(found.trained_shares, found.metric))


def _table(found: Swap) -> RenderableType:
    from nars.report import FittingTable

    headings = ["architecture", *(f"recipe of {member.name}" for member in found.members)]
    rows = [
        [f"{member.name} ({_size(member)})", *(_cell(found, row, column) for column in range(len(found.members)))]
        for row, member in enumerate(found.members)
    ]
    unit = " in percent" if found.metric.unit == "%" else f" in {found.metric.unit}" if found.metric.unit else ""
    of = f"{found.metric.name.replace('_', ' ')} after {counted(found.epochs, 'epoch')}{unit}"
    title = f"architecture x recipe: {of}, predicted | trained"
    return Group(title, FittingTable(headings, rows, left=("architecture",)))


def _size(member: Member) -> str:
    """Its FLOPs, or the first of its own costs."""
    from nars.space import shorten

    cost = "flops" if "flops" in member.costs else next(iter(member.costs))
    return f"{shorten(member.costs[cost])} {'FLOPs' if cost == 'flops' else cost}"


def _cell(found: Swap, row: int, column: int) -> str:
    trained, seeds = found.trained[row, column], found.measured[row, column]
    figure = found.metric.figure
    spread = f" ± {figure(seeds.std(ddof=1))}" if len(seeds) > 1 else ""
    shown = "-" if math.isnan(trained) else f"{figure(trained)}{spread}"
    return f"{figure(found.predicted[row, column])} | {shown}"


def _spell(parts: Shares, metric: Metric) -> str:
    noise = f" (training noise alone would make it {100 * parts.noise:.0f} %)" if parts.noise is not None else ""
    return (
        f"of the variance between cells (standard deviation {metric.spell(parts.deviation)}) architecture explains "
        f"{100 * parts.architecture:.0f} %, recipe {100 * parts.recipe:.0f} %, that they suit each other "
        f"{100 * parts.interaction:.0f} %{noise}"
    )
