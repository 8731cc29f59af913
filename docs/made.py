"""Pages that are made whenever the site is built: the keys of a run, the commands, each room's public names.

They go to docs/reference/, which Git ignores: what the code says of itself is kept in one place.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import re
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

import nars
from nars.cli.app import app as commands
from nars.run.keys import Key, keys

DOCS = Path(__file__).parent
PACKAGE = Path(nars.__file__).parent
SKIPPED = {"parallel", "files", "report"}
"""Rooms that serve the others: worker processes, whole files, the report's page."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the pages before Sphinx reads any, and let it read docstrings as they are written."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("builder-inited", lambda _: make(DOCS / "reference"))
    app.connect("autodoc-process-docstring", as_written)
    return {"parallel_read_safe": True}


def make(folder: Path) -> None:
    """Write all of them; one that is as before stays untouched, and Sphinx need not read it again."""
    pages = {"keys.md": keys_page(), "commands.md": commands_page(), **api_pages()}
    for old in folder.rglob("*.*"):
        if str(old.relative_to(folder)) not in pages:
            old.unlink()
    for name, text in pages.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


# ------------------------------------------------------------------------------------------------ the keys of a run


def keys_page() -> str:
    """Every key of a run configuration, section by section."""
    sections: dict[str, list[Key]] = {}
    for key in keys():
        sections.setdefault(key.name.rpartition(".")[0], []).append(key)
    head = (
        "# Keys of a run configuration\n\n"
        "What `nars config` prints: all that a run configuration can say. In a YAML file the keys stand in sections "
        "(`collect: {rounds: 3}`), on the command line they are dotted (`--set collect.rounds=3`). *Paper* is "
        "FBNetV3's value, where it says one."
    )
    lists = (f"## {section or 'The run'}\n\n" + "\n\n".join(map(_key, of)) for section, of in sections.items())
    return "\n\n".join([head, *lists]) + "\n"


def _key(key: Key) -> str:
    default = "" if key.default == "-" else ", needed" if key.default == "needed" else f", `{key.default}` if not given"
    paper = f"; paper: {_plain_text(key.paper)}" if key.paper else ""
    return f"`{key.name}`\n: *{_plain_text(key.kind)}{default}{paper}*\n\n  {_plain_text(key.says)}"


def _plain_text(text: str) -> str:
    """Text of a docstring in Markdown: what is not code stands as it is."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>{}\[\]$])", r"\\\1", part) for part in parts)


# ------------------------------------------------------------------------------------------------------ the commands


def commands_page() -> str:
    """What --help of every command prints."""
    parts = ["# Commands", f"What `nars --help` prints, and the `--help` of each command.\n\n{_help(())}"]
    groups: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(commands))]
    while groups:
        path, group = groups.pop(0)
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append(((*path, name), command))
            else:
                parts.append(f"## nars {' '.join([*path, name])}\n\n{_help((*path, name))}")
    return "\n\n".join(parts) + "\n"


def _help(path: tuple[str, ...]) -> str:
    with io.StringIO() as said, contextlib.redirect_stdout(said):
        commands([*path, "--help"], prog_name="nars", standalone_mode=False)
        lines = [line.rstrip() for line in said.getvalue().strip("\n").splitlines()]
    text = "\n".join(lines).strip("\n")
    return f"```text\n{text}\n```"


# ------------------------------------------------------------------------------------------- each room's public names


def api_pages() -> dict[str, str]:
    """A page for the package and for each room, from the stubs that are their surfaces.

    A name that several rooms have is described once, where people take it from: `nars`, else the room it is in.
    """
    rooms = ["nars", *(f"nars.{stub.parent.name}" for stub in sorted(PACKAGE.glob("*/__init__.pyi")))]
    rooms = [room for room in rooms if room.removeprefix("nars.") not in SKIPPED]
    names = {room: _names(room) for room in rooms}
    places: dict[str, str] = {}
    for own in (True, False):
        for room, of in names.items():
            for name, module in of.items():
                home = _home(room, name, module)
                if room == "nars" or home.startswith(f"{room}.") == own:
                    places.setdefault(f"{home}.{name}", f"{room}.{name}")
    return {f"api/{room}.rst": _room_page(room, names[room], places) for room in rooms}


def _names(room: str) -> dict[str, str]:
    """What a room's stub gives, with the module that each name is from."""
    stub = PACKAGE / Path(*room.split(".")[1:]) / "__init__.pyi"
    found: dict[str, str] = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            module = ".".join([*room.split(".")[: len(room.split(".")) + 1 - node.level], node.module or ""])
            found |= {alias.name: module for alias in node.names}
    return found


def _home(room: str, name: str, module: str) -> str:
    """The module in which something is defined; of a constant, that which the stub says."""
    one = getattr(importlib.import_module(room), name)
    return str(one.__module__) if inspect.isclass(one) or inspect.isfunction(one) else module


def _room_page(room: str, names: dict[str, str], places: dict[str, str]) -> str:
    module = importlib.import_module(room)
    parts = [room, "=" * len(room), "", f".. automodule:: {room}", "   :no-members:", ""]
    parts += [".. list-table::", "   :widths: 30 70", ""]
    here = []
    for name, source in sorted(names.items(), key=lambda item: item[0].lower()):
        one, place = getattr(module, name), places[f"{_home(room, name, source)}.{name}"]
        directive = "autoclass" if inspect.isclass(one) else "autofunction" if inspect.isfunction(one) else "autodata"
        role = {"autoclass": "class", "autofunction": "func", "autodata": "data"}[directive]
        parts += [f"   * - :py:{role}:`{name} <{place}>`", f"     - {_first_sentence(one, name, source)}"]
        if place == f"{room}.{name}":
            here += ["", f".. {directive}:: {place}", *_OPTIONS[directive]]
    return "\n".join([*parts, *here]) + "\n"


_OPTIONS = {"autoclass": ["   :members:"], "autofunction": [], "autodata": ["   :no-value:"]}


def _first_sentence(one: object, name: str, source: str) -> str:
    text = inspect.getdoc(one) if inspect.isclass(one) or inspect.isfunction(one) else "\n".join(_said(name, source))
    paragraph = (text or "").split("\n\n")[0].replace("\n", " ")
    first = re.split(r"(?<=[.:;]) ", paragraph)[0].rstrip(":;")
    return _plain(paragraph if first.count("`") % 2 else first)


def _said(name: str, module: str) -> list[str]:
    """The docstring under a constant."""
    return list(ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name), []))


def as_written(app: Sphinx, what: str, name: str, one: object, options: object, lines: list[str]) -> None:
    """Our docstrings are plain text with `code`: all else that reStructuredText has a meaning for is escaped.

    Comes before napoleon, which makes of Args:, Returns: and Raises: what they are.
    """
    if what == "data":
        room, _, short = name.rpartition(".")
        lines[:] = _said(short, _names(room)[short])
    text, example = [], False
    for line in lines:
        example = line == "Example:" or (example and line[:1] in ("", " "))
        text += ["Example::", ""] if line == "Example:" else [line if example else _plain(line)]
    lines[:] = text


def _plain(line: str) -> str:
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts)
