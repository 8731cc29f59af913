import csv
import json
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from nars.errors import StoreError, UserError
from nars.metric import Metric
from nars.search import InOrder, RandomSearch
from nars.space import load_space
from nars.store import (
    COST_CONVENTION,
    Identity,
    Merged,
    Sample,
    SampleStore,
    best_per_budget,
    check_metric,
    export_store,
    keep_space,
    kept_space,
    merge_stores,
    store_info,
)
from nars.studies import Measured, replay


def sample(number, **changes):
    fields = {
        "key": f"{number:032x}",
        "record": {"width": 8 * number, "optimizer": "sgd"},
        "choices": (number, 1),
        "costs": {"flops": 100.0 * number, "params": 7.0},
        "status": "ok",
        "value": 50.0 + number,
        "curve": (40.0 + number, 50.0 + number),
        "epochs": 2,
        "planned_epochs": 2,
        "seconds": 3.0,
        "seed": 0,
        "space": "s",
        "data": "d",
        "fidelity": "2 epochs",
        "round": number // 10,
        "finished": f"2026-01-01T00:{number:02d}",
    }
    return Sample(**(fields | changes))


def failed(number, **changes):
    return sample(number, **({"status": "timeout", "value": None, "curve": (), "message": "slow"} | changes))


def store_of(path, samples, *, together=False):
    store = SampleStore(path)
    for part in [samples] if together else [[one] for one in samples]:
        store.append(part)
    return store


# -- best per budget --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compacted", [True, False])
def test_best_per_budget_against_exhaustive_search(tmp_path, compacted):
    rng = np.random.default_rng(0)
    samples = [
        sample(n, value=float(rng.integers(50, 70)), costs={"flops": float(rng.integers(1, 50)), "params": float(n)})
        for n in range(200)
    ]
    samples += [failed(n, costs={"flops": 1.0, "params": 0.0}) for n in range(200, 220)]
    store = store_of(tmp_path, samples, together=True)
    store.append([sample(3, value=99.0, costs=samples[3].costs, finished="2027")])  # a repetition, too late to count
    if compacted:
        store.compact()
    budgets = [0.5, 1.0, 7.0, 25.0, 1e9]
    for cost in ("flops", "params"):
        for budget, best in zip(budgets, best_per_budget(store, cost=cost, budgets=budgets), strict=True):
            within = [one for one in samples if one.status == "ok" and one.costs[cost] <= budget]
            expected = min(within, key=lambda one: (-one.value, one.costs[cost], one.key)) if within else None
            assert best == expected
    with pytest.raises(StoreError, match="no cost 'latency'; it has flops, params"):
        best_per_budget(store, cost="latency", budgets=[1])


def test_a_cost_that_adds_up_to_the_budget_is_within_it(tmp_path):
    store = store_of(tmp_path, [sample(1, costs={"ms": 0.1 + 0.2}), sample(2, costs={"ms": 0.3 + 1e-9})])
    assert [best.key for best in best_per_budget(store, cost="ms", budgets=[0.3])] == [f"{1:032x}"]
    assert Measured.of(store).within({"ms": 0.3}).choices.tolist() == [[1, 1]]


def test_best_of_nothing(tmp_path):
    assert best_per_budget(SampleStore(tmp_path / "none"), budgets=[1, 2]) == (None, None)
    assert best_per_budget(store_of(tmp_path / "failed", [failed(1)]), budgets=[1e9]) == (None,)


# -- info and export --------------------------------------------------------------------------------------------------


def test_info_counts(tmp_path):
    store = store_of(
        tmp_path, [sample(1), sample(2), sample(2, finished="later"), failed(11), sample(12, fidelity="full")]
    )
    info = store_info(store)
    assert (info.rows, info.repeated, info.files, info.versions) == (4, 1, 5, (1,))
    assert info.identity == Identity(space="s", data="d", cost_convention=COST_CONVENTION)
    assert info.statuses == {"ok": 3, "timeout": 1}
    assert info.rounds == {0: 2, 1: 2}
    assert info.fidelities == {"2 epochs": 3, "full": 1}
    assert (info.best, info.best_averaged, info.seconds) == (62.0, sample(2).averaged, 12.0)
    assert info.costs == {"flops": (100.0, 1200.0), "params": (7.0, 7.0)}
    assert info.bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    empty = store_info(SampleStore(tmp_path / "none"))
    assert (empty.rows, empty.identity, empty.best, empty.seconds) == (0, None, None, 0.0)


