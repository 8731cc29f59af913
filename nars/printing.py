"""How large objects are printed (a line or two with sizes, not their content), and numbers and names of things."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether nothing is said of how things go (`--quiet`): results, warnings and errors alone."""

_MOST_ITEMS = 4
_MOST_LETTERS = 60
_APART = "   "


def brief_repr(value: Any) -> str:
    """A dataclass with its fields, each in a few words: the `__repr__` of classes that hold many numbers."""
    shown = [
        f"{f.name}={brief(getattr(value, f.name))}" for f in fields(value) if f.repr and not f.name.startswith("_")
    ]
    return f"{type(value).__name__}({', '.join(shown)})"


def brief(value: Any) -> str:
    """One value in a few words: arrays and tensors by their shape, what has many items by their number."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape and dtype is not None:
        return f"<{str(dtype).removeprefix('torch.')} {' x '.join(map(str, shape))}>"
    if isinstance(value, str):
        return repr(value if len(value) <= _MOST_LETTERS else f"{value[:_MOST_LETTERS]}...")
    if isinstance(value, Path):
        return repr(str(value))
    if isinstance(value, Mapping) and len(value) > _MOST_ITEMS:
        return f"<{len(value):,} entries>"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{brief(key)}: {brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (Sequence, Set)) and len(value) > _MOST_ITEMS:
        return f"<{len(value):,} items>"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(brief, value)) + ")"
    if is_dataclass(value) and "__repr__" not in type(value).__dict__:
        return f"{type(value).__name__}(...)"
    text = repr(value)
    return text if len(text) <= 4 * _MOST_LETTERS else f"<{type(value).__name__}>"


def some_names(names: Sequence[str], *, most: int = 3) -> str:
    """The first few names, for a message."""
    return ", ".join(map(readable_name, names[:most])) + (", ..." if len(names) > most else "")


def counted(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def readable_name(name: str) -> str:
    """A file name as every terminal and file can take it."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def wrapped(text: str, width: int) -> str:
    """A text whose lines are no longer than a terminal is wide, broken between words and not within them.

    What stands three spaces apart is broken there alone. A command at the end of a line stays whole, to be copied, and
    so does a word that is longer than a line.
    """
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def plain_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console that shows text as it is: brackets and colons in a path or the name of a class are no markup."""
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False)


def print_lines(console: Console, text: str) -> None:
    """Print text on a console: on a terminal its lines are `wrapped`, for a program each stays a line."""
    lines = wrapped(text, console.width) if console.is_terminal else text
    console.print(lines, soft_wrap=True, markup=False, emoji=False)


def _broken(line: str, width: int) -> str:
    body = line.lstrip()
    margin = line[: len(line) - len(body)]
    if len(line) <= width or body.startswith("nars "):
        return line
    said, ends, command = line.rpartition(": nars ")
    if ends and not set("(,;") & set(command):
        return f"{_broken(f'{said}:', width)}\n{margin}  nars {command}"
    between = _APART if _APART in body else " "
    first, *others = body.split(between)
    rows = [margin + first]
    for part in others:
        if len(rows[-1] + between + part) <= width:
            rows[-1] += between + part
        else:
            rows.append(f"{margin}  {part}")
    return "\n".join(rows)


@contextmanager
def quietly(quiet: bool = True) -> Iterator[None]:
    """Inside, nothing is said of how things go; with False, as it is outside."""
    before = QUIET.set(quiet or QUIET.get())
    try:
        yield
    finally:
        QUIET.reset(before)
