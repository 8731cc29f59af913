"""The engines by name."""

from __future__ import annotations

from nars.data import ImageData
from nars.evaluate.engine import Engine, InProcess
from nars.evaluate.processes import Processes
from nars.evaluate.trial import EvaluationError, EvaluationSettings
from nars.parallel import usable_cores

ENGINES = ("processes", "in-process", "ray")


def open_engine(
    name: str,
    data: ImageData,
    settings: EvaluationSettings,
    *,
    workers: int | None = None,
    per_gpu: int = 1,
    device: str = "cpu",
    address: str | None = None,
) -> Engine:
    """The engine of that name, to be used in a `with` statement.

    Args:
        name: One of `ENGINES`.
        data: Trained on by every trial; sent to each worker (or machine) once.
        settings: How to train.
        workers: How many trials at once; None is one per core (or per `settings.threads` cores), or `per_gpu` per GPU.
        per_gpu: Trials at once on one GPU, >= 1: small networks leave most of one idle.
        device: "cpu", or "cuda" for the GPUs of each machine.
        address: Of a running Ray cluster; None starts one on this machine. Only for "ray".

    Raises:
        EvaluationError: no such engine, or it cannot run here.
    """
    if workers is not None and workers < 1:
        raise EvaluationError(f"workers must be >= 1; got {workers}.")
    if per_gpu < 1:
        raise EvaluationError(f"per_gpu, trials at once on one GPU, must be >= 1; got {per_gpu}.")
    if name == "in-process":
        return InProcess(data, settings, device=device)
    if name == "processes":
        return Processes(data, settings, devices=_devices(workers, per_gpu, device, settings.threads))
    if name == "ray":
        from nars.evaluate.ray_engine import RayEngine

        return RayEngine(data, settings, address=address, workers=workers, device=device, gpu_share=1 / per_gpu)
    raise EvaluationError(f"the engine must be one of {', '.join(ENGINES)}; got {name!r}.")


def _devices(workers: int | None, per_gpu: int, device: str, threads: int) -> tuple[str, ...]:
    """The device of each worker."""
    if device == "cpu":
        return ("cpu",) * (workers or max(1, len(usable_cores()) // threads))
    import torch

    gpus = torch.cuda.device_count()
    if gpus == 0:
        raise EvaluationError(f"device is {device!r}, but torch sees no GPU here; use device cpu.")
    if device != "cuda":
        return (device,) * (workers or per_gpu)
    return tuple(f"cuda:{i % gpus}" for i in range(workers or per_gpu * gpus))
