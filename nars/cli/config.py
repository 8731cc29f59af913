"""`nars config`: every key of a run configuration, with what it takes and does."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from nars.printing import plain_console

_INDENT = 4
"""Of all but the first line of a key."""


def config(
    section: Annotated[
        str | None, typer.Argument(help="A section (data, collect, search, final, ...), or one key; all, if left out.")
    ] = None,
) -> None:
    """Every key of a run configuration: what it takes, its default, the paper's value, what it does.

    A file has them as sections; on the command line they are --set collect.rounds=3.
    """
    from nars.run.keys import keys

    console, before = plain_console(), None
    for key in keys(section):
        of = key.name.rpartition(".")[0]
        if before not in (None, of):
            console.print()
        before = of
        head = Text.assemble((key.name, "bold"), f" = {key.default}", (f"   {key.kind}", "dim"))
        if key.paper:
            head.append(f"   paper: {key.paper}", style="cyan")
        first, *rest = [
            *head.wrap(console, console.width - _INDENT),
            *Text(key.says).wrap(console, console.width - _INDENT),
        ]
        console.print(first)
        for line in rest:
            console.print(Text(" " * _INDENT) + line)
