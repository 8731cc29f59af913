"""`nars transfer`: found networks on other images, as the paper takes FBNetV3 to CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars.cli.opening import asked
from nars.cli.options import DEVICE_HELP
from nars.cli.starting import load_torch, say_device
from nars.printing import plain_console

if TYPE_CHECKING:
    from nars.studies import Transferred


def transfer(
    place: Annotated[str, typer.Argument(help="Folder of a run with a family, or of one network.")],
    to: Annotated[str, typer.Option(help="Run configuration of the other images: cifar10, a file, a run's folder.")],
    members: Annotated[str | None, typer.Option(help="Some members of the run, e.g. 450M,750M.")] = None,
    base: Annotated[
        int, typer.Option(help="Side of the smallest member's images, pixels; larger ones in proportion.")
    ] = 32,
    weights: Annotated[
        bool, typer.Option("--weights", help="Start from the members' exported weights, not from scratch.")
    ] = False,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Change any key of the configuration, e.g. --set final.epochs=40.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; transfer/NAME in the folder if not given.")] = None,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
) -> None:
    """Train found networks on other images: in their form for small ones, with their recipes, without distillation.

    As the paper takes FBNetV3 to CIFAR-10: the smallest member sees images of 32 pixels, larger ones in proportion, the
    second stride of 2 becomes 1, and the averaged weights decay by 0.999. If interrupted, the same command resumes it;
    nars export takes each folder.
    """
    load_torch()
    from nars.report import FittingTable
    from nars.run import Terminal, execution
    from nars.studies import transfer as transferred

    wanted, how, reporter = asked(to, sets), execution(device=device), Terminal()
    say_device(how, reporter)
    found = transferred(
        place,
        wanted.name,
        members=None if members is None else [name.strip() for name in members.split(",")],
        base=base,
        with_weights=weights,
        overrides=wanted.overrides,
        options=wanted.options,
        folder=out,
        device=how.device,
        reporter=reporter,
    )
    console = plain_console()
    console.print(f"on {to}")
    headings, rows = transfer_rows(found)
    console.print(FittingTable(headings, rows, left=("member", "folder")))


def transfer_rows(found: Sequence[Transferred]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Headings and rows of the table; values are of the metric that the networks were trained by, named where that is
    not accuracy.
    """
    from nars.metric import ACCURACY, IMAGE_METRICS

    metric = IMAGE_METRICS[found[0].result.metric]  # one configuration trained them all
    of = "" if metric == ACCURACY else f" {metric.name.replace('_', ' ')}"
    rows = [
        [
            one.pair.name,
            str(one.resolution),
            *(metric.spell(value) for value in (one.result.validation, one.result.test)),
            str(one.pair.place),
        ]
        for one in found
    ]
    return ("member", "px", f"validation{of}", f"test{of}", "folder"), rows
