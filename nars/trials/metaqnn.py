"""MetaQNN's plain networks: layer by layer, with a learning rate, on CIFAR-10 and on SVHN.

Baker, Gupta, Raskar & Naik 2017, "Accelerating Neural Architecture Search using Performance Prediction", arXiv
1705.10823, with the networks of Baker et al. 2017, arXiv 1611.02167: 1,000 and 1,300 of them, each trained once for 20
epochs. One space for both: 18 layers, each left out or one of 19 kinds; dropout follows from the place.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nars.errors import DataError
from nars.space import Space, parse_document, read_space
from nars.trials.trials import TrialTable, gather, with_costs

METAQNN = {"metaqnn-cifar10": "metaqnn_cifar10.csv", "metaqnn-svhn": "metaqnn_svhn.csv"}

_LAYERS = 18
_NONE = "none"
_KINDS = (
    _NONE,
    *(f"C({channels},{kernel},1)" for channels in (64, 128, 256, 512) for kernel in (1, 3, 5)),
    *("P(2,2)", "P(3,2)", "P(5,3)"),
    *("FC(128)", "FC(256)", "FC(512)"),
    "GAP(10)",
)
"""Convolution (channels, kernel, stride), pooling (size, stride), linear layer (width), global pooling (classes)."""
_RATES = (0.000026, 0.000064, 0.00016, 0.0004, 0.001)
_SIDE, _CHANNELS, _CLASSES = 32, 3, 10
_UNCHOSEN = ("D", "SM")
"""Dropout, every second layer, and the softmax at the end."""
_LAYER = re.compile(r"([A-Z]+)\([\d,]+\)")


def load_metaqnn(name: str, root: Path) -> TrialTable:
    """One of `METAQNN` from `root`/curves/: validation accuracy after 20 epochs, percent.

    Costs: the parameters as the file has them, multiply-accumulates in closed form, and the number of layers.

    Raises:
        DataError: the file is missing or of another form.
    """
    path = root / "curves" / METAQNN[name]
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        layers = [layers_of(row["net"]) for row in rows]
        rates = [_RATES.index(float(row["lr"])) for row in rows]
        accuracy = np.array([100 * float(row["acc_20"]) for row in rows])
        params = np.array([float(row["num_params"]) for row in rows])
        kinds = [[_KINDS.index(layer) for layer in one] for one in layers]
    except FileNotFoundError:
        raise DataError(f"{path} is missing; put {METAQNN[name]} there, or name its folder's parent") from None
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is not MetaQNN's table ({error!r}); download it again") from None
    space = metaqnn_space()
    X = np.zeros((len(rows), len(space.dimensions)), dtype=np.int64)
    for row, (one, rate) in enumerate(zip(kinds, rates, strict=True)):
        X[row, [space.index[f"layer{at + 1}"] for at in range(len(one))]] = one
        X[row, space.index["recipe.learning_rate"]] = rate
    costs = {
        "params": params,
        "flops": np.array([multiply_accumulates(one) for one in layers], dtype=np.float64),
        "layers": np.array([len(one) for one in layers], dtype=np.float64),
    }
    return gather(name, with_costs(space, X, costs), X, accuracy[:, None])


def metaqnn_space() -> Space:
    """The space of both tables, without costs."""
    text = {
        "name": "metaqnn",
        "kind": "generic",
        "about": "Plain networks layer by layer, with a learning rate (MetaQNN, arXiv 1611.02167).",
        "architecture": {f"layer{at + 1}": list(_KINDS) for at in range(_LAYERS)},
        "recipe": {"learning_rate": {"choices": list(_RATES), "scale": "log"}},
    }
    return read_space(parse_document(json.dumps(text), source="metaqnn"))


def layers_of(net: str) -> list[str]:
    """Its chosen layers, "C(64,3,1)" for one, in their order.

    Raises:
        ValueError: there are none.
    """
    found = [match.group(0) for match in _LAYER.finditer(net) if match.group(1) not in _UNCHOSEN]
    if not found:
        raise ValueError(f"no layers in {net!r}")
    return found


def multiply_accumulates(layers: Iterable[str]) -> int:
    """Of a network on 32 x 32 pixels in 3 channels, its classifier included; only pools change the size."""
    side, channels, total, kind = _SIDE, _CHANNELS, 0, ""
    for layer in layers:
        kind, numbers = layer[: layer.index("(")], _numbers(layer)
        if kind == "C":
            total += side**2 * numbers[1] ** 2 * channels * numbers[0]
            channels = numbers[0]
        elif kind == "P":
            side = -(-side // numbers[1])
        else:  # linear; "GAP" is a convolution to the classes and the mean of each
            total += side**2 * channels * numbers[0]
            side, channels = 1, numbers[0]
    return total if kind == "GAP" else total + side**2 * channels * _CLASSES


def _numbers(layer: str) -> Sequence[int]:
    return [int(number) for number in layer[layer.index("(") + 1 : -1].split(",")]
