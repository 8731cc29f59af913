"""Persistent worker processes, one per core or GPU, that do jobs of one kind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, Generic, TypeVar, final

from nars.errors import UserError
from nars.parallel.copies import copying
from nars.parallel.interrupts import interrupts_blocked
from nars.parallel.machine import usable_cores
from nars.parallel.sharing import SharedObject
from nars.parallel.worker import Report, WorkerSetup, serve

Job = TypeVar("Job")
Result = TypeVar("Result")

_ATTEMPTS = 2
"""How often a job is begun before it counts as one that kills its worker."""

_START_ATTEMPTS = 3
"""Workers in a row that may die before they are ready."""


class PoolError(UserError, RuntimeError):
    """The workers cannot do their work; the message says what happened and the way out."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job has no result."""

    overdue: bool
    """Killed because it took too long; else its worker died, each time it was tried."""
    message: str
    seconds: float
    """Wall time of the last try."""
    device: str


@final
class Pool(Generic[Job, Result]):
    """Worker processes that hold a function and its context, and are given one job at a time.

    In place of `concurrent.futures` and `torch.multiprocessing.Pool`, which take all jobs at once instead of when a
    worker is free, break or hang for good when a worker dies, and can neither stop one job that takes too long nor say
    how far it has come.

    They start as copies of a process that has torch and timm loaded (`copying`; a fork of this one, which has used
    torch's threads, might hang) and stay until the pool is closed. A worker that dies, or whose GPU has failed, is
    replaced and its job done again, in another worker. When this process ends, however it does, they end. They do not
    run the program that opens the pool, which may be a script without `if __name__ == "__main__":`, a notebook or
    standard input, unless the context holds something that is defined there.
    """

    def __init__(
        self,
        function: Callable[[Job, Any, str, Report], Result],
        context: object,
        *,
        setups: Sequence[WorkerSetup],
        patience: float | None = None,
    ) -> None:
        """A pool, to be used in a `with` statement.

        Args:
            function: Defined in a module; called as function(job, context, device, report) in a worker.
            context: What all jobs share; its tensors are mapped from one file instead of copied to each worker.
            setups: One for each worker.
            patience: Seconds after which a job is given up and its worker killed; None waits forever.
        """
        self._function, self._shared_context, self._setups, self._patience = function, context, setups, patience
        self._context: Any = None
        self._workers: list[_Worker] = []
        self._shared: SharedObject | None = None
        self._failed_starts = 0

    def __enter__(self) -> Pool[Job, Result]:
        """Start the workers; they get ready while the caller goes on."""
        self._shared = SharedObject(self._shared_context)
        computing = any(setup.device != "cpu" for setup in self._setups)
        self._context = copying([serve.__module__, self._function.__module__], gpu=computing)
        try:
            for setup in self._setups:
                with interrupts_blocked():  # a worker that nobody knows of would outlive Ctrl-C
                    self._workers.append(self._start(setup))
        except BaseException:
            self._end(patience=0.0)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(patience=5.0 if kind is None else 0.0)

    def run(
        self,
        jobs: Iterable[Job],
        *,
        on_result: Callable[[Job, Result], None],
        on_failure: Callable[[Job, Failure], None],
        on_report: Callable[[Job, Any], None] | None = None,
    ) -> None:
        """Do all jobs; return when the last outcome is delivered. Callbacks run in this thread.

        A job is taken from `jobs` when a worker is free for it, after the callbacks have seen everything until then.
        Each job has exactly one outcome, a result or a failure.

        Raises:
            PoolError: the pool is not open, or its workers do not start.
            Exception: what the function raised in a worker, or a callback here; jobs under way are given up.
        """
        if not self._workers:
            raise PoolError("the pool is not open; use it in a with statement.")
        for index, worker in enumerate(self._workers):
            if worker.busy:  # left over from a run that raised: its result must not turn up in this one
                self._replace(index)
        queue: _Queue[Job] = _Queue(jobs)
        while self._assign(queue) or any(worker.busy for worker in self._workers):
            for worker, kind, value in self._wait(queue):
                if kind == "raised":
                    raise value
                if kind == "report":
                    if on_report is not None:
                        on_report(worker.job, value)
                elif isinstance(value, Failure):
                    on_failure(worker.finish(), value)
                else:
                    on_result(worker.finish(), value)

    def _assign(self, queue: _Queue[Job]) -> bool:
        """Give jobs to free workers; True while there may be more."""
        for worker in self._workers:
            if worker.ready and not worker.busy:
                entry = queue.next()
                if entry is None:
                    return False
                worker.begin(*entry)
        return True

    def _wait(self, queue: _Queue[Job]) -> Iterator[tuple[_Worker, str, Any]]:
        """Wait for the workers to say something, or to die; yield what concerns the caller."""
        by_handle: dict[Any, int] = {worker.connection: i for i, worker in enumerate(self._workers)}
        by_handle |= {worker.process.sentinel: i for i, worker in enumerate(self._workers)}
        for index in sorted({by_handle[handle] for handle in wait(list(by_handle), timeout=self._timeout())}):
            worker = self._workers[index]
            try:
                kind, value = worker.connection.recv()  # what a dead worker sent before is still there
            except (EOFError, OSError):
                yield from self._bury(index, queue)
            else:
                if kind == "ready":
                    worker.ready, self._failed_starts = True, 0
                elif kind == "unready":
                    worker.fault = value
                elif kind == "lost":
                    yield from self._begin_anew(index, queue, f"its GPU failed ({value})")
                else:
                    yield worker, kind, value
        for index, worker in enumerate(self._workers):
            if self._patience is not None and worker.busy and worker.elapsed > self._patience:
                self._replace(index)
                yield worker, "result", worker.failure("it did not stop at its time limit and was killed", overdue=True)

    def _timeout(self) -> float | None:
        """Seconds until a worker may be overdue."""
        if self._patience is None:
            return None
        left = [self._patience - worker.elapsed for worker in self._workers if worker.busy]
        return max(0.0, min(left)) if left else None

    def _bury(self, index: int, queue: _Queue[Job]) -> Iterator[tuple[_Worker, str, Any]]:
        """A worker died."""
        worker = self._workers[index]
        worker.process.join()
        how = _describe(worker.process.exitcode)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _START_ATTEMPTS:
                said = f" ({worker.fault})" if worker.fault else ""
                raise PoolError(
                    f"worker processes {how} before they were ready{said}. What they wrote is above; without workers "
                    f"(engine in-process) the cause shows.{self._hint()}"
                )
        yield from self._begin_anew(index, queue, f"its worker process {how}")

    def _begin_anew(self, index: int, queue: _Queue[Job], why: str) -> Iterator[tuple[_Worker, str, Any]]:
        """Start another worker; the job of the old one is done again, or has failed."""
        worker = self._workers[index]
        self._replace(index)
        if worker.busy and not queue.again(worker.number, worker.job):
            yield worker, "result", worker.failure(f"{why}, {_ATTEMPTS} times", overdue=False)

    def _start(self, setup: WorkerSetup) -> _Worker:
        assert self._shared is not None
        ours, theirs = self._context.Pipe()
        # Not daemonic: those may not have processes of their own, which a training that streams its images needs.
        process = self._context.Process(target=serve, args=(setup, dict(os.environ), theirs), name="nars-worker")
        alone = nullcontext() if self._needs_program() else without_program()
        with interrupts_blocked(), alone:
            process.start()
        theirs.close()
        with suppress(OSError):  # it is dead already; waiting for it will tell
            ours.send((self._function, self._shared.message))
        return _Worker(setup, process, ours)

    def _hint(self) -> str:
        return (
            " What they are to work with is defined in the program itself, which they import: it must be a file, and "
            'start its work under if __name__ == "__main__":. Or define those parts in a module.'
            if self._needs_program()
            else ""
        )

    def _needs_program(self) -> bool:
        """Whether what the workers get is defined in the program itself; they then import it as `__mp_main__`."""
        assert self._shared is not None
        return self._function.__module__ == "__main__" or b"__main__" in self._shared.message.rest

    def _replace(self, index: int) -> None:
        with interrupts_blocked():
            self._workers[index].end()
            self._workers[index] = self._start(self._workers[index].setup)

    def _end(self, *, patience: float) -> None:
        try:
            for worker in self._workers:
                worker.dismiss()
            for worker in self._workers:
                worker.wait(patience)
        finally:
            with interrupts_blocked():
                for worker in self._workers:
                    worker.end()
                self._workers = []
                if self._shared is not None:
                    self._shared.close()
                    self._shared = None


