"""What a plain word in a YAML file means: the core schema of YAML 1.2, and the reverse for writing.

Two things differ from the letter of YAML 1.2 (section 10.3.2). Digits may be grouped, as in 1_000, which is a number.
And a plain yes, no, on or off is a word that also knows its truth value (`YesNo`): true or false among its like and
where a switch is meant, a word beside other words and where a word is meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, final

import yaml

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE, _FALSE = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_WHOLE = re.compile(rf"[-+]?{_DIGITS}")
_OCTAL, _HEXADECIMAL = re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
_REAL = re.compile(rf"[-+]?(?:\.{_DIGITS}|{_DIGITS}(?:\.(?:{_DIGITS})?)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE, _NAN = re.compile(r"[-+]?\.(?:inf|Inf|INF)"), re.compile(r"\.(?:nan|NaN|NAN)")
_YES, _NO = (
    re.compile(rf"{word}|{word.capitalize()}|{word.upper()}|{other}|{other.capitalize()}|{other.upper()}")
    for word, other in (("yes", "on"), ("no", "off"))
)
_NUMBER_LIKE = re.compile(
    r"\s*[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|[0-9][0-9_]*(?::[0-9]+)+(?:\.[0-9]*)?"
    r"|(?:[0-9][0-9_' ]*)?[.,]?[0-9]+[.,]?(?:[eE][-+]?[0-9]+)?)\s*%?"
)

_LONGEST = 400
"""Digits of a whole number; nothing that is chosen has more, and reading millions of them takes minutes."""


@final
class YesNo(str):
    """A plain yes, no, on or off, as it was written."""

    __slots__ = ()

    @property
    def truth(self) -> bool:
        """What it says as a switch."""
        return _YES.fullmatch(self) is not None


def plain_value(text: str) -> Any:
    """The value of a scalar without quotes.

    Raises:
        ValueError: a whole number of more than 400 digits.
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _YES.fullmatch(text) or _NO.fullmatch(text):
        return YesNo(text)
    whole = _WHOLE.fullmatch(text) or _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text)
    if whole and len(text) > _LONGEST:
        raise ValueError(f"a number of {len(text):,} digits")
    if whole:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base)
    if _REAL.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text) or _NAN.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def number_like(word: str) -> bool:
    """Whether a word could be meant as a number: quoted, in the notation of another language, or with a comma."""
    return _NUMBER_LIKE.fullmatch(word) is not None


def needs_quotes(word: str) -> bool:
    """Whether a word without quotes would be read as something else, or be taken for a number by people."""
    return number_like(word) or not isinstance(plain_value(word), str) or isinstance(plain_value(word), YesNo)


def unquote(value: Any) -> str:
    """A hint for a word that should be a number."""
    return "; write numbers without quotes, in decimal digits" if isinstance(value, str) and number_like(value) else ""


def as_whole(value: Any) -> str:
    """A hint for a number that is whole but is not written so."""
    return f"; write {int(value)}" if isinstance(value, float) and value.is_integer() else ""


def other_reading(text: str) -> str | None:
    """What is worth knowing about a plain scalar that YAML 1.1, and so many a reader, takes for something else."""
    old, new = yaml.SafeLoader.yaml_implicit_resolvers, plain_value(text)
    tags = [tag for tag, pattern in [*old.get(text[:1], []), *old.get(None, [])] if pattern.match(text)]
    tag = tags[0].rpartition(":")[2] if tags else "str"
    if tag == "int" and isinstance(new, int) and re.fullmatch(r"[-+]?0[0-7_]+", text) and set(text) - set("+-0"):
        return f"{text} is read as {new}; octal numbers are written 0o{text.lstrip('+-0')}"
    if tag in ("int", "float", "timestamp") and isinstance(new, str):
        return f"{text} is read as a word; write numbers in plain decimal digits, or quote it if the word is meant"
    return None


def among(values: Sequence[Any]) -> list[Any]:
    """The members of a list, each yes / no resolved: true / false if all are such or null, else words."""
    switches = all(value is None or isinstance(value, (bool, YesNo)) for value in values)
    return [(value.truth if switches else str(value)) if isinstance(value, YesNo) else value for value in values]


def alone(value: Any) -> Any:
    """A value without neighbours: yes / no is true / false."""
    return value.truth if isinstance(value, YesNo) else value


def meant(given: Any, choices: Sequence[Any]) -> int | None:
    """Which of the choices a value in a file means, by its number; None if it is none of them."""
    for number, choice in enumerate(choices):
        value = given.truth if isinstance(given, YesNo) and isinstance(choice, bool) else given
        if value == choice and isinstance(value, bool) == isinstance(choice, bool):
            return number
    return None


class _Dumper(yaml.SafeDumper):
    """Quotes every word that YAML 1.1 or 1.2 would read as something else."""


def dump_yaml(content: Any) -> str:
    """YAML text of plain data, which `parse_document` and PyYAML read as the same values."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _listed(dumper: _Dumper, values: Sequence[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", among(values))


def _yes_no(dumper: _Dumper, value: YesNo) -> yaml.Node:
    """As it was written: what it means is for its reader to say."""
    return yaml.ScalarNode("tag:yaml.org,2002:bool", str(value))


_Dumper.add_representer(list, _listed)
_Dumper.add_representer(tuple, _listed)
_Dumper.add_representer(YesNo, _yes_no)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(rf"(?:{'|'.join(p.pattern for p in (_WHOLE, _OCTAL, _HEXADECIMAL, _REAL, _INFINITE, _NAN))})$"),
    None,
)
