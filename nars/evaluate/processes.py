"""The engine of one machine: persistent worker processes, one per core or GPU."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, final

from nars.data import ImageData, Sample
from nars.evaluate.engine import OnResult, usable_cores
from nars.evaluate.evaluate import outcome
from nars.evaluate.sharing import SharedObject
from nars.evaluate.trial import EvaluationError, EvaluationSettings, Trial
from nars.evaluate.worker import READY, WorkerSetup, serve

_ATTEMPTS = 2
"""How often a trial is begun before it counts as one that kills its worker."""

_START_ATTEMPTS = 3
"""Workers in a row that may die before they are ready."""

_GRACE = 30.0
"""Seconds past the time limit after which a worker that does not answer is killed; workers keep the limit
themselves."""


@final
class Processes:
    """Worker processes that hold data and settings and are given one trial at a time.

    They start with a fresh interpreter (spawn: a fork of a process that has used torch's threads may hang) and stay for
    all rounds, because importing torch and timm takes seconds. When they fill the machine, each is pinned to its own
    cores. A script that opens this engine needs the usual `if __name__ == "__main__":`.
    """

    def __init__(self, data: ImageData, settings: EvaluationSettings, *, devices: Sequence[str]) -> None:
        """One worker for each entry of `devices`; several may share a GPU."""
        self._data, self._settings = data, settings
        self._setups = _setups(devices, settings)
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._shared: SharedObject | None = None
        self._failed_starts = 0

    def __enter__(self) -> Processes:
        """Start the workers; they get ready while the caller goes on."""
        self._shared = SharedObject(self._data)
        try:
            for setup in self._setups:
                self._workers.append(self._start(setup))
        except BaseException:
            self._end(patience=0.0)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the workers."""
        self._end(patience=5.0 if kind is None else 0.0)

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """As in `Engine`.

        Raises:
            EvaluationError: the workers cannot be started.
        """
        if not self._workers:
            raise EvaluationError("the engine is not open; use it in a with statement.")
        for index, worker in enumerate(self._workers):
            if worker.trial is not None:  # left over from a run that raised: its result must not turn up in this one
                self._replace(index)
        queue = _Queue(trials)
        while self._assign(queue) or any(worker.trial for worker in self._workers):
            for sample in self._wait(queue):
                on_result(sample)

    def _assign(self, queue: _Queue) -> bool:
        """Give trials to free workers; True while there may be more."""
        for worker in self._workers:
            if worker.ready and worker.trial is None:
                trial = queue.next()
                if trial is None:
                    return False
                worker.begin(trial)
        return True

    def _wait(self, queue: _Queue) -> Iterator[Sample]:
        """Wait for the workers to say something, or to die; yield the samples that came of it."""
        by_handle: dict[Any, int] = {}
        for index, worker in enumerate(self._workers):
            by_handle[worker.connection] = index
            by_handle[worker.process.sentinel] = index
        heard = {by_handle[handle] for handle in wait(list(by_handle), timeout=self._patience())}
        for index in sorted(heard):
            worker = self._workers[index]
            try:
                message = worker.connection.recv()  # what a dead worker sent before is still there
            except (EOFError, OSError):
                yield from self._bury(index, queue)
                continue
            if message == READY:
                worker.ready, self._failed_starts = True, 0
            else:
                worker.trial = None
                queue.done(message.key)
                yield message
        for index, worker in enumerate(self._workers):
            if worker.trial is not None and worker.overdue(self._settings.time_limit):
                yield self._sample(worker, "timeout", "killed: it did not stop at its time limit")
                queue.done(worker.trial.key)
                self._replace(index)

    def _patience(self) -> float | None:
        """Seconds until a busy worker may be overdue."""
        limit = self._settings.time_limit
        ends = [worker.begun + limit + _GRACE for worker in self._workers if worker.trial] if limit else []
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _bury(self, index: int, queue: _Queue) -> Iterator[Sample]:
        """A worker died: start another; its trial is tried again, or is an error."""
        worker = self._workers[index]
        worker.process.join()
        how = _describe(worker.process.exitcode)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _START_ATTEMPTS:
                raise EvaluationError(
                    f"worker processes {how} before they were ready. See their messages above; the engine "
                    f"in-process runs without workers."
                )
        trial = worker.trial
        if trial is not None and not queue.again(trial):
            yield self._sample(worker, "error", f"its worker process {how}, {_ATTEMPTS} times")
        self._replace(index)

    def _sample(self, worker: _Worker, status: Any, message: str) -> Sample:
        assert worker.trial is not None
        return outcome(
            worker.trial,
            self._data.fingerprint,
            self._settings,
            status=status,
            message=message,
            seconds=time.monotonic() - worker.begun,
            device=worker.setup.device,
        )

    def _start(self, setup: WorkerSetup) -> _Worker:
        assert self._shared is not None
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(setup, theirs), daemon=True, name="nars-worker")
        with _interrupts_blocked():
            process.start()
        theirs.close()
        worker = _Worker(setup, process, ours)
        with suppress(OSError):  # it is dead already; waiting for it will tell
            ours.send((self._shared.message, self._settings))
        return worker

    def _replace(self, index: int) -> None:
        self._workers[index].end(patience=0.0)
        self._workers[index] = self._start(self._workers[index].setup)

    def _end(self, *, patience: float) -> None:
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.end(patience=patience)
        self._workers = []
        if self._shared is not None:
            self._shared.close()
            self._shared = None


