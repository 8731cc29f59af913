"""What goes wrong. Everything that a user can cause and put right is a `UserError`; anything else is a bug.

Messages say the rule, what was found, and the way out.
"""

from __future__ import annotations

from collections.abc import Iterable


class NarsError(Exception):
    """Base of all errors that nars raises on purpose."""


class UserError(NarsError, ValueError):
    """Something that a user can put right; the command line prints it and ends with exit code 2."""


def expect(value: object, kind: type | tuple[type, ...], rule: str, *, error: type[UserError] = UserError) -> None:
    """Refuse a value of a wrong type, for people whose types nobody checks.

    Raises:
        error: with the rule, such as "a seed is a whole number from 0 on", and the value.
    """
    if not isinstance(value, kind):
        raise error(f"{rule}; got {value!r:.200}")


class NarsWarning(UserWarning):
    """Base of all warnings for users."""


class DataError(UserError):
    """Files that are missing, unreadable or unfit; the message names the file or folder and the way out."""


class ConfigError(UserError):
    """A run configuration, an option or a question that is not valid; a line for each mistake, with its key."""


class StoreError(UserError):
    """A sample store that cannot be opened, or rows that do not belong together; the message names both sides."""


class EvaluationError(UserError):
    """Settings that no candidate can be measured with, or an engine that cannot run; the message names the way out."""


class PredictorError(UserError):
    """Samples, settings or a saved predictor that do not fit; the text says the rule, what was found, and the fix."""


def suggestion(got: object, known: Iterable[str]) -> str:
    """ "; did you mean digits?", or nothing where no known word comes near."""
    from difflib import get_close_matches  # loaded where something is wrong

    close = get_close_matches(str(got), list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def require(error: type[UserError], holds: bool, name: str, rule: str, got: object, *, fix: str = "") -> None:
    """Refuse a setting out of its range: the one way to say it.

    Args:
        error: Of the room that asks.
        holds: Whether the setting is in its range.
        name: Of the setting, as its user knows it.
        rule: What it must be, such as ">= 1".
        got: What it is.
        fix: A sentence on the way out where the rule does not say it.

    Raises:
        UserError: `holds` is false.
    """
    if not holds:
        raise error(f"{name} must be {rule}; got {got!r}.{fix and ' '}{fix}")
