"""Wall-clock time of one batch.

`python -m nars.network.timing model.onnx` prints that of an ONNX file: a runner for `nars latency --runner`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

QUIET = 0.2
"""Share of the calls that count as undisturbed: the slowest of them is the time. A neighbour only ever adds time."""


def median_milliseconds(run: Callable[[], object], *, seconds: float, warmup: int = 3, least: int = 10) -> float:
    """Median time of `run()` in milliseconds, over at least `least` calls and about `seconds` of them.

    The median, because a busy machine only ever adds time, and adds it in bursts.
    """
    for _ in range(warmup):
        run()
    times: list[float] = []
    stop = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < stop:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


def onnx_session(model: str | bytes, *, threads: int) -> Any:
    """An ONNX Runtime session on the CPU, of a file or a file's content.

    Raises:
        ImportError: the extra `onnx` is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only: it warns about absent GPUs
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnx_milliseconds(path: Path, *, threads: int = 1, repeats: int = 5, seconds: float = 0.1) -> tuple[float, ...]:
    """Time of one call of an ONNX file on zeros in ONNX Runtime on the CPU, milliseconds, measured several times.

    Args:
        path: The file; a free dimension of its inputs counts as 1.
        threads: CPU threads.
        repeats: How many times; each is that of the fastest fifth of the calls.
        seconds: How long each takes, at least ten calls.

    Raises:
        ImportError: the extra `onnx` is not installed.
    """
    session = onnx_session(str(path), threads=threads)
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    feed = {
        entry.name: np.zeros([side if isinstance(side, int) else 1 for side in entry.shape], dtype=types[entry.type])
        for entry in session.get_inputs()
    }
    found = []
    for _ in range(repeats):
        times: list[float] = []
        stop = time.perf_counter() + seconds
        while len(times) < 12 or time.perf_counter() < stop:
            start = time.perf_counter()
            session.run(None, feed)
            times.append(time.perf_counter() - start)
        found.append(1e3 * float(np.quantile(times[2:], QUIET)))  # the first two warm up
    return tuple(found)


def measure_latency(
    model: nn.Module, resolution: int, in_channels: int, *, batch: int = 1, threads: int = 1, seconds: float = 0.5
) -> float:
    """Median time of one forward pass in eager mode, on the device of the model's weights.

    Args:
        model: Any network of images; measured in eval mode, given back in the mode it came in.
        resolution: Side of the square input, pixels.
        in_channels: Channels of the input.
        batch: Images per forward pass.
        threads: CPU threads; the process-wide setting is restored afterwards.
        seconds: How long to measure, at least ten passes.

    Returns:
        Milliseconds per batch.
    """
    import torch

    from nars.parallel import torch_threads

    device = next(model.parameters()).device
    images = torch.zeros(batch, in_channels, resolution, resolution, device=device)
    mode = model.training

    def forward() -> None:
        model(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    try:
        model.eval()
        with torch_threads(threads), torch.inference_mode():
            return median_milliseconds(forward, seconds=seconds)
    finally:
        model.train(mode)


def main() -> None:
    """Print the milliseconds of the ONNX file that the command line names."""
    parser = argparse.ArgumentParser(description="Time one call of an ONNX file in ONNX Runtime on the CPU.")
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="how many times (default: %(default)s)")
    given = parser.parse_args()
    print(*(f"{value:.6f}" for value in onnx_milliseconds(given.onnx, threads=given.threads, repeats=given.repeats)))


if __name__ == "__main__":
    main()
