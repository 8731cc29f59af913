"""Which device a name means, on machines of every kind."""

from __future__ import annotations

from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from nars.cli import main
from nars.cli.app import app
from nars.parallel import (
    DeviceError,
    DeviceLostError,
    describe_device,
    device_watched,
    resolve_device,
    share_device,
    start_device,
    usable_cores,
    worker_devices,
    worker_setups,
)
from nars.parallel.devices import _take_a_step, memory_fraction


@pytest.mark.parametrize(
    ("name", "cuda", "mps", "processes", "rank", "expected"),
    [
        ("auto", 0, False, 1, 0, "cpu"),
        ("auto", 0, True, 1, 0, "mps"),
        ("auto", 1, False, 1, 0, "cuda"),
        ("auto", 4, True, 1, 0, "cuda"),
        ("auto", 8, False, 8, 5, "cuda:5"),
        ("auto", 0, False, 8, 5, "cpu"),
        ("auto", 0, True, 2, 1, "cpu"),  # gloo has nothing for a Mac's GPU
        ("cpu", 4, True, 1, 0, "cpu"),
        ("cpu", 4, False, 8, 7, "cpu"),
        ("cuda", 2, False, 1, 0, "cuda"),
        ("cuda:1", 2, False, 1, 0, "cuda:1"),
        ("cuda", 2, False, 2, 1, "cuda:1"),
        ("mps", 0, True, 1, 0, "mps"),
    ],
)
def test_the_device(name: str, cuda: int, mps: bool, processes: int, rank: int, expected: str) -> None:
    assert resolve_device(name, cuda=cuda, mps=mps, processes=processes, rank=rank) == expected


@pytest.mark.parametrize(
    ("name", "cuda", "processes", "message"),
    [
        ("cuda", 0, 1, r"the device is 'cuda', but torch sees no GPU here; use --device auto or cpu"),
        ("cuda:2", 2, 1, r"'cuda:2', but the GPUs here are cuda:0 to cuda:1"),
        ("auto", 2, 8, r"torchrun started 8 processes .* has 2 GPUs; .* --nproc-per-node 2, or --device cpu"),
        ("cuda", 1, 2, r"has 1 GPU; .* --nproc-per-node 1, or"),
        ("mps", 1, 1, r"'mps', but torch sees no GPU of Apple's here"),
        ("gpu", 1, 1, r"no device is called 'gpu'; --device takes auto, cpu, cuda, cuda:N or mps"),
        ("cuda:x", 1, 1, r"no device is called 'cuda:x'"),
        ("cpu:0", 1, 1, r"no device is called 'cpu:0'"),
        ("", 1, 1, r"no device is called ''"),
    ],
)
def test_what_is_not_there(name: str, cuda: int, processes: int, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        resolve_device(name, cuda=cuda, mps=False, processes=processes, rank=0)
    with pytest.raises(DeviceError, match="cannot share the one GPU of a Mac"):
        resolve_device("mps", cuda=0, mps=True, processes=2, rank=0)


def test_torchrun_says_which_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert resolve_device("auto", cuda=4, mps=False) == "cuda:3"
    assert resolve_device("auto", cuda=0, mps=False) == "cpu"


def test_workers_take_the_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(usable_cores())
    assert worker_devices("cpu") == ("cpu",) * cores
    assert worker_devices("cpu", threads=cores) == ("cpu",)
    assert worker_devices("cpu", workers=3) == ("cpu",) * 3
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert worker_devices("auto", per_gpu=2) == ("cuda:0", "cuda:1", "cuda:0", "cuda:1")
    assert worker_devices("cuda", workers=3) == ("cuda:0", "cuda:1", "cuda:0")
    assert worker_devices("cuda:1", per_gpu=2) == ("cuda:1", "cuda:1")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert worker_devices("auto") == ("mps",)


@pytest.mark.parametrize(
    ("device", "gpus", "per_gpu", "workers", "jobs", "expected"),
    [
        ("cuda", 4, 1, None, 4, "0 1 2 3"),
        ("cuda", 2, 2, None, 4, "0 1 0 1"),
        ("cuda", 2, 4, None, 3, "0 1 0"),  # one on every GPU before any has two
        ("cuda", 4, 1, None, 2, "0 1"),
        ("cuda", 2, 1, 3, 4, "0 1 0"),
        ("cuda", 4, 2, 1, 4, "0"),
        ("cuda:3", 4, 2, None, 4, "3 3"),
        ("cuda", 1, 4, None, 4, "0 0 0 0"),
    ],
)
def test_members_are_spread_over_the_gpus(
    device: str, gpus: int, per_gpu: int, workers: int | None, jobs: int, expected: str
) -> None:
    found = worker_devices(device, workers=workers, per_gpu=per_gpu, gpus=gpus)[:jobs]
    assert found == tuple(f"cuda:{index}" for index in expected.split())


def test_a_worker_owns_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr("torch.cuda.set_device", done.append)
    monkeypatch.setattr("nars.parallel.devices._take_a_step", done.append)
    for device in ("cuda:3", "cuda", "cpu", "mps"):
        start_device(device)
    assert done == [3, "cuda:3", "cuda"]
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (0, 16 * 2**30))
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", lambda *limit: done.append(limit))
    setups = worker_setups(("cuda:0", "cuda:1", "cuda:0", "cpu"))
    assert [setup.sharing for setup in setups] == [2, 1, 2, 1]
    copy_context().run(lambda: (share_device(setups[0].sharing), start_device("cuda:0")))
    assert done[3:] == [0, (memory_fraction(16 * 2**30, 2), 0), "cuda:0"]


