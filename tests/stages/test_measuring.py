"""The stop epoch when trainings of the first round fail."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_run import HOW, SPACE, upto_pretrain, write_files

from nars.errors import DataError
from nars.parallel import put_together, take_apart
from nars.report import write_report
from nars.run import Run, load_config, open_run
from nars.stages import rounds_of
from nars.stages.measuring import task_of
from nars.stages.stopping import stop_advice
from nars.store import Sample


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    file = folder / "tiny.yaml"
    file.write_text(
        "{name: tiny, space: digits, data: {name: digits}, flops: {low: 0.12M, high: 0.4M}, search: {budgets: [0.2M]},"
        " pretraining: {pool: 64}, collect: {per_round: 6, epochs: 4, warmup_epochs: 0}}"
    )
    return open_run(load_config(file), folder / "run")


def outcomes(succeeded: int, failed: int = 0) -> list[Sample]:
    """Trainings whose order never changes, then failed ones."""
    samples = []
    for number in range(succeeded + failed):
        ok = number < succeeded
        curve = tuple(50.0 + number - 5.0 / epoch for epoch in range(1, 5)) if ok else (10.0,)
        samples.append(
            Sample(
                key=f"{number}",
                record={},
                choices=(number,),
                costs={"flops": 1.5e5 + 1e4 * number},
                status="ok" if ok else "timeout",
                message="" if ok else "too slow",
                epochs=len(curve),
                planned_epochs=4,
                value=curve[-1] if ok else None,
                curve=curve,
                seconds=1.0,
                seed=0,
                space="s",
                data="d",
                fidelity="f",
            )
        )
    return samples


def test_workers_are_given_the_images_at_each_resolution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_files(tmp_path)
    (tmp_path / "mine.yaml").write_text(SPACE.replace("resolution: 8", "resolution: [8, 10, 12]"))
    opened = open_run(load_config(file), tmp_path / "run", execution=HOW)
    received = put_together(*take_apart(task_of(opened)))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("they are there already")

    monkeypatch.setattr("nars.images.images._splits", refuse)
    for side in (8, 10, 12):
        there = received.images.at(side)
        assert there.train.shape == (120, 1, side, side)
        assert torch.equal(there.mean, opened.images.at(side).mean)
    with pytest.raises(AssertionError):
        received.images.at(14)


def test_enough_successes_decide_alone(run: Run) -> None:
    assert stop_advice(run, outcomes(4, failed=2)).epoch == 1
    assert stop_advice(run, outcomes(4)).correlations == stop_advice(run, outcomes(4, failed=2)).correlations


def test_with_two_successes_the_run_goes_on_with_full_trainings(run: Run) -> None:
    advice = stop_advice(run, outcomes(2, failed=4))
    assert (advice.epoch, advice.saved, len(advice.correlations)) == (4, 0.0, 4)
    assert all(math.isnan(value) for value in advice.correlations)
    assert "only 2 of the 6" in advice.warnings[0]


def test_without_successes_it_says_why(run: Run) -> None:
    with pytest.raises(DataError, match=r"6 of the 6 trainings of round 1 failed \(timeout: too slow\)") as caught:
        stop_advice(run, outcomes(0, failed=6))
    assert "collect.trial_seconds" in str(caught.value)


def test_what_speaks_for_the_stop_epoch_is_in_log_and_report(run: Run) -> None:
    rounds = rounds_of(run, *upto_pretrain(run))
    trials = [rounds.ask() for _ in range(6)]
    assert rounds.ask() is None  # it waits for the end of the round
    for trial, sample in zip(trials, outcomes(6), strict=True):
        same = {name: getattr(trial, name) for name in ("key", "choices", "record", "costs", "space", "round")}
        rounds.tell(replace(sample, data=run.data_facts.fingerprint, **same))
    assert "stop after epoch 1 and save 75 % of their epochs" in run.folder.log_file.read_text()
    page = write_report(run.folder).read_text()
    for name, value in (("this saves later rounds", "75 %"), ("top 10 %", "1 of 1"), ("within budgets", "1.00")):
        assert value in page[page.index(name) :][:200]
