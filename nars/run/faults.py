"""Mistakes in a configuration in the house form: which key, what is allowed, what it got; from pydantic's findings."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

import pydantic

from nars.errors import suggestion

Model = type[pydantic.BaseModel]
_PLAINER = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "too_short": "needs at least one value",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One mistake."""

    path: tuple[str | int, ...]
    """Keys and places in lists, as the user writes them."""
    says: str
    """What is allowed, and what it got."""


def faults_of(error: pydantic.ValidationError, model: Model) -> list[Fault]:
    """The mistakes that a document's check has found, each once.

    Args:
        error: of `model`.
        model: the document's.
    """
    found = error.errors()
    # A list without items that are right is called too short as well.
    told = [fault for fault in found if fault["type"] != "too_short" or not any(_inside(o, fault) for o in found)]
    located = [(fault, *_located(tuple(fault["loc"]), model)) for fault in told]
    # Where a word or a section may stand, both are complained about; the one that was meant is known by what is there.
    mappings = {path[:at]: isinstance(fault["input"], Mapping) for fault, path, at, plain in located if plain}
    kept = [
        (fault, path) for fault, path, at, plain in located if at < 0 or plain is not mappings.get(path[:at], not plain)
    ]
    return [Fault(path=path, says=_says(fault, path, model)) for fault, path in kept]


def _inside(one: Any, other: Any) -> bool:
    return len(one["loc"]) > len(other["loc"]) and one["loc"][: len(other["loc"])] == other["loc"]


def _located(place: tuple[str | int, ...], model: Model) -> tuple[tuple[str | int, ...], int, bool]:
    """The keys of pydantic's place, without the branch of a union that it names; where that one was in them, -1 for
    nowhere, and whether the branch is the plain one, that of words."""
    for at, part in enumerate(place):
        field = model.model_fields.get(str(part))
        if field is None:
            break
        inner = section_in(field.annotation)
        if inner is None:
            break
        if is_either(field.annotation) and len(place) > at + 1:
            branch = str(place[at + 1])
            if inner.__name__ in branch or branch.startswith("literal["):
                return (*place[: at + 1], *place[at + 2 :]), at + 1, inner.__name__ not in branch
        model = inner
    return place, -1, False


def is_either(annotation: Any) -> bool:
    """Whether a word may stand for a section."""
    return len([part for part in _parts(annotation) if part is not type(None)]) > 1


def _parts(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def section_in(annotation: Any) -> Model | None:
    """The section that a key may hold; None where it holds a value."""
    sections = (one for one in _parts(annotation) if isinstance(one, type) and issubclass(one, pydantic.BaseModel))
    return next(sections, None)


def keys_at(path: tuple[str | int, ...], model: Model) -> list[str]:
    """The keys that a document of a model has in the section at a path; none where there is no section."""
    for part in path:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        section = None if field is None else section_in(field.annotation)
        if section is None:
            return []
        model = section
    return sorted(model.model_fields)


def _says(fault: Any, path: tuple[str | int, ...], model: Model) -> str:
    kind, got = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        allowed = keys_at(path[:-1], model)
        return f"unknown key {path[-1]!r}; allowed are {', '.join(allowed)}{suggestion(path[-1], allowed)}"
    if kind == "missing":
        return f"{path[-1]!r} is missing; add it"
    message = _PLAINER.get(kind, fault["msg"].removeprefix("Value error, "))
    message = message[:1].lower() + message[1:]
    message = message.replace("input should be", "must be", 1)
    hint = ""
    if kind in ("model_type", "model_attributes_type"):
        message = f"takes keys of its own: {', '.join(keys_at(path, model))}"
    elif kind == "literal_error":
        words = list(_words(fault["ctx"]["expected"]))
        keys = keys_at(path, model)
        message = f"must be {' or '.join(filter(None, [', '.join(words[:-1]), words[-1]]))}"
        message += f", or a section with the keys {', '.join(keys)}" if keys else ""
        hint = suggestion(got, words)
    elif kind == "too_long":
        message = f"takes {fault['ctx']['max_length']} values"
    shown = "nothing" if got is None else "a mapping" if isinstance(got, dict) else repr(got)
    if isinstance(got, (list, tuple)):
        shown = f"[{', '.join(map(str, got))}]"
    return message if "got " in message or not path else f"{message}; got {shown}{hint}"


def _words(expected: str) -> Iterator[str]:
    """Of "True, 'a' or 'b'", as a file has them."""
    for word in re.findall(r"'[^']*'|[^\s,']+", expected):
        if word != "or":
            yield word.strip("'") if word.startswith("'") else word.lower()
