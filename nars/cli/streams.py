"""Standard output and standard error as they are: with any encoding, closed, full, or without a terminal."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
import unicodedata
from contextlib import suppress
from typing import TextIO

from nars.printing import QUIET, plain_console, wrapped

_HANDLER = "nars-plain"

_PLAIN = {
    "±": "+-",
    "×": "x",
    "÷": "/",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": ".",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "·": ".",
    "•": "*",
    "µ": "u",
    "μ": "u",
    "°": "deg",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "ß": "ss",
    "✓": "ok",
    "✗": "x",
    "█": "#",
    "▏": "|",
    "▌": "#",
    "⠿": "*",
}
"""What signs become where they cannot be written."""


def mend_streams() -> None:
    """Let the standard streams write any text: what their encoding lacks becomes the nearest sign that it has.

    A stream that is closed (`>&-`) becomes one that takes everything and keeps nothing.
    """
    codecs.register_error(_HANDLER, _replace)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def say(text: str, *, heading: str = "", color: str = "default") -> None:
    """One message on standard error, its heading in color on a terminal; nothing if it cannot be written.

    With `--quiet` only what has a heading: an error, a warning.
    """
    if QUIET.get() and not heading:
        return
    with suppress(OSError, ValueError):  # full, or closed: there is nobody left to tell
        from rich.text import Text

        console = plain_console(stderr=True, soft_wrap=True)
        lines = f"{heading}: {text}" if heading else text
        message = Text(wrapped(lines, console.width) if console.is_terminal else lines)
        message.stylize(f"bold {color}", 0, len(heading))
        console.on_broken_pipe = lambda: None  # type: ignore[method-assign]
        console.print(message)


def close_quietly(stream: TextIO) -> None:
    """Nothing more is written to a stream that cannot take it, at the interpreter's end neither."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def reader_is_gone() -> bool:
    """Whether standard output or standard error is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            poll.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_plain(sign) for sign in signs), error.end


def _plain(sign: str) -> str:
    """ASCII for a sign: é is e, a border is +, - or |; ? where nothing comes near."""
    if sign in _PLAIN:
        return _PLAIN[sign]
    if "\u2500" <= sign <= "\u257f":  # lines of tables
        name = unicodedata.name(sign)
        turns = {word for word in ("UP", "DOWN", "LEFT", "RIGHT", "VERTICAL", "HORIZONTAL", "ARC") if word in name}
        if turns <= {"HORIZONTAL", "LEFT", "RIGHT"}:
            return "-"
        return "|" if turns <= {"VERTICAL", "UP", "DOWN"} else "+"
    base = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return base or "?"
