"""One case of the input drill: files as a person has them, a command, and what must come of it."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["right", "silent_wrong", "traceback", "unclear", "refused", "hang"]
"""right; a wrong result without a word; a traceback; an error that lacks what it should name; something valid that was
refused; no end within the time."""

SECONDS = 60
"""Longest that one case may take."""

_FIX = re.compile(
    r"\b(add|allowed|ask|change|check|choose|convert|create|delete|did you mean|drop|fetch|give|go on|install|keep|"
    r"leave|list|lower|make|map|mend|move|must|name|needs?|one of|pass|put|raise|rename|remove|replace|run|say|set|"
    r"sort|start|takes?|there (?:is|are)|use|write)\b",
    re.IGNORECASE,
)
"""How an error tells what to do."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command did."""

    code: int
    """Exit code; 2 for an error that the user can mend."""
    text: str
    """What it printed, standard output and error together, with white space as single blanks."""
    folder: Path
    """Where it ran."""


class WrongError(Exception):
    """What a Python case found wrong in a result that came without a word."""


Check = Callable[[Outcome], str]
"""Says what is wrong with the outcome; nothing when it is right. Runs where the command ran."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Files, a command, and what must come of it."""

    name: str
    make: Callable[[Path], object]
    """Writes the files into an empty folder."""
    do: Sequence[str] | Callable[[Path], object]
    """Arguments of `nars`, run in that folder; or Python, called with it: errors of ours count like the command's, a
    number that it returns is the exit code."""
    works: Check | None = None
    """What must be true when it works; None where it must be refused."""
    says: Sequence[str] = ()
    """Words that the output must hold: the file or key at fault, and what it got. Case does not matter."""


def judge(case: Case, folder: Path) -> tuple[Verdict, str]:
    """Run a case in a process of its own; what came of it, and why.

    Args:
        case: what to do.
        folder: empty; it is filled.
    """
    case.make(folder)
    output, verdict = folder.parent / f"{folder.name}.output", folder.parent / f"{folder.name}.verdict"
    process = os.fork()
    if process == 0:
        _child(case, folder, output, verdict)
    deadline = time.monotonic() + SECONDS
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return "hang", f"no end within {SECONDS} s"
        time.sleep(0.002)
    if not verdict.is_file():
        return "traceback", _last_lines(output)
    found, _, why = verdict.read_text(encoding="utf-8").partition("\n")
    return found, why or _last_lines(output)  # type: ignore[return-value]


def _child(case: Case, folder: Path, output: Path, verdict: Path) -> None:
    """In the process of the case: run it with its output in a file, judge it, end."""
    os.setpgid(0, 0)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    found: tuple[Verdict, str] = "traceback", ""
    try:
        code = _run(case, folder)
        sys.stdout.flush()
        sys.stderr.flush()
        text = " ".join(output.read_text(encoding="utf-8", errors="replace").split())
        found = _verdict(case, Outcome(code=code, text=text, folder=folder))
    except WrongError as error:
        found = "silent_wrong", str(error)
    except BaseException as error:
        found = "traceback", f"{type(error).__name__}: {error}"
    verdict.write_text("\n".join(found), encoding="utf-8")
    os._exit(0)


def _run(case: Case, folder: Path) -> int:
    """The exit code; errors of ours in a Python case are printed and count as code 2, as on the command line."""
    if not callable(case.do):
        return command(*case.do)
    try:
        code = case.do(folder)
    except ValueError as error:
        if not type(error).__module__.startswith("nars."):
            raise
        print(error)
        return 2
    return code if isinstance(code, int) else 0


def command(*arguments: str) -> int:
    """Run `nars` with these arguments in this process; its exit code."""
    from nars.cli import main

    sys.argv = ["nars", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _verdict(case: Case, outcome: Outcome) -> tuple[Verdict, str]:
    if "Traceback" in outcome.text or outcome.code not in (0, 2):
        return "traceback", outcome.text[-300:]
    missing = [word for word in case.says if word.lower() not in outcome.text.lower()]
    if case.works is None:
        if outcome.code == 0:
            return "silent_wrong", f"accepted: {outcome.text[-200:]}"
        if missing or not _FIX.search(outcome.text):
            return "unclear", f"lacks {', '.join(missing) or 'what to do'}: {outcome.text[-300:]}"
        return "right", ""
    if outcome.code != 0:
        return "refused", outcome.text[-300:]
    if wrong := case.works(outcome):
        return "silent_wrong", wrong
    return ("unclear", f"does not say {', '.join(missing)}: {outcome.text[-300:]}") if missing else ("right", "")


def _last_lines(output: Path) -> str:
    return " ".join(output.read_text(encoding="utf-8", errors="replace").split()[-60:]) if output.is_file() else ""


def equal(what: str, found: object, expected: object) -> str:
    """The complaint of a check when two things differ."""
    return "" if found == expected else f"{what} is {found!r}, not {expected!r}"


def holds(*words: str) -> Check:
    """A check that the output has all of these words in it."""

    def check(outcome: Outcome) -> str:
        lacking = [word for word in words if word.lower() not in outcome.text.lower()]
        return f"does not say {', '.join(lacking)}: {outcome.text[-200:]}" if lacking else ""

    return check
