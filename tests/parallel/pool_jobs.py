"""What the workers of the tests do; a module of its own, because workers import it by name."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from nars.parallel import Report


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
    assert what == "where"
    return os.getpid(), sorted(os.sched_getaffinity(0)), device
