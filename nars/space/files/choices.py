"""One entry of a space file: a fixed value, a list of choices, a range, or a reference to another setting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nars.errors import suggestion
from nars.files import Value
from nars.space.dimension import PaperRange
from nars.space.files.scalars import alone, among, as_whole, number_like, unquote

MOST_CHOICES = 10_000
_LARGEST = 1e15
_KEYS = {"low", "high", "step", "count", "scale", "choices", "encode", "same_as", "when", "slides", "paper"}


class SpecError(Exception):
    """What is wrong with one entry; the reader adds the place."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What an entry says: one value (fixed), several (a dimension), or `same_as` another setting."""

    values: tuple[Value, ...] = ()
    ordinal: bool = True
    log: bool = False
    same_as: str | None = None
    when: tuple[str, tuple[Value, ...]] | None = None
    """Another setting, and its values as the file has them: what a yes / no among them means, that setting tells."""
    slides: tuple[str, str] | None = None
    """The choice as the file has it, and the next setting."""
    paper: PaperRange | None = None


def read_spec(entry: Any) -> Spec:
    """Read one entry.

    Forms: `3`; `[3, 5]`; `{low: 1, high: 4}`; `{low: 0.01, high: 0.1, count: 10, scale: log}`;
    `{choices: [...], encode: one_hot | ordinal}`; `{same_as: stage1.channels}`; each mapping may also hold
    `when: {setting: [values]}`, `slides: {value: next setting}` and `paper: {text: ..., count: ...}`.

    Raises:
        SpecError: none of the forms, or an impossible range.
    """
    if isinstance(entry, list):
        return Spec(values=_listed(entry), ordinal=_all_numbers(entry))
    if not isinstance(entry, Mapping):
        return Spec(values=(_scalar(alone(entry)),), ordinal=_all_numbers([entry]))
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        allowed = sorted(_KEYS)
        raise SpecError(
            f"unknown key {unknown[0]!r}; allowed are {', '.join(allowed)}{suggestion(unknown[0], allowed)}"
        )
    extras = _extras(entry)
    if "same_as" in entry:
        if not isinstance(entry["same_as"], str) or set(entry) - {"same_as", "paper"}:
            raise SpecError("same_as takes the name of another setting, e.g. stage1.channels, and nothing beside it")
        return Spec(same_as=entry["same_as"], **extras)
    if "choices" in entry:
        return _from_choices(entry, extras)
    return _from_range(entry, extras)


def mixture(values: tuple[Value, ...]) -> str | None:
    """Why a list cannot be a column of samples, which holds numbers, or words, or true and false; null is any."""
    kinds: dict[str, list[Value]] = {}
    for value in values:
        if value is not None:
            kind = "words" if isinstance(value, str) else "true / false" if isinstance(value, bool) else "numbers"
            kinds.setdefault(kind, []).append(value)
    if len(kinds) < 2:
        return None
    listed = " with ".join(f"{kind} ({', '.join(map(repr, some[:3]))})" for kind, some in kinds.items())
    return f"mixes {listed}; write all as numbers, or quote all as words"


def remark(values: tuple[Value, ...]) -> str | None:
    """What is doubtful about a list of choices: words that look like numbers."""
    words = [value for value in values if isinstance(value, str)]
    if len(words) > 1 and all(map(number_like, words)):
        return (
            f"holds words that look like numbers ({', '.join(map(repr, words[:3]))}), so each is a name of its own, "
            f"without order; write numbers without quotes, in decimal digits"
        )
    return None


def _from_choices(entry: Mapping[str, Any], extras: dict[str, Any]) -> Spec:
    stray = sorted(set(entry) & {"low", "high", "step", "count"})
    if stray:
        raise SpecError(f"choices and {stray[0]} exclude each other; keep the list or the range")
    if not isinstance(entry["choices"], list):
        raise SpecError(f"choices takes a list, got {entry['choices']!r}")
    numbers = _all_numbers(entry["choices"])
    encode = entry.get("encode", "ordinal" if numbers else "one_hot")
    if encode not in ("ordinal", "one_hot"):
        raise SpecError(f"encode takes ordinal or one_hot, got {encode!r}")
    if encode == "ordinal" and not numbers:
        other = next(value for value in entry["choices"] if not _is_number(value))
        raise SpecError(
            f"encode: ordinal needs numbers as choices, got {other!r}; use one_hot for names and yes / no"
            f"{unquote(other)}"
        )
    log = _log(entry)
    values = _listed(entry["choices"])
    if log and (encode != "ordinal" or min(float(v) for v in values if v is not None) <= 0):
        raise SpecError("scale: log needs positive numbers, encoded as ordinal")
    return Spec(values=values, ordinal=encode == "ordinal", log=log, **extras)


