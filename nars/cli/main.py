"""Entry point: mounts the commands and turns our own errors into one clear message and exit code 2."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from nars import __version__
from nars.cli import audit as auditing
from nars.cli import latency as measure
from nars.cli import run as run_commands
from nars.cli import scale as scaling
from nars.cli import space, store, trials
from nars.cli import swap as swapping

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

_INTERRUPTED = 130
_USER_ERROR = 2


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; exit code 2 for what the user can mend, 130 after Ctrl-C."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    as_python_does = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        """Our own warnings are for the user, who has no use for the line of code they come from."""
        if category.__module__.startswith("nars."):
            console.print(f"[bold yellow]warning[/]: {escape(str(message))}")
        else:
            as_python_does(message, category, *where, **more)

    warnings.showwarning = show
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as end:
        # Typer ends by this code at Ctrl-C, without a word.
        if isinstance(end, KeyboardInterrupt) or end.code == _INTERRUPTED:
            console.print("interrupted; nothing measured is lost, the same command goes on from here")
            sys.exit(_INTERRUPTED)
        raise
    except ValueError as error:
        # What a user can cause is a ValueError of ours (SpaceError, ConfigError, DataError, ...); others are bugs.
        if not type(error).__module__.startswith("nars."):
            raise
        # Escaped: to rich, "[rmsprop, sgd]" in a message would be markup and vanish.
        console.print(f"[bold red]error[/]: {escape(str(error))}")
        sys.exit(_USER_ERROR)