@final
class _Worker:
    """A worker process as the pool sees it."""

    def __init__(self, setup: WorkerSetup, process: Any, connection: Connection[Any, Any]) -> None:
        self.setup, self.process, self.connection = setup, process, connection
        self.ready = self.busy = False
        self.number = -1
        self.job: Any = None
        self.fault = ""
        """Why it could not be made ready, where it said so before it died."""
        self._begun = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since it was given its job."""
        return time.monotonic() - self._begun

    def begin(self, number: int, job: object) -> None:
        self.busy, self.number, self.job, self._begun = True, number, job, time.monotonic()
        with suppress(OSError):  # it died while it was idle; waiting for it will tell
            self.connection.send(job)

    def finish(self) -> Any:
        self.busy = False
        return self.job

    def failure(self, message: str, *, overdue: bool) -> Failure:
        return Failure(overdue=overdue, message=message, seconds=self.elapsed, device=self.setup.device)

    def dismiss(self) -> None:
        with suppress(OSError):
            self.connection.send(None)

    def wait(self, patience: float) -> None:
        """Wait `patience` seconds for it to end, if it is idle."""
        if self.ready and not self.busy and patience > 0.0:
            self.process.join(patience)

    def end(self) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()


@final
class _Queue(Generic[Job]):
    """Jobs to come, numbered: those to be done again first, then the caller's, taken one by one."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._new = enumerate(jobs)
        self._again: list[tuple[int, Job]] = []
        self._attempts: dict[int, int] = {}

    def next(self) -> tuple[int, Job] | None:
        return self._again.pop(0) if self._again else next(self._new, None)

    def again(self, number: int, job: Job) -> bool:
        """Put a job back whose worker died; False if it had its attempts."""
        self._attempts[number] = self._attempts.get(number, 0) + 1
        if self._attempts[number] >= _ATTEMPTS:
            return False
        self._again.append((number, job))
        return True


def worker_setups(devices: Sequence[str], *, threads: int = 1) -> tuple[WorkerSetup, ...]:
    """A worker for each entry of `devices`; several may share a GPU.

    Workers are pinned to `threads` cores each if together they need all cores of the machine, and only then: pinned to
    a part of them, two runs side by side would crowd on the same part.
    """
    cores = usable_cores()
    fill = sys.platform == "linux" and set(devices) == {"cpu"} and len(devices) * threads == len(cores)
    return tuple(
        WorkerSetup(
            device=device,
            threads=threads,
            cores=cores[i * threads : (i + 1) * threads] if fill else None,
            sharing=devices.count(device) if device.startswith("cuda") else 1,
        )
        for i, device in enumerate(devices)
    )


def _describe(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"ended with exit code {exitcode}"


@contextmanager
def without_program() -> Iterator[None]:
    """Processes started inside do not import the program (`__main__`) that starts them.

    That would fail for standard input, and begin everything anew in a script without `if __name__ == "__main__":`.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program
