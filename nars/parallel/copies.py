"""Processes that begin as copies of one that has the large libraries loaded: at once, and in the same memory."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from typing import Any

from nars.parallel.interrupts import interrupts_blocked

_LARGE = ("timm", "torchvision.transforms.v2")
"""Libraries that take seconds to load."""


def copying(modules: Sequence[str] = (), *, gpu: bool = False) -> Any:
    """How processes are to start, as `multiprocessing.get_context` says it.

    They are copied from one that computes nothing and has no threads, so that a copy never waits for a lock that nobody
    holds, as one of this process might. It loads what is named here, and the large libraries that this process has
    loaded; the first call in a process decides what that is. Elsewhere than on Linux, and to compute on a GPU, they
    start with a fresh interpreter: the libraries of Macs and the drivers of GPUs do not survive being copied.

    Args:
        modules: that they need.
        gpu: whether they use one.
    """
    if sys.platform != "linux" or gpu:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules, *(name for name in _LARGE if name in sys.modules)])
    with interrupts_blocked():
        forkserver.ensure_running()
    return context
