"""Several small networks on one GPU: by which way do they train fastest together?

Command:  python scripts/bench_together.py            (--rehearse tries the script itself, on the CPU and in small)
Cost:     about two minutes on one GPU; nothing without one, which it says
Expected: images per second of all networks together, by way; the last line is one JSON object, {"gpu": null} without
Method:   eight networks of one architecture, with weights and learning rates of their own, take steps of forward,
          backward and SGD with momentum in bfloat16 on images that are on the GPU. One after another; in turn on eight
          streams; in eight processes; stacked by torch.func (one grouped convolution for all); as captured CUDA graphs,
          one after another and on eight streams. The best of three turns each, after one that warms up. The stacked
          networks compute in TF32, channels first: torch.func has neither autocast nor channels last in backward.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

from nars.network import build
from nars.parallel import describe_device, release_memory
from nars.space import Bounds, load_space, sobol


@dataclass(frozen=True, kw_only=True)
class Case:
    """What trains."""

    space: str
    flops: float
    batch: int
    networks: int = 8
    steps: int = 40


CASES = (
    Case(space="digits", flops=0.3e6, batch=64),
    Case(space="cifar10", flops=2e6, batch=64),
    Case(space="cifar10", flops=4e6, batch=256),
)
REHEARSAL = (Case(space="digits", flops=0.3e6, batch=8, networks=2, steps=3),)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="try the script itself, on the CPU and in small")
    arguments = parser.parse_args()
    if not (arguments.rehearse or torch.cuda.is_available()):
        print("torch sees no GPU here, so there is nothing to measure; --rehearse tries the script itself on the CPU")
        print(json.dumps({"gpu": None}))
        return 0
    device = "cpu" if arguments.rehearse else "cuda"
    found: dict[str, dict[str, Any]] = {}
    for case in REHEARSAL if arguments.rehearse else CASES:
        name = f"{case.networks} x {case.space} {case.flops / 1e6:g}M, batch {case.batch}"
        found[name] = dict(measured(case, device))
        Console().print(table(name, found[name]))
    print(json.dumps({"gpu": None if arguments.rehearse else describe_device(device), "images_per_second": found}))
    return 0


def table(name: str, rates: dict[str, Any]) -> Table:
    shown = Table("way", "images/s", "ratio", title=name)
    first = rates["one after another"]
    for way, rate in rates.items():
        number = isinstance(rate, float)
        shown.add_row(way, f"{rate:,.0f}" if number else str(rate)[:50], f"{rate / first:.2f}" if number else "")
    return shown


def measured(case: Case, device: str) -> Iterator[tuple[str, Any]]:
    """Images per second by way; the error where one fails."""
    ways: dict[str, Callable[[Case, str], float]] = {"one after another": in_turn, "stacked": stacked}
    if device == "cuda":
        ways |= {"in turn on streams": on_streams, "graphs": graphs, "graphs on streams": graphs_on_streams}
        ways["graphs in processes"] = partial(in_processes, graph=True)
    ways["in processes"] = in_processes
    for name, way in ways.items():
        try:
            found: Any = round(way(case, device), 1)
        except Exception as error:  # one way failing is a finding
            found = f"{type(error).__name__}: {error}"
        print(f"{name}: {found}", file=sys.stderr, flush=True)
        yield name, found
        release_memory(device)


# The networks, and one step of one of them.


def network(case: Case, seed: int, device: str) -> nn.Module:
    space = load_space(case.space)
    X = sobol(space, 1, seed=0, bounds=Bounds({"flops": (0.8 * case.flops, 1.2 * case.flops)}))
    (architecture,) = space.architectures(X)
    return build(architecture, seed=seed).to(device).to(memory_format=torch.channels_last).train()


def batch_of(case: Case, device: str) -> tuple[Tensor, Tensor]:
    (architecture,) = load_space(case.space).architectures(sobol(load_space(case.space), 1, seed=0))
    shape = (case.batch, architecture.in_channels, architecture.resolution, architecture.resolution)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
    return images.to(memory_format=torch.channels_last), torch.arange(case.batch, device=device) % architecture.classes


class Training:
    """A network, its optimizer, and its step."""

    def __init__(self, case: Case, seed: int, device: str, images: Tensor, labels: Tensor) -> None:
        self.model, self.images, self.labels = network(case, seed, device), images, labels
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01 * (1 + seed), momentum=0.9)

    def step(self) -> None:
        """Forward, backward, SGD."""
        self.optimizer.zero_grad(set_to_none=False)
        with torch.autocast(self.images.device.type, torch.bfloat16):
            loss = functional.cross_entropy(self.model(self.images), self.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


def trainings(case: Case, device: str) -> list[Training]:
    images, labels = batch_of(case, device)
    return [Training(case, seed, device, images, labels) for seed in range(case.networks)]


def rate(case: Case, step: Callable[[], None], device: str, *, networks: int | None = None) -> float:
    """Images per second of `step`, one of every network."""
    best = 0.0
    for turn in range(4):
        wait_for(device)
        start = time.perf_counter()
        for _ in range(case.steps if turn else 3):
            step()
        wait_for(device)
        if turn:
            best = max(best, case.steps / (time.perf_counter() - start))
    return best * case.batch * (case.networks if networks is None else networks)


def wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


# The ways.


def in_turn(case: Case, device: str) -> float:
    every = trainings(case, device)

    def step() -> None:
        for one in every:
            one.step()

    return rate(case, step, device)


def on_streams(case: Case, device: str) -> float:
    every = [(one, stream()) for one in trainings(case, device)]
    torch.cuda.synchronize()

    def step() -> None:
        for one, own in every:
            with torch.cuda.stream(own):
                one.step()

    return rate(case, step, device)


def in_processes(case: Case, device: str, *, graph: bool = False) -> float:
    """All start their steps together; the sum of their rates, measured while all of them work."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(case.networks)
    ends = [context.Pipe(duplex=False) for _ in range(case.networks)]
    processes = [
        context.Process(target=process, args=(case, seed, device, graph, barrier, give))
        for seed, (_, give) in enumerate(ends)
    ]
    for one in processes:
        one.start()
    rates = [take.recv() if take.poll(120) else 0.0 for take, _ in ends]
    for one in processes:
        one.join()
    return float(sum(rates))


