"""Files of trials as tools and people write them, against the trials that went in."""

from __future__ import annotations

import gzip
import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nars.errors import DataError
from nars.space import Space, SpaceError, load_space, parse_document, read_space
from nars.space.reading import Cells
from nars.store import SampleStore, export_store
from nars.trials import TrialTable, import_trials, read_trials, samples_of

SPACE = """
name: mine
kind: generic
architecture:
  depth: [1, 2, 3]
  act: [relu, tanh]
recipe:
  lr: {choices: [0.001, 0.01, 0.1], scale: log}
  augment: [null, auto]
  optimizer: [sgd, adam]
  momentum: {choices: [0.8, 0.9], when: {optimizer: [sgd]}}
  ema: [false, true]
"""
NAMES = ("depth", "act", "recipe.lr", "recipe.augment", "recipe.optimizer", "recipe.momentum", "recipe.ema")
TRIALS: list[tuple[Any, ...]] = [
    (1, "relu", 0.001, None, "sgd", 0.9, True, 71.25),
    (2, "relu", 0.01, "auto", "sgd", 0.8, False, 80.5),
    (3, "tanh", 0.1, None, "adam", None, True, 64.0),
    (2, "tanh", 0.001, "auto", "adam", None, False, 90.75),
    (3, "relu", 0.1, None, "sgd", 0.9, True, 55.0),
]


@pytest.fixture
def space() -> Space:
    return read_space(parse_document(SPACE, source="mine"))


def frame() -> pd.DataFrame:
    return pd.DataFrame(TRIALS, columns=[*NAMES, "accuracy"]).astype({"recipe.augment": object})


def contents(table: TrialTable) -> Counter[tuple[Any, ...]]:
    """What was read, in the form of TRIALS; the accuracy of a failure is None."""
    trials = table.trials
    assert trials is not None
    found = Counter[tuple[Any, ...]]()
    for record, accuracy in zip(trials.space.to_records(trials.X), trials.values, strict=True):
        record["recipe.momentum"] = record["recipe.momentum"] if record["recipe.optimizer"] == "sgd" else None
        value = round(float(accuracy), 5) if math.isfinite(accuracy) else None
        found[(*(record[name] for name in NAMES), value)] += 1
    return found


def typed_parquet(path: Path, **types: pa.DataType) -> None:
    """The trials with some columns of these types."""
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    for name, kind in types.items():
        at = table.schema.get_field_index(f"recipe.{name}" if f"recipe.{name}" in table.column_names else name)
        values = table.column(at).to_pylist()
        if pa.types.is_decimal(kind):
            values = [Decimal(str(value)) for value in values]
        elif pa.types.is_string(kind) or pa.types.is_binary(kind):
            values = [None if value is None else str(value) for value in values]
        elif pa.types.is_float16(kind):
            values = [np.float16(value) for value in values]
        elif pa.types.is_dictionary(kind):
            table = table.set_column(at, table.schema.field(at).name, pa.array(values).dictionary_encode())
            continue
        table = table.set_column(at, table.schema.field(at).name, pa.array(values, type=kind))
    pq.write_table(table, path)


def text(change: Callable[[str], str], name: str = "t.csv", encoding: str = "utf-8") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        content = change(frame().to_csv(index=False)).encode(encoding)
        if name.endswith(".gz"):
            content = gzip.compress(content)
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("t.csv", content)
            return path
        path.write_bytes(content)
        return path

    return make


