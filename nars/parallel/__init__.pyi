from .blas import one_blas_thread as one_blas_thread
from .cores import processor_name as processor_name, usable_cores as usable_cores
from .devices import (
    AUTO as AUTO,
    DeviceError as DeviceError,
    describe_device as describe_device,
    resolve_device as resolve_device,
    worker_devices as worker_devices,
)
from .interrupts import interrupts_blocked as interrupts_blocked
from .memory import installed_memory as installed_memory, memory_limit as memory_limit
from .pool import (
    Failure as Failure,
    Pool as Pool,
    PoolError as PoolError,
    without_program as without_program,
    worker_setups as worker_setups,
)
from .sharing import put_together as put_together, take_apart as take_apart
from .threads import torch_threads as torch_threads
from .worker import Report as Report, WorkerSetup as WorkerSetup
