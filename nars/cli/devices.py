"""The option `--device` of the commands that train or measure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nars.run import Reporter

DEVICE_HELP = "auto (a GPU where there is one), cpu, cuda, cuda:N, mps."


def say_device(device: str, reporter: Reporter) -> None:
    """Say once where a command computes; of several processes (torchrun) the first says it."""
    from nars.parallel import AUTO, describe_device

    if os.environ.get("RANK", "0") == "0" and device != AUTO:  # a Ray cluster has devices of its own
        reporter.say(f"device: {describe_device(device)}")
