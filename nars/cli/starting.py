"""What commands that train or measure say first: that they load their libraries, and where they compute."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from nars.cli.streams import say

if TYPE_CHECKING:
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
