"""What the Tab key offers: spaces, runs, members, keys and their values. By names of parameters, in one table.

The shell starts `nars` anew for every Tab, so that nothing heavy is loaded here; and files of the shell's own choice
come where nothing of ours fits.
"""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from copy import copy
from functools import wraps
from glob import escape, glob
from itertools import chain
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, get_args, get_origin

from typer.models import ParameterInfo

Words = Iterator[str | tuple[str, str]]
"""What may stand there, with what it is where that is known."""
Completion = Callable[[str], Words]
"""Of what is typed so far; what does not begin like it is left out by Typer."""

SHELL = "_NARS_COMPLETE"
"""The shell's way to ask."""
_DEEPEST = 2
"""Folders below the one that is typed in which runs and answers are looked for."""


def completed(command: Callable[..., None], name: str) -> Callable[..., None]:
    """The same command, with completions for those of its parameters that have some.

    Args:
        command: as Typer takes it.
        name: by which it is called, such as "run" or "store info".
    """
    own = inspect.signature(command, eval_str=True)

    @wraps(command)
    def called(**given: Any) -> None:
        command(**given)

    parameters = [
        one.replace(annotation=_with(one.annotation, completion))
        if (completion := _ARGUMENTS.get((name, one.name)) or _OPTIONS.get(one.name)) is not None
        else one
        for one in own.parameters.values()
    ]
    called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # what Typer reads
    return called


def _with(annotation: Any, completion: Completion) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *notes = get_args(annotation)
    made = [copy(note) for note in notes]  # the parameter may be of several commands
    for note in made:
        if isinstance(note, ParameterInfo):
            note.autocompletion = lambda incomplete: list(completion(incomplete))  # Typer wants that name
    annotated: Any = Annotated
    parts = (kind, *made)
    return annotated[parts]


# -- what there is ----------------------------------------------------------------------------------------------------


def _folders(typed: str, mark: str) -> list[str]:
    """Folders that hold a file, from what is typed on."""
    below = (f"{escape(typed)}{'*/' * depth}{mark}" for depth in range(1, _DEEPEST + 1))
    return sorted({str(Path(found).parent) for pattern in below for found in glob(pattern)})  # noqa: PTH207  # as it is typed


def _files(typed: str, ending: str) -> list[str]:
    return sorted(glob(f"{escape(typed)}*{ending}"))  # noqa: PTH207


def runs(typed: str) -> Words:
    """Folders of runs."""
    yield from ((folder, "run") for folder in _folders(typed, "run.json"))


def members(typed: str) -> Words:
    """Folders of single networks: members, answers, scaled networks."""
    yield from ((folder, "answer") for folder in _folders(typed, "answer.json"))
    within = chain.from_iterable(_folders(f"{run}/", "recipe.yaml") for run in _folders(typed, "run.json"))
    yield from ((folder, "network") for folder in dict.fromkeys([*_folders(typed, "recipe.yaml"), *within]))


def answers(typed: str) -> Words:
    """Folders of answers."""
    yield from ((folder, "answer") for folder in _folders(typed, "answer.json"))


def configurations(typed: str) -> Words:
    """Built-in run configurations, files, and runs."""
    from nars.space import shipped

    yield from ((name, "built in") for name in sorted(file.stem for file in (shipped("space") / "runs").glob("*.yaml")))
    yield from runs(typed)
    yield from _files(typed, ".yaml")


def configurations_and_members(typed: str) -> Words:
    """All that `nars train` takes."""
    yield from configurations(typed)
    yield from members(typed)


def spaces(typed: str) -> Words:
    """Built-in spaces and files."""
    from nars.space import space_names

    yield from ((name, "built in") for name in space_names())
    yield from _files(typed, ".yaml")


def spaces_and_runs(typed: str) -> Words:
    """All that `nars latency` takes."""
    yield from spaces(typed)
    yield from runs(typed)


def predictors(typed: str) -> Words:
    """Shipped predictors, and runs, which have one."""
    from nars.space import shipped

    yield from ((card.parent.name, "shipped") for card in sorted(shipped("predictors").glob("*/card.json")))
    yield from runs(typed)
    yield from (
        (folder, "predictor") for folder in _folders(typed, "card.json") if Path(folder, "space.yaml").is_file()
    )


def stores(typed: str) -> Words:
    """Sample stores, and runs, which have one."""
    yield from runs(typed)
    yield from ((folder, "store") for folder in _folders(typed, "_space.yaml"))