@pytest.mark.parametrize("column", ["round", "epochs", "fidelity"])
def test_info_counts_what_an_older_file_lacks_as_it_is_read(tmp_path, column):
    store_of(tmp_path, [sample(1, round=1)])
    (file,) = tmp_path.glob("*.parquet")
    older = pq.ParquetFile(file)
    table = older.read().drop_columns([column]).replace_schema_metadata({b"nars": older.metadata.metadata[b"nars"]})
    pq.write_table(table, file)

    def counts(store):
        info = store_info(store)
        return {"round": info.rounds, "epochs": info.epochs, "fidelity": info.fidelities}[column]

    default = {"round": 0, "epochs": 0, "fidelity": ""}[column]
    assert counts(SampleStore(tmp_path)) == {default: 1}
    store_of(tmp_path, [sample(2, round=1)])
    whole = SampleStore(tmp_path)
    read = [getattr(one, column) for one in whole.samples()]
    assert sorted(read) == sorted([default, getattr(sample(2, round=1), column)])
    assert counts(whole) == Counter(read)


def test_export_to_what_other_programs_read(tmp_path):
    store = store_of(tmp_path / "store", [sample(2), failed(1), sample(12)])
    for suffix in (".parquet", ".csv", ".jsonl"):
        assert export_store(store, tmp_path / f"rows{suffix}") == 3
    frame = pd.read_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(frame, store.frame())
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["choice.width"] for row in rows] == ["8", "16", "96"]
    assert [row["accuracy"] for row in rows] == ["", "52", "62"]
    assert json.loads(rows[1]["curve"]) == [42.0, 52.0]
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["accuracy"] for line in lines] == [None, 52.0, 62.0]
    assert lines[2]["curve"] == [52.0, 62.0]
    with pytest.raises(StoreError, match=r"\.csv, .*got '.*rows\.xlsx'"):
        export_store(store, tmp_path / "rows.xlsx")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        export_store(store, tmp_path / "file" / "rows.csv")


# -- merge ------------------------------------------------------------------------------------------------------------


def test_a_compacted_store_takes_in_more(tmp_path):
    target = store_of(tmp_path / "target", [sample(1), sample(2)])
    target.compact()
    merged = merge_stores([store_of(tmp_path / "more", [sample(2), sample(3)])], SampleStore(tmp_path / "target"))
    assert merged.added == 1
    assert target.keys() == {sample(number).key for number in (1, 2, 3)}


def test_merge_takes_each_training_once(tmp_path):
    one = store_of(tmp_path / "one", [sample(1), sample(2), failed(3)])
    two = store_of(tmp_path / "two", [sample(2, finished="later", value=1.0), sample(3), sample(4)])
    target = store_of(tmp_path / "target", [sample(4), sample(5), failed(6)])
    assert merge_stores([one, two], target) == Merged(added=3, repeated=3)
    expected = (*(sample(n) for n in (1, 2, 3, 4, 5)), failed(6))
    assert target.samples() == expected
    assert merge_stores([one, two], target) == Merged(added=0, repeated=6)
    assert len(target.files()) == 4
    fresh = SampleStore(tmp_path / "fresh")
    assert merge_stores([two, one, target, SampleStore(tmp_path / "none")], fresh).added == 6
    assert fresh.samples() == expected
    assert merge_stores([SampleStore(tmp_path / "none")], fresh) == Merged(added=0, repeated=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "t"}, "share one search space, but .*one has 's' and .*two has 't'"),
        ({"data": "t"}, "share one data set"),
        ({"cost_convention": "FLOPs, two per multiply-add"}, "share one cost convention"),
        ({"costs": {"flops": 400.0, "params": 7.0}}, "has flops 200 in one and 400 in another"),
    ],
)
def test_merge_refuses_what_cannot_be_compared(tmp_path, change, message):
    one = store_of(tmp_path / "one", [sample(1), sample(2)])
    two = store_of(tmp_path / "two", [sample(2, **change)])
    target = SampleStore(tmp_path / "target")
    for sources, into in (([one, two], target), ([two], one)):
        with pytest.raises(StoreError, match=message if into is target else message.split(",")[0]):
            merge_stores(sources, into)
    assert (len(target), len(one)) == (0, 2)


