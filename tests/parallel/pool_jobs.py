"""What the workers of the tests do; a module of its own, because workers import it by name."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from nars.parallel import DeviceLostError, Report


def work(job: tuple[Any, ...], context: Any, device: str, report: Report) -> Any:
    what, *arguments = job
    if what == "add":
        return arguments[0] + int(context.sum())
    if what == "report":
        for i in range(arguments[0]):
            report(i)
        return arguments[0]
    if what == "raise":
        raise KeyError(arguments[0])
    if what == "sleep":
        time.sleep(arguments[0])
        return "slept"
    if what == "die":
        os._exit(7)
    if what == "die once":
        marker = Path(arguments[0])
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "survived"
    if what == "lose gpu":  # every time, or once
        marker = Path(arguments[0])
        if not marker.is_file():
            with suppress(IsADirectoryError):
                marker.write_text(str(os.getpid()))
            raise DeviceLostError("gone") from RuntimeError("CUDA error: device-side assert triggered\nmore")
        return marker.read_text() != str(os.getpid())
    assert what == "where"
    return os.getpid(), sorted(os.sched_getaffinity(0)), device