def _from_range(entry: Mapping[str, Any], extras: dict[str, Any]) -> Spec:
    for key in ("low", "high"):
        if key not in entry:
            raise SpecError(f"a range needs {key}; write e.g. {{low: 16, high: 24, step: 2}}, or choices: [...]")
    for key in ("low", "high", "step", "count"):
        if key in entry and not _is_number(entry[key]):
            raise SpecError(f"{key} takes a number, got {entry[key]!r}{unquote(entry[key])}")
    if "encode" in entry:
        raise SpecError("a range is always ordinal; drop encode, or list the choices")
    low, high, log = entry["low"], entry["high"], _log(entry)
    if not low < high:
        raise SpecError(f"low must be below high, got {low} and {high}; for one value write it alone")
    if log and low <= 0:
        raise SpecError(f"a logarithmic range starts above 0, got low: {low}; raise low, or drop scale: log")
    if "step" in entry and "count" in entry:
        raise SpecError("step and count exclude each other; keep one")
    if log and "count" not in entry:
        raise SpecError("a logarithmic range needs count (the number of choices), e.g. count: 10")
    counted = "count" in entry
    values = _counted(low, high, entry["count"], log) if counted else _stepped(low, high, entry.get("step", 1))
    if len(set(values)) < len(values):
        raise SpecError(f"{len(values)} choices between {low} and {high} are equal to ten digits; take fewer")
    return Spec(values=values, log=log, **extras)


def _counted(low: float, high: float, count: Any, log: bool) -> tuple[Value, ...]:
    if not isinstance(count, int) or not 2 <= count <= MOST_CHOICES:
        raise SpecError(f"count takes a whole number from 2 to {MOST_CHOICES:,}, got {count!r}{as_whole(count)}")
    share = [i / (count - 1) for i in range(count)]
    if log:
        return tuple(_neat(low * (high / low) ** part) for part in share)
    return tuple(_neat(low + (high - low) * part) for part in share)


def _stepped(low: float, high: float, step: float) -> tuple[Value, ...]:
    if step <= 0:
        raise SpecError(f"step must be above 0, got {step}")
    steps = (high - low) / step
    if steps >= MOST_CHOICES:
        raise SpecError(
            f"the range has about {steps:,.0f} choices, at most {MOST_CHOICES:,} are allowed; use a larger step"
        )
    if abs(steps - round(steps)) > 1e-6:
        raise SpecError(
            f"high is not reached from low in steps of {step}: {low} + {math.floor(steps)} x {step} < {high}; change "
            f"one of the three"
        )
    exact = all(isinstance(number, int) for number in (low, step))
    return tuple(low + i * step if exact else _neat(low + i * step) for i in range(round(steps) + 1))


def _neat(number: float) -> float:
    """Without the tail that binary floats leave: 0.023, not 0.023000000000000003."""
    return float(f"{number:.10g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


def _all_numbers(values: list[Any]) -> bool:
    return all(_is_number(value) for value in values)


def _scalar(value: Any) -> Value:
    if isinstance(value, (int, float)) and not -_LARGEST <= value <= _LARGEST:
        raise SpecError(f"{value} is no usable number; give one between {-_LARGEST:g} and {_LARGEST:g}")
    if value is None or isinstance(value, (int, float, str, bool)):
        return value
    raise SpecError(f"a choice is a number, a word, true / false or null, got {value!r}; list each choice by itself")


def _listed(entry: list[Any]) -> tuple[Value, ...]:
    values = [_scalar(value) for value in among(entry)]
    if not 1 <= len(values) <= MOST_CHOICES:
        raise SpecError(f"a list of choices has 1 to {MOST_CHOICES:,} members, got {len(values)}")
    if len(set(values)) < len(values):  # 1, 1.0 and true are equal, also to those who look a choice up
        twice = next(value for place, value in enumerate(values) if value in values[:place])
        raise SpecError(f"list each choice once, got {twice!r} twice (1, 1.0 and true are the same); drop one")
    if _all_numbers(values):
        return tuple(sorted(values, key=float))  # type: ignore[arg-type]
    return tuple(values)


def _log(entry: Mapping[str, Any]) -> bool:
    scale = entry.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise SpecError(f"scale takes linear or log, got {scale!r}")
    return bool(scale == "log")


def _extras(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What any mapping may hold beside its choices."""
    extras: dict[str, Any] = {}
    if (when := entry.get("when")) is not None:
        name, values = _pair(when, "when takes one setting with its values, e.g. {optimizer: [sgd]}")
        extras["when"] = name, tuple(_scalar(value) for value in (values if isinstance(values, list) else [values]))
    if (slides := entry.get("slides")) is not None:
        choice, following = _pair(slides, "slides takes one choice with the next setting, e.g. {identity: layer5}")
        extras["slides"] = choice, str(following)
    if (paper := entry.get("paper")) is not None:
        extras["paper"] = _paper(paper)
    return extras


def _pair(entry: Any, rule: str) -> tuple[str, Any]:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise SpecError(f"{rule}, got {entry!r}")
    ((key, value),) = entry.items()
    return str(key), value


def _paper(entry: Any) -> PaperRange:
    count = entry["count"] if isinstance(entry, Mapping) and set(entry) == {"text", "count"} else None
    if not isinstance(count, int) or count < 1:
        raise SpecError(f"paper takes text and count (>= 1), e.g. {{text: '(180, 224, 4)', count: 6}}, got {entry!r}")
    return PaperRange(text=str(entry["text"]), count=count)
