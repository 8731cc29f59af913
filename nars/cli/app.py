"""The commands, mounted."""

from __future__ import annotations

import typer

from nars import __version__
from nars.cli import (
    audit as auditing,
    latency as measure,
    run as run_commands,
    scale as scaling,
    space,
    store,
    swap as swapping,
    trials,
)

app = typer.Typer(
    name="nars",
    help="Search a network's architecture and its training recipe together, for any resource budget.",
    epilog="Start with: nars run digits",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
run_commands.mount(app)
measure.mount(app)
trials.mount(app)
auditing.mount(app)
swapping.mount(app)
scaling.mount(app)
app.add_typer(space.app, name="space")
app.add_typer(store.app, name="store")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
