"""Does everything that uses a GPU work on this one, and how fast is it?

Command:  python scripts/check_gpu.py            (--rehearse tries the script itself, on the CPU and in small;
          --only CHECK ... makes some of the checks)
Cost:     at most 8 minutes on one GPU; nothing without one, which it says
Expected: every check "ok", fraction_of_limit >= 0.8; the last line is one JSON object, {"gpu": null} without a GPU
Method:   the demo runs on the GPU with four trainings on it, is killed after some of them and started again, to the
          exported family; the first round's candidates are trained again on the CPU, and the accuracies must be equal
          but for the noise of trainings. A network trains in float32, in sixteen bits, and compiled: equal losses
          within rounding. Another trains with its steps recorded and without: equal losses, and in how much less
          time; so does a fine-tuning that begins with a part of its network. Eight candidates train one after another
          and four at once. Two processes share the GPU as torchrun's would share two (by gloo: nccl wants a GPU for
          each), to the weights of one. At last a network of 400M FLOPs at batch 256, from memory, with all that the
          search's training does, against its bare forward and backward in bfloat16 and channels last; smaller batches
          where the GPU has no memory for that.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional

from nars.evaluate import open_engine
from nars.images import ImageData, load_images
from nars.images.unsplit import TEST, TRAIN, VALIDATION, array_source
from nars.network import build
from nars.parallel import describe_device, has_bfloat16, release_memory
from nars.recipe import ALONE, Augmentation, Peers, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.run import reopen_run
from nars.run.folder import RunFolder
from nars.space import AnyArchitecture, Bounds, load_space, sobol
from nars.stages.measuring import task_of, trials_for
from nars.store import Sample, SampleStore
from nars.train import MemberResult, timm_network

Figures = dict[str, Any]

RECIPE = Recipe(learning_rate=0.02, optimizer="sgd", ema=False)
"""Nothing that draws: processes that train together would draw differently."""


DRAWING = Recipe(
    learning_rate=0.02,
    optimizer="adamw",
    ema=True,
    mixup=0.4,
    cutmix=0.5,
    erasing=0.3,
    dropout=0.2,
    stochastic_depth=0.1,
    regularizer="disout",
    regularizer_rate=0.1,
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is done: on a GPU, or where the script itself is tried."""

    device: str
    compiler: str
    space: str
    """The large network's."""
    flops: float
    batch: int
    images: int
    steps: int
    """Of the large network, for each measurement."""
    options: tuple[str, ...]
    """Of the demo."""


