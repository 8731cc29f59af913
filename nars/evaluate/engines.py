"""The engines by name."""

from __future__ import annotations

from nars.evaluate.engine import Engine, InProcess
from nars.evaluate.processes import Processes
from nars.evaluate.trial import EvaluationError, EvaluationSettings
from nars.images import ImageData
from nars.parallel import resolve_device, worker_devices

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
        device: "auto" (a GPU where there is one), "cpu", "cuda" (all GPUs of each machine), "cuda:N" or "mps".
        address: Of a running Ray cluster; None starts one on this machine. Only for "ray".

    Raises:
        EvaluationError: no such engine, or it cannot run here.
        DeviceError: no such device.
    """
    if workers is not None and workers < 1:
        raise EvaluationError(f"workers must be >= 1; got {workers}.")
    if per_gpu < 1:
        raise EvaluationError(f"per_gpu, trials at once on one GPU, must be >= 1; got {per_gpu}.")
    if name == "in-process":
        return InProcess(data, settings, device=resolve_device(device))
    if name == "processes":
        devices = worker_devices(device, workers=workers, per_gpu=per_gpu, threads=settings.threads)
        return Processes(data, settings, devices=devices)
    if name == "ray":
        from nars.evaluate.ray_engine import RayEngine

        return RayEngine(data, settings, address=address, workers=workers, device=device, gpu_share=1 / per_gpu)
    raise EvaluationError(f"the engine must be one of {', '.join(ENGINES)}; got {name!r}.")
