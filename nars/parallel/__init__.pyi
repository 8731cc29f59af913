from .copies import copying as copying
from .devices import (
    AUTO as AUTO,
    DeviceError as DeviceError,
    DeviceLostError as DeviceLostError,
    describe_device as describe_device,
    device_memory as device_memory,
    device_watched as device_watched,
    has_bfloat16 as has_bfloat16,
    local_processes as local_processes,
    release_memory as release_memory,
    resolve_device as resolve_device,
    share_device as share_device,
    start_device as start_device,
    worker_devices as worker_devices,
)
from .guarded import Ending as Ending, Guarded as Guarded
from .interrupts import interrupts_blocked as interrupts_blocked
from .machine import (
    installed_memory as installed_memory,
    memory_limit as memory_limit,
    one_blas_thread as one_blas_thread,
    processor_name as processor_name,
    torch_threads as torch_threads,
    usable_cores as usable_cores,
)
from .pool import (
    Failure as Failure,
    Pool as Pool,
    PoolError as PoolError,
    without_program as without_program,
    worker_setups as worker_setups,
)
from .sharing import put_together as put_together, take_apart as take_apart
from .worker import Report as Report, WorkerSetup as WorkerSetup
