"""A program that runs another one and lets nothing of it outlive whoever asked; `nars.parallel.guarded` starts it.

    python -I -S guard.py CONTROL STATUS PROGRAM ARGUMENT ...

CONTROL and STATUS are descriptors of pipes. A "t" on CONTROL asks the program to end (SIGTERM); its end of file, which
the death of whoever asked brings as well, kills it. Once the program has ended, what it started is killed too, and
STATUS says how it ended: "exit 3", "signal 9", or "errno 2" if it could not be started.

A process of its own, because a killed worker can kill nobody, and a fork of a worker with all of torch in it is slower
than this program, which imports next to nothing.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LOOKS, _LOOK = 500, 0.01
"""How often it looks, and after how many seconds each, whether those that it killed are gone."""


def main() -> None:
    """Run the program, wait for its end or an order, tidy up, say how it ended."""
    control, status = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (control, status):
        os.set_inheritable(descriptor, False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the program's children leave behind becomes a child of this one
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    child = _start(sys.argv[3:], status)
    ended = _wait(child, control, wake)
    _end_all(child)
    code = os.waitstatus_to_exitcode(ended)
    os.write(status, f"exit {code}\n".encode() if code >= 0 else f"signal {-code}\n".encode())
    os._exit(0)  # without the interpreter's tidying up, which somebody waits for


def _start(arguments: list[str], status: int) -> int:
    guard, child = os.getpid(), os.fork()
    if child:
        return child
    try:
        os.setsid()  # a group of its own, so that all of it can be signalled and this program is not
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guard:  # else it died before it could be noticed
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())  # workers hold Ctrl-C back
            os.execvp(arguments[0], arguments)
    except OSError as error:
        os.write(status, f"errno {error.errno}\n".encode())
    finally:
        os._exit(127)


def _wait(child: int, control: int, wake: int) -> int:
    """The program's wait status, once it has ended."""
    listened = [control, wake]
    while True:
        ready, _, _ = select.select(listened, [], [])
        if wake in ready:
            os.read(wake, 4096)
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == child:
                    return found[1]
        if control in ready:
            asked = os.read(control, 1) == b"t"
            if not asked:
                listened.remove(control)
            with suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(child, signal.SIGTERM if asked else signal.SIGKILL)


def _end_all(group: int) -> None:
    """Kill what is left of the group, and on Linux all other descendants."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    for _ in range(_LOOKS):
        try:
            gone, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not gone:
            for orphan in _children():
                with suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGKILL)
            time.sleep(_LOOK)


def _children() -> list[int]:
    """Processes whose parent this one is; none where the system has no /proc."""
    found, me = [], str(os.getpid())
    with suppress(OSError):
        for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208  # pathlib takes milliseconds to load
            with suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                # "pid (name) state parent ...": the name may hold anything.
                if file.read().rpartition(")")[2].split()[1] == me:
                    found.append(int(name))
    return found


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
