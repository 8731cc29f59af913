"""Wall-clock time of one batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import nn

from nars.parallel import torch_threads


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
