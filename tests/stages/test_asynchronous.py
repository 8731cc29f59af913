"""Stage 2 without waiting: every order of results, interruptions at any moment, and the real thing killed for real."""

from __future__ import annotations

import heapq
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_run import upto_pretrain

from nars.run import Run, load_config, open_run
from nars.run.fidelity import search_settings
from nars.run.folder import RunFolder
from nars.run.journal import Journal
from nars.stages import Rounds, rounds_of
from nars.store import Sample, SampleStore
from nars.tasks import Trial

CONFIG = """
name: open
space: digits
data: {name: digits, validation: 0.25, flip: false, crop: 0.0625, max_train: 120}
flops: {low: 0.12M, high: 0.4M}
pretraining: {pool: 128}
collect: {rounds: 3, per_round: 6, epochs: 3, warmup_epochs: 0, schedule: cosine, batch_size: 48, ema_decay: 0.9,
          asynchronous: true, refit_every: 3}
search: {budgets: [0.2M, 0.4M]}
"""
TOTAL = 18


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "open.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def pretrained(config: Path) -> Path:
    """A run that has come to the end of stage 1."""
    folder = config.parent / "pretrained"
    upto_pretrain(open_run(load_config(config), folder))
    return folder


@pytest.fixture
def open_folder(config: Path, pretrained: Path, tmp_path: Path) -> Callable[[str], Run]:
    def opened(name: str) -> Run:
        if not (tmp_path / name).is_dir():
            shutil.copytree(pretrained, tmp_path / name)
        return open_run(load_config(config), tmp_path / name)

    return opened