@pytest.mark.skipif(
    torch.cuda.is_available() or not torch.backends.cuda.is_built(), reason="there is a GPU, or no CUDA"
)
def test_a_gpu_that_does_not_start_says_what_to_do() -> None:
    _take_a_step("cpu")  # the step itself can be taken
    with pytest.raises(DeviceError, match=r"cuda:1 cannot be used \(.*\); end what else runs on it .*--per-gpu"):
        start_device("cuda:1")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_error_that_leaves_no_device_is_told_from_one_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(device: str) -> None:
        with device_watched(device):
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nSearch for ...")

    for device in ("cpu", "cuda:0"):  # of which nothing has been asked here yet
        with pytest.raises(RuntimeError, match="illegal memory access"):
            fail(device)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)  # as if it had worked until now
    with pytest.raises(DeviceLostError, match=r"cuda:0 failed \(CUDA error: an illegal .* encountered\) and computes"):
        fail("cuda:0")
    monkeypatch.setattr("torch.zeros", lambda *_, **__: torch.ones(()))  # as if it still did
    with pytest.raises(RuntimeError, match="illegal memory access"):
        fail("cuda:0")


def test_a_device_for_people() -> None:
    cores = len(usable_cores())
    assert describe_device("cpu") == f"cpu ({cores} core{'s' * (cores > 1)})"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "command",
    [
        "run digits --device cuda",
        "collect digits --device cuda:0",
        "train digits --device cuda",
        "train digits --model timm:resnet18 --recipe nowhere.yaml --device cuda",
        "latency digits --device cuda",
    ],
)
def test_a_gpu_that_is_not_there_is_found_first(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["nars", *command.split()])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert "torch sees no GPU here; use --device auto or cpu" in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_every_device_option_is_auto() -> None:
    found: list[tuple[str, Any]] = []
    groups: list[Any] = [typer.main.get_command(app)]
    while groups:
        for name, command in groups.pop().commands.items():
            groups += [command] if hasattr(command, "commands") else []
            found += [(name, option) for option in command.params if "--device" in option.opts]
    assert {name for name, _ in found} == {
        "run",
        "collect",
        "train",
        "transfer",
        "swap",
        "latency",
        "verify",
        "compress",
    }
    for _, option in found:
        assert option.default == "auto"
        assert option.help.startswith("auto (a GPU where there is one), cpu, cuda")
