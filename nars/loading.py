"""Loading large libraries in less time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import inside without looking for garbage: hundreds of thousands of objects appear, and all of them stay.

    A fifth of the time that loading torch and timm takes. What was loaded is not looked through later either.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
