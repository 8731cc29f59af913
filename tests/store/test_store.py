import math
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from nars.errors import StoreError
from nars.store import Sample, SampleStore, StoreWarning, sample_key

RECORD = {
    "resolution": 16,
    "stem.channels": 8,
    "stage1.expand": 2.5,
    "stage1.se": True,
    "pad": None,
    "recipe.opt": "sgd",
}


def sample(number, **changes):
    record = RECORD | {"stem.channels": 8 + number % 5} | changes.pop("record", {})
    fields = {
        "key": sample_key(space="s", record=record, fidelity="f", data="d", seed=number),
        "record": record,
        "choices": (number % 5, 0, 1),
        "costs": {"flops": 1e6 + number, "params": 10.0 * number},
        "status": "ok",
        "value": 50 + number / 7,
        "averaged": 51 + number / 7,
        "curve": (10.0, 1 / 3, 50 + number / 7),
        "averaged_curve": (9.0, 20.0, 51 + number / 7),
        "epochs": 3,
        "planned_epochs": 3,
        "seconds": 1.25,
        "round": number // 4,
        "seed": number,
        "space": "s",
        "data": "d",
        "fidelity": "f",
        "host": "here",
        "versions": {"torch": "2.6"},
        "finished": f"2026-01-01T00:00:{number:02d}+00:00",
    }
    return Sample(**(fields | changes))


def failed(number, **changes):
    gone = {"status": "diverged", "value": None, "averaged": None, "message": "loss is nan", "curve": (10.0,)}
    return sample(number, **(gone | {"averaged_curve": ()} | changes))


def ordered(samples):
    return tuple(sorted(samples, key=lambda sample: (sample.round, sample.key)))


def test_text_that_no_file_holds_is_kept_as_it_is_spelled(tmp_path):
    """A file name that is no UTF-8, as Python gives it, in what a trainer says."""
    odd = b"img\xff.png".decode(errors="surrogateescape")
    store = SampleStore(tmp_path)
    store.append([failed(0, message=f"cannot decode {odd}"), sample(1, also={odd: 1.0, "worst": odd})])
    broken, good = SampleStore(tmp_path).samples()
    assert broken.message == r"cannot decode img\udcff.png"
    assert good.also == {r"img\udcff.png": 1.0, "worst": r"img\udcff.png"}


def test_what_is_appended_is_read_back_in_one_order(tmp_path):
    samples = [sample(number) for number in range(9)] + [failed(9)]
    forward, backward = SampleStore(tmp_path / "a"), SampleStore(tmp_path / "b")
    for one, other in zip(samples, reversed(samples), strict=True):
        forward.append([one])
        backward.append([other])
    together = SampleStore(tmp_path / "c")
    together.append(samples)
    for store in (forward, backward, together, SampleStore(tmp_path / "a")):
        assert store.samples() == ordered(samples)
        assert len(store) == 10
        assert store.keys() == {sample.key for sample in samples}
    assert isinstance(forward.samples()[0].record["resolution"], int)
    assert forward.samples()[0].record["pad"] is None


def test_a_process_sees_its_own_rows_as_another_does(tmp_path):
    store = SampleStore(tmp_path)
    for number, record in enumerate([{}, {"stage1.expand": 2}, {"pad": 4}, {"new": 0.5}]):
        store.append([sample(number, record=record), failed(9 + number)])
        assert store.table().equals(SampleStore(tmp_path).table())
    store.compact()
    assert store.table().equals(SampleStore(tmp_path).table())


def test_empty_store(tmp_path):
    store = SampleStore(tmp_path / "none")
    store.append([])
    assert (store.samples(), len(store), store.identity, store.files()) == ((), 0, None, ())
    assert store.frame().empty
    store.compact()
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="must be a folder"):
        SampleStore(tmp_path / "file").append([sample(0)])
    store.append([sample(0)])
    shutil.rmtree(tmp_path / "none")
    (tmp_path / "none").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match=r"could not be written .* Check free space and permissions"):
        store.append([sample(1)])
    (tmp_path / "none").unlink()
    with pytest.raises(StoreError, match=r"no sample store at '.*none'"):
        SampleStore(tmp_path / "none", must_exist=True)


values = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.lists(st.floats(0, 100), max_size=4), values), min_size=1, max_size=6))
def test_any_values_come_back(tmp_path_factory, rows):
    samples = {}
    for number, (round_, curve, value) in enumerate(rows):
        one = sample(number, round=round_, curve=tuple(curve), record={f"c.{type(value).__name__}": value})
        samples[one.key] = replace(
            one, record={**dict.fromkeys(f"c.{t}" for t in ("int", "float", "str")), **one.record}
        )
    store = SampleStore(tmp_path_factory.mktemp("store"))
    for one in samples.values():
        store.append([one])
    assert store.samples() == ordered(samples.values())
    store.compact()
    assert SampleStore(store.path).samples() == ordered(samples.values())


def test_the_first_success_of_a_key_counts_however_it_is_stored(tmp_path):
    first = sample(1, value=60.0, finished="2026-01-01T10:00:00+00:00")
    again = sample(1, value=61.0, finished="2026-01-01T11:00:00+00:00")
    crashed = failed(1, status="error", finished="2026-01-01T09:00:00+00:00")
    for name, order in (("a", [first, again, crashed]), ("b", [crashed, again, first]), ("c", [again, crashed, first])):
        store = SampleStore(tmp_path / name)
        for one in order:
            store.append([one])
        together = SampleStore(tmp_path / f"{name}-together")
        together.append(order)
        for case in (store, together):
            assert case.samples() == (first,)
            assert case.columns(["accuracy"])["accuracy"].to_pylist() == [60.0]
            case.compact()
            assert case.samples() == (first,)


def test_failed_rows_are_null_and_other_tools_read_the_folder(tmp_path):
    store = SampleStore(tmp_path)
    store.append([sample(3), failed(4)])
    store.append([sample(5)])
    frame = pd.read_parquet(tmp_path).set_index("seed").sort_index()
    assert math.isnan(frame.loc[4, "accuracy"])
    assert frame.loc[4, "status"] == "diverged"
    assert frame["choice.stem.channels"].tolist() == [11, 12, 8]
    assert frame["cost.flops"].tolist() == [1e6 + 3, 1e6 + 4, 1e6 + 5]
    assert frame.loc[3, "curve"].tolist() == list(sample(3).curve)
    assert ds.dataset(tmp_path).count_rows() == 3
    assert len(store.frame()) == 3


@pytest.mark.parametrize("tool", ["duckdb", "polars"])
def test_duckdb_and_polars_read_the_folder(tmp_path, tool):
    module = pytest.importorskip(tool)
    store = SampleStore(tmp_path)
    store.append([sample(3), failed(4)])
    store.append([sample(5)])
    if tool == "duckdb":
        query = f"select sum(\"choice.stem.channels\"), count(accuracy) from '{tmp_path}/*.parquet'"
        assert module.sql(query).fetchall() == [(31, 2)]
    else:
        frame = module.read_parquet(tmp_path / "*.parquet")
        assert (frame["choice.stem.channels"].sum(), frame["accuracy"].count()) == (31, 2)