def sections(typed: str) -> Words:
    """Sections and keys of a run configuration."""
    from nars.run.keys import keys

    found = keys()
    yield from dict.fromkeys(key.name.rpartition(".")[0] for key in found if "." in key.name)
    yield from ((key.name, _brief(key.says)) for key in found if typed)


def settings(typed: str) -> Words:
    """KEY=VALUE, with the default, or all values of a key that is typed out and takes words."""
    from nars.run.keys import keys

    name, sign, _ = typed.partition("=")
    for key in keys():
        words = [key.default if key.default not in ("-", "needed") else ""]
        if sign and key.name == name:
            words = ["true", "false"] if key.kind == "true or false" else key.kind.split(" | ")
            words = words if len(words) > 1 else [key.default]
        for word in words:
            yield f"{key.name}={word}", _brief(key.says)


def _brief(says: str) -> str:
    """On one line of any terminal: shells take a second one for a word."""
    return shorten(says.partition(". ")[0], 44, placeholder=" ...")


def metrics(_typed: str) -> Words:
    """What trials may have measured."""
    from nars.metric import IMAGE_METRICS

    yield from (f"{metric.name}:{metric.goal}" for metric in IMAGE_METRICS.values())


def images(_typed: str) -> Words:
    """Data sets."""
    from nars.images import IMAGE_SETS

    yield from (name.removesuffix("PATH") for name in IMAGE_SETS)


def costs(_typed: str) -> Words:
    """Of networks."""
    yield from ("flops", "params", "activations", "peak_activations", "latency", "resolution")


def _words(*words: str) -> Completion:
    return lambda _typed: iter(words)


_OPTIONS: dict[str, Completion] = {
    "space": spaces,
    "predictor": predictors,
    "sets": settings,
    "data": images,
    "metric": metrics,
    "samples": stores,
    "samples_fidelity": _words("own", "any", "same"),
    "config": configurations,
    "cost": costs,
    "pareto": costs,
    "engine": _words("processes", "in-process", "ray"),
    "device": _words("auto", "cpu", "cuda", "mps"),
    "runtime": _words("eager", "onnxruntime"),
    "strategies": _words("random", "evolution", "predictor"),
}
"""By the name of the parameter, whichever command has it."""

_ARGUMENTS: dict[tuple[str, str], Completion] = {
    **{(name, "name"): configurations for name in ("run", "pretrain", "collect", "search")},
    **{(name, "name"): configurations_and_members for name in ("train", "export")},
    **{(name, "folder"): runs for name in ("report", "swap", "scale")},
    **{(name, "store"): stores for name in ("audit", "store info", "store export", "store replay", "store merge")},
    ("config", "section"): sections,
    ("explore", "name"): predictors,
    ("compress", "folder"): members,
    ("verify", "folder"): answers,
    ("latency", "space"): spaces_and_runs,
    ("fit", "trials"): stores,
    ("store merge", "target"): stores,
    ("store merge", "sources"): stores,
    **{(f"space {name}", "name"): spaces for name in ("show", "sample")},
}
"""By the names of command and parameter."""


# -- bash -------------------------------------------------------------------------------------------------------------


@contextmanager
def whole_words() -> Iterator[None]:
    """Bash ends words at = and : as well; inside, what it asks is put together again and the answer cut to fit."""
    words, at = os.environ.get("COMP_WORDS", "").split("\n"), int(os.environ.get("COMP_CWORD") or 0)
    if os.environ.get(SHELL) != "complete_bash" or at >= len(words):
        yield
        return
    first, here, cut = _joined(words, at)
    os.environ |= {"COMP_WORDS": "\n".join([*first, here]), "COMP_CWORD": str(len(first))}
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            yield
    finally:  # Typer exits
        print("\n".join(word[cut:] for word in said.getvalue().splitlines()))


def _joined(words: list[str], at: int) -> tuple[list[str], str, int]:
    """The words before the one that is typed, that one, and how many of its letters bash keeps."""
    made: list[str] = []
    glued = False
    for word in words[: at + 1]:
        sign = word in ("=", ":")
        if made and (glued or sign) and not made[-1].startswith("--"):
            made[-1] += word
        else:
            made.append(word)
        glued = sign
    last = made.pop() if len(made) > 1 else ""
    typed = words[at] if words[at] not in ("=", ":") else ""
    return made, last, len(last) - len(typed)