def process(case: Case, seed: int, device: str, graph: bool, barrier: Any, give: Connection) -> None:
    torch.set_num_threads(1)
    training = Training(case, seed, device, *batch_of(case, device))
    step = captured(training).replay if graph else training.step
    for _ in range(5):
        step()
    wait_for(device)
    barrier.wait()
    start = time.perf_counter()
    for _ in range(3 * case.steps):
        step()
    wait_for(device)
    give.send(3 * case.steps * case.batch / (time.perf_counter() - start))
    barrier.wait()


def stacked(case: Case, device: str) -> float:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    images, labels = batch_of(case, device)
    images = images.contiguous()
    models = [network(case, seed, device).to(memory_format=torch.contiguous_format) for seed in range(case.networks)]
    base = models[0]
    weights, buffers = stack_module_state(models)
    weights = {name: value.detach() for name, value in weights.items()}
    momentum = {name: torch.zeros_like(value) for name, value in weights.items()}
    rates = torch.tensor([0.01 * (1 + seed) for seed in range(case.networks)], device=device)

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional.cross_entropy(functional_call(base, (weights, buffers), (images,)), labels)

    gradients = vmap(grad_and_value(loss), randomness="different")

    def step() -> None:
        found, _ = gradients(weights, buffers)
        names = list(weights)
        torch._foreach_mul_([momentum[name] for name in names], 0.9)
        torch._foreach_add_([momentum[name] for name in names], [found[name] for name in names])
        for name in names:
            weights[name].sub_(rates.view(-1, *[1] * (weights[name].ndim - 1)) * momentum[name])

    return rate(case, step, device)


def stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


def captured(training: Training) -> torch.cuda.CUDAGraph:
    """A step as one graph."""
    aside = stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(4):
            training.step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        training.step()
    return graph


def graphs(case: Case, device: str) -> float:
    every = [captured(one) for one in trainings(case, device)]

    def step() -> None:
        for graph in every:
            graph.replay()

    return rate(case, step, device)


def graphs_on_streams(case: Case, device: str) -> float:
    every = [(captured(one), stream()) for one in trainings(case, device)]
    torch.cuda.synchronize()

    def step() -> None:
        for graph, own in every:
            with torch.cuda.stream(own):
                graph.replay()

    return rate(case, step, device)


if __name__ == "__main__":
    sys.exit(main())