GPU = Size(
    device="cuda:0",
    compiler="inductor",
    space="fbnetv3",
    flops=400e6,
    batch=256,
    images=1024,
    steps=30,
    options=("--per-gpu", "4"),
)
REHEARSAL = Size(
    device="cpu",
    compiler="eager",
    space="cifar10",
    flops=2e6,
    batch=32,
    images=64,
    steps=2,
    options=("--set", "collect.rounds=1", "--set", "collect.epochs=3", "--set", "final.epochs=2", "--budgets", "0.2M"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="try the script itself, on the CPU and in small")
    names = list(checks_of(Path(), REHEARSAL))
    parser.add_argument("--only", nargs="+", choices=names, metavar="CHECK", help=f"some of {', '.join(names)}")
    parser.add_argument("--peer", nargs=2, metavar=("DEVICE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(*arguments.peer)
    if not (arguments.rehearse or torch.cuda.is_available()):
        print("torch sees no GPU here, so there is nothing to check; --rehearse tries the script itself on the CPU")
        print(json.dumps({"gpu": None}))
        return 0
    size = REHEARSAL if arguments.rehearse else GPU
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nars-gpu-") as scratch:
        checks = checks_of(Path(scratch), size)
        asked = {name: check for name, check in checks.items() if name in (arguments.only or checks)}
        figures = checked(asked, size)
    failed = [name for name, found in figures.items() if found.get("check") != "ok"]
    summary = {
        "gpu": describe_device(size.device) if torch.cuda.is_available() else None,
        "seconds": round(time.perf_counter() - begin, 1),
        "failed": failed,
        **figures.pop("speed", {}),
        "checks": figures,
    }
    print(json.dumps(summary))
    return 1 if failed else 0


def checks_of(scratch: Path, size: Size) -> dict[str, Callable[[], Figures]]:
    """By name; those that need the demo come after it."""
    return {
        "speed": lambda: speed(size),
        "sixteen-bits": lambda: sixteen_bits(size),
        "recorded-steps": lambda: recorded_steps(size),
        "frozen-steps": lambda: frozen_steps(size),
        "two-processes": lambda: two_processes(scratch, size),
        "demo-killed": lambda: demo(scratch / "demo", size),
        "as-on-the-cpu": lambda: as_on_the_cpu(scratch / "demo"),
        "four-at-once": lambda: four_at_once(scratch / "demo", size),
    }


def checked(checks: dict[str, Callable[[], Figures]], size: Size) -> dict[str, Figures]:
    """What each check finds; one that raises has failed, and the others go on."""
    table, found = Table("check", "", "seconds", "what was found"), dict[str, Figures]()
    for name, check in checks.items():
        print(f"{name} ...", flush=True)
        start = time.perf_counter()
        try:
            figures = check()
        except Exception as error:  # what a GPU can fail of is what this looks for
            figures = {"check": f"{type(error).__name__}: {error}"}
        release_memory(size.device)
        found[name] = figures
        spent = time.perf_counter() - start
        print(f"{name}: {figures} ({spent:.0f} s)", flush=True)
        rest = ", ".join(f"{key} {value}" for key, value in figures.items() if key != "check")
        table.add_row(name, str(figures["check"]), f"{spent:.0f}", rest)
    Console().print(table)
    return found


def judged(good: bool, **figures: Any) -> Figures:
    return {"check": "ok" if good else "FAILED"} | figures


# The demo: killed, resumed, exported; its first round on the CPU; several trainings on one GPU.


def demo(folder: Path, size: Size) -> Figures:
    """`nars run digits` to the exported family, killed by SIGKILL when three candidates are trained."""
    device = size.device.partition(":")[0]
    command = [sys.executable, "-m", "nars", "run", "digits", "--out", str(folder), "--device", device, *size.options]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as victim:
        while len(samples(folder)) < 3 and victim.poll() is None:
            time.sleep(0.5)
        victim.send_signal(signal.SIGKILL)
    kept = {sample.key: sample.finished for sample in samples(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return judged(False, said=done.stderr[-500:])
    after = samples(folder)
    finished = {sample.key: sample.finished for sample in after}
    ok = [sample for sample in after if sample.status == "ok"]
    tested = [MemberResult.load(path).test_accuracy for path in sorted(folder.glob("training/*/result.json"))]
    models = [path.parent.name for path in sorted((folder / "family").glob("*/*.onnx"))]
    good = all(finished.get(key) == when for key, when in kept.items()) and len(ok) == len(after) and bool(models)
    return judged(
        good,
        kept_of_the_killed_run=len(kept),
        trained=f"{len(ok)} of {len(after)}",
        devices=sorted({sample.device for sample in after}),
        test_accuracies=[round(value, 1) for value in tested],
        exported=models,
        run_seconds=round(time.perf_counter() - begin),
    )


def samples(folder: Path) -> list[Sample]:
    place = RunFolder(folder).samples
    return list(SampleStore(place).samples()) if place.is_dir() else []


def as_on_the_cpu(folder: Path) -> Figures:
    """The first round's candidates again, on the CPU: in the mean as good, one by one as different as other seeds."""
    run = reopen_run(folder)
    first = [sample for sample in samples(folder) if sample.round <= 1 and sample.status == "ok"]
    X = np.array([sample.choices for sample in first], dtype=np.int64)
    there = {sample.key: sample.value for sample in first if sample.value is not None}
    trials = trials_for(run, X, epochs=run.config.collect.epochs, round=1)
    here: dict[str, float] = {}

    def keep(sample: Sample) -> None:
        if sample.value is not None:
            here[sample.key] = sample.value

    with open_engine("processes", task_of(run), device="cpu") as engine:
        engine.run(trials, on_result=keep)
    differences = np.array([there[key] - value for key, value in here.items()])
    mean, noise = float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(differences)))
    return judged(
        len(differences) == len(first) and abs(mean) <= 3.0 * noise + 0.5,
        candidates=len(differences),
        mean_difference=round(mean, 2),
        its_noise=round(noise, 2),
        largest=round(float(np.abs(differences).max()), 2),
    )


def four_at_once(folder: Path, size: Size) -> Figures:
    """Candidates of the demo with one worker, and with four on the same device."""
    run = reopen_run(folder)
    X = sobol(run.space, 12, seed=1, bounds=run.config.range)
    trials = trials_for(run, X, epochs=2)
    seconds, failed = dict[int, float](), 0
    for workers in (1, 4):
        outcomes: list[Sample] = []
        with open_engine("processes", task_of(run), device=size.device, workers=workers) as engine:
            engine.run(trials[8 : 8 + workers], on_result=lambda _: None)  # until all have started
            start = time.perf_counter()
            engine.run(trials[:8], on_result=outcomes.append)
            seconds[workers] = time.perf_counter() - start
        failed += sum(sample.status != "ok" for sample in outcomes)
    return judged(
        failed == 0,
        one_worker_seconds=round(seconds[1], 1),
        four_workers_seconds=round(seconds[4], 1),
        speedup=round(seconds[1] / seconds[4], 2),
    )


# One training: in other precisions, shared by two processes, and as fast as it can be.


def sixteen_bits(size: Size) -> Figures:
    """The losses of some steps in float32, in sixteen bits, and compiled."""
    data = digits()
    ways: dict[str, dict[str, Any]] = {
        "float32": {},
        "amp": {"amp": True},
        "amp, compiled": {"amp": True, "compiler": size.compiler},
    }
    losses = {}
    for name, way in ways.items():
        loop = small_loop(data, size.device, **way)
        losses[name] = [loop.train_epoch(max_steps=8).loss for _ in range(2)][-1]
    spread = max(losses.values()) - min(losses.values())
    return judged(
        math.isfinite(spread) and spread < 0.05 * losses["float32"],
        **{f"loss {name}": round(loss, 4) for name, loss in losses.items()},
        bfloat16=has_bfloat16(size.device),
    )


def recorded_steps(size: Size) -> Figures:
    """The losses of a training that draws as much as it can, with its steps recorded and without, and their time."""
    data = digits()
    losses, milliseconds = dict[bool, list[float]](), dict[bool, float]()
    for record in (True, False):
        with exact_arithmetic():
            loop = small_loop(data, size.device, recipe=DRAWING, record=record)
            losses[record] = [loop.train_epoch(max_steps=12).loss for _ in range(2)]
        loop = small_loop(data, size.device, amp=True, record=record)
        loop.train_epoch(max_steps=6)
        seconds = timed(lambda loop=loop: loop.train_epoch(max_steps=10), torch.device(size.device))  # type: ignore[misc]
        milliseconds[record] = round(1e3 * seconds / 10, 2)
    apart = max(abs(one - other) for one, other in zip(losses[True], losses[False], strict=True))
    return judged(
        apart < 1e-3,
        loss=round(losses[False][-1], 4),
        largest_difference=f"{apart:.1e}",
        step_ms=milliseconds[False],
        recorded_step_ms=milliseconds[True],
    )


def frozen_steps(size: Size) -> Figures:
    """As above, of a fine-tuning that begins with a part of a timm network: its steps are recorded twice."""
    data = load_images("digits", resolution=32, validation_fraction=0.25, seed=0)
    settings = TrainingSettings(schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=64)
    apart, found = 0.0, Figures()
    for part in ("features", "early"):
        recipe = Recipe(learning_rate=2e-4, optimizer="adamw", ema=True, freeze=part, freeze_share=0.5, layer_decay=0.8)
        losses = dict[bool, list[float]]()
        for record in (True, False):
            with exact_arithmetic():
                model = timm_network("lcnet_050", data, recipe=recipe, seed=0)
                how = replace(settings, record=record)
                loop = TrainingLoop(model, recipe, data, how, seed=0, device=size.device)
                losses[record] = [loop.train_epoch().loss for _ in range(2)]
        apart = max(apart, *(abs(one - other) for one, other in zip(losses[True], losses[False], strict=True)))
        found[f"loss of freeze: {part}"] = " and then ".join(f"{loss:.4f}" for loss in losses[False])
    return judged(apart < 5e-3, largest_difference=f"{apart:.1e}", **found)


def exact_arithmetic() -> AbstractContextManager[None]:
    """Float32 with all of its digits, which rounding alone then changes; convolutions lack some by default."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def digits() -> ImageData:
    return load_images("digits", resolution=16, validation_fraction=0.25, seed=0)


def small_loop(
    data: ImageData, device: str, *, recipe: Recipe = RECIPE, peers: Peers = ALONE, **way: Any
) -> TrainingLoop:
    space = load_space("digits", classes=10, in_channels=1)
    (architecture,) = space.architectures(sobol(space, 1, seed=0))
    settings = TrainingSettings(
        schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=64, augmentation=Augmentation(flip=False)
    )
    model = build(architecture, seed=0, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth)
    return TrainingLoop(model, recipe, data, replace(settings, **way), seed=0, device=device, peers=peers)


def two_processes(scratch: Path, size: Size) -> Figures:
    """The weights of two processes on one device after some steps, against those of one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    file = scratch / "together.pt"
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--peer", size.device, str(file)],
            env=os.environ | together | {"RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    if any(process.returncode for process in processes):
        return judged(False, said=" ".join(said)[-500:])
    with exact_arithmetic():
        loop = small_loop(digits(), size.device)
        loop.train_epoch(max_steps=4)
    alone, found = loop.model.state_dict(), torch.load(file, weights_only=True)
    apart = max(float((found[name].cpu() - value.cpu()).abs().max()) for name, value in alone.items())
    return judged(apart < 1e-3, largest_difference=f"{apart:.1e}")


def peer(device: str, file: str) -> int:
    """One of the two."""
    torch.distributed.init_process_group("gloo")
    peers = Peers(torch.distributed.get_rank(), 2)
    with exact_arithmetic():
        loop = small_loop(digits(), device, peers=peers)
        loop.train_epoch(max_steps=4)
    if peers.first:
        torch.save({name: value.cpu() for name, value in loop.model.state_dict().items()}, file)
    peers.wait()
    torch.distributed.destroy_process_group()
    return 0


def speed(size: Size) -> Figures:
    """Images per second of a large network, at the largest batch that there is memory for."""
    architecture, batch = large_network(size), size.batch
    while True:
        try:
            return measured(architecture, size, batch)
        except torch.OutOfMemoryError:
            release_memory(size.device)
            batch //= 2
            if batch < 8:
                raise


def large_network(size: Size) -> AnyArchitecture:
    """The candidate nearest to the FLOPs that are asked for."""
    space = load_space(size.space, classes=100, in_channels=3)
    X = sobol(space, 64, seed=0, bounds=Bounds({"flops": (0.8 * size.flops, 1.2 * size.flops)}))
    found: AnyArchitecture
    (found,) = space.architectures(X[[np.abs(space.costs(X)["flops"] - size.flops).argmin()]])
    return found


def measured(architecture: AnyArchitecture, size: Size, batch: int) -> Figures:
    data, device = noise(architecture, max(size.images, batch)), torch.device(size.device)
    settings = TrainingSettings(schedule=Schedule(epochs=10**6, warmup_epochs=0), batch_size=batch, amp=True)
    recipe = Recipe(learning_rate=1e-3, mixup=0.2, label_smoothing=0.1)
    loop = TrainingLoop(build(architecture, seed=0), recipe, data, settings, seed=0, device=device)
    bare = build(architecture, seed=0).to(device).to(memory_format=torch.channels_last).train()
    images = torch.rand((batch, *data.train.shape[1:]), device=device).to(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    sixteen = torch.bfloat16 if has_bfloat16(size.device) else torch.float16

    def step() -> None:
        bare.zero_grad(set_to_none=False)
        with torch.autocast(device.type, sixteen):
            loss = functional.cross_entropy(bare(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]

    def train() -> None:
        for _ in range(size.steps):
            loop.train_epoch(max_steps=1)

    def limit() -> None:
        for _ in range(size.steps):
            step()

    best = {"ours": 0.0, "limit": 0.0}
    utilization = list[float]()
    for turn in range(4):  # the first warms up
        for name, work in (("ours", train), ("limit", limit)):
            with watched(utilization if name == "ours" and turn else []):
                seconds = timed(work, device)
            if turn:
                best[name] = max(best[name], size.steps * batch / seconds)
    fraction = best["ours"] / best["limit"]
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    return judged(
        fraction >= 0.8 or device.type == "cpu",
        images_per_second=round(best["ours"], 1),
        limit_images_per_second=round(best["limit"], 1),
        fraction_of_limit=round(fraction, 3),
        batch=batch,
        resolution=architecture.resolution,
        utilization=round(float(np.mean(utilization)), 1) if utilization else None,
        peak_gib=None if peak is None else round(peak, 2),
    )


def noise(architecture: AnyArchitecture, count: int) -> ImageData:
    rng, side, classes = np.random.default_rng(0), architecture.resolution, architecture.classes
    pixels = rng.integers(0, 256, (count + 2, architecture.in_channels, side, side), dtype=np.uint8)
    source = array_source(
        classes=tuple(map(str, range(classes))),
        images=torch.from_numpy(pixels),
        labels=np.arange(count + 2) % classes,
        part=np.array([TRAIN] * count + [VALIDATION, TEST], dtype=np.int8),
    )
    return load_images("noise", resolution=side, validation_fraction=0.5, seed=0, source=source)


def timed(work: Callable[[], None], device: torch.device) -> float:
    """Seconds, until the device has done it."""
    wait_for(device)
    start = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - start


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def watched(into: list[float]) -> Iterator[None]:
    """What nvidia-smi says of the GPU's utilization meanwhile, in percent; nothing where it is not there."""
    done = threading.Event()

    def look() -> None:
        query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not done.wait(0.5):
            try:
                into.append(float(subprocess.run(query, capture_output=True, text=True, check=True).stdout))
            except (OSError, ValueError, subprocess.CalledProcessError):
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


if __name__ == "__main__":
    sys.exit(main())
