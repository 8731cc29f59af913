"""The Ray engine on a real cluster of two machines, all on this one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from nars.evaluate import Engine, EvaluationSettings, Trial, evaluate_trial, open_engine
from nars.images import ImageData
from nars.store import Sample

MakeTrial = Callable[..., Trial]

# Ray's own code warns in many places; the rule that warnings are errors is for ours.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 8}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def engine(cluster: Any, digits: ImageData, settings: EvaluationSettings) -> Iterator[Engine]:
    with open_engine("ray", digits, settings, address=cluster.address) as opened:
        yield opened


def test_a_machine_that_dies_in_mid_round_loses_nothing(
    cluster: Any, engine: Engine, make_trial: MakeTrial, digits: ImageData, settings: EvaluationSettings
) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    trials = [make_trial(seed) for seed in range(12)]
    samples: list[Sample] = []

    def kill_one(sample: Sample) -> None:
        samples.append(sample)
        if len(samples) == 3:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    engine.run(trials, on_result=kill_one)
    assert sorted(sample.key for sample in samples) == sorted(trial.key for trial in trials)
    assert {sample.status for sample in samples} == {"ok"}
    expected = evaluate_trial(trials[0], digits, settings)
    found = next(sample for sample in samples if sample.key == trials[0].key)
    assert (found.curve, found.ema_curve) == (expected.curve, expected.ema_curve)


@pytest.mark.parametrize("per_gpu", range(1, 13))
def test_as_many_trainings_as_asked_for_share_a_gpu(
    digits: ImageData, settings: EvaluationSettings, monkeypatch: pytest.MonkeyPatch, per_gpu: int
) -> None:
    ray = pytest.importorskip("ray")
    engine: Any = open_engine("ray", digits, settings, device="cuda", per_gpu=per_gpu)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 100.0, "GPU": 2.0})
    assert engine._room() == 2 * per_gpu
    assert per_gpu * round(10_000 * engine._resources["num_gpus"]) <= 10_000


class Deadly(dict[str, Any]):
    """A recipe that ends the process which receives it."""

    def __reduce__(self) -> Any:
        return os._exit, (9,)


def test_a_trial_that_kills_its_worker_is_a_row_of_its_own(engine: Engine, make_trial: MakeTrial) -> None:
    samples: dict[int, Sample] = {}
    engine.run(
        [make_trial(1, epochs=1, recipe=Deadly()), make_trial(2, epochs=1)],
        on_result=lambda sample: samples.update({sample.seed: sample}),
    )
    assert samples[2].status == "ok"
    assert (samples[1].status, samples[1].accuracy) == ("error", None)
    assert "2 times" in samples[1].message


class Endless(dict[str, Any]):
    """A recipe that takes a minute to look at, whatever the time limit."""

    def __contains__(self, key: object) -> bool:
        time.sleep(60)
        return super().__contains__(key)


def test_waiting_in_the_queue_is_no_time_of_the_trial_and_hanging_is(
    engine: Engine,
    make_trial: MakeTrial,
    digits: ImageData,
    settings: EvaluationSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr("nars.evaluate.ray_engine._GRACE", 1.0)
    limited = replace(settings, time_limit=5.0)
    samples: dict[int, Sample] = {}
    with open_engine("ray", digits, limited) as opened:
        theirs = ray.remote(num_cpus=1)(lambda: time.sleep(9)).remote()  # on the one CPU that is left
        trial = make_trial(2, epochs=1)
        hanging = make_trial(1, epochs=1, recipe=Endless(trial.recipe))
        start = time.monotonic()
        opened.run([trial, hanging], on_result=lambda sample: samples.update({sample.seed: sample}))
        assert time.monotonic() - start > 9
        ray.get(theirs)
    assert samples[2].status == "ok"
    assert samples[1].status == "timeout"
    assert 6 < samples[1].seconds < 12