def test_whole_numbers_and_reals_in_one_column(tmp_path):
    store = SampleStore(tmp_path)
    store.append([sample(0, record={"lr": 0.5})])
    store.append([sample(1, record={"lr": 1})])  # goes into the column of reals
    other = SampleStore(tmp_path / "other")
    other.append([sample(0, record={"lr": 1})])
    other.append([sample(1, record={"lr": 0.5})])  # makes the column one of reals
    for case in (store, other, SampleStore(tmp_path / "other")):
        assert pa.types.is_floating(case.table().schema.field("choice.lr").type)
        assert sorted(case.frame()["choice.lr"]) == [0.5, 1.0]
    with pytest.raises(StoreError, match=r"choice\.lr .*one type"):
        store.append([sample(2, record={"lr": "fast"})])
    with pytest.raises(StoreError, match=r"choice\.lr .*got \['float', 'str'\]"):
        SampleStore(tmp_path / "new").append([sample(2, record={"lr": "fast"}), sample(3, record={"lr": 0.5})])
    assert len(store) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "other"}, "search space, but .* has 's' and .* has 'other'"),
        ({"data": "other"}, "data set, but .* has 'd' and .* has 'other'"),
        ({"cost_convention": "two per multiply-add"}, "cost convention, but .* has 'two per multiply-add'"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(tmp_path, change, message):
    store = SampleStore(tmp_path / "store")
    store.append([sample(0)])
    with pytest.raises(StoreError, match=message):
        store.append([sample(1, **change)])
    with pytest.raises(StoreError, match=message):
        SampleStore(tmp_path / "store").append([sample(1, **change)])
    assert len(store) == 1
    other = SampleStore(tmp_path / "other")
    other.append([sample(1, **change)])
    for file in (tmp_path / "other").glob("*.parquet"):
        shutil.copy(file, tmp_path / "store" / "z.parquet")
    for case in (store, SampleStore(tmp_path / "store")):
        for _ in range(2):
            with pytest.raises(StoreError, match=message):
                case.samples()


def test_broken_and_foreign_files_are_set_aside_and_named(tmp_path):
    store = SampleStore(tmp_path)
    store.append([sample(0)])
    store.append([sample(1)])
    whole = next(tmp_path.glob("*.parquet")).read_bytes()
    (tmp_path / "truncated.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.parquet").write_bytes(b"")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    flipped = bytearray(whole)
    flipped[len(whole) // 8] ^= 255
    (tmp_path / "flipped.parquet").write_bytes(flipped)
    (tmp_path / "notes.txt").write_text("not a row", encoding="utf-8")
    (tmp_path / ".rows-1.parquet.abc.tmp").write_bytes(whole[:10])
    for case in (store, SampleStore(tmp_path)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert case.samples() == ordered([sample(0), sample(1)])
        if case is store:
            messages = sorted(str(warning.message) for warning in caught)
            assert [warning.category for warning in caught] == [StoreWarning] * 4
            for name, message in zip(("empty", "flipped", "foreign", "truncated"), messages, strict=True):
                assert f"{name}.parquet is not a readable file" in message
                assert "moved to _set-aside/" in message
    aside = sorted(path.name for path in (tmp_path / "_set-aside").iterdir())
    assert aside == ["empty.parquet", "flipped.parquet", "foreign.parquet", "truncated.parquet"]
    assert (tmp_path / "notes.txt").exists()


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "images.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    for use in (len, SampleStore.compact, lambda store: store.append([sample(0)])):
        with pytest.raises(StoreError, match=r"no sample store: none of its 2 Parquet files .*images\.parquet"):
            use(SampleStore(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.parquet", "torn.parquet"]


def test_a_store_whose_only_file_is_broken_is_still_a_store(tmp_path):
    SampleStore(tmp_path).append([sample(0)])
    (file,) = tmp_path.glob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    store = SampleStore(tmp_path)
    with pytest.warns(StoreWarning, match=file.name):
        assert len(store) == 0
    store.append([sample(1)])
    assert store.samples() == (sample(1),)


def test_a_large_damaged_file_is_set_aside_when_its_rows_are_read(tmp_path):
    store = SampleStore(tmp_path)
    rng = np.random.default_rng(0)
    store.append([sample(number, curve=tuple(rng.random(400))) for number in range(150)])
    (large,) = tmp_path.glob("*.parquet")
    assert large.stat().st_size > 1 << 18
    store.append([sample(200)])
    content = bytearray(large.read_bytes())
    content[len(content) // 2] ^= 255  # in the pages, which the footer does not tell of
    large.write_bytes(content)
    with pytest.warns(StoreWarning, match=large.name):
        assert SampleStore(tmp_path).samples() == (sample(200),)
    assert (tmp_path / "_set-aside" / large.name).exists()


def test_a_broken_file_that_cannot_be_moved_is_passed_over(tmp_path):
    store = SampleStore(tmp_path)
    store.append([sample(0)])
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "_set-aside").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.warns(StoreWarning, match=r"empty\.parquet .* passed over"):
        assert store.samples() == (sample(0),)
    assert len(store) == 1  # without another warning
    assert (tmp_path / "empty.parquet").exists()


def rewrite(file, header, drop=()):
    table = pq.read_table(file)
    keep = [name for name in table.column_names if name not in drop]
    pq.write_table(table.select(keep).replace_schema_metadata({b"nars": header}), file)


def test_older_files_are_read_newer_ones_refused(tmp_path):
    store = SampleStore(tmp_path)
    store.append([sample(0)])
    (file,) = tmp_path.glob("*.parquet")
    identity = (
        b'"identity": {"space": "s", "data": "d", "cost_convention": "' + sample(0).cost_convention.encode() + b'"}'
    )
    rewrite(file, b'{"version": 0, "unique": true, ' + identity + b"}", drop=("ema_curve", "versions", "round", "host"))
    (old,) = SampleStore(tmp_path).samples()
    assert old == sample(0, averaged_curve=(), versions={}, round=0, host="")
    rewrite(file, b'{"version": 99, "unique": true, ' + identity + b"}")
    with pytest.raises(StoreError, match=r"newer nars \(schema 99"):
        SampleStore(tmp_path).samples()
    assert file.exists()


def test_compaction_keeps_every_row_and_readers_follow(tmp_path):
    writer, reader = SampleStore(tmp_path), SampleStore(tmp_path)
    for number in range(20):
        writer.append([sample(number)])
    before = reader.samples()
    SampleStore(tmp_path).compact()
    assert len(writer.files()) == 1
    assert reader.samples() == writer.samples() == before
    writer.append([sample(20)])
    reader.compact()
    reader.compact()
    assert [file.rows for file in reader.files()] == [21]
    assert len(SampleStore(tmp_path)) == 21


def test_a_compaction_killed_before_it_deletes_shows_nothing_twice(tmp_path):
    store = SampleStore(tmp_path / "store")
    for number in range(5):
        store.append([sample(number)])
    before = store.samples()
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    store.compact()
    for file in (tmp_path / "copy").iterdir():
        shutil.copy(file, tmp_path / "store")
    assert SampleStore(tmp_path / "store").samples() == store.samples() == before
    assert len(store.files()) == 6


@pytest.mark.parametrize("address", ["memory://nars-test/store", "file://{}"])
def test_other_file_systems(tmp_path, address):
    address = address.format(tmp_path / "store")
    store = SampleStore(address)
    assert store._place.local == address.startswith("file")  # and so flushed to the disk
    with pytest.raises(StoreError, match="no sample store"):
        SampleStore(address, must_exist=True)
    for number in range(4):
        store.append([sample(number)])
    with store._place.filesystem.open_output_stream(store._place.path("broken.parquet")) as stream:
        stream.write(b"PAR1")
    other = SampleStore(address, must_exist=True)
    with pytest.warns(StoreWarning, match=r"broken\.parquet"):
        assert other.samples() == ordered(sample(number) for number in range(4))
    other.compact()
    assert store.samples() == other.samples() == ordered(sample(number) for number in range(4))
    assert len(store.files()) == 1
    with pytest.raises(StoreError, match="nosuch://"):
        SampleStore("nosuch://bucket/store")


def test_samples_that_contradict_themselves():
    with pytest.raises(ValueError, match=r"status must be one of ok, diverged, .*got 'fine'"):
        sample(0, status="fine")
    with pytest.raises(ValueError, match="needs its accuracy, got None"):
        sample(0, value=None)
    with pytest.raises(ValueError, match="needs its accuracy, got nan"):
        sample(0, value=math.nan)
    with pytest.raises(ValueError, match=r"no accuracy .*got 0\.0 with status timeout"):
        sample(0, status="timeout", value=0.0)


def test_key_is_a_hash_of_the_content():
    base = {"space": "s", "record": {"a": 1, "b": 0.5}, "fidelity": "f", "data": "d", "seed": 3}
    # SHA-256 of {"data":"d","fidelity":"f","record":{"a":1,"b":0.5},"seed":3,"space":"s"}, by sha256sum.
    assert sample_key(**base) == "7d5edac76d6e51dec7abd635d76234b6"
    assert sample_key(**base | {"record": {"b": np.float64(0.5), "a": 1.0}, "seed": np.int64(3)}) == sample_key(**base)
    changed = [base | {name: "x"} for name in ("space", "fidelity", "data")]
    changed += [base | {"seed": 4}, base | {"record": {"a": 2, "b": 0.5}}, base | {"record": {"a": "1", "b": 0.5}}]
    assert len({sample_key(**case) for case in [base, *changed]}) == 7
