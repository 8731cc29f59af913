"""`nars explore`: a run or a predictor as a page to ask and to look at."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from nars.cli.streams import say
from nars.errors import ConfigError


def explore(
    name: Annotated[
        str, typer.Argument(help="A run's folder, finished or not, a predictor's folder, or a shipped predictor.")
    ],
    export: Annotated[
        Path | None, typer.Option(help="Write the page to this file instead, read-only, to mail: nars is not needed.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of this machine; 0 is any free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, where there is one.")] = True,
) -> None:
    """A page with sliders for every cost, the best candidate for them, and all that a run has measured.

    Served to this machine alone, at an address with a secret in it, until Ctrl-C. A run in progress can be watched.
    """
    from nars.explore import Server, export_page, open_source

    if export is not None and export.suffix not in (".html", ".htm"):
        raise ConfigError(f"--export names a file, e.g. {Path(name).name}.html, got {export}")
    source = open_source(name)
    if source.predictor is not None:
        say("computing the best for all costs, a few seconds ...")
    if export is not None:
        file = export_page(source, export)
        typer.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB, opens in any browser, offline too")
        return
    with Server(source, port=port) as server:
        typer.echo(server.address)
        say("open this address in a browser of this machine; Ctrl-C ends it")
        if browser and _has_screen():
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended; the same command opens it again")


def _has_screen() -> bool:
    """Whether a browser would have a window: one that runs in the terminal would take it over."""
    on_desktop = sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ))
    return sys.stdout.isatty() and on_desktop and "SSH_CONNECTION" not in os.environ
