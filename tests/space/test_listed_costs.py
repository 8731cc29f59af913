"""Costs of listed candidates in spaces of any size, against the lists they were made from."""

from __future__ import annotations

import gzip
import hashlib
import math
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nars.space import (
    Bounds,
    ListedCostTable,
    Space,
    SpaceError,
    SpaceWarning,
    cost_range,
    load_space,
    parse_document,
    read_space,
    space_files,
)


def space_of(columns: int, choices: int) -> Space:
    words = ", ".join(f"w{number}" for number in range(choices))
    lines = [f"  c{column:02}: [{words}]" for column in range(columns)]
    return read_space(parse_document("name: large\nkind: generic\narchitecture:\n" + "\n".join(lines), source="large"))


def rows(space: Space, n: int, seed: int = 0) -> np.ndarray:
    return np.unique(np.random.default_rng(seed).integers(space.cardinalities, size=(n, len(space.dimensions))), axis=0)


@pytest.mark.parametrize(("columns", "choices"), [(3, 4), (28, 3), (28, 9), (40, 7), (62, 2), (63, 2), (200, 11)])
def test_every_listed_row_has_its_costs(columns: int, choices: int) -> None:
    """Up to 200 choices of 11: 10^208 combinations."""
    space = space_of(columns, choices)
    X = np.random.default_rng(1).permutation(rows(space, 3000))
    listed, others = X[: len(X) * 2 // 3], X[len(X) * 2 // 3 :]
    known = {tuple(row) for row in listed.tolist()}
    costs = {"flops": np.arange(len(listed)) + 0.25, "params": np.random.default_rng(2).random(len(listed))}
    table = ListedCostTable.from_rows(space, listed, costs)
    for made in (table, pickle.loads(pickle.dumps(table))):
        found = made.lookup(listed[::-1])
        assert all(np.array_equal(found[name], costs[name][::-1]) for name in costs)
        assert made.fingerprint == table.fingerprint
    assert {tuple(row) for row in table.rows.tolist()} == known
    for row in others[:50]:
        if tuple(row.tolist()) not in known:
            with pytest.raises(SpaceError, match="lacks 1 of 1 candidates"):
                table.lookup(row[None])
    reordered = ListedCostTable.from_rows(space, listed[::-1], {name: v[::-1] for name, v in costs.items()})
    assert reordered.fingerprint == table.fingerprint
    changed = ListedCostTable.from_rows(space, listed, costs | {"flops": costs["flops"] + 1})
    assert changed.fingerprint != table.fingerprint
    low, high = cost_range(space.with_table(table))["flops"]
    assert (low, high) == (0.25, len(listed) - 0.75)


def test_last_of_equal_rows_counts() -> None:
    space = space_of(70, 2)
    X = np.repeat(rows(space, 5), 2, axis=0)
    table = ListedCostTable.from_rows(space, X, {"size": np.arange(len(X), dtype=float)})
    assert table.lookup(X[::2])["size"].tolist() == list(range(1, len(X), 2))


def test_a_list_has_the_fingerprint_of_the_array_that_it_could_be() -> None:
    """Spaces whose tables were arrays over all combinations are still the same spaces."""
    space = space_of(8, 5)
    X = rows(space, 700)
    costs = {"size": np.arange(len(X)) * 1.5, "other": np.ones(len(X))}
    for columns in (tuple(range(8)), (1, 3, 4), (7, 2)):
        table = ListedCostTable.from_rows(space, X, costs, columns=columns)
        shape = (5,) * len(columns)
        digest = hashlib.sha256(repr((columns, shape)).encode())
        for name in sorted(costs):
            array = np.full(shape, np.nan)
            array[tuple(X[:, columns].T)] = costs[name]
            digest.update(name.encode() + array.tobytes())
            assert np.array_equal(table.lookup(X)[name], array[tuple(X[:, columns].T)])
        assert table.fingerprint == digest.hexdigest()[:16]


def test_a_file_of_costs_for_28_choices(tmp_path: Path) -> None:
    """104,485,552,128 combinations and more: the file is as large as what it lists."""
    lines = [f"  c{column:02}: {[1, 2, 3] if column % 3 else [1, 2, 4, 8]}" for column in range(28)]
    head = "name: own\nkind: generic\narchitecture:\n" + "\n".join(lines)
    plain = read_space(parse_document(head, source="own"))
    assert math.prod(plain.cardinalities.tolist()) > 1e11
    X = rows(plain, 400)
    flops = np.random.default_rng(3).integers(10**6, 10**9, len(X))
    pd.DataFrame(plain.to_records(X)).assign(flops=flops).to_csv(tmp_path / "costs.csv", index=False)
    (tmp_path / "own.yaml").write_text(head + "\ncosts: costs.csv\n")
    space = load_space(tmp_path / "own.yaml")
    assert isinstance(space.table, ListedCostTable)
    assert space.costs(X)["flops"].tolist() == flops.tolist()
    other = X[:1].copy()
    other[0, :14] = (other[0, :14] + 1) % plain.cardinalities[:14]
    with pytest.raises(SpaceError, match=r"own: the table of costs lacks 1 of 1 candidates \(\d+ are listed\).* c00 "):
        space.costs(other)


CONDITIONAL = """
name: own
kind: generic
architecture: {depth: [1, 2]}
recipe:
  optimizer: [sgd, adam]
  momentum: {choices: [0.8, 0.9], when: {optimizer: [sgd]}}
  lr: {low: 0.001, high: 0.1, count: 30, scale: log}
costs: costs.csv
"""


def test_a_packed_file_of_costs_is_kept_with_the_space(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: g\nkind: generic\narchitecture: {a: [1, 2]}\ncosts: c.csv.gz\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"a,flops\n1,10\n2,20\n"))
    space = load_space(tmp_path / "mine.yaml")
    for name, content in space_files(space, "space.yaml").items():
        (tmp_path / name).write_bytes(content)
    assert load_space(tmp_path / "space.yaml").fingerprint == space.fingerprint


