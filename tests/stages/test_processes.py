"""Where a run has processes beside it and where not; from files, standard input and scripts as people write them."""

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from PIL import Image
from small_run import upto_train

from nars.run import Execution, load_config, open_run
from nars.store import SampleStore

SETTINGS = {
    "data.max_train": 120,
    "flops.low": 0.12e6,
    "flops.high": 0.4e6,
    "pretraining.pool": 64,
    "collect.rounds": 2,
    "collect.per_round": 2,
    "collect.epochs": 2,
    "search.budgets": [0.2e6, 0.4e6],
    "final.epochs": 3,
    "collect.batch_size": 60,
    "final.batch_size": 60,
}
PROGRAM = f"""
from nars.run import Execution, load_config, open_run
from nars.stages import collect, pretrain, sample_pool
run = open_run(load_config("digits", {SETTINGS!r}), FOLDER, execution=Execution(engine="processes", workers=2))
pool = sample_pool(run)
collect(run, pool, pretrain(run, pool))
"""


class Children(threading.Thread):
    """Looks again and again which processes this one has started since."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.stopped = threading.Event()
        self.others = self._children()  # of tests before

    def run(self) -> None:
        while not self.stopped.wait(0.005):
            for child in self._children() - self.others:
                try:
                    self.seen.add(Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode())
                except OSError:
                    self.seen.add(child)

    def _children(self) -> set[str]:
        found: set[str] = set()
        for task in Path(f"/proc/{os.getpid()}/task").iterdir():
            with contextlib.suppress(OSError):
                found.update((task / "children").read_text().split())
        return found


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run up to the trained family, computed without any other process."""
    folder = tmp_path_factory.mktemp("run") / "run"
    run = open_run(load_config("digits", SETTINGS), folder, execution=Execution(engine="in-process", workers=2))
    watching = Children()
    watching.start()
    trained = upto_train(run).results
    watching.stopped.set()
    watching.join()
    assert set(trained) == {"200k", "400k"}
    (folder / "children.txt").write_text("\n".join(watching.seen))
    return folder


@pytest.mark.skipif(not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(), reason="no list of children")
def test_in_process_means_no_other_process(in_process: Path) -> None:
    assert (in_process / "children.txt").read_text() == ""


def test_in_process_reads_streamed_images_itself(tmp_path: Path) -> None:
    for split, count in (("train", 12), ("test", 4)):
        for label in ("a", "b"):
            for i in range(count):
                file = tmp_path / "photos" / split / label / f"{i}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (20, 20), (i * 16 + (label == "b")) % 256).save(file)
    config = load_config("digits", {"data.name": f"imagefolder:{tmp_path / 'photos'}", "data.streaming": True})
    for engine, loaders in (("in-process", 0), ("processes", None)):
        run = open_run(config, tmp_path / engine, execution=Execution(engine=engine))
        assert run.images.train.loaders == loaders  # type: ignore[union-attr]


def test_a_run_from_standard_input(in_process: Path, tmp_path: Path) -> None:
    done = program(PROGRAM.replace("FOLDER", repr(str(tmp_path / "run"))), "-")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    here, there = (
        {sample.key: sample.curve for sample in SampleStore(folder / "samples").samples()}
        for folder in (in_process, tmp_path / "run")
    )
    assert here == there  # the same to the bit, trained side by side


def test_a_script_without_a_guard_does_not_begin_anew_in_each_worker(tmp_path: Path) -> None:
    text = """
print("once")
import numpy as np
from nars.parallel import Pool, WorkerSetup
from pool_jobs import work
with Pool(work, np.array([3]), setups=(WorkerSetup(), WorkerSetup())) as pool:
    pool.run([("add", 1), ("add", 2)], on_result=lambda job, result: print(result), on_failure=print)
"""
    (tmp_path / "program.py").write_text(text)
    done = program(text, str(tmp_path / "program.py"))
    assert done.returncode == 0, done.stderr
    first, *results = done.stdout.split()
    assert first == "once"
    assert sorted(results) == ["4", "5"]


def program(text: str, file: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program from a file, or "-" from standard input."""
    here = Path(__file__).parents[1]
    paths = f"{here.parent}{os.pathsep}{here / 'parallel'}"
    return subprocess.run(
        [sys.executable, file],
        input=text if file == "-" else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )


def test_a_context_of_the_programs_own_is_imported_from_its_file(tmp_path: Path) -> None:
    text = textwrap.dedent("""
        from dataclasses import dataclass
        from nars.parallel import Pool, PoolError, WorkerSetup

        @dataclass
        class Mine:
            number: int

        def work(job, context, device, report):
            return job + context.number

        if __name__ == "__main__":
            try:
                with Pool(work, Mine(3), setups=(WorkerSetup(),)) as pool:
                    pool.run([1, 2], on_result=lambda job, result: print(result), on_failure=print)
            except PoolError as error:
                print(error)
    """)
    (tmp_path / "program.py").write_text(text)
    assert program(text, str(tmp_path / "program.py")).stdout.split() == ["4", "5"]
    said = program(text, "-").stdout
    assert "defined in the program itself" in said
    assert "__main__" in said