def written(name: str, write: Callable[[pd.DataFrame, Path], object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(frame(), folder / name)
        return folder / name

    return make


def parquet(**types: pa.DataType) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        typed_parquet(folder / "t.parquet", **types)
        return folder / "t.parquet"

    return make


WAYS: dict[str, Callable[[Path], Path]] = {
    "CSV": text(lambda t: t),
    "CSV with row numbers": written("t.csv", lambda f, p: f.to_csv(p)),
    "CSV with None": written("t.csv", lambda f, p: f.to_csv(p, index=False, na_rep="None")),
    "CSV with null": written("t.csv", lambda f, p: f.to_csv(p, index=False, na_rep="null")),
    "CSV with nan": written("t.csv", lambda f, p: f.to_csv(p, index=False, na_rep="nan")),
    "CSV of Windows": text(lambda t: t.replace("\n", "\r\n")),
    "CSV with a mark": text(lambda t: t, encoding="utf-8-sig"),
    "CSV in UTF-16": text(lambda t: t, encoding="utf-16"),
    "CSV with semicolons": text(lambda t: t.replace(",", ";")),
    "CSV with decimal commas": text(lambda t: t.replace(",", ";").replace(".0", ",0").replace("0.", "0,")),
    "CSV of Excel": text(lambda t: "sep=;\n" + t.replace(",", ";")),
    "CSV with tabs": text(lambda t: t.replace(",", "\t"), name="t.tsv"),
    "CSV, packed": text(lambda t: t, name="t.csv.gz"),
    "CSV in a zip": text(lambda t: t, name="t.csv.zip"),
    "CSV with blank lines": text(lambda t: t.replace("\n", "\n\n")),
    "CSV with spaces": text(lambda t: t.replace(",", " , ")),
    "CSV in capitals": text(lambda t: t.replace("relu", "ReLU").replace("True", "TRUE").replace("sgd", "SGD")),
    "CSV with yes and no": text(lambda t: t.replace("True", "yes").replace("False", "no")),
    "CSV with 1.0 and 0.0": text(lambda t: t.replace("True", "1.0").replace("False", "0.0")),
    "CSV of single precision": text(lambda t: t.replace(",0.1,", ",0.10000000149,").replace("0.8,", "0.800000012,")),
    "CSV with 1e-3": text(lambda t: t.replace("0.001", "1e-3").replace(",0.01,", ",1.0E-02,")),
    "CSV with a heading in the middle": text(lambda t: t.replace("\n3,tanh", "\n" + t.split("\n")[0] + "\n3,tanh")),
    "CSV without lr's prefix": text(lambda t: t.replace("recipe.", "")),
    "CSV with 3,000 more columns": written(
        "t.csv", lambda f, p: f.join(pd.DataFrame(0, index=f.index, columns=[f"x{i}" for i in range(3000)])).to_csv(p)
    ),
    "Parquet": written("t.parquet", lambda f, p: f.to_parquet(p)),
    "Parquet, DECIMAL": parquet(lr=pa.decimal128(5, 4), accuracy=pa.decimal128(6, 2)),
    "Parquet, single": parquet(lr=pa.float32(), momentum=pa.float32(), depth=pa.float32()),
    "Parquet, half": parquet(lr=pa.float16()),
    "Parquet, text": parquet(lr=pa.string(), depth=pa.string(), accuracy=pa.string()),
    "Parquet, bytes": parquet(optimizer=pa.binary()),
    "Parquet, small whole numbers": parquet(depth=pa.uint8()),
    "Parquet, dictionaries": parquet(
        act=pa.dictionary(pa.int32(), pa.string()), lr=pa.dictionary(pa.int8(), pa.float64())
    ),
    "JSON, records": written("t.json", lambda f, p: f.to_json(p, orient="records")),
    "JSON, columns": written("t.json", lambda f, p: f.to_json(p)),
    "JSON, split": written("t.json", lambda f, p: f.to_json(p, orient="split")),
    "JSON, table": written("t.json", lambda f, p: f.to_json(p, orient="table")),
    "JSON, lists": written("t.json", lambda f, p: p.write_text(json.dumps(f.replace(np.nan, None).to_dict("list")))),
    "JSON lines": written("t.jsonl", lambda f, p: f.to_json(p, orient="records", lines=True)),
    "JSON lines called JSON": written("t.json", lambda f, p: f.to_json(p, orient="records", lines=True)),
    "JSON, nested": written(
        "t.json",
        lambda f, p: p.write_text(
            json.dumps([{"config": dict(zip(NAMES, row, strict=False)), "accuracy": row[-1]} for row in TRIALS])
        ),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_it_gives_the_same_trials(way: str, space: Space, tmp_path: Path) -> None:
    assert contents(read_trials(WAYS[way](tmp_path), space)) == Counter(TRIALS)


@pytest.mark.parametrize(
    "prefix", ["params_", "config/", "config.", "config_", "hyperparameters.", "parameters.", "params.", "choice."]
)
@pytest.mark.parametrize("bare", [False, True])
def test_prefixes_of_other_tools(prefix: str, bare: bool, space: Space, tmp_path: Path) -> None:
    names = {name: prefix + (name.removeprefix("recipe.") if bare else name) for name in NAMES}
    # Ray Tune reports the learning rate of the moment under its bare name.
    frame().rename(columns=names).assign(lr=0.5).to_csv(tmp_path / "t.csv", index=False)
    assert contents(read_trials(tmp_path / "t.csv", space)) == Counter(TRIALS)


def study() -> optuna.Study:
    """Six trials of Optuna with a failed and a pruned one."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_int("depth", 1, 3)
        trial.suggest_categorical("act", ["relu", "tanh"])
        trial.suggest_categorical("lr", [0.001, 0.01, 0.1])
        trial.suggest_categorical("augment", [None, "auto"])
        if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
            trial.suggest_categorical("momentum", [0.8, 0.9])
        trial.suggest_categorical("ema", [False, True])
        trial.set_user_attr("macs", 1e6 * trial.params["depth"])
        if trial.number == 2:
            trial.report(0.3, step=1)
            raise optuna.TrialPruned
        if trial.number == 3:
            raise RuntimeError
        return 0.5 + trial.number / 100

    made.optimize(objective, n_trials=8, catch=(RuntimeError,))
    return made


@pytest.mark.parametrize("form", ["csv", "index.csv", "multi.csv", "parquet", "json"])
@pytest.mark.filterwarnings("ignore:The default formatting of datetime")
def test_a_study_of_optuna(form: str, space: Space, tmp_path: Path) -> None:
    made, path = study(), tmp_path / f"study.{form}"
    trials = made.trials_dataframe(multi_index=form == "multi.csv")
    if form == "index.csv":
        trials.to_csv(path)
    elif form.endswith("csv"):
        trials.to_csv(path, index=False)
    else:
        getattr(trials, f"to_{form}")(path)
    expected = Counter[tuple[Any, ...]]()
    for trial in made.trials:
        settings = (trial.params.get(name.removeprefix("recipe.")) for name in NAMES)
        done = trial.state == optuna.trial.TrialState.COMPLETE
        expected[(*settings, round(100 * (trial.value or 0), 5) if done else None)] += 1
    table = read_trials(path, space, costs={"flops": "macs"})
    assert contents(table) == expected
    assert table.failed_trials == 2
    assert any("fractions" in remark for remark in table.remarks)
    depth = table.X[:, space.index["depth"]]
    assert table.costs["flops"].tolist() == [1e6 * (1 + choice) for choice in depth]


def nni_jobs(accuracy: Callable[[float], Any]) -> list[dict[str, Any]]:
    """What NNI's REST interface lists: parameters and results are JSON in text."""
    jobs = []
    for number, (*settings, value) in enumerate(TRIALS):
        given = {name.removeprefix("recipe."): v for name, v in zip(NAMES, settings, strict=True) if v is not None}
        parameters = {"parameter_id": number, "parameter_source": "algorithm", "parameters": given}
        final = {
            "timestamp": 1,
            "trialJobId": f"id{number}",
            "parameterId": str(number),
            "type": "FINAL",
            "sequence": 0,
        }
        jobs.append(
            {
                "trialJobId": f"id{number}",
                "status": "SUCCEEDED",
                "hyperParameters": [json.dumps(parameters)],
                "sequenceId": number,
                "finalMetricData": [final | {"data": json.dumps(json.dumps(accuracy(value)))}],
            }
        )
    failed = {"trialJobId": "x", "status": "FAILED", "hyperParameters": jobs[0]["hyperParameters"], "sequenceId": 9}
    return [*jobs, failed]


def nni_export(dictionary: bool) -> list[dict[str, Any]]:
    """What `nnictl experiment export` writes."""
    return [
        {
            "parameter": {name.removeprefix("recipe."): v for name, v in zip(NAMES, row, strict=False)},
            "value": json.dumps({"default": row[-1], "loss": 0.1} if dictionary else row[-1]),
            "trialJobId": f"id{n}",
        }
        for n, row in enumerate(TRIALS)
    ]


def test_trials_of_nni(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    failed = (*TRIALS[0][:-1], None)
    for accuracy in (lambda value: value, lambda value: {"default": value, "loss": 1.0}):
        path.write_text(json.dumps(nni_jobs(accuracy)))
        assert contents(read_trials(path, space)) == Counter([*TRIALS, failed])
        path.write_text(json.dumps({"experimentParameters": {}, "trialMessage": nni_jobs(accuracy)}))
        assert contents(read_trials(path, space)) == Counter([*TRIALS, failed])
    for dictionary in (False, True):
        path.write_text(json.dumps(nni_export(dictionary)))
        assert contents(read_trials(path, space)) == Counter(TRIALS)
    flat = [
        {**row["parameter"], "reward": float(row["value"]), "trialJobId": row["trialJobId"]}
        for row in nni_export(False)
    ]
    pd.DataFrame(flat).to_csv(tmp_path / "t.csv", index=False)
    assert contents(read_trials(tmp_path / "t.csv", space)) == Counter(TRIALS)


def test_reports_of_syne_tune_are_no_trainings(space: Space, tmp_path: Path) -> None:
    rows = []
    for trial, (*settings, value) in enumerate(TRIALS):
        config = {f"config_{name.removeprefix('recipe.')}": v for name, v in zip(NAMES, settings, strict=True)}
        stopped = trial == 3
        for step in range(1, 3 if stopped else 5):
            decision = "STOP" if stopped and step == 2 else "CONTINUE"
            status = "Completed" if step == 4 and trial == 0 else "InProgress"
            rows.append(
                {
                    "st_decision": decision,
                    "st_status": status,
                    "trial_id": trial,
                    "val_top1": value - 4 + step,
                    "st_worker_iter": step,
                    "st_tuner_time": float(step),
                    **config,
                }
            )
    rows.sort(key=lambda row: row["st_tuner_time"])
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv.zip", index=False)
    table = read_trials(tmp_path / "results.csv.zip", space, values=["val_top1"])
    expected = [row if trial != 3 else (*row[:-1], None) for trial, row in enumerate(TRIALS)]
    assert contents(table) == Counter(expected)


def test_ray_tune_tells_a_line_for_each_step(space: Space, tmp_path: Path) -> None:
    lines = [
        {
            "accuracy": (value - 3 + step) / 100,
            "training_iteration": step,
            "trial_id": f"t{number}",
            "config": {name.removeprefix("recipe."): v for name, v in zip(NAMES, settings, strict=True)},
        }
        for number, (*settings, value) in enumerate(TRIALS)
        for step in (1, 2, 3)
    ]
    (tmp_path / "result.json").write_text("\n".join(map(json.dumps, lines)) + "\n")
    table = read_trials(tmp_path / "result.json", space)
    assert contents(table) == Counter(TRIALS)
    assert any("15 rows are reports on 5 trainings" in remark for remark in table.remarks)


@pytest.mark.parametrize("known", [0, 2, 4])
@pytest.mark.parametrize("heading", ["epoch", "step"])
def test_a_step_that_is_no_number_is_none(space: Space, tmp_path: Path, known: int, heading: str) -> None:
    steps = np.where(np.arange(len(TRIALS)) < len(TRIALS) - known, np.nan, 3.0)
    written = pa.Table.from_pandas(frame(), preserve_index=False).append_column(heading, pa.array(steps))
    pq.write_table(written, tmp_path / "t.parquet")  # which keeps what pandas would write as null
    table = read_trials(tmp_path / "t.parquet", space)
    assert contents(table) == Counter(TRIALS)
    assert not [remark for remark in table.remarks if "reports" in remark or "different length" in remark]


def test_a_line_for_each_epoch_is_no_training(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    long = pd.concat(
        [frame().assign(epoch=epoch, accuracy=lambda f, e=epoch: f["accuracy"] - 3 + e) for epoch in (1, 2, 3)]
    )
    long.to_csv(path, index=False)
    assert contents(read_trials(path, space)) == Counter(TRIALS)
    long[::-1].to_csv(path, index=False)
    assert contents(read_trials(path, space)) == Counter(TRIALS)
    # Two trainings of each, by seed; and with nothing that tells them apart.
    twice = pd.concat([long.assign(seed=1), long.assign(seed=2, accuracy=long["accuracy"] - 10)])
    both = Counter([*TRIALS, *((*row[:-1], row[-1] - 10) for row in TRIALS)])
    for trials in (twice, twice.drop(columns="seed")):
        trials.to_csv(path, index=False)
        assert contents(read_trials(path, space)) == both
    frame().assign(epoch=10).to_csv(path, index=False)
    assert contents(read_trials(path, space)) == Counter(TRIALS)


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        *[(word, "ok") for word in ("ok", "Success", "COMPLETE", "completed", "finished", "TERMINATED", "done")],
        *[(word, "ok") for word in ("SUCCEEDED", "TrialState.COMPLETE", "FINISHED", " Complete ", "true", "1.0")],
        *[(word, "error") for word in ("failed", "FAIL", "PRUNED", "Error", "crashed", "killed", "TrialState.PRUNED")],
        *[(word, "error") for word in ("EARLY_STOPPED", "USER_CANCELED", "Stopped", "false")],
        *[("OOM", "out_of_memory"), ("timed out", "timeout"), ("time-out", "timeout"), ("Diverged", "diverged")],
        *[(word, None) for word in ("RUNNING", "InProgress", "pending", "Waiting", "PAUSED")],
    ],
)
def test_statuses(status: str, ending: str | None, space: Space, tmp_path: Path) -> None:
    trials = frame().assign(State=[status, "ok", "ok", "ok", "ok"])
    trials.to_csv(tmp_path / "t.csv", index=False)
    samples = samples_of(read_trials(tmp_path / "t.csv", space))
    assert len(samples) == (4 if ending is None else 5)
    first = [sample for sample in samples if sample.record["depth"] == 1]
    assert [sample.status for sample in first] == ([] if ending is None else [ending])


def test_unknown_statuses_are_listed_with_their_count(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    frame().assign(state=["gut", "gut", "ok", "mies", "mies"]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"'gut' \(2 rows\), 'mies' \(2 rows\).*--ok-status 'gut'"):
        read_trials(path, space)
    assert contents(read_trials(path, space, succeeded=["gut"], failed=["mies"])) == Counter(
        [*TRIALS[:3], *((*row[:-1], None) for row in TRIALS[3:])]
    )
    assert contents(read_trials(path, space, status="none")) == Counter(TRIALS)


@pytest.mark.parametrize(
    ("values", "scale", "expected", "said"),
    [
        ([0.7125, 0.805, 0.64, 0.9075, 0.55], None, None, "fractions"),
        ([0.7125, 0.805, 0.64, 0.9075, 1.0], None, [71.25, 80.5, 64, 90.75, 100], "fractions"),
        ([0.7, 0.8, 0.6, 0.9, 0.5], 1, [0.7, 0.8, 0.6, 0.9, 0.5], ""),
        ([71.25, 80.5, 64.0, 90.75, 55.0], None, None, ""),
        ([0.5, 80.5, 64.0, 90.75, 55.0], None, [0.5, 80.5, 64, 90.75, 55], "taken as percent, also the 1 "),
        (["71.25%", "80.5 %", "64%", "90.75%", "0.5%"], None, [71.25, 80.5, 64, 90.75, 0.5], ""),
        ([7125, 8050, 6400, 9075, 5500], 0.01, None, ""),
        ([-1.5, -2.5, -0.5, -3.5, -4.5], 1, [-1.5, -2.5, -0.5, -3.5, -4.5], ""),
    ],
)
def test_fractions_are_told_by_their_range(
    values: list[Any], scale: float | None, expected: list[float] | None, said: str, space: Space, tmp_path: Path
) -> None:
    frame().assign(accuracy=values).to_csv(tmp_path / "t.csv", index=False)
    table = read_trials(tmp_path / "t.csv", space, scale=scale)
    wanted = [row[-1] for row in TRIALS] if expected is None else expected
    assert sorted(table.mean) == pytest.approx(sorted(wanted))
    assert said in " ".join(table.remarks)
    assert bool(said) == bool(table.remarks)


@pytest.mark.parametrize("values", [[2.1, 340, 1.7, 180, 0.3], [-0.5, 0.1, 0.2, 0.3, 0.4]])
def test_what_is_no_accuracy_is_refused(values: list[float], space: Space, tmp_path: Path) -> None:
    frame().assign(accuracy=values).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"t\.csv: accuracy is taken as percent .* --values, .* --scale 1"):
        read_trials(tmp_path / "t.csv", space)


def test_all_bad_cells_in_one_go(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    frame().assign(depth=[7, 2, 3, "x", 3], act=["relu", "", "tanh", "tanh", "gelu"]).to_csv(path, index=False)
    with pytest.raises(SpaceError) as caught:
        read_trials(path, space)
    message = str(caught.value)
    assert "4 cells that are no choices of mine" in message
    assert "row 1: depth takes one of [1, 2, 3], got '7'" in message
    assert "row 2: act takes one of ['relu', 'tanh'], got an empty cell" in message
    assert "row 5: act" in message
    pd.concat([frame().assign(depth=9)] * 20).to_csv(path, index=False)
    with pytest.raises(SpaceError, match="100 cells that are no choices") as caught:
        read_trials(path, space)
    assert str(caught.value).count("\n  row ") == 20
    assert "and 80 more" in str(caught.value)
    frame().assign(accuracy=["many", 1, 2, 3, "?!"]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"row 1: the accuracy .* 'many'\n.*row 5"):
        read_trials(path, space)


WIDE = """
name: wide
kind: generic
architecture: {width: [8, 16]}
recipe:
  lr: {low: 0.001, high: 0.1, count: 200, scale: log}
  wd: {low: 0.0, high: 0.1, step: 0.01}
"""


def test_between_two_steps(tmp_path: Path) -> None:
    space, path = read_space(parse_document(WIDE, source="wide")), tmp_path / "t.csv"
    choices = np.array(space.dimensions[space.index["recipe.lr"]].values, dtype=float)
    given = np.exp(np.random.default_rng(0).uniform(np.log(0.001), np.log(0.1), 50))
    trials = pd.DataFrame({"width": 8, "lr": given, "wd": 0.0349, "accuracy": 90.0 + np.arange(50) / 10})
    trials.to_csv(path, index=False)
    with pytest.raises(SpaceError) as caught:
        read_trials(path, space)
    assert "one of 200 numbers from 0.001 to 0.1 (the nearest: " in str(caught.value)
    assert "--nearest" in str(caught.value)
    assert len(str(caught.value)) < 4000
    table = read_trials(path, space, nearest=True)
    assert table.trials is not None
    nearest = np.abs(np.log(choices)[None] - np.log(given)[:, None]).argmin(axis=1)
    assert table.trials.X[:, space.index["recipe.lr"]].tolist() == nearest.tolist()
    assert {record["recipe.wd"] for record in space.to_records(table.trials.X)} == {0.03}
    assert any("recipe.wd: 50 of 50 cells" in remark and "at most 4.9 %" in remark for remark in table.remarks)
    trials.assign(lr=0.2).to_csv(path, index=False)  # farther than half a step beyond the end
    with pytest.raises(SpaceError, match=r"got '0\.2'"):
        read_trials(path, space, nearest=True)


def test_columns_by_name(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    names = {"recipe.lr": "learning rate", "accuracy": "val_top1", "depth": "n", "recipe.ema": "average"}
    frame().assign(loss=1.0).rename(columns=names).to_csv(path, index=False)
    columns = {"lr": "learning rate", "accuracy": "val_top1", "depth": "n", "recipe.ema": "average"}
    assert contents(read_trials(path, space, columns=columns)) == Counter(TRIALS)
    for wrong, message in [
        ({"lr": "nosuch"}, r"no column 'nosuch'"),
        ({"learning": "average"}, r"--columns names 'learning', which is neither a setting of mine nor"),
        ({"lr": "learning rate", "accuracy": "val_top1"}, r"depth has no column; name it by --columns depth="),
    ]:
        with pytest.raises(DataError, match=message):
            read_trials(path, space, columns=wrong)
    frame().drop(columns="accuracy").to_csv(path, index=False)
    with pytest.raises(DataError, match=r"no column 'accuracy'; it has depth, .* --values"):
        read_trials(path, space)


def test_two_columns_that_could_be_a_setting(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    trials = frame().rename(columns={"recipe.lr": "params_lr"})
    trials.assign(**{"config/lr": trials["params_lr"]}).to_csv(path, index=False)
    assert contents(read_trials(path, space)) == Counter(TRIALS)
    trials.assign(**{"config/lr": 0.1}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"'params_lr', 'config/lr' could all be recipe\.lr and differ"):
        read_trials(path, space)
    trials.to_csv(path, index=False)
    path.write_text("\n".join(f"{line},{line.split(',')[2]}" for line in path.read_text().splitlines()))
    with pytest.raises(DataError, match="several columns called 'params_lr'"):
        read_trials(path, space)


def test_settings_of_the_file_that_the_space_lacks_are_said(space: Space, tmp_path: Path) -> None:
    trials = frame().rename(columns={name: f"params_{name}" for name in NAMES})
    trials.assign(params_dropout=[0.1, 0.2, 0.1, 0.2, 0.1], params_fixed=1).to_csv(tmp_path / "t.csv", index=False)
    remarks = " ".join(read_trials(tmp_path / "t.csv", space).remarks)
    assert "params_dropout vary, but mine has no such setting" in remarks
    assert "params_fixed" not in remarks


def test_conditions_decide_what_counts(space: Space, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    frame().assign(**{"recipe.momentum": ["0.9", "0.8", "nonsense", "", "0.9"]}).to_csv(path, index=False)
    assert contents(read_trials(path, space)) == Counter(TRIALS)
    frame()[frame()["recipe.optimizer"] == "adam"].drop(columns="recipe.momentum").to_csv(path, index=False)
    assert contents(read_trials(path, space)) == Counter(TRIALS[2:4])
    frame().drop(columns="recipe.momentum").to_csv(path, index=False)
    with pytest.raises(DataError, match=r"recipe\.momentum has no column"):
        read_trials(path, space)
    frame().assign(**{"recipe.momentum": np.nan}).to_csv(path, index=False)
    with pytest.raises(SpaceError, match="3 cells that are no choices"):
        read_trials(path, space)


def test_networks_with_short_names(tmp_path: Path) -> None:
    space = load_space("digits")
    X = space.canonical(np.random.default_rng(0).integers(space.cardinalities, size=(40, len(space.dimensions))))
    records = space.to_records(X)
    trials = pd.DataFrame(records).assign(accuracy=np.linspace(50, 90, 40))
    trials.to_csv(tmp_path / "full.csv", index=False)
    assert np.array_equal(_rows(read_trials(tmp_path / "full.csv", space)), X)
    short = trials.drop(
        columns=[c for c in trials if c.endswith("_rest") and (trials[c] == trials[c[:-4] + "first"]).all()]
    )
    short = short.rename(columns=lambda c: c.removeprefix("recipe."))
    own = {dimension.name for dimension in space.dimensions}
    short = short.rename(columns=lambda c: c.removesuffix("_first") if c.removesuffix("_first") in own else c)
    short.to_csv(tmp_path / "short.csv", index=False)
    assert np.array_equal(_rows(read_trials(tmp_path / "short.csv", space)), X)
    fixed = next(name for name, setting in space.settings.items() if name.endswith(".se") and hasattr(setting, "value"))
    trials.assign(**{fixed: ~trials[fixed]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(SpaceError, match=f"{fixed} is fixed at"):
        read_trials(tmp_path / "other.csv", space)


def _rows(table: TrialTable) -> Any:
    assert table.trials is not None
    return table.trials.X


LONG = b"depth,act\n" + b"".join(b"%d,relu%d\n" % (row, row**2) for row in range(200))


def zipped(method: int, *, encrypted: bool = False) -> bytes:
    """The long table in a .zip file; or as one that needs a password, as its headers say."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        archive.writestr("t.csv", LONG)
    found = bytearray(content.getvalue())
    if encrypted:
        found[6] |= 1
        found[found.index(b"PK\x01\x02") + 8] |= 1
    return bytes(found)


def spoiled(content: bytes) -> bytes:
    """With bytes in the packed part turned over."""
    return bytes(byte ^ 255 if 60 <= at < 90 else byte for at, byte in enumerate(content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"\n \n", "is empty"),
        ("t.csv", b"depth,act,accuracy\n", "no rows below its heading"),
        ("t.csv", b"depth,act\n1,relu,3\n", "line 2: 3 fields under a heading of 2"),
        ("t.csv", b"depth,act\n1,relu\n1\n", "line 3: 1 fields under"),
        ("t.csv", "depth,act\n1,r\xe9lu\n".encode("latin-1"), "save it as UTF-8"),
        ("t.json", b"", "is empty"),
        ("t.json", b"[]", "has no rows"),
        ("t.json", b"3", "is no table"),
        ("t.json", b'{"a": 1}', "is no table"),
        ("t.json", b'{"a": [1], "b": [1, 2]}', "of one length"),
        ("t.json", b'[{"a": 1}', "was not read as json"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', "line 2"),
        ("t.parquet", b"PAR1 nothing", "was not read as parquet"),
        ("t.csv.gz", b"no gzip", "was not read as csv"),
        ("t.csv.zip", b"no zip", "was not read as csv"),
        ("t.csv.gz", spoiled(gzip.compress(LONG, mtime=0)), "was not read as csv"),
        ("t.csv.gz", gzip.compress(LONG, mtime=0)[:40], "was not read as csv"),
        ("t.csv.zip", spoiled(zipped(zipfile.ZIP_DEFLATED)), "was not read as csv"),
        ("t.csv.zip", spoiled(zipped(zipfile.ZIP_LZMA)), "was not read as csv"),
        ("t.csv.zip", zipped(zipfile.ZIP_STORED, encrypted=True), "is encrypted; unpack it"),
        ("t.json", b'{"columns": ["depth", "act"], "data": [1, 2]}', "is no table: .* data is a list of rows"),
        ("t.json", b'{"columns": ["depth", "act"], "data": 3}', "is no table: .* data is a list of rows"),
        ("t.xlsx", b"", "convert it"),
    ],
)
def test_files_that_hold_no_table(name: str, content: bytes, message: str, space: Space, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_trials(tmp_path / name, space)
    assert name in str(caught.value)


def test_a_store_goes_out_and_comes_back(space: Space, tmp_path: Path) -> None:
    trials = frame().assign(seed=[3, 1, 4, 1, 5], state=["ok"] * 4 + ["oom"], macs=[1.0, 2, 3, 4, np.nan])
    trials.to_csv(tmp_path / "t.csv", index=False)
    table = read_trials(tmp_path / "t.csv", space, costs={"flops": "macs"})
    store = SampleStore(tmp_path / "store")
    import_trials(table, store, data="photos")
    for form in ("csv", "parquet", "jsonl"):
        export_store(store, tmp_path / f"e.{form}")
        back = read_trials(tmp_path / f"e.{form}", space)
        assert sorted(samples_of(back), key=lambda s: s.key) == sorted(store.samples(), key=lambda s: s.key)
        assert sorted(back.costs["flops"]) == [1, 2, 3, 4]
        again = SampleStore(tmp_path / f"store-{form}")
        assert import_trials(back, again).added == 5
        assert again.identity == store.identity
        assert import_trials(back, store).equal == 5
    renamed = {sample.key for sample in samples_of(back, data="other")}
    assert len(renamed) == 5
    assert not renamed & store.keys()


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_what_a_trainer_says_and_long_seeds_come_back(space: Space, tmp_path: Path, form: str) -> None:
    frame().to_csv(tmp_path / "t.csv", index=False)
    samples = samples_of(read_trials(tmp_path / "t.csv", space))
    said: list[dict[str, Any]] = [
        {"loss": 0.1, "lines": 3, "mood": "odd", "mixed": 2.5},
        {"loss": 1e-300, "mood": "2", "mixed": "none"},
        {"loss": math.inf, "lines": -4.0},
        {},
        {"loss": 1 / 3},
    ]
    seeds = [0, 2**53 + 1, 2**63 - 1, 7, 2**60 + 3]
    whole = [replace(s, also=also, seed=seed) for s, also, seed in zip(samples, said, seeds, strict=True)]
    store = SampleStore(tmp_path / "store")
    store.append(whole)
    export_store(store, tmp_path / f"e.{form}")
    back = sorted(samples_of(read_trials(tmp_path / f"e.{form}", space)), key=lambda s: s.key)
    assert back == sorted(whole, key=lambda s: s.key)
    assert {type(value) for s in back for name, value in s.also.items() if name in ("loss", "lines")} == {float}


def test_a_store_of_a_run_comes_back_whole(tmp_path: Path) -> None:
    """Curves, averaged weights, versions and failures of real samples of the published campaign."""
    source = Path(__file__).parents[2] / "data" / "cifar10"
    stores = [path for path in source.rglob("*.parquet") if not path.name.startswith("_")]
    store = SampleStore(stores[0].parent)
    samples = store.samples()[:200]
    small = SampleStore(tmp_path / "small")
    small.append(samples)
    export_store(small, tmp_path / "e.csv")
    space = load_space("cifar10")
    back = samples_of(read_trials(tmp_path / "e.csv", space))
    assert sorted(back, key=lambda s: s.key) == sorted(small.samples(), key=lambda s: s.key)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("epochs", "many", "row 1: epochs takes a whole number, got 'many'"),
        ("curve", "[1,", "row 1: curve takes a JSON list"),
        ("key", "", "row 1: the key is missing"),
        ("accuracy", "x", "row 1: accuracy takes a number"),
        ("status", "fine", "row 1: status must be one of"),
        ("choice.depth", "7", "row 1: depth takes one of"),
    ],
)
def test_a_damaged_export(column: str, cell: str, message: str, space: Space, tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "t.csv", index=False)
    store = SampleStore(tmp_path / "store")
    import_trials(read_trials(tmp_path / "t.csv", space), store)
    export_store(store, tmp_path / "e.csv")
    damaged = pd.read_csv(tmp_path / "e.csv", dtype=str, keep_default_na=False)
    damaged.loc[0, column] = cell
    damaged.to_csv(tmp_path / "e.csv", index=False)
    with pytest.raises((DataError, SpaceError), match=message):
        read_trials(tmp_path / "e.csv", space)


@pytest.mark.parametrize("cell", [10**400, -(10**400), 1e308, "1e400", [1, 2], "\x00", "²", Decimal("sNaN"), b"\xff"])
def test_strange_cells_are_refused_by_their_row(cell: Any, space: Space) -> None:
    records = [dict(zip(NAMES, row, strict=False)) for row in TRIALS]
    columns = {name: [record[name] for record in records] for name in NAMES}
    for name in ("depth", "act", "recipe.lr", "recipe.ema"):
        cells = Cells(
            dimensions=space.dimensions,
            settings=space.settings,
            rows=len(records),
            literal=False,
            columns={**columns, name: [*columns[name][:-1], cell]},
        )
        _, faults, _ = cells.read()
        assert [(fault.row, fault.setting) for fault in faults] == [(len(records) - 1, name)]
