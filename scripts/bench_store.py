"""The sample store under load: many writers at once, and a million rows.

Command:  python scripts/bench_store.py [--rows 1000000] [--processes 8] [--appends 500] [--folder DIR]
Cost:     one to two minutes, 4 GB of memory, 0.5 GB of disk, all deleted at the end
Hardware: 2 CPU cores are enough; the folder should lie on the disk that a run would use: every append is flushed to it
Result:   lost 0, duplicates 0; best_per_budget_seconds < 1; append_ms < 5 (median). The last line is one JSON object.

Writers: each process appends samples one by one while the parent compacts the folder without pause; every sample whose
append returned must be there once. Rows are candidates of the built-in digits space (54 settings, 6 costs, curves of 10
epochs) with made-up accuracies. Times are of a fresh `SampleStore` on a folder the operating system has just written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from nars.space import Space, load_space, sobol
from nars.store import Identity, Sample, SampleStore, best_per_budget

EPOCHS = 10
BUDGETS = 8


def samples(space: Space, count: int, *, seed: int) -> list[Sample]:
    """`count` measured candidates with made-up outcomes."""
    X = sobol(space, count, seed=seed)
    rng = np.random.default_rng(seed)
    costs = space.costs(X)
    return [
        Sample(
            record=record,
            choices=tuple(X[row].tolist()),
            costs={name: float(values[row]) for name, values in costs.items()},
            status="ok",
            value=float(rng.uniform(50, 90)),
            curve=tuple(rng.uniform(10, 90, EPOCHS).tolist()),
            averaged_curve=tuple(rng.uniform(10, 90, EPOCHS).tolist()),
            epochs=EPOCHS,
            planned_epochs=EPOCHS,
            seconds=1.0,
            seed=seed,
            space=space.fingerprint,
            data="made up",
            fidelity="10 epochs",
            host="bench",
            versions={"nars": "bench"},
            finished="2026-01-01T00:00:00+00:00",
        )
        for row, record in enumerate(space.to_records(X))
    ]


def write_many(folder: str, count: int, seed: int, log: str) -> None:
    """One writer: append one by one, and note each key as soon as its append has returned."""
    store = SampleStore(folder)
    with Path(log).open("w", encoding="utf-8") as file:
        for sample in samples(load_space("digits"), count, seed=seed):
            store.append([sample])
            file.write(sample.key + "\n")


def bench_writers(folder: Path, *, processes: int, appends: int) -> dict[str, float]:
    """Writers against each other and against compaction."""
    context = multiprocessing.get_context("spawn")
    logs = [folder / f"log-{number}.txt" for number in range(processes)]
    path = str(folder / "writers")
    writers = [
        context.Process(target=write_many, args=(path, appends, number, str(log))) for number, log in enumerate(logs)
    ]
    store = SampleStore(path)
    start = time.perf_counter()
    compactions = 0
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        store.compact()
        compactions += 1
        time.sleep(0.2)
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        raise SystemExit("a writer failed")
    seconds = time.perf_counter() - start
    written = [key for log in logs for key in log.read_text(encoding="utf-8").split()]
    table = SampleStore(path).table()
    store.compact()
    compacted = sum(file.rows for file in store.files())
    return {
        "writers": processes,
        "appends": len(written),
        "lost": len(set(written) - set(table["key"].to_pylist())),
        "duplicates": (len(table) - len(set(written))) + (compacted - len(set(written))),
        "compactions_meanwhile": compactions,
        "writers_seconds": seconds,
    }


def rows_table(space: Space, count: int) -> pa.Table:
    """`count` rows as the store holds them, built column by column (a million `Sample` objects would take minutes)."""
    X = sobol(space, count, seed=1)
    rng = np.random.default_rng(1)
    model = samples(space, 1, seed=0)[0]
    columns: dict[str, pa.Array] = {}

    def constant(value: object) -> pa.Array:
        return pa.repeat(pa.scalar(value), count)

    def curves() -> pa.Array:
        return pa.ListArray.from_arrays(
            np.arange(count + 1, dtype=np.int32) * EPOCHS, rng.uniform(10, 90, count * EPOCHS)
        )

    keys = [
        hashlib.sha256(row.tobytes() + number.to_bytes(4, "little")).hexdigest()[:32] for number, row in enumerate(X)
    ]
    for name in ("space", "data", "fidelity", "cost_convention", "status", "message", "host", "device", "finished"):
        columns[name] = constant(getattr(model, name))
    columns["key"] = pa.array(keys)
    columns["versions"] = constant(json.dumps(model.versions))
    columns["seed"] = columns["round"] = constant(0)
    columns["epochs"] = columns["planned_epochs"] = constant(EPOCHS)
    columns["accuracy"], columns["seconds"] = pa.array(rng.uniform(50, 90, count)), pa.array(rng.uniform(10, 99, count))
    columns["ema_accuracy"] = pa.nulls(count, pa.float64())
    columns["curve"], columns["ema_curve"] = curves(), curves()
    columns["choices"] = pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * X.shape[1], X.ravel())
    searched = {dimension.name: index for index, dimension in enumerate(space.dimensions)}
    for name, value in model.record.items():
        if name in searched:
            dimension = space.dimensions[searched[name]]
            columns[f"choice.{name}"] = pa.array(list(dimension.values)).take(pa.array(X[:, searched[name]]))
        else:
            columns[f"choice.{name}"] = constant(value)
    for name, values in space.costs(X).items():
        columns[f"cost.{name}"] = pa.array(values)
    return pa.table(columns)


def bench_rows(folder: Path, *, rows: int) -> dict[str, float]:
    """Opening, asking and appending when the store is large."""
    space = load_space("digits")
    path = str(folder / "rows")
    model = samples(space, 1, seed=0)[0]
    identity = Identity(space=model.space, data=model.data, cost_convention=model.cost_convention)
    table = rows_table(space, rows)
    flops = table["cost.flops"].to_numpy()
    budgets = np.quantile(flops, np.linspace(0.05, 1, BUDGETS)).tolist()
    accuracy = table["accuracy"].to_numpy()
    expected = [float(accuracy[flops <= budget].max()) for budget in budgets]
    start = time.perf_counter()
    SampleStore(path).append_table(table, identity)
    result: dict[str, float] = {"rows": rows, "write_seconds": time.perf_counter() - start}
    del table

    start = time.perf_counter()
    files = SampleStore(path).files()
    result["open_seconds"] = time.perf_counter() - start
    result["files"] = len(files)
    result["bytes_per_row"] = sum(file.bytes for file in files) / rows
    result["best_per_budget_seconds"] = best_seconds(path, budgets, expected)

    store = SampleStore(path)
    times = []
    for sample in samples(space, 300, seed=2):
        start = time.perf_counter()
        store.append([sample])
        times.append(time.perf_counter() - start)
    result["append_ms"] = 1000 * float(np.median(times))
    result["append_ms_p99"] = 1000 * float(np.quantile(times, 0.99))
    result["best_per_budget_seconds_after_300_appends"] = best_seconds(path, budgets, None)
    start = time.perf_counter()
    store.compact()
    result["compact_300_appends_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    length = len(SampleStore(path).table())
    result["read_everything_seconds"] = time.perf_counter() - start
    if length != rows + 300:
        raise SystemExit(f"{rows + 300} rows were written, {length} are there")
    return result


def best_seconds(path: str, budgets: Sequence[float], expected: Sequence[float] | None) -> float:
    """Time from a store that is not even open to the best sample of each budget."""
    start = time.perf_counter()
    best = best_per_budget(SampleStore(path), budgets=budgets)
    seconds = time.perf_counter() - start
    if expected is not None and [sample and sample.value for sample in best] != expected:
        raise SystemExit("the best samples found are not the best rows written")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--appends", type=int, default=500, help="per process")
    parser.add_argument(
        "--folder", type=Path, help="where to put the stores; the system's temporary folder when absent"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        result = bench_writers(folder, processes=arguments.processes, appends=arguments.appends)
        result |= bench_rows(folder, rows=arguments.rows)
    for label, value in result.items():
        print(f"{label:45}{value:>14,.4g}" if value < 1000 else f"{label:45}{value:>14,.0f}")
    print(json.dumps({label: round(value, 6) for label, value in result.items()}))


if __name__ == "__main__":
    main()
