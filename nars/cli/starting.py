"""The first word: what a command is doing while nothing can be seen of it yet."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from typing import ParamSpec, TypeVar

from nars.cli.streams import say

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_TRAINING = ("run", "collect", "train", "export", "swap")
"""Commands that need everything; others get along with torch, or less."""


def announced(command: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """A command that says at once that it is loading its libraries, which takes seconds on a busy or cold machine."""

    @functools.wraps(command)
    def start(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        if "torch" not in sys.modules:
            say("loading PyTorch and the libraries around it ...")
            from nars.loading import quick_imports

            with quick_imports():
                import_module("nars.stages.everything" if command.__name__ in _TRAINING else "torch")
        return command(*args, **kwargs)

    return start
