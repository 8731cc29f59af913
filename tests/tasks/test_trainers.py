"""Trainers of a user's own: what they may say, and what becomes of those that do something else."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trainer_tasks import F1, HERE, command, function, trial_of

from nars.evaluate import Engine, Limits, evaluate_trial, open_engine
from nars.store import Sample, SampleStore
from nars.tasks import Task
from nars.tasks.task import TaskError


def run(task: Task, *, epochs: int = 3, limits: Limits = Limits(), **settings: Any) -> Sample:  # noqa: B008  # frozen
    return evaluate_trial(trial_of(task, epochs=epochs, **settings), task, limits)


def gone(pid: int) -> bool:
    """Whether a process has ended, or does within three seconds."""
    for _ in range(150):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


# ---- what is right


def test_both_forms_measure_the_same_and_keep_what_else_they_say(tmp_path: Path) -> None:
    by_function, by_command = run(function()), run(command())
    assert by_function.curve == by_command.curve
    kept = {"loss": pytest.approx(1 / 3), "device": "cpu", "good": True}
    assert by_function.also == by_command.also == kept
    assert by_function.fidelity == "f1 of trainers:learn, 3 epochs"
    store = SampleStore(tmp_path)
    store.append([by_function])
    assert store.samples() == (by_function,)


@pytest.mark.parametrize(
    ("name", "epochs", "curve", "also"),
    [
        ("single", 1, (0.1,), {}),
        ("listed", 3, (0.1, 0.1, 0.1), {}),
        ("anything", 1, (0.1,), {"words": "device epochs seed settings"}),
    ],
)
def test_a_function_may_say_it_in_several_ways(name: str, epochs: int, curve: Any, also: Any) -> None:
    sample = run(function(name), epochs=epochs)
    assert (sample.status, sample.message, sample.curve, sample.also) == ("ok", "", curve, also)


@pytest.mark.parametrize("form", [function, command])
def test_who_yields_is_told_of_the_whole_training_and_stopped(form: Callable[..., Any], tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    task = form("forever") if form is function else form()
    sample = run(replace(task, epochs=9), epochs=2, trainer="forever", log=log)
    assert (sample.status, sample.message, sample.curve) == ("ok", "", (0.1, 0.1))
    assert sample.fidelity.endswith(", 2 of 9 epochs")
    if form is function:
        assert Path(log).read_text(encoding="utf-8") == "closed"


def test_a_command_may_save_after_its_last_epoch_and_keeps_what_it_saved(tmp_path: Path) -> None:
    log = tmp_path / "log"
    task = command(out=str(tmp_path / "trainings"))
    sample = run(task, trainer="stubborn", log=str(log))
    assert (sample.status, log.read_text()) == ("ok", "saved")
    kept = json.loads((tmp_path / "trainings" / sample.key / "settings.json").read_text())
    assert kept == dict(sample.record)


def test_settings_arrive_whole_and_placeholders_are_one_word_each(tmp_path: Path) -> None:
    script = tmp_path / "a b's.py"
    script.write_text("import json, sys\nprint(json.dumps({'epoch': 1, 'f1': 1, 'words': json.dumps(sys.argv[1:])}))")
    odd = tmp_path / "out of; $HOME"
    words = '--s={settings} {{seed}} "{seed} {device}" \'$HOME; {"a": {"b": 1}}\''
    sample = run(command(f'{sys.executable} "{script}" {words}', out=str(odd)), epochs=1)
    assert json.loads(str(sample.also["words"])) == [
        f"--s={odd / sample.key / 'settings.json'}", "{seed}", "0 cpu", '$HOME; {"a": {"b": 1}}'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("device", "seen", "expected"), [("cuda:1", "", "1"), ("cuda:1", "4,6", "6"), ("cpu", "4,6", "4,6")]
)
def test_a_command_sees_the_gpu_that_it_is_to_use(
    device: str, seen: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    script = tmp_path / "gpu.sh"
    script.write_text("""printf '{"epoch": 1, "f1": 1, "gpu": "%s %s"}' "$CUDA_VISIBLE_DEVICES" "$1"\n""")
    task = command(f"sh {script} {{device}} {{settings}}")
    sample = evaluate_trial(trial_of(task, epochs=1), task, device=device)
    assert sample.also == {"gpu": f"{expected} {device.partition(':')[0]}"}, sample.message


# ---- what is wrong with one training


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("dies", "error", "RuntimeError: shapes differ"),
        ("mistaken", "error", r": no setting 'levels'; the space has .*level.*; did you mean level\?"),
        ("leaves", "error", r"ended the program \(exit code 3\); raise an error instead"),
        ("greedy", "out_of_memory", ""),
        ("nothing", "error", "gives the f1 after each epoch, got None: return or yield it"),
        ("text", "error", "after each of its 3 epochs, got 1"),
        ("truth", "error", "after each of its 3 epochs, got 1"),
        ("few", "error", "after each of its 3 epochs, got 1 of them: yield each, or return them all as a list"),
        ("long", "error", "after each of its 3 epochs, got 9"),
        ("nan", "diverged", "the f1 after epoch 1 is nan"),
        ("outside", "error", "the f1 must be between 0 and 1; got 1.5"),
        ("from_zero", "error", "epochs are counted from 1, each said once; after epoch 0 comes 1, got 0"),
    ],
)
def test_what_a_function_does_wrong_is_a_failure_with_its_rule(name: str, status: str, says: str) -> None:
    sample = run(function(name), limits=Limits(gigabytes=0.3))
    assert (sample.status, sample.value) == (status, None), sample.message
    assert re.search(says, sample.message)
    assert sample.curve == ((0.5,) if name == "outside" else ())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("text", "the f1 after each epoch is a number; after epoch 1 got '0.9'"),
        ("truth", "is a number; after epoch 1 got True"),
        ("other", r"gives the f1 after each epoch, as 'f1' or 'metric'; after epoch 1 it gave \[.*'loss'\]"),
        ("deep", r"'parts' after epoch 1 must be a number, a truth value or text.* got \[1, 2\]"),
    ],
)
def test_what_a_single_epoch_may_not_say(name: str, says: str) -> None:
    for task, trainer in ((function(name), name), (command(), name)):
        sample = run(task, epochs=1, trainer=trainer)
        assert sample.status == "error"
        assert re.search(says, sample.message), sample.message


@pytest.mark.parametrize(
    ("name", "status", "curve", "says"),
    [
        ("dies", "error", (), "exit code 1 in epoch 1 of 3: .*RuntimeError: shapes differ$"),
        ("hangs", "timeout", (0.5,), "stopped after 1 s, in epoch 2 of 3"),
        (
            "garbage",
            "error",
            (),
            r"must print a JSON line after each of its 3 epochs, such as {.*}; it ended after 0 of them; .*'loss 1999 ",
        ),
        ("leaves", "error", (), "exit code 3 in epoch 1 of 3; it wrote nothing to its error stream$"),
        ("few", "error", (0.5,), r'such as {"epoch": 2, "f1": 0\.5}; it ended after 1 of them; the last line'),
        ("nan", "diverged", (), "the f1 after epoch 1 is nan"),
        ("outside", "error", (0.5,), "the f1 must be between 0 and 1; got 1.5"),
        ("exits", "error", (), r"exit code 3 in epoch 1 of 3: \.\.\..*no such layer: conv7$"),
        ("killed", "error", (), r"ended with SIGKILL \(out of memory\?\) in epoch 1 of 3; it wrote nothing"),
        ("exit_137", "out_of_memory", (), "out of memory: the command ended with exit code 137"),
        ("greedy", "out_of_memory", (), "out of memory: the command ended with exit code 1: .*MemoryError"),
        ("huge_line", "ok", (0.5,) * 3, "^$"),
        ("not_utf8", "ok", (0.5,) * 3, "^$"),
    ],
)
def test_what_a_command_does_wrong_is_a_failure_with_its_rule(name: str, status: str, curve: Any, says: str) -> None:
    limits = Limits(seconds=1.0) if name == "hangs" else Limits(gigabytes=0.3)
    sample = run(command(), trainer=name, limits=limits)
    assert (sample.status, sample.curve) == (status, curve), sample.message
    assert re.search(says, sample.message), sample.message


# ---- nothing outlives anything


def test_what_a_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    start = time.monotonic()
    sample = run(command(), trainer="leaves_children", log=str(log))
    assert (sample.status, sample.curve) == ("ok", (0.5,) * 3)
    assert time.monotonic() - start < 10
    assert all(gone(int(pid)) for pid in log.read_text().split())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_trainer_outlives_the_process_that_wants_it(number: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import signal, sys; sys.path[:0] = sys.argv[1:]\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job inherits SIG_IGN
        "from test_trainers import command, run\n"
        f"run(command(\"sh -c 'sleep 600 & echo $$ $! > {log}; wait' {{settings}}\"))"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-c", program, HERE, *sys.path], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not (log.is_file() and log.read_text().endswith("\n")):
            assert waiting.poll() is None
            time.sleep(0.05)
        pids = list(map(int, log.read_text().split()))
        assert not any(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] == "Z" for pid in pids)
        os.kill(waiting.pid, number)
        assert all(gone(pid) for pid in pids)
        assert waiting.wait(10) != 0
    finally:
        waiting.kill()
        waiting.wait()


# ---- what cannot be a trainer at all


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (lambda: function(place="train"), r"is named as package\.module:name, e\.g\. \"train:f1\".*; got 'train'"),
        (lambda: function(place="__main__:f"), "belongs to the program itself.* put it in a module"),
        (
            lambda: function(place="no_such_module:f"),
            r"'no_such_module:f' cannot be loaded \(ModuleNotFoundError.*start nars in the folder of no_such_mod",
        ),
        (lambda: function("no_such_name"), r"cannot be loaded \(AttributeError"),
        (lambda: function("not_callable"), "must be a function, got int 3"),
        (lambda: function("wants_more"), "is given settings, epochs, seed, device, by name, but needs 'model'"),
        (lambda: function("blind"), "must take settings, what is to be trained; it takes epochs"),
        (lambda: function(epochs=0), "has 1 epoch or more; got 0"),
        (lambda: command("python train.py {setting}"), r"knows the placeholders {settings}, .*; got {setting} in"),
        (lambda: command("python train.py {epochs}"), "must hold {settings}"),
        (lambda: command("python 'train.py {settings}"), r"split into words as a shell does \(No closing quotation\)"),
        (lambda: command(" "), "is a program and what it is given"),
        (lambda: command("no-such-program {settings}"), "'no-such-program' of a trainer's command is not there"),
        (lambda: command("./trainers.py {settings}"), r"may not be run; chmod \+x \./trainers\.py"),
        (lambda: command(folder="/no/such/folder"), "which is no folder"),
    ],
)
def test_what_cannot_be_a_trainer_is_refused_before_anything_runs(task: Callable[[], Any], says: str) -> None:
    with pytest.raises(TaskError, match=says):
        task().prepare()


# ---- engines


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    # A cluster of its own, whatever other tests have started, whose workers do not give way to everything else.
    alone = {"address": "local", "_system_config": {"worker_niceness": 0}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="warning", **alone)
    yield
    ray.shutdown()


def outcomes(engine: Engine, trials: list[Any]) -> dict[str, Any]:
    found: list[Sample] = []
    engine.run(trials, on_result=found.append)
    return {sample.key: (sample.status, sample.curve, dict(sample.also)) for sample in found}


def _every_engine_agrees(name: str) -> None:
    for task in (function(), command()):
        trials = [trial_of(task, seed) for seed in range(3)] + [trial_of(task, diverges=True)]
        with open_engine(name, task, Limits(seconds=60), workers=2) as engine:
            found = outcomes(engine, trials)
        with open_engine("in-process", task) as engine:
            assert found == outcomes(engine, trials)
        assert sorted(status for status, *_ in found.values()) == ["diverged", "ok", "ok", "ok"]


def test_worker_processes_train_the_same() -> None:
    _every_engine_agrees("processes")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("cluster")
def test_workers_of_ray_train_the_same_and_say_what_is_missing(tmp_path: Path) -> None:
    _every_engine_agrees("ray")
    task = command("./gone.sh {settings}", folder=str(tmp_path))
    with open_engine("ray", task) as engine, pytest.raises(TaskError, match=r"'\./gone\.sh'.* is not there"):
        outcomes(engine, [trial_of(task)])


def test_a_function_that_hangs_is_killed_with_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nars.evaluate.engine._GRACE", 0.5)
    task = function("hangs")
    with open_engine("processes", task, Limits(seconds=1.0), workers=1) as engine:
        found = outcomes(engine, [trial_of(task)])
    assert [status for status, *_ in found.values()] == ["timeout"]


def test_a_value_of_an_unbounded_metric_may_be_anything_finite() -> None:
    task = replace(function("outside"), metric=replace(F1, low=-math.inf, high=math.inf))
    assert run(task).curve == (0.5, 1.5, 0.5)
