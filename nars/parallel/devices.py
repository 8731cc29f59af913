"""Which device computes: the choice behind `--device`, made in one place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from nars.errors import UserError
from nars.parallel.machine import usable_cores

AUTO = "auto"
"""A GPU where there is one: cuda, else mps (Apple), else cpu."""


class DeviceError(UserError):
    """There is no such device; the message says what there is."""


def resolve_device(
    name: str,
    *,
    cuda: int | None = None,
    mps: bool | None = None,
    processes: int | None = None,
    rank: int | None = None,
) -> str:
    """The device that a name means, checked: "cpu", "cuda" (any of the GPUs), "cuda:N" or "mps".

    Several processes that train together (torchrun) get a GPU each, or the CPU.

    Args:
        name: "auto", "cpu", "cuda", "cuda:N" or "mps".
        cuda: Number of GPUs in this machine; what torch sees when None.
        mps: Whether this is a Mac with a GPU; what torch sees when None.
        processes: How many train together on this machine; torchrun's LOCAL_WORLD_SIZE, else 1, when None.
        rank: This process's number among them, from 0; torchrun's LOCAL_RANK, else 0, when None.

    Raises:
        DeviceError: no device has that name, this machine has none of it, or it has fewer than processes.
    """
    kind, colon, index = name.partition(":")
    if kind not in (AUTO, "cpu", "cuda", "mps") or (colon and not (kind == "cuda" and index.isdecimal())):
        raise DeviceError(f"no device is called {name!r}; --device takes auto, cpu, cuda, cuda:N or mps")
    if kind == "cpu":
        return name
    import torch  # takes seconds, which the CPU alone is known without

    cuda = torch.cuda.device_count() if cuda is None else cuda
    mps = torch.backends.mps.is_available() if mps is None else mps
    processes = local_processes() if processes is None else processes
    rank = int(os.environ.get("LOCAL_RANK", "0")) if rank is None else rank
    if name == AUTO:
        name = kind = "cuda" if cuda else "mps" if mps and processes == 1 else "cpu"
    if kind == "cuda":
        return _gpu(name, int(index) if index else None, cuda, processes, rank)
    if kind == "mps" and not mps:
        raise DeviceError("the device is 'mps', but torch sees no GPU of Apple's here; use --device auto or cpu")
    if kind == "mps" and processes > 1:
        raise DeviceError(f"{processes} processes cannot share the one GPU of a Mac; start one, or use --device cpu")
    return name


def _gpu(name: str, index: int | None, cuda: int, processes: int, rank: int) -> str:
    if cuda == 0:
        raise DeviceError(f"the device is {name!r}, but torch sees no GPU here; use --device auto or cpu")
    if processes > cuda:
        raise DeviceError(
            f"torchrun started {processes} processes on this machine, which has {cuda} GPU{'s' * (cuda > 1)}; each "
            f"needs its own: use --nproc-per-node {cuda}, or --device cpu"
        )
    if processes > 1:
        return f"cuda:{rank}"
    if index is not None and index >= cuda:
        raise DeviceError(f"the device is {name!r}, but the GPUs here are cuda:0 to cuda:{cuda - 1}; use one of them")
    return name


def local_processes() -> int:
    """How many processes `torchrun` has started on this machine; 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def worker_devices(
    device: str, *, workers: int | None = None, per_gpu: int = 1, threads: int = 1, gpus: int | None = None
) -> tuple[str, ...]:
    """The device of each worker that trains by itself: on "cuda" the GPUs in turn, so that each has its share.

    Args:
        device: What `resolve_device` takes.
        workers: How many; None is one for each `threads` cores, or `per_gpu` for each GPU.
        per_gpu: Workers per GPU.
        threads: Cores per worker.
        gpus: Number of GPUs in this machine; what torch sees when None.

    Raises:
        DeviceError: there is no such device.
    """
    device = resolve_device(device, cuda=gpus)
    if device == "cpu":
        return ("cpu",) * (workers or max(1, len(usable_cores()) // threads))
    if device != "cuda":
        return (device,) * (workers or per_gpu)
    if gpus is None:
        import torch

        gpus = torch.cuda.device_count()
    return tuple(f"cuda:{i % gpus}" for i in range(workers or per_gpu * gpus))


_SHARING: ContextVar[int] = ContextVar("processes that share this one's GPU", default=1)

_CONTEXT = 600 * 2**20
"""Bytes of a GPU, about, that each process takes before it computes anything: context and libraries."""


def share_device(processes: int) -> None:
    """Say, once in a process, how many such share its GPU: each then has its part of the memory.

    What one of them asks for beyond that fails for lack of memory; otherwise it would be whichever asked last, and
    whether a training has a result would depend on its neighbours.
    """
    _SHARING.set(processes)


def memory_fraction(total: int, processes: int) -> float:
    """The part of a GPU's `total` bytes that tensors of one of `processes` may take, in (0, 1]."""
    return 1.0 if processes == 1 else max(1 / processes - _CONTEXT / total, 0.5 / processes)


def device_memory(device: str) -> int | None:
    """Bytes of a GPU that this process may still take; None for devices whose memory is that of the machine."""
    if not device.startswith("cuda"):
        return None
    import torch

    index = _index_of(device)
    free, total = torch.cuda.mem_get_info(index)
    return min(free, int(total * torch.cuda.get_per_process_memory_fraction(index)))


def _index_of(device: str) -> int:
    """Which GPU; "cuda" is the current one, which not all of torch's functions know."""
    import torch

    _, _, index = device.partition(":")
    return int(index) if index else torch.cuda.current_device()


def start_device(device: str) -> None:
    """Make a GPU the current one of this process, and start what computes on it; nothing to do for others.

    The context and the libraries take seconds and gigabytes when they are first used, which are no training's.

    Args:
        device: A resolved one.

    Raises:
        DeviceError: the GPU is not fit for use, or others have left it no memory.
    """
    kind, _, index = device.partition(":")
    if kind == "cuda":
        import torch

        try:
            if index:
                torch.cuda.set_device(int(index))
            if (processes := _SHARING.get()) > 1:
                _, total = torch.cuda.mem_get_info(_index_of(device))
                torch.cuda.set_per_process_memory_fraction(memory_fraction(total, processes), _index_of(device))
            _take_a_step(device)
        except RuntimeError as error:
            raise DeviceError(
                f"{device} cannot be used ({str(error).splitlines()[0]}); end what else runs on it (nvidia-smi shows "
                f"it), or train fewer at once there (--per-gpu, --workers). The same command goes on"
            ) from error


class DeviceLostError(UserError):
    """A GPU computes nothing more for this process, whatever it is asked for, until the process ends."""


@contextmanager
def device_watched(device: str) -> Iterator[None]:
    """What is raised inside is a DeviceLostError where it has left the device unusable to this process.

    Some errors of a GPU ("device-side assert triggered", "an illegal memory access was encountered") do: all that
    comes after them in the process fails too, and says nothing of what it was to compute.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DeviceLostError) or _still_works(device):
            raise
        raise DeviceLostError(
            f"{device} failed ({str(error).splitlines()[0]}) and computes nothing more for this process. The same "
            f"command goes on from what is kept; with --engine processes one training that does this is a failed one "
            f"and the others go on"
        ) from error


def _still_works(device: str) -> bool:
    """Asked of the device, because torch says such errors in many words."""
    import torch

    if not (device.startswith("cuda") and torch.cuda.is_initialized()):  # type: ignore[no-untyped-call]
        return True
    try:
        torch.zeros((), device=device).add(1).item()
    except torch.OutOfMemoryError:
        return True
    except RuntimeError:
        return False
    return True


@cache
def _take_a_step(device: str) -> None:
    """A convolution and a matrix product, forward and backward, once in a process."""
    import torch

    images = torch.ones((2, 8, 8, 8), device=device, requires_grad=True)
    maps = torch.nn.functional.conv2d(images, torch.ones((8, 8, 3, 3), device=device))
    (maps.flatten(1) @ maps.flatten(1).T).sum().backward()  # type: ignore[no-untyped-call]


def has_bfloat16(device: str) -> bool:
    """Whether a device computes in bfloat16, not in something that passes for it: GPUs before Ampere do not."""
    if not device.startswith("cuda"):
        return True
    import torch

    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def release_memory(device: str) -> None:
    """Give back what torch keeps of a GPU's memory for later: to the next training, of other shapes, or a neighbour."""
    import torch

    if device.startswith("cuda") and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def describe_device(device: str) -> str:
    """A resolved device for people: "cpu (2 cores)", "cuda (4 x NVIDIA H100)"."""
    kind, _, index = device.partition(":")
    if kind == "cuda":
        import torch

        name = torch.cuda.get_device_name(int(index or 0))
        name = name if index else f"{torch.cuda.device_count()} x {name}"
        return f"{device} ({name}{'' if has_bfloat16(device) else '; no bfloat16, so amp is float16'})"
    if kind == "cpu":
        count = len(usable_cores())
        return f"cpu ({count} core{'s' * (count > 1)})"
    return f"{device} (Apple's GPU)"
