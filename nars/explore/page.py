"""The page as text: markup, style, scripts and data in one file, with nothing to load from elsewhere."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from nars.explore.answers import answer_all
from nars.explore.contents import contents
from nars.explore.source import Source
from nars.files.atomic import write_text

_SCRIPTS = ("candidates.js", "drawing.js", "plot.js", "table.js", "page.js")
_ALLOWED = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src "


def render(document: dict[str, Any]) -> str:
    """The page for a document of `contents`; it may talk to nobody, or to its own server where it is live."""
    here = files("nars.explore").joinpath("assets")
    # No "<" in the data: it can neither end its element nor begin another.
    data = json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {
        "ALLOWED": _ALLOWED + ("'self'" if document["live"] else "'none'"),
        "STYLE": here.joinpath("page.css").read_text(encoding="utf-8"),
        "SCRIPT": "\n".join(here.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS),
        "DATA": data,  # last: it may hold anything
    }
    page = here.joinpath("page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"{{{{{name}}}}}", text, 1)
    return page


def export_page(source: Source, file: Path) -> Path:
    """Write the page to a file that needs nobody: read-only, its sliders answer from a front over all costs.

    Returns:
        The file.
    """
    answers = None if source.predictor is None else answer_all(source)
    write_text(file, render(contents(source, answers)))
    return file
