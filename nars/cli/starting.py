"""What commands that train or measure say first: that they load their libraries, and where they compute."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nars.cli.streams import say

if TYPE_CHECKING:
    from pathlib import Path

    from nars.run import Execution, Reporter


def load_torch(*, everything: bool = True) -> None:
    """Load PyTorch, which takes seconds on a busy or cold machine, and say so before.

    Args:
        everything: also load what a whole run needs.
    """
    if "torch" in sys.modules:
        return
    say("loading PyTorch and the libraries around it ...")
    from nars.loading import quick_imports

    with quick_imports():
        import_module("nars.stages.everything" if everything else "torch")


def say_device(execution: Execution, reporter: Reporter) -> None:
    """Say once where a command computes: the first of several processes (torchrun) does; Ray has its own devices."""
    from nars.parallel import describe_device, resolve_device

    if os.environ.get("RANK", "0") == "0" and execution.engine != "ray":
        reporter.say(f"device: {describe_device(resolve_device(execution.device))}")


def letting_go(command: Callable[..., None]) -> Callable[..., None]:
    """The same command; what it holds, it lets go of at its end."""

    @wraps(command)
    def called(**given: Any) -> None:
        with ExitStack() as held:
            before = _HELD.set(held)
            try:
                command(**given)
            finally:
                _HELD.reset(before)

    return called


def hold(folder: Path) -> None:
    """No other process computes in a run's folder until this command ends; the first of several (torchrun) holds it.

    Raises:
        ConfigError: one does already.
    """
    from nars.run.holding import holding

    held = _HELD.get()
    if held is not None and os.environ.get("RANK", "0") == "0":
        held.enter_context(holding(folder))


_HELD: ContextVar[ExitStack | None] = ContextVar("held", default=None)
"""Of the command that runs; None in a function that is called by itself."""
