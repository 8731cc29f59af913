"""One conformance suite, run over every engine (Ray: a real cluster of two machines, all on this one); and what only
real processes can suffer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from nars.errors import EvaluationError
from nars.evaluate import Engine, Limits, evaluate_trial, open_engine
from nars.metric import Metric
from nars.parallel import DeviceError
from nars.store import Sample
from nars.tasks import ImageClassification, TrainerFunction, Trial

MakeTrial = Callable[..., Trial]

# Ray's own code warns in many places; the rule that warnings are errors is for ours.
RAY = pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.filterwarnings("default")])


@pytest.fixture(scope="module")
def processes(task: ImageClassification) -> Iterator[Engine]:
    with open_engine("processes", task, workers=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 8}
    # Ray's workers give way to everything else, and would come to nothing beside other tests.
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": soon | {"worker_niceness": 0}}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.machines = [cluster.add_node(num_cpus=1) for _ in range(2)]
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def on_ray(cluster: Any, task: ImageClassification) -> Iterator[Engine]:
    with open_engine("ray", task, address=cluster.address) as opened:
        yield opened


@pytest.fixture
def engine(request: pytest.FixtureRequest, task: ImageClassification) -> Engine:
    if request.param == "in-process":
        return open_engine("in-process", task)
    opened: Engine = request.getfixturevalue({"processes": "processes", "ray": "on_ray"}[request.param])
    return opened


every_engine = pytest.mark.parametrize("engine", ["in-process", "processes", RAY], indirect=True)
every_engine_with_workers = pytest.mark.parametrize("engine", ["processes", RAY], indirect=True)


def _run(engine: Engine, trials: Any) -> dict[str, Sample]:
    samples: list[Sample] = []
    engine.run(trials, on_result=samples.append)
    assert len({sample.key for sample in samples}) == len(samples)
    return {sample.key: sample for sample in samples}


@every_engine
def test_every_engine_measures_the_same_to_the_last_bit(
    engine: Engine, make_trial: MakeTrial, task: ImageClassification
) -> None:
    trials = [make_trial(seed) for seed in range(3)] + [make_trial(learning_rate=1e30, optimizer="sgd")]
    found = _run(engine, reversed(trials))
    for trial in trials:
        expected = evaluate_trial(trial, task)
        sample = found.pop(trial.key)
        assert (sample.status, sample.curve, sample.averaged_curve) == (
            expected.status,
            expected.curve,
            expected.averaged_curve,
        )
    assert not found


@every_engine
def test_proposals_may_depend_on_the_results_so_far(engine: Engine, make_trial: MakeTrial) -> None:
    samples: list[Sample] = []

    def proposals() -> Iterator[Trial]:
        for seed in range(4):
            assert len(samples) >= seed - 2
            yield make_trial(seed, epochs=1)

    engine.run(proposals(), on_result=samples.append)
    assert sorted(sample.seed for sample in samples) == [0, 1, 2, 3]


@every_engine
def test_an_empty_round_is_done_at_once(engine: Engine) -> None:
    assert _run(engine, []) == {}


@every_engine
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


@every_engine_with_workers
def test_a_trial_that_kills_its_worker_is_a_row_and_a_killed_worker_costs_nothing(
    engine: Engine, make_trial: MakeTrial
) -> None:
    trials = [make_trial(seed, epochs=1) for seed in range(4)]
    deadly = make_trial(5, recipe=Deadly())
    found = _run(engine, [deadly, *trials])
    row = found.pop(deadly.key)
    assert (row.status, row.value, row.epochs) == ("error", None, 0)
    assert "2 times" in row.message
    assert {key: sample.status for key, sample in found.items()} == {trial.key: "ok" for trial in trials}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_machine_that_dies_in_mid_round_loses_nothing(
    cluster: Any, on_ray: Engine, make_trial: MakeTrial, task: ImageClassification
) -> None:
    trials = [make_trial(seed) for seed in range(12)]
    samples: list[Sample] = []

    def kill_one(sample: Sample) -> None:
        samples.append(sample)
        if len(samples) == 3:
            cluster.remove_node(cluster.machines.pop(), allow_graceful=False)

    on_ray.run(trials, on_result=kill_one)
    assert sorted(sample.key for sample in samples) == sorted(trial.key for trial in trials)
    assert {sample.status for sample in samples} == {"ok"}
    expected = evaluate_trial(trials[0], task)
    found = next(sample for sample in samples if sample.key == trials[0].key)
    assert (found.curve, found.averaged_curve) == (expected.curve, expected.averaged_curve)


class Endless(dict[str, Any]):
    """A recipe that takes a minute to look at, whatever the time limit."""

    def __contains__(self, key: object) -> bool:
        time.sleep(60)
        return super().__contains__(key)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_waiting_in_the_queue_is_no_time_of_the_trial_and_hanging_is(
    on_ray: Engine, make_trial: MakeTrial, task: ImageClassification, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    cast(Any, on_ray)._dismiss_idle()  # its idle workers would keep the CPU
    monkeypatch.setattr("nars.evaluate.engine._GRACE", 1.0)
    samples: dict[int, Sample] = {}
    with open_engine("ray", task, Limits(seconds=10.0)) as opened:
        theirs = ray.remote(num_cpus=1)(lambda: time.sleep(9)).remote()  # on the one CPU that is left
        trial = make_trial(2, epochs=1)
        hanging = make_trial(1, epochs=1, recipe=Endless(trial.recipe))
        start = time.monotonic()
        opened.run([trial, hanging], on_result=lambda sample: samples.update({sample.seed: sample}))
        assert time.monotonic() - start > 9
        ray.get(theirs)
    assert samples[2].status == "ok"
    assert samples[1].status == "timeout"
    assert 11 < samples[1].seconds < 18


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_worker_keeps_its_gpu_for_one_trial_after_another(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPUs that there are not: Ray counts them, and the function looks at none."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # Ray believes it more than what it is told
    metric = Metric(name="f1", goal="maximize")
    task = TrainerFunction(place="gpu_trainer:where", metric=metric, folder=str(Path(__file__).parent))
    machine = cluster.add_node(num_cpus=2, num_gpus=2)
    fields: dict[str, Any] = {"costs": {}, "recipe": {}, "architecture": None, "space": "s", "data": task.data}
    records: list[dict[str, Any]] = [{"n": n} for n in range(8)] + [{"n": 8, "fails once": str(tmp_path / "marker")}]
    trials = [
        Trial(choices=(n,), record=record, metric=metric, fidelity=task.fidelity(1), epochs=1, seed=0, **fields)
        for n, record in enumerate(records)
    ]
    with open_engine("ray", task, address=cluster.address, device="auto") as engine:
        found = [sample for part in (trials[:4], trials[4:]) for sample in _run(engine, part).values()]
    cluster.remove_node(machine)
    assert {(sample.status, sample.also.get("device")) for sample in found} == {("ok", "cuda")}
    assert {sample.also["gpu"] for sample in found} == {"0", "1"}
    of = {sample.also["pid"]: sample.also["gpu"] for sample in found}
    assert len(of) <= 5 < len(trials)  # two, and another in place of the one that failed (or more: it starts slowly)
    assert all(of[sample.also["pid"]] == sample.also["gpu"] for sample in found)


@pytest.mark.parametrize("per_gpu", range(1, 13))
def test_as_many_trainings_as_asked_for_share_a_gpu_of_a_cluster(
    task: ImageClassification, monkeypatch: pytest.MonkeyPatch, per_gpu: int
) -> None:
    ray = pytest.importorskip("ray")
    engine: Any = open_engine("ray", task, device="cuda", per_gpu=per_gpu)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 100.0, "GPU": 2.0})
    assert engine._room() == 2 * per_gpu
    assert per_gpu * round(10_000 * engine._resources["num_gpus"]) <= 10_000


def test_several_trainings_share_a_gpu(task: ImageClassification, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for device, workers, expected in (
        ("cuda", None, ["cuda:0"] * 3 + ["cuda:1"] * 3),
        ("cuda", 3, ["cuda:0", "cuda:0", "cuda:1"]),
        ("cuda:1", None, ["cuda:1"] * 3),
    ):
        engine = open_engine("processes", task, device=device, workers=workers, per_gpu=3)
        setups = engine._pool._setups  # type: ignore[attr-defined]
        assert sorted(setup.device for setup in setups) == expected
        assert all(setup.cores is None for setup in setups)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_engines_of_a_machine_take_apples_gpu(task: ImageClassification, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    for device in ("mps", "auto"):
        there: Any = open_engine("processes", task, device=device)
        assert [setup.device for setup in there._pool._setups] == ["mps"]
        here: Any = open_engine("in-process", task, device=device)
        assert here._device == "mps"


def test_an_engine_that_cannot_be_is_refused(task: ImageClassification) -> None:
    with pytest.raises(EvaluationError, match="in-process"):
        open_engine("threads", task)
    with pytest.raises(EvaluationError, match="workers"):
        open_engine("processes", task, workers=0)
    with pytest.raises(EvaluationError, match="per_gpu"):
        open_engine("processes", task, per_gpu=0)
    pytest.importorskip("ray")
    for device in ("mps", "cuda:1", "gpu"):
        with pytest.raises(EvaluationError, match="on a Ray cluster must be auto, cpu or cuda, as"):
            open_engine("ray", task, device=device)
    for engine in ("processes", "in-process"):
        with pytest.raises(DeviceError, match="no device is called 'gpu'"):
            open_engine(engine, task, device="gpu")