# -- replay -----------------------------------------------------------------------------------------------------------


def test_merging_keeps_the_space(tmp_path):
    source = store_of(tmp_path / "a", [sample(1)])
    keep_space(source.path, load_space("digits"))
    merge_stores([store_of(tmp_path / "b", [sample(2)]), source], SampleStore(tmp_path / "all"))
    assert kept_space(tmp_path / "all").fingerprint == load_space("digits").fingerprint


def test_measured_takes_the_longest_training_and_averages_seeds(tmp_path):
    samples = [
        sample(1),
        sample(1, key="a" * 32, seed=1, value=53.0),
        sample(2, key="b" * 32, epochs=1, value=90.0, curve=(90.0,), fidelity="short"),
        sample(2),
        failed(3),
        sample(4, key="c" * 32, status="error", value=None),
        sample(4),
    ]
    pool = Measured.of(store_of(tmp_path, samples))
    assert pool.choices.tolist() == [[1, 1], [2, 1], [3, 1], [4, 1]]
    np.testing.assert_array_equal(pool.values, [52.0, 52.0, np.nan, 54.0])
    np.testing.assert_array_equal(pool.costs["flops"], [100, 200, 300, 400])
    assert pool.epochs.tolist() == [2, 2, 2, 2]
    first = Measured.of(store_of(tmp_path, []), epoch=1)
    np.testing.assert_array_equal(first.values, [41.0, 66.0, np.nan, 44.0])
    assert first.epochs.tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(first.seconds, [1.5, 2.25, 1.5, 1.5])
    with pytest.raises(StoreError, match="no successful training of 3 epochs"):
        Measured.of(SampleStore(tmp_path), epoch=3)
    with pytest.raises(StoreError, match="no successful training"):
        Measured.of(SampleStore(tmp_path / "none"))


def test_averaged_weights_count_where_there_are_some(tmp_path):
    averaged = {"averaged": 70.0, "averaged_curve": (30.0, 70.0)}
    store = store_of(tmp_path, [sample(1, **averaged), sample(2), failed(3)])
    (best,) = best_per_budget(store, budgets=[300])
    assert (best.key, best.result, best.value) == (f"{1:032x}", 70.0, 51.0)
    np.testing.assert_array_equal(Measured.of(store).values, [70.0, 52.0, np.nan])
    np.testing.assert_array_equal(Measured.of(store, epoch=1).values, [30.0, 42.0, np.nan])


@pytest.fixture
def pool(tmp_path):
    samples = [sample(n, value=float(50 + (7 * n) % 30), round=0) for n in range(30)]
    return Measured.of(store_of(tmp_path / "pool", [*samples, failed(30, round=1)], together=True))


def test_replay_in_order_gives_the_running_best(pool):
    result = replay(pool, InOrder(pool.choices, rng=np.random.default_rng(0)), trainings=31, batch=4)
    assert result.asked.tolist() == list(range(31))
    np.testing.assert_array_equal(result.best, np.fmax.accumulate([50 + (7 * n) % 30 for n in range(30)] + [np.nan]))
    np.testing.assert_array_equal(result.regret, 79 - result.best)
    np.testing.assert_array_equal(result.seconds, 3.0 * np.arange(1, 32))
    np.testing.assert_array_equal(result.epochs, 2 * np.arange(1, 32))
    shorter = replay(pool, InOrder(pool.choices, rng=np.random.default_rng(0)), trainings=10, batch=7)
    np.testing.assert_array_equal(shorter.best, result.best[:10])