def test_cells_of_a_file_of_costs(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CONDITIONAL)
    path = tmp_path / "costs.csv"
    path.write_text("depth;recipe.optimizer;recipe.momentum;ms\n1;sgd;0,8;1\n1;SGD;0,9;2\n1;adam;;3\n2;adam;nan;4\n")
    space = load_space(tmp_path / "own.yaml")
    X = space.from_records(
        [
            {"depth": d, "recipe.optimizer": o, "recipe.momentum": m, "recipe.lr": 0.1}
            for d, o, m in [(1, "sgd", 0.8), (1, "sgd", 0.9), (1, "adam", None), (2, "adam", 0.9)]
        ]
    )
    assert space.costs(X)["ms"].tolist() == [1, 2, 3, 4]
    for content, message in [
        (
            "depth,recipe.lr,ms\n1,0.0123,1\n2,5,1\n",
            r"2 cells that are no choices of own:\n  row 1: recipe\.lr .*nearest",
        ),
        ("depth,ms\n1,a\n2,b\n", r"2 cells that are no costs:\n  row 1: cost 'ms' is no number: 'a'\n  row 2"),
        ("depth,recipe.momentum,ms\n1,0.8,1\n", r"add a column recipe\.optimizer"),
        ("depth,depth,ms\n1,2,1\n", r"several columns called 'depth'"),
    ]:
        path.write_text(content)
        with pytest.raises(SpaceError, match=message):
            load_space(tmp_path / "own.yaml")
    path.write_text("depth,ms\n1,1\n2,2\n1,1.5\n")
    with pytest.warns(
        SpaceWarning, match="1 candidates are listed with several values of ms, the first in rows 1 and 3"
    ):
        space = load_space(tmp_path / "own.yaml")
    assert space.costs(X)["ms"].tolist() == [1.5, 1.5, 1.5, 2]


def test_no_costs_at_all_leave_bounds_nothing_to_bound() -> None:
    space = space_of(3, 3)
    assert space.costs(rows(space, 5)) == {}
    assert Bounds().admits({}, rows=4).tolist() == [True] * 4
    with pytest.raises(SpaceError, match="no cost is called 'flops'; this space has none"):
        Bounds.at_most(flops=3).admits({}, rows=4)
