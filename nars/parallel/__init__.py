"""Work for the cores and GPUs of one machine: persistent processes that share data and survive one another's death."""

from nars.parallel.cores import usable_cores
from nars.parallel.devices import AUTO, DeviceError, describe_device, resolve_device, worker_devices
from nars.parallel.interrupts import interrupts_blocked
from nars.parallel.memory import memory_limit
from nars.parallel.pool import Failure, Pool, PoolError, without_program, worker_setups
from nars.parallel.sharing import put_together, take_apart
from nars.parallel.threads import torch_threads
from nars.parallel.worker import Report, WorkerSetup

__all__ = [
    "AUTO",
    "DeviceError",
    "Failure",
    "Pool",
    "PoolError",
    "Report",
    "WorkerSetup",
    "describe_device",
    "interrupts_blocked",
    "memory_limit",
    "put_together",
    "resolve_device",
    "take_apart",
    "torch_threads",
    "usable_cores",
    "without_program",
    "worker_devices",
    "worker_setups",
]
