"""Every key of a run configuration: what it takes, its default, the paper's value, a sentence. From its docstring."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nars.errors import ConfigError, suggestion
from nars.run.config import RunConfig
from nars.run.faults import is_either, section_in
from nars.space import Bounds

_PAPER = re.compile(r"\s*\(paper: ([^()]*(?:\([^()]*\)[^()]*)*)\)")
_KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "nothing"}
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key."""

    name: str
    """Dotted, as --set takes it."""
    kind: str
    """What it takes, in words."""
    default: str
    """As a file would say it; "needed" where there is none."""
    paper: str
    """The value of FBNetV3's paper; empty where it says nothing or the same."""
    says: str
    """What it does."""


def keys(section: str | None = None) -> tuple[Key, ...]:
    """All keys, those of one section, or one key alone.

    Raises:
        ConfigError: there is no such section or key.
    """
    found = tuple(_keys(RunConfig, ""))
    if section is None:
        return found
    chosen = tuple(key for key in found if key.name == section or key.name.startswith(f"{section}."))
    if not chosen:
        known = list(dict.fromkeys(name for key in found for name in (key.name, key.name.rpartition(".")[0]) if name))
        sections = dict.fromkeys(key.name.split(".")[0] for key in found if "." in key.name)
        raise ConfigError(
            f"no section and no key is called {section!r}; the sections are {', '.join(sections)}"
            f"{suggestion(section, known)}"
        )
    return chosen


def _keys(model: type[pydantic.BaseModel], before: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        section = section_in(field.annotation)
        if section is None or is_either(field.annotation):  # task: images, or a section
            yield _key(f"{before}{name}", field)
        if section is not None:
            yield from _keys(section, f"{before}{name}.")


def _key(name: str, field: FieldInfo) -> Key:
    text = " ".join((field.description or "").split())
    paper = _PAPER.search(text)
    return Key(
        name=name,
        kind=" ".join([_words(field.annotation), *_limits(field.metadata)]),
        default=_default(field.default),
        paper=paper[1] if paper else "",
        says=_PAPER.sub("", text),
    )


def _limits(notes: Iterable[Any]) -> list[str]:
    """Limits on a number, such as ">= 1"."""
    single = (one for note in notes for one in getattr(note, "metadata", [note]))
    return [f"{sign} {getattr(one, mark):g}" for one in single for mark, sign in _SIGNS.items() if hasattr(one, mark)]


def _words(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Bounds:
        return "limits on costs"
    if origin is Annotated:
        return " ".join([_words(arguments[0]), *_limits(arguments[1:])])
    if origin is Literal:
        return " | ".join("true" if one is True else "false" if one is False else str(one) for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(
            dict.fromkeys(_words(one) for one in arguments if one is not type(None) and section_in(one) is None)
        )
    if origin is dict:
        return "{setting: value}"
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    return _KINDS.get(annotation, str(getattr(annotation, "__name__", annotation)))


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    if value is None:
        return "-"
    if isinstance(value, Bounds):
        return str(value) if value.limits else "-"
    if isinstance(value, bool):
        return str(value).lower()
    if value == {}:
        return "-"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value) if value != "" else "-"