@pytest.fixture(scope="module")
def one_by_one(config: Path, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    """What one worker is given that is never interrupted."""
    folder = shutil.copytree(pretrained, tmp_path_factory.mktemp("whole") / "run")
    return work_through(open_run(load_config(config), folder), workers=1, duration=lambda _: 1.0)


def begin(run: Run) -> Rounds:
    return rounds_of(run, *upto_pretrain(run))


def outcome(run: Run, trial: Trial) -> Sample:
    """A training in closed form: accuracy grows with FLOPs and epochs; one in nine fails."""
    fails = sum(trial.choices) % 9 == 0
    curve = tuple(60 + 8 * np.log10(trial.costs["flops"]) - 20 / epoch for epoch in range(1, trial.epochs + 1))
    return Sample(
        key=trial.key,
        record=trial.record,
        choices=trial.choices,
        costs=trial.costs,
        status="diverged" if fails else "ok",
        epochs=trial.epochs,
        planned_epochs=trial.epochs,
        seconds=1.0,
        seed=trial.seed,
        space=trial.space,
        data=run.images.fingerprint,
        fidelity=search_settings(run.config, images=None).fidelity(trial.epochs),
        value=None if fails else curve[-1],
        curve=curve,
        round=trial.round,
    )


def work_through(
    run: Run, *, workers: int, duration: Callable[[Trial], float], stop_after: int | None = None
) -> list[Trial]:
    """Simulated workers, each busy for `duration` of virtual time per trial; the order in which trials were given."""
    rounds, now, asked = begin(run), 0.0, []
    busy: list[tuple[float, int, Trial]] = []
    told = 0
    while True:
        while len(busy) < workers and (trial := rounds.ask()) is not None:
            heapq.heappush(busy, (now + duration(trial), len(asked), trial))
            asked.append(trial)
        if not busy or told == stop_after:
            return asked
        now, _, trial = heapq.heappop(busy)
        rounds.tell(outcome(run, trial))
        told += 1


@pytest.mark.parametrize(("workers", "seed"), [(1, 0), (3, 1), (40, 2)])
def test_every_candidate_once_inside_its_bounds_and_no_worker_waits(
    open_folder: Callable[[str], Run], workers: int, seed: int
) -> None:
    run, chance = open_folder("run"), random.Random(seed)
    asked = work_through(run, workers=workers, duration=lambda _: chance.expovariate(1.0))
    assert len(asked) == TOTAL
    assert len({trial.choices for trial in asked}) == TOTAL
    assert all(0.12e6 <= trial.costs["flops"] <= 0.4e6 for trial in asked)
    rounds = Journal(run).results()
    assert [result.round for result in rounds] == [1, 2, 3, 4, 5]
    stop = rounds[0].stop_epoch
    assert stop == 1  # of the closed form: all curves have one order from the first epoch on
    plans = Journal(run).plans()
    # Those planned before the whole first round was known are trained in full, later ones to the stop epoch.
    assert [plan.epochs for plan in plans] == sorted((plan.epochs for plan in plans), reverse=True)
    assert plans[0].epochs == 3
    learned_from = [plan.learned_from for plan in plans]
    if workers == 1:
        assert plans[1].epochs == stop
        assert learned_from == [0, 6, 9, 12, 15]
    if workers == 40:  # all given away before the first result
        assert learned_from == [0, 0, 0, 0, 0]


def test_the_proposals_depend_on_the_order_of_results_only(open_folder: Callable[[str], Run]) -> None:
    def slow_large(trial: Trial) -> float:
        return trial.costs["flops"]

    one = work_through(open_folder("one"), workers=3, duration=slow_large)
    same = work_through(open_folder("same"), workers=3, duration=slow_large)
    other = work_through(open_folder("other"), workers=3, duration=lambda trial: 1 / trial.costs["flops"])
    assert [trial.choices for trial in one] == [trial.choices for trial in same]
    assert [trial.choices for trial in one] != [trial.choices for trial in other]


@pytest.mark.parametrize("told", [4, 9])
def test_begun_anew_after_any_result_it_goes_on_as_if_nothing_had_been(
    open_folder: Callable[[str], Run], one_by_one: list[Trial], told: int
) -> None:
    run = open_folder("interrupted")
    before = work_through(run, workers=1, duration=lambda _: 1.0, stop_after=told)
    after = work_through(open_folder("interrupted"), workers=1, duration=lambda _: 1.0)
    # The one that was under way is trained again, and it alone.
    assert [trial.key for trial in before[:told] + after] == [trial.key for trial in one_by_one]
    assert len(SampleStore(run.folder.samples)) == TOTAL


def test_what_was_under_way_on_several_workers_is_given_out_again_first(open_folder: Callable[[str], Run]) -> None:
    before = work_through(open_folder("run"), workers=4, duration=lambda _: 1.0, stop_after=5)
    after = work_through(open_folder("run"), workers=4, duration=lambda _: 1.0)
    under_way = [trial.key for trial in before[5:]]
    assert [trial.key for trial in after[: len(under_way)]] == under_way
    assert len(after) == TOTAL - 5


def nars(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from nars.cli import main; main()", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)


@pytest.mark.slow
def test_killed_while_training_it_comes_to_the_same_predictor(
    open_folder: Callable[[str], Run], config: Path, tmp_path: Path
) -> None:
    collect = ("collect", config, "--engine", "in-process", "--out")
    open_folder("whole"), open_folder("killed")
    whole, killed = nars(*collect, tmp_path / "whole"), nars(*collect, tmp_path / "killed")
    store = RunFolder(tmp_path / "killed").samples
    while len(list(store.glob("*.parquet"))) < 4:
        assert killed.poll() is None
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    kept = {sample.key: sample.finished for sample in SampleStore(store).samples()}
    again = nars(*collect, tmp_path / "killed")
    for process in (whole, again):
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said.decode()
    samples = {sample.key: sample for sample in SampleStore(store).samples()}
    assert {key: samples[key].finished for key in kept} == kept  # none was trained again
    assert len(samples) == TOTAL
    weights = "predictor/predictor.safetensors"
    assert (tmp_path / "killed" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
