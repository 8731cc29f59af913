"""The store under fire: writers killed with SIGKILL, writers against each other, compaction all the while."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from nars.store import SampleStore

WRITER = """
    import os, sys
    from nars.store import Sample, SampleStore

    folder, log = sys.argv[1:]

    def row(number):
        return Sample(
            key=f"{number:032x}", record={"width": number % 7, "rate": 0.1 * number}, choices=(number % 7, 0),
            costs={"flops": 1.0 * number}, status="ok", value=50.0, epochs=1, planned_epochs=1, seconds=1.0,
            seed=number, space="s", data="d", fidelity="f", finished="2026-01-01",
        )

    def write(start, count):
        store = SampleStore(folder)
        with open(log, "a", buffering=1) as acknowledged:
            for number in range(start, start + count):
                store.append([row(number)])
                acknowledged.write(f"{number:032x}\\n")
                if number % 25 == 24:
                    store.compact()
        os._exit(0)

    # One process loads everything once, pyarrow's pandas at its first row too; the writers are forked off it.
    SampleStore(folder + "-first").append([row(0)])
    print("ready", flush=True)
    for command in sys.stdin:
        child = os.fork()
        if child == 0:
            write(*map(int, command.split()))
        print(child, flush=True)
    try:
        while os.wait()[1] in (0, 9):
            pass
        os._exit(1)
    except ChildProcessError:
        pass
"""


class Nursery:
    """The process that writers are forked off."""

    def __init__(self, folder, log):
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), str(log)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        """Wait for all writers; each must have ended by itself without an error, or been killed."""
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0

    def start(self, first, count):
        self.process.stdin.write(f"{first} {count}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills by SIGKILL")
def test_no_acknowledged_row_is_lost_when_writers_are_killed(tmp_path):
    """24 writers, two at a time, each killed at a random moment (in an append, a compaction, between them)."""
    folder, log = tmp_path / "store", tmp_path / "acknowledged"
    log.touch()
    moments = random.Random(0)
    with Nursery(folder, log) as nursery:
        for turn in range(12):
            children = [nursery.start((2 * turn + half) * 100_000, 10_000) for half in range(2)]
            time.sleep(0.02 + 0.4 * moments.random())
            for child in children:
                os.kill(child, signal.SIGKILL)
    acknowledged = log.read_text(encoding="utf-8").splitlines()
    store = SampleStore(folder)  # a warning (a broken file) would be an error
    assert set(acknowledged) <= store.keys()
    # Written but killed before it could say so: at most one per writer.
    assert len(acknowledged) <= len(store) <= len(acknowledged) + 24
    assert len(acknowledged) > 24
    assert store.table()["key"].to_pylist() == sorted(store.keys())
    before = store.samples()
    store.compact()
    assert len(store.files()) == 1
    assert SampleStore(folder).samples() == before
    assert sum(file.rows for file in store.files()) == len(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks writers")
def test_many_writers_and_compactions_at_once_lose_and_repeat_nothing(tmp_path):
    log = tmp_path / "acknowledged"
    log.touch()
    store = SampleStore(tmp_path / "store")
    expected = sorted(f"{1000 * number + row:032x}" for number in range(4) for row in range(60))
    with Nursery(tmp_path / "store", log) as nursery:
        for number in range(4):
            nursery.start(1000 * number, 60)
        while len(seen := store.table()["key"].to_pylist()) < len(expected):
            acknowledged = set(log.read_text(encoding="utf-8").split())
            store.compact()
            keys = store.table()["key"].to_pylist()
            # Whatever was acknowledged before the reading began is in it, once, compactions or not.
            assert acknowledged | set(seen) <= set(keys)
            assert len(keys) == len(set(keys))
    assert store.table()["key"].to_pylist() == expected
    store.compact()
    assert sum(file.rows for file in store.files()) == len(expected)
