"""One conformance suite, run over every engine; and what only real processes can suffer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nars.evaluate import Engine, EvaluationError, EvaluationSettings, Trial, evaluate_trial, open_engine
from nars.images import ImageData
from nars.parallel import DeviceError
from nars.store import Sample

MakeTrial = Callable[..., Trial]


@pytest.fixture(scope="module")
def processes(digits: ImageData, settings: EvaluationSettings) -> Iterator[Engine]:
    with open_engine("processes", digits, settings, workers=2) as opened:
        yield opened


@pytest.fixture(params=["in-process", "processes"])
def engine(request: pytest.FixtureRequest, digits: ImageData, settings: EvaluationSettings) -> Engine:
    if request.param == "processes":
        opened: Engine = request.getfixturevalue("processes")
        return opened
    return open_engine(request.param, digits, settings)


def _run(engine: Engine, trials: Any) -> dict[str, Sample]:
    samples: list[Sample] = []
    engine.run(trials, on_result=samples.append)
    assert len({sample.key for sample in samples}) == len(samples)
    return {sample.key: sample for sample in samples}


def test_every_engine_measures_the_same_to_the_last_bit(
    engine: Engine, make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    trials = [make_trial(seed) for seed in range(3)] + [make_trial(learning_rate=1e30, optimizer="sgd")]
    found = _run(engine, reversed(trials))
    for trial in trials:
        expected = evaluate_trial(trial, digits, settings)
        sample = found.pop(trial.key)
        assert (sample.status, sample.curve, sample.ema_curve) == (expected.status, expected.curve, expected.ema_curve)
    assert not found


def test_proposals_may_depend_on_the_results_so_far(engine: Engine, make_trial: MakeTrial) -> None:
    samples: list[Sample] = []

    def proposals() -> Iterator[Trial]:
        for seed in range(4):
            assert len(samples) >= seed - 2
            yield make_trial(seed, epochs=1)

    engine.run(proposals(), on_result=samples.append)
    assert sorted(sample.seed for sample in samples) == [0, 1, 2, 3]


def test_an_empty_round_is_done_at_once(engine: Engine) -> None:
    assert _run(engine, []) == {}


def test_what_the_callback_raises_ends_the_run_and_the_engine_goes_on(engine: Engine, make_trial: MakeTrial) -> None:
    def refuse(_: Sample) -> None:
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        engine.run([make_trial(seed, epochs=1) for seed in range(3)], on_result=refuse)
    trial = make_trial(9, epochs=1)
    assert _run(engine, [trial]).keys() == {trial.key}


class Deadly(dict[str, Any]):
    """A recipe that ends the process which receives it."""

    def __reduce__(self) -> Any:
        return os._exit, (9,)


def test_a_trial_that_kills_its_worker_is_a_row_and_a_killed_worker_costs_nothing(
    processes: Engine, make_trial: MakeTrial
) -> None:
    trials = [make_trial(seed) for seed in range(4)]
    deadly = make_trial(5, recipe=Deadly())
    found = _run(processes, [deadly, *trials])
    row = found.pop(deadly.key)
    assert (row.status, row.accuracy, row.epochs) == ("error", None, 0)
    assert "exit code 9, 2 times" in row.message
    assert {key: sample.status for key, sample in found.items()} == {trial.key: "ok" for trial in trials}


def test_several_trainings_share_a_gpu(
    digits: ImageData, settings: EvaluationSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for device, workers, expected in (
        ("cuda", None, ["cuda:0"] * 3 + ["cuda:1"] * 3),
        ("cuda", 3, ["cuda:0", "cuda:0", "cuda:1"]),
        ("cuda:1", None, ["cuda:1"] * 3),
    ):
        engine = open_engine("processes", digits, settings, device=device, workers=workers, per_gpu=3)
        setups = engine._pool._setups  # type: ignore[attr-defined]
        assert sorted(setup.device for setup in setups) == expected
        assert all(setup.cores is None for setup in setups)


def test_an_engine_that_cannot_be_is_refused(digits: ImageData, settings: EvaluationSettings) -> None:
    with pytest.raises(EvaluationError, match="in-process"):
        open_engine("threads", digits, settings)
    with pytest.raises(EvaluationError, match="workers"):
        open_engine("processes", digits, settings, workers=0)
    with pytest.raises(EvaluationError, match="per_gpu"):
        open_engine("processes", digits, settings, per_gpu=0)
    for engine in ("processes", "in-process"):
        with pytest.raises(DeviceError, match="no device is called 'gpu'"):
            open_engine(engine, digits, settings, device="gpu")
