"""How many threads NumPy's matrix products compute with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """NumPy's matrix products inside take one thread.

    Small ones gain little from two, and threads that wait for each other burn a core. One is also what gives equal bits
    whatever the number of cores.
    """
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through the loaded libraries, which takes a millisecond