@final
class _Worker:
    """A worker process as the engine sees it."""

    def __init__(self, setup: WorkerSetup, process: Any, connection: Connection[Any, Any]) -> None:
        self.setup, self.process, self.connection = setup, process, connection
        self.ready = False
        self.trial: Trial | None = None
        self.begun = 0.0

    def begin(self, trial: Trial) -> None:
        """Give it a trial."""
        self.trial, self.begun = trial, time.monotonic()
        with suppress(OSError):  # it died while it was idle; waiting for it will tell
            self.connection.send(trial)

    def overdue(self, time_limit: float | None) -> bool:
        """Whether it should have answered by now."""
        return time_limit is not None and time.monotonic() > self.begun + time_limit + _GRACE

    def dismiss(self) -> None:
        """Ask it to end."""
        with suppress(OSError):
            self.connection.send(None)

    def end(self, *, patience: float) -> None:
        """Wait `patience` seconds for it to end, then kill it."""
        if self.trial is None and patience > 0.0:
            self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()


@final
class _Queue:
    """Trials to come: those to be run again first, then the caller's, taken one by one."""

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._new = iter(trials)
        self._again: list[Trial] = []
        self._attempts: dict[str, int] = {}

    def next(self) -> Trial | None:
        """The next trial; None when there is none (for now)."""
        trial = self._again.pop(0) if self._again else next(self._new, None)
        if trial is not None:
            self._attempts[trial.key] = self._attempts.get(trial.key, 0) + 1
        return trial

    def again(self, trial: Trial) -> bool:
        """Put a trial back whose worker died; False if it had its attempts."""
        if self._attempts[trial.key] >= _ATTEMPTS:
            return False
        self._again.append(trial)
        return True

    def done(self, key: str) -> None:
        """Forget a trial."""
        self._attempts.pop(key, None)


def _setups(devices: Sequence[str], settings: EvaluationSettings) -> list[WorkerSetup]:
    """Cores are given out only when the workers need all of them: pinned to a part, two runs would share that part."""
    cores, threads = usable_cores(), settings.threads
    fill = sys.platform == "linux" and set(devices) == {"cpu"} and len(devices) * threads == len(cores)
    return [
        WorkerSetup(
            device=device,
            cores=cores[i * threads : (i + 1) * threads] if fill else None,
            memory_limit=settings.memory_limit,
        )
        for i, device in enumerate(devices)
    ]


def _describe(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"ended with exit code {exitcode}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C from their first instruction on (signal masks are inherited)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
