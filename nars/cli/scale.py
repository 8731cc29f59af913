"""`nars scale`: networks beyond the searched budgets, by compound scaling."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nars.cli.starting import load_torch
from nars.errors import ConfigError
from nars.printing import plain_console

if TYPE_CHECKING:
    from nars.space import Scaling


def scale(
    folder: Annotated[Path, typer.Argument(help="Run folder with a family, or the family/ in it.")],
    to: Annotated[str, typer.Option(help="FLOPs budgets, below or above the searched ones, e.g. 80k,1M.")],
    members: Annotated[
        str | None, typer.Option("--from", help="Two members to start from; the smallest and the largest if not given.")
    ] = None,
    factors: Annotated[
        str | None,
        typer.Option(
            help="How the dimensions grow, e.g. depth=1.2,width=1.1; as between the two members if not given."
        ),
    ] = None,
) -> None:
    """Scale two searched members up or down, as the paper made A from B and F, G from E.

    Writes architecture.yaml and recipe.yaml for each budget to scaled/ in the run folder. nars train and nars export
    take these folders, and so does final.teacher once they are trained.
    """
    load_torch()
    from nars.run import reopen_run
    from nars.space import quantity, shorten
    from nars.studies import grow

    budgets = [quantity(part) for part in to.split(",")]
    if min(budgets) <= 0:
        raise ConfigError(f"--to takes FLOPs budgets above 0, got {to}")
    grown = grow(reopen_run(folder), budgets, members=_pair(members), direction=_direction(factors))
    table = Table(title="factors on depth, width and resolution of a member", title_justify="left")
    for heading in ("budget", "from", "depth", "width", "resolution", "FLOPs", "params", "px"):
        table.add_column(heading, justify="right")
    for one in grown:
        table.add_row(
            one.name,
            one.source,
            f"{one.scaling.depth:.2f}",
            f"{one.scaling.width:.2f}",
            f"{one.scaling.resolution:.2f}",
            shorten(one.costs["flops"]),
            shorten(one.costs["params"]),
            str(one.architecture.resolution),
        )
    plain_console().print(table)
    for one in grown:
        plain_console().print(f"{one.name}: nars train {shlex.quote(str(one.folder))}", soft_wrap=True)


def _pair(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2:
        raise ConfigError(f"--from takes two members separated by a comma, got {text!r}; e.g. --from 250k,500k")
    return names[0], names[1]


def _direction(text: str | None) -> Scaling | None:
    from nars.space import Scaling

    if text is None:
        return None
    try:
        pairs = dict(part.split("=") for part in text.split(","))
        return Scaling(**{name.strip(): float(value) for name, value in pairs.items()})
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"--factors takes depth, width and resolution, each a number, got {text!r} ({error}); write e.g. "
            f"depth=1.2,width=1.1,resolution=1.15"
        ) from error
