"""The pool with real processes and real deaths."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pool_jobs import work

from nars.parallel import Failure, Pool, PoolError, WorkerSetup, memory_limit, usable_cores, worker_setups
from nars.parallel.sharing import SharedObject, receive

TWO = (WorkerSetup(), WorkerSetup())


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool[Any, Any]]:
    with Pool(work, torch.arange(5), setups=TWO) as opened:
        yield opened


def _outcomes(pool: Pool[Any, Any], jobs: Any) -> dict[Any, list[Any]]:
    seen: dict[Any, list[Any]] = {}
    pool.run(
        jobs,
        on_result=lambda job, result: seen.setdefault(job, []).append(result),
        on_failure=lambda job, failure: seen.setdefault(job, []).append(failure),
    )
    return seen


def test_each_job_is_done_once_with_the_shared_context(pool: Pool[Any, Any]) -> None:
    jobs = [("add", i) for i in range(20)]
    assert _outcomes(pool, jobs) == {job: [job[1] + 10] for job in jobs}
    assert _outcomes(pool, []) == {}


def test_workers_stay_for_all_rounds(pool: Pool[Any, Any]) -> None:
    pids = [{result[0][0] for result in _outcomes(pool, [("where", i) for i in range(8)]).values()} for _ in range(2)]
    assert pids[0] | pids[1] <= {worker.process.pid for worker in pool._workers}
    assert os.getpid() not in pids[0]


def test_a_job_is_taken_only_when_a_worker_is_free_for_it(pool: Pool[Any, Any]) -> None:
    done: list[Any] = []

    def proposals() -> Iterator[tuple[str, int]]:
        for number in range(10):
            assert len(done) >= number - 2  # at most two are under way
            yield "add", number

    pool.run(proposals(), on_result=lambda job, _: done.append(job), on_failure=lambda *_: None)
    assert len(done) == 10


def test_a_job_whose_worker_is_killed_is_done_again(pool: Pool[Any, Any], tmp_path: Path) -> None:
    once = ("die once", str(tmp_path / "marker"))
    others = [("add", i) for i in range(6)]
    assert _outcomes(pool, [once, *others]) == {once: ["survived"]} | {job: [job[1] + 10] for job in others}


def test_a_job_that_kills_its_workers_fails_and_the_others_go_on(pool: Pool[Any, Any]) -> None:
    others = [("add", i) for i in range(6)]
    outcomes = _outcomes(pool, [("die",), *others])
    (failure,) = outcomes.pop(("die",))
    assert isinstance(failure, Failure)
    assert not failure.overdue
    assert "exit code 7, 2 times" in failure.message
    assert outcomes == {job: [job[1] + 10] for job in others}


def test_a_worker_whose_gpu_failed_ends_and_its_job_is_done_again_in_another(
    pool: Pool[Any, Any], tmp_path: Path
) -> None:
    once, always = ("lose gpu", str(tmp_path / "marker")), ("lose gpu", str(tmp_path))
    others = [("add", i) for i in range(4)]
    outcomes = _outcomes(pool, [once, always, *others])
    (failure,) = outcomes.pop(always)
    assert failure.message == "its GPU failed (CUDA error: device-side assert triggered), 2 times"
    assert outcomes == {once: [True]} | {job: [job[1] + 10] for job in others}


def test_reports_arrive_in_order_before_the_result(pool: Pool[Any, Any]) -> None:
    heard: list[Any] = []
    pool.run(
        [("report", 4)],
        on_result=lambda _, result: heard.append(("result", result)),
        on_failure=lambda *_: None,
        on_report=lambda _, value: heard.append(value),
    )
    assert heard == [0, 1, 2, 3, ("result", 4)]


def test_what_a_job_raises_is_raised_here_and_nothing_of_that_run_turns_up_later(pool: Pool[Any, Any]) -> None:
    with pytest.raises(KeyError, match="lost"):
        _outcomes(pool, [("raise", "lost"), ("sleep", 0.5)])
    assert _outcomes(pool, [("add", 1)]) == {("add", 1): [11]}


def test_a_job_that_never_ends_is_given_up() -> None:
    with Pool(work, None, setups=worker_setups(("cpu",)), patience=2.0) as pool:
        start = time.monotonic()
        outcomes = _outcomes(pool, [("sleep", 600.0), ("report", 1)])
        assert time.monotonic() - start < 200.0
        (failure,) = outcomes[("sleep", 600.0)]
        assert failure.overdue


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_memory_is_limited_inside_only() -> None:
    with memory_limit(0.25):
        assert len(bytearray(2**26)) == 2**26
        with pytest.raises(MemoryError):
            bytearray(2**29)
    assert len(bytearray(2**29)) == 2**29
    with memory_limit(None):
        assert len(bytearray(2**29)) == 2**29


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_what_others_have_left_is_not_to_be_spent() -> None:
    left: list[object] = [bytearray(2**29)]
    left.append(left)
    del left
    with memory_limit(0.05):
        gc.collect()
        with pytest.raises(MemoryError):
            bytearray(2**28)


def test_workers_that_cannot_start_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "vanishing.py").write_text("def work(*_): pass\n")
    sys.path.insert(0, str(tmp_path))
    import vanishing  # type: ignore[import-not-found]

    sys.path.pop(0)
    with (
        Pool(vanishing.work, None, setups=worker_setups(("cpu",))) as pool,
        pytest.raises(PoolError, match=r"before they were ready \(ModuleNotFoundError: No module named 'vanishing'\)"),
    ):
        _outcomes(pool, [("add", 1)])
    with pytest.raises(PoolError, match="with statement"):
        _outcomes(pool, [("add", 1)])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_program(how: signal.Signals) -> None:
    program = textwrap.dedent(f"""
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from nars.parallel import Pool, WorkerSetup
        from pool_jobs import work
        with Pool(work, None, setups=(WorkerSetup(), WorkerSetup())) as pool:
            print(*(worker.process.pid for worker in pool._workers), flush=True)
            pool.run([("sleep", 600.0)] * 2, on_result=print, on_failure=print)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    time.sleep(2.0)  # somewhere between their start and their first job
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as Ctrl-C does: everybody in the foreground gets it
    else:
        process.kill()
    _, said = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode != 0
        assert said.count("Traceback") == said.count("KeyboardInterrupt\n") == 1  # the program's own, no worker's
    else:
        assert "Traceback" not in said
    deadline = time.monotonic() + 30.0
    while any(map(_alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def test_shared_tensors_come_back_equal_and_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    base = torch.arange(12, dtype=torch.uint8).reshape(3, 4)
    value = {"a": base, "again": base, "view": base[:, 1:], "name": "x", "model": torch.nn.Linear(2, 2)}
    shared = SharedObject(value)
    try:
        assert len(shared.message.rest) < 4000
        back = receive(shared.message)
    finally:
        shared.close()
    assert back["a"] is back["again"]
    assert torch.equal(back["view"], value["view"])  # type: ignore[arg-type]
    assert torch.equal(back["model"].weight, value["model"].weight)  # type: ignore[attr-defined]
    assert back["model"].weight.requires_grad
    assert list(tmp_path.iterdir()) == []


def test_workers_are_pinned_only_when_they_fill_the_machine() -> None:
    cores = usable_cores()
    filled = worker_setups(("cpu",) * len(cores))
    assert [setup.cores for setup in filled] == [(core,) for core in cores]
    assert {setup.cores for setup in worker_setups(("cpu",) * (len(cores) + 1))} == {None}
    assert worker_setups(("cuda:0",) * len(cores))[0].cores is None
    assert worker_setups(("cpu",), threads=len(cores))[0].cores == cores
