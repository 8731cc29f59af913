"""A user's function that trains nothing and says where it is."""

import os
from collections.abc import Iterator
from typing import Any


def where(settings: dict[str, Any], device: str) -> Iterator[dict[str, Any]]:
    marker = settings.get("fails once")
    if marker and not os.path.exists(marker):  # noqa: PTH110
        open(marker, "w", encoding="utf-8").close()  # noqa: PTH123
        from nars.parallel import DeviceLostError

        raise DeviceLostError("gone") from RuntimeError("CUDA error: device-side assert triggered")
    yield {"f1": 1.0, "pid": os.getpid(), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES", ""), "device": device}