def test_replay_at_random_has_the_expected_best(pool):
    """The expected best of k draws without repetition from 1..n is k (n + 1) / (k + 1)."""
    within = pool.within({"flops": 2900})  # the 30 successful ones: accuracies 50..79, ranks 1..30
    rng = np.random.default_rng(0)
    bests = [replay(within, RandomSearch(within.choices, rng=rng), trainings=9, batch=3).best for _ in range(400)]
    for k in (1, 5, 9):
        expected = k * 31 / (k + 1) + 49
        assert abs(np.mean([best[k - 1] for best in bests]) - expected) < 4 * 9 / np.sqrt(400)


class Proposing:
    """Asks for the same rows again and again, and keeps what it is told."""

    def __init__(self, X) -> None:
        self.X, self.scores, self.best = X, [], X[:0]

    def ask(self, count=None):
        return self.X

    def tell(self, X, scores) -> None:
        self.scores += scores.tolist()


def test_a_strategy_is_told_what_it_asked_for(pool):
    strategy = Proposing(pool.choices[[30, 4]])
    replay(pool, strategy, trainings=2, batch=2)
    np.testing.assert_array_equal(strategy.scores, [np.nan, 50 + 28 % 30])


@pytest.mark.parametrize("proposal", [[0, 0], [0], [0, 1, 2], [], [[9, 9], [0, 1]]])
def test_illegal_proposals_and_budgets_are_refused(pool, proposal):
    X = np.array(proposal) if np.ndim(proposal) > 1 else pool.choices[proposal]
    with pytest.raises(StoreError, match="must propose 2 different measured candidates"):
        replay(pool, Proposing(X), trainings=4, batch=2)
    with pytest.raises(StoreError, match="must propose 2 different measured candidates that it has not asked for"):
        replay(pool, Proposing(pool.choices[:2]), trainings=4, batch=2)
    with pytest.raises(StoreError, match=r"31 measured candidates .* got 32 and 2"):
        replay(pool, Proposing(pool.choices), trainings=32, batch=2)
    with pytest.raises(StoreError, match="no measured candidate is within"):
        pool.within({"flops": -1})
    with pytest.raises(StoreError, match="no cost 'latency' among flops, params"):
        pool.within({"latency": 1})


# -- any metric -------------------------------------------------------------------------------------------------------

LOSS = Metric(name="loss", goal="minimize", low=0.0)


def test_a_metric_that_is_minimized_has_a_column_of_its_name(tmp_path):
    samples = [
        sample(
            n,
            metric=LOSS,
            value=1.0 / n,
            curve=(2.0, 1.0 / n),
            also={"lines": n, "mood": "odd"} if n < 3 else {"mood": 0.5},
        )
        for n in range(1, 5)
    ]
    store = store_of(tmp_path / "s", [*samples, failed(9, metric=LOSS)])
    assert store.samples() == (*samples, failed(9, metric=LOSS))
    assert store.table()["loss"].to_pylist() == [1.0, 0.5, 1 / 3, 0.25, None]
    assert store.table()["also.lines"].to_pylist() == [1, 2, None, None, None]
    assert store.table()["note.mood"].to_pylist() == ["odd", "odd", None, None, None]
    assert store.table()["also.mood"].to_pylist() == [None, None, 0.5, 0.5, None]
    assert [best.value for best in best_per_budget(store, budgets=[250, 900])] == [0.5, 0.25]
    assert (store_info(store).best, store_info(store).metric) == (0.25, LOSS)
    with pytest.raises(StoreError, match="share one metric"):
        store.append([sample(6)])
    export_store(store, tmp_path / "s.csv")
    with (tmp_path / "s.csv").open() as file:
        assert json.loads(next(csv.DictReader(file))["metric"])["goal"] == "minimize"


def test_a_metric_needs_a_column_of_its_own():
    with pytest.raises(StoreError, match="no other column of a store; got 'seconds'"):
        check_metric(Metric(name="seconds"))
    with pytest.raises(UserError, match="letters, digits and underscores; got 'macro f1'"):
        Metric(name="macro f1")
