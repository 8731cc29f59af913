"""M small networks as one: every weight has a leading member axis, so an ensemble costs one batched product per layer.

Notation: M members, N candidates, Ea / Er columns of the architecture's / recipe's encoding, S statistics.
    encoder        (N, Ea) -> hidden layers -> embedding (M, N, 24)
    proxy head     embedding -> statistics (M, N, S), linear (paper, figure 3: from the embedding alone)
    tuned          the encoder again, after it was fitted on accuracies; the proxy head stays with the pretrained one
    accuracy head  tuned embedding and recipe -> one hidden layer -> accuracy (M, N)

Predictions are NumPy's alone, so that a question to a predictor does not wait for torch; what trains the weights is in
`nars.predictors.training`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nars.arrays import Floats32

Weights = Mapping[str, Floats32]
"""Matrices "<part>.<layer>.weight" (M, in, out) and "<part>.<layer>.bias" (M, 1, out)."""

Layers = tuple[Floats32, ...]
"""Each (M, in + 1, out + 1), the last one (M, in + 1, out): a column of ones goes in and through all of them, so that a
layer is one product, its bias with it. Made by `layers_of`."""


def layers_of(part: str, weights: Weights, *, members: int | None = None) -> Layers:
    """The layers of a part, of its first `members` or of all; empty where the weights have no such part."""
    count = sum(name.startswith(f"{part}.") and name.endswith(".weight") for name in weights)
    made = []
    for number in range(count):
        pair = (weights[f"{part}.{number}.weight"], weights[f"{part}.{number}.bias"])
        matrix = np.concatenate(pair, axis=1)[:members]
        if number < count - 1:
            ones = np.zeros_like(matrix[:, :, :1])
            ones[:, -1] = 1
            matrix = np.concatenate([matrix, ones], axis=2)
        # What comes out of the layer before is twice the ReLU, see `apply_layers`; a half is exact.
        made.append(matrix * np.float32(0.5 if number else 1.0))
    return tuple(made)


def apply_layers(layers: Layers, x: Floats32) -> Floats32:
    """ReLU between layers: (N, in + 1) or (M, N, in + 1), the last column ones -> (M, N, out)."""
    for layer in layers[:-1]:
        x = np.matmul(x, layer)
        x += np.abs(x)  # twice the ReLU, in half of the time that np.maximum(x, 0) takes
    out: Floats32 = np.matmul(x, layers[-1])
    return out


def with_ones(*parts: Floats32) -> Floats32:
    """Columns side by side and a column of ones, (..., N, in + 1); parts without members are each member's."""
    widths = [part.shape[-1] for part in parts]
    shape = max((part.shape[:-1] for part in parts), key=len)
    x = np.empty((*shape, sum(widths) + 1), dtype=np.float32)
    at = 0
    for part, width in zip(parts, widths, strict=True):
        x[..., at : at + width] = part
        at += width
    x[..., -1] = 1
    return x
