"""Final training of several networks at once: one per core or GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nars.images import ImageData
from nars.metric import ACCURACY, Metric
from nars.network import build
from nars.parallel import (
    Failure,
    Pool,
    Report,
    device_watched,
    release_memory,
    start_device,
    worker_devices,
    worker_setups,
)
from nars.recipe import ALONE, Drawn, Online, Peers, Recipe, Teaching, TrainingSettings
from nars.space import AnyArchitecture
from nars.train.deadline import Deadline
from nars.train.member import EpochReport, train_network
from nars.train.networks import teaching_for
from nars.train.result import MemberResult, TrainError


@dataclass(frozen=True, kw_only=True)
class MemberJob:
    """One network to train."""

    name: str
    """Distinct among the jobs of a call."""
    architecture: AnyArchitecture
    recipe: Recipe
    folder: Path
    """For this training alone."""
    seed: int


def train_members(
    jobs: Sequence[MemberJob],
    data: ImageData,
    settings: TrainingSettings,
    *,
    teaching: Teaching | None = None,
    augmenting: Online | Drawn | None = None,
    peers: Peers = ALONE,
    workers: int | None = None,
    per_gpu: int = 1,
    threads: int = 1,
    metric: Metric = ACCURACY,
    deadline: Deadline | None = None,
    device: str = "cpu",
    on_epoch: Callable[[str, EpochReport], None] | None = None,
) -> dict[str, MemberResult]:
    """Train networks side by side, each as `train_network` does it and to the same weights; the first jobs start first.

    Args:
        jobs: What to train.
        data: For all of them, at any resolution; each is trained at its own.
        settings, teaching, augmenting: The same for all of them, as `train_network` takes them.
        peers: The processes that train each of them together; needs one worker.
        workers: How many at once; None is as many as fit on the cores, or `per_gpu` per GPU. One works in this process.
        per_gpu: Trainings at once on one GPU; every GPU has one before any has two.
        threads: torch threads of each training.
        metric, deadline: As `train_network` takes them.
        device: What `resolve_device` takes.
        on_epoch: Told the job's name and how it stands, in this thread.

    Returns:
        The result of each job by name, in their order.

    Raises:
        TrainError: the workers of a job died; the others are trained to their end first. Start again to resume it.
        Exception: what `train_network` raises.
    """
    devices = worker_devices(device, workers=workers, per_gpu=per_gpu, threads=threads)[: len(jobs)]
    results: dict[str, MemberResult] = {}
    failures: dict[str, str] = {}
    alike = partial(
        train_network,
        settings=settings,
        augmenting=augmenting,
        peers=peers,
        threads=threads,
        metric=metric,
        deadline=deadline,
    )
    shared = (alike, data, teaching)

    def report(job: MemberJob, value: EpochReport) -> None:
        if on_epoch is not None:
            on_epoch(job.name, value)

    def fail(job: MemberJob, failure: Failure) -> None:
        failures[job.name] = failure.message

    def keep(job: MemberJob, result: MemberResult) -> None:
        results[job.name] = result

    if len(devices) <= 1:
        for job in jobs:
            keep(job, _train(job, shared, devices[0], partial(report, job)))
    else:
        for job in jobs:  # once, for all workers
            own = data.at(job.architecture.resolution)
            if teaching is not None and teaching.renders is not None:
                own.rendered(teaching.renders)
        setups = worker_setups(devices, threads=threads)
        with Pool(_train, shared, setups=setups) as pool:
            pool.run(jobs, on_result=keep, on_failure=fail, on_report=report)
    if failures:
        listed = "; ".join(f"{name}: {message}" for name, message in failures.items())
        raise TrainError(f"not every network could be trained ({listed}). Start again to go on from their checkpoints.")
    return {job.name: results[job.name] for job in jobs}


def _train(
    job: MemberJob,
    shared: tuple[Callable[..., MemberResult], ImageData, Teaching | None],
    device: str,
    on_epoch: Report,
) -> MemberResult:
    """A job, here or in a worker."""
    start_device(device)
    (train, data, teaching), recipe = shared, job.recipe
    model = build(job.architecture, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, seed=job.seed)
    at = data.seen_by(job.architecture)
    with device_watched(device):
        result = train(
            model,
            recipe,
            at,
            folder=job.folder,
            seed=job.seed,
            device=device,
            teaching=teaching_for(job.architecture, teaching, data),
            on_epoch=on_epoch,
        )
    release_memory(device)
    return result
