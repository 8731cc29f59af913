"""Tables of finished trials as other tools and people write them."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from drill_case import Case, Check, Outcome, command, equal
from nars.store import SampleStore

SPACE = """
name: mine
kind: generic
architecture:
  depth: [1, 2, 3]
  act: [relu, tanh]
recipe:
  lr: {choices: [0.001, 0.01, 0.1], scale: log}
  optimizer: [sgd, adam]
  ema: [true, false]
  momentum: {choices: [0.8, 0.9], when: {optimizer: [sgd]}}
"""
ROWS: list[dict[str, Any]] = [
    {"depth": 1, "act": "relu", "lr": 0.001, "optimizer": "sgd", "ema": True, "momentum": 0.9, "accuracy": 71.25},
    {"depth": 2, "act": "relu", "lr": 0.01, "optimizer": "sgd", "ema": False, "momentum": 0.8, "accuracy": 80.5},
    {"depth": 3, "act": "tanh", "lr": 0.1, "optimizer": "adam", "ema": True, "momentum": None, "accuracy": 64.0},
    {"depth": 2, "act": "tanh", "lr": 0.001, "optimizer": "adam", "ema": False, "momentum": None, "accuracy": 90.75},
    {"depth": 3, "act": "relu", "lr": 0.1, "optimizer": "sgd", "ema": True, "momentum": 0.9, "accuracy": 55.0},
]
RECIPE = ("lr", "optimizer", "ema", "momentum")
IMPORT = ("import", "t.csv", "--space", "mine.yaml", "--out", "store")

Frame = pd.DataFrame
Change = Callable[[Frame], Frame]


def table_cases() -> list[Case]:
    """All of them."""
    return [
        *_formats(),
        *_values(),
        *_headings(),
        *_statuses(),
        *_scales(),
        *_again(),
        *_mistakes(),
        *_stores(),
        *_costs(),
    ]


def frame(rows: Sequence[Mapping[str, Any]] = ROWS) -> Frame:
    """The rows with the names of the space as headings."""
    table = pd.DataFrame(rows)
    renamed: Frame = table.rename(columns={name: f"recipe.{name}" for name in RECIPE})
    return renamed


def _space(folder: Path, text: str = SPACE) -> Path:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return folder


def _write(folder: Path, change: Change = lambda table: table, *, name: str = "t.csv", space: str = SPACE) -> Path:
    _space(folder, space)
    table = change(frame())
    path = folder / name
    if name.endswith(".parquet"):
        table.to_parquet(path)
    elif name.endswith(".json"):
        table.to_json(path, orient="records")
    else:
        table.to_csv(path, index=False)
    return folder


def _stored(store: Path) -> list[tuple[Any, ...]]:
    """What is in a store, in a form to compare: settings, accuracy or None."""
    return sorted(
        (
            *(sample.record[name] for name in ("depth", "act", "recipe.lr", "recipe.optimizer", "recipe.ema")),
            sample.record["recipe.momentum"] if sample.record["recipe.optimizer"] == "sgd" else None,
            None if sample.value is None else round(sample.value, 6),
        )
        for sample in SampleStore(store, must_exist=True).samples()
    )


def rows_in(*, rows: Sequence[Mapping[str, Any]] = ROWS, store: str = "store", scale: float = 1.0) -> Check:
    """A check that a store holds these rows and no others."""
    names = ("depth", "act", "lr", "optimizer", "ema", "momentum", "accuracy")

    def check(outcome: Outcome) -> str:
        expected = Counter(
            tuple(round(row[n] * scale, 6) if n == "accuracy" and row[n] is not None else row[n] for n in names)
            for row in rows
        )
        found = Counter(_stored(outcome.folder / store))
        return "" if found == expected else f"lacks {list(expected - found)}, has {list(found - expected)} too much"

    return check


def _case(name: str, make: Callable[[Path], object], *arguments: str, file: str = "t.csv", **more: Any) -> Case:
    do = ("import", file, "--space", "mine.yaml", "--out", "store", *arguments)
    works = None if "works" in more and more["works"] is None else more.pop("works", rows_in())
    more.pop("works", None)
    return Case(name=f"table: {name}", make=make, do=do, works=works, **more)


def _formats() -> list[Case]:
    def text(change: Callable[[str], str], encoding: str = "utf-8") -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            _write(folder)
            path = folder / "t.csv"
            path.write_bytes(change(path.read_text()).encode(encoding))

        return make

    def lines(folder: Path) -> None:
        _space(folder)
        frame().to_json(folder / "t.jsonl", orient="records", lines=True)

    def columns(folder: Path) -> None:
        _space(folder)
        frame().to_json(folder / "t.json")

    return [
        _case("CSV", _write),
        _case("Parquet", partial(_write, name="t.parquet"), file="t.parquet"),
        _case("JSON, records", partial(_write, name="t.json"), file="t.json"),
        _case("JSON, columns", columns, file="t.json"),
        _case("JSON, lines", lines, file="t.jsonl"),
        _case("CSV with a byte order mark", text(lambda t: t, "utf-8-sig")),
        _case("CSV of Windows", text(lambda t: t.replace("\n", "\r\n"))),
        _case("CSV with semicolons", text(lambda t: t.replace(",", ";"))),
        _case("CSV with tabs", text(lambda t: t.replace(",", "\t"))),
        _case("CSV with blanks around headings", text(lambda t: t.replace(",", ", ", 6))),
        _case("CSV with an empty last line", text(lambda t: t + "\n\n")),
        _case("CSV with an index", lambda f: [_space(f), frame().to_csv(f / "t.csv")]),
        _case(
            "a Parquet file with an index",
            lambda f: [_space(f), frame().set_index(pd.Index(list("abcde"), name="trial")).to_parquet(f / "t.parquet")],
            file="t.parquet",
        ),
        _case("more columns than needed", partial(_write, change=lambda t: t.assign(note="x", host=1.5))),
        _case("columns in another order", partial(_write, change=lambda t: t[sorted(t.columns)])),
    ]


def _values() -> list[Case]:
    def typed(folder: Path, **types: pa.DataType) -> None:
        _space(folder)
        table = pa.Table.from_pandas(frame(), preserve_index=False)
        for name, kind in types.items():
            full = f"recipe.{name}" if name in RECIPE else name
            values = table[full].to_pylist()
            if pa.types.is_decimal(kind):
                values = [
                    None if value is None else Decimal(str(value)).quantize(Decimal("0.0001")) for value in values
                ]
            at = table.column_names.index(full)
            table = table.set_column(at, full, pa.array(values, type=kind))
        pq.write_table(table, folder / "t.parquet")

    kinds: dict[str, dict[str, pa.DataType]] = {
        "decimals": {"lr": pa.decimal128(8, 4), "accuracy": pa.decimal128(8, 4)},
        "32-bit reals": {"lr": pa.float32(), "momentum": pa.float32(), "accuracy": pa.float32()},
        "8-bit whole numbers": {"depth": pa.int8()},
        "whole numbers as reals": {"depth": pa.float64()},
        "dictionaries": {
            "act": pa.dictionary(pa.int32(), pa.string()),
            "optimizer": pa.dictionary(pa.int8(), pa.string()),
        },
        "large strings": {"act": pa.large_string()},
    }

    def spelled(column: str, spell: Callable[[Any], Any]) -> Callable[[Path], object]:
        return partial(_write, change=lambda t: t.assign(**{column: [spell(value) for value in t[column]]}))

    filled = [0.9, 0.8, 0.8, 0.9, 0.9]
    words = SPACE.replace("act: [relu, tanh]", "act: [None, tanh]")
    nothing = SPACE.replace("act: [relu, tanh]", "act: [null, tanh]")
    rename = {"relu": "None"}

    def as_none(value: Any) -> Change:
        return lambda t: t.assign(act=[value if act == "relu" else act for act in t["act"]])

    none_rows = [row | {"act": rename.get(row["act"], row["act"])} for row in ROWS]
    null_rows = [row | {"act": None if row["act"] == "relu" else row["act"]} for row in ROWS]
    return [
        *(
            _case(f"values: Parquet, {name}", partial(typed, **types), file="t.parquet", works=rows_in())
            for name, types in kinds.items()
        ),
        _case(
            "values: momentum where it has no effect",
            partial(_write, change=lambda t: t.assign(**{"recipe.momentum": filled})),
        ),
        _case("values: NaN written out", lambda f: [_space(f), frame().to_csv(f / "t.csv", index=False, na_rep="NaN")]),
        _case(
            "values: None written out", lambda f: [_space(f), frame().to_csv(f / "t.csv", index=False, na_rep="None")]
        ),
        _case("values: lr as 1e-3", spelled("recipe.lr", lambda v: f"{v:e}")),
        _case("values: lr as .001", spelled("recipe.lr", lambda v: str(v).lstrip("0"))),
        _case("values: lr with more zeros", spelled("recipe.lr", lambda v: f"{v:.8f}")),
        _case("values: depth as 1.0", spelled("depth", lambda v: f"{v:.1f}")),
        _case("values: true and false", spelled("recipe.ema", lambda v: str(v).lower())),
        _case("values: 1 and 0", spelled("recipe.ema", int)),
        _case("values: blanks around words", spelled("act", lambda v: f" {v} ")),
        _case(
            "values: the word None",
            partial(_write, change=as_none("None"), space=words),
            works=_any_act(none_rows, "None"),
        ),
        _case(
            "values: the word None in Parquet",
            partial(_write, change=as_none("None"), space=words, name="t.parquet"),
            file="t.parquet",
            works=_any_act(none_rows, "None"),
        ),
        _case(
            "values: null as nothing",
            partial(_write, change=as_none(None), space=nothing),
            works=_any_act(null_rows, None),
        ),
        _case(
            "values: null as a word",
            partial(_write, change=as_none("null"), space=nothing),
            works=_any_act(null_rows, None),
        ),
        _case(
            "values: null as None",
            partial(_write, change=as_none("None"), space=nothing),
            works=_any_act(null_rows, None),
        ),
        _case(
            "values: null in JSON",
            partial(_write, change=as_none(None), space=nothing, name="t.json"),
            file="t.json",
            works=_any_act(null_rows, None),
        ),
    ]


def _any_act(rows: Sequence[Mapping[str, Any]], word: str | None) -> Check:
    """A check of depth, activation and accuracy only: `act` has None in it, which does not sort."""

    def check(outcome: Outcome) -> str:
        found = Counter(
            (s.record["depth"], s.record["act"], s.value)
            for s in SampleStore(outcome.folder / "store", must_exist=True).samples()
        )
        return equal("the store", found, Counter((row["depth"], row["act"], row["accuracy"]) for row in rows))

    return check


def _headings() -> list[Case]:
    def bare(table: Frame) -> Frame:
        renamed: Frame = table.rename(columns={f"recipe.{name}": name for name in RECIPE})
        return renamed

    choices = ["depth", "act", *RECIPE]

    def prefixed(prefix: str) -> Change:
        return lambda table: bare(table).rename(columns={name: prefix + name for name in choices})

    def optuna_frame(folder: Path) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(direction="maximize")
        for row in ROWS:
            kinds: dict[str, Any] = {
                name: optuna.distributions.CategoricalDistribution([row[name]])
                for name in choices
                if row[name] is not None
            }
            trial = optuna.trial.create_trial(
                params={name: row[name] for name in kinds}, distributions=kinds, value=row["accuracy"]
            )
            study.add_trial(trial)
        _space(folder)
        study.trials_dataframe().to_csv(folder / "t.csv", index=False)

    def nni(folder: Path) -> None:
        trials = [
            {
                "trialJobId": f"t{number}",
                "status": "SUCCEEDED",
                "hyperParameters": {
                    "parameter_id": number,
                    "parameter_source": "algorithm",
                    "parameters": {name: row[name] for name in choices if row[name] is not None},
                },
                "finalMetricData": [
                    {
                        "timestamp": 1,
                        "trialJobId": f"t{number}",
                        "parameterId": str(number),
                        "type": "FINAL",
                        "sequence": 0,
                        "data": json.dumps(str(row["accuracy"])),
                    }
                ],
            }
            for number, row in enumerate(ROWS)
        ]
        _space(folder)
        (folder / "t.json").write_text(json.dumps({"experimentParameter": {}, "trialMessage": trials}))

    def own_export(folder: Path) -> int:
        return (
            command(*IMPORT)
            or command("store", "export", "store", "again.csv")
            or command("import", "again.csv", "--space", "mine.yaml", "--out", "second")
        )

    def renamed(table: Frame) -> Frame:
        names = {"accuracy": "val_top1", "recipe.lr": "params_learning_rate", "depth": "layers"}
        renamed: Frame = table.rename(columns=names)
        return renamed

    mapping = "accuracy=val_top1,lr=params_learning_rate,depth=layers"
    return [
        _case("headings: without recipe.", partial(_write, change=bare)),
        _case("headings: --columns", partial(_write, change=renamed), "--columns", mapping),
        _case(
            "headings: --columns names none",
            partial(_write, change=renamed),
            "--columns",
            "accuracy=top9",
            works=None,
            says=("top9",),
        ),
        _case(
            "headings: --columns maps nothing known", _write, "--columns", "colour=act", works=None, says=("colour",)
        ),
        _case("headings: Optuna's table", optuna_frame, "--columns", "accuracy=value"),
        _case("headings: Ray Tune's config/", partial(_write, change=prefixed("config/"))),
        _case("headings: W&B's config.", partial(_write, change=prefixed("config."))),
        _case("headings: syne-tune's config_", partial(_write, change=prefixed("config_"))),
        _case("headings: params_", partial(_write, change=prefixed("params_"))),
        _case("headings: NNI's JSON", nni, file="t.json"),
        Case(name="table: headings: our own export", make=_write, do=own_export, works=rows_in(store="second")),
        _case(
            "headings: a setting is missing",
            partial(_write, change=lambda t: t.drop(columns="act")),
            works=None,
            says=("act",),
        ),
        _case(
            "headings: no accuracy",
            partial(_write, change=lambda t: t.drop(columns="accuracy")),
            works=None,
            says=("accuracy",),
        ),
        _case(
            "headings: another accuracy",
            partial(_write, change=lambda t: t.rename(columns={"accuracy": "acc"})),
            "--accuracy",
            "acc",
        ),
        _case("headings: lr and recipe.lr differ", partial(_write, change=lambda t: t.assign(lr=0.5)), works=rows_in()),
        _case(
            "headings: the same one twice",
            lambda f: [_write(f), (f / "t.csv").write_text((f / "t.csv").read_text().replace("act", "depth", 1))],
            works=None,
            says=("depth",),
        ),
    ]


def _statuses() -> list[Case]:
    def ending(*words: str) -> Change:
        return lambda t: t.assign(status=list(words))

    fine = ("ok", "OK", "finished", "FINISHED", "TERMINATED", "COMPLETE", "completed", "done", "success", "SUCCEEDED")
    wrong = ("failed", "FAIL", "ERROR", "crashed", "error", "KILLED")
    failed_rows = [ROWS[0] | {"accuracy": None}, *ROWS[1:]]
    return [
        *(
            _case(f"status: {word}", partial(_write, change=ending(*([word] * 5))), "--status", "status")
            for word in fine
        ),
        *(
            _case(
                f"status: one {word}",
                partial(_write, change=ending(word, *["ok"] * 4)),
                "--status",
                "status",
                works=rows_in(rows=failed_rows),
            )
            for word in wrong
        ),
        _case(
            "status: an unknown one",
            partial(_write, change=ending("purple", *["ok"] * 4)),
            "--status",
            "status",
            works=None,
            says=("purple",),
        ),
        _case("status: no such column", _write, "--status", "state", works=None, says=("state",)),
        _case(
            "status: an empty accuracy is a failure",
            partial(_write, change=lambda t: t.assign(accuracy=[math.nan, *t["accuracy"][1:]])),
            works=rows_in(rows=failed_rows),
        ),
        _case(
            "status: nan is a failure",
            partial(_write, change=lambda t: t.assign(accuracy=["nan", *t["accuracy"][1:]])),
            works=rows_in(rows=failed_rows),
        ),
        _case(
            "status: infinite is a failure",
            partial(_write, change=lambda t: t.assign(accuracy=["inf", *t["accuracy"][1:]])),
            works=rows_in(rows=failed_rows),
        ),
        _case(
            "status: all failed",
            partial(_write, change=ending(*["failed"] * 5)),
            "--status",
            "status",
            works=None,
            says=("t.csv", "5"),
        ),
    ]


def _scales() -> list[Case]:
    fractions = partial(_write, change=lambda t: t.assign(accuracy=t["accuracy"] / 100))
    return [
        _case("scale: fractions become percent, said", fractions, works=rows_in(), says=("fraction",)),
        _case("scale: overruled", fractions, "--scale", "1", works=rows_in(scale=0.01)),
        _case("scale: given", fractions, "--scale", "100"),
        _case("scale: percent stays", _write, works=rows_in()),
        _case("scale: no number", _write, "--scale", "much", works=None, says=("scale", "much")),
        _case(
            "scale: a loss is no accuracy",
            partial(_write, change=lambda t: t.assign(accuracy=[2.1, 340, 1.7, 180, 0.3])),
            works=None,
            says=("accuracy", "340"),
        ),
        _case(
            "scale: negative",
            partial(_write, change=lambda t: t.assign(accuracy=-t["accuracy"])),
            works=None,
            says=("accuracy", "-90.75"),
        ),
    ]


def _again() -> list[Case]:
    other = [row | {"accuracy": row["accuracy"] + 2} for row in ROWS]

    def two_folders(folder: Path) -> int:
        return command("import", "a/t.csv", "--space", "mine.yaml", "--out", "store") or command(
            "import", "b/t.csv", "--space", "mine.yaml", "--out", "store"
        )

    def write_two(folder: Path, second: Frame) -> None:
        _space(folder)
        for name, table in (("a", frame()), ("b", second)):
            (folder / name).mkdir()
            table.to_csv(folder / name / "t.csv", index=False)

    overlapping = pd.concat([frame()[:2], frame(other)[2:]])
    seeds = [*ROWS, ROWS[0] | {"accuracy": 72.0}, ROWS[0] | {"accuracy": 70.0}]
    return [
        Case(
            name="table: again: two files of one name",
            make=partial(write_two, second=frame(other)),
            do=two_folders,
            works=rows_in(rows=[*ROWS, *other]),
        ),
        Case(
            name="table: again: the same file",
            make=partial(write_two, second=frame()),
            do=two_folders,
            works=rows_in(),
            says=("equal",),
        ),
        Case(
            name="table: again: sorted otherwise",
            make=partial(write_two, second=frame()[::-1]),
            do=two_folders,
            works=rows_in(),
            says=("equal",),
        ),
        Case(
            name="table: again: overlapping",
            make=partial(write_two, second=overlapping),
            do=two_folders,
            works=rows_in(rows=[*ROWS, *other[2:]]),
        ),
        _case(
            "again: three seeds of a candidate",
            lambda f: [_space(f), frame(seeds).to_csv(f / "t.csv", index=False)],
            works=rows_in(rows=seeds),
        ),
    ]


def _mistakes() -> list[Case]:
    def cell(column: str, value: Any) -> Callable[[Path], object]:
        return partial(_write, change=lambda t: t.assign(**{column: [value, *t[column].astype(object)[1:]]}))

    def content(data: bytes, name: str = "t.csv") -> Callable[[Path], object]:
        return lambda folder: (_space(folder), (folder / name).write_bytes(data))

    many = SPACE.replace("choices: [0.001, 0.01, 0.1], scale: log", "low: 0.001, high: 0.2, step: 0.001")
    buffer = io.BytesIO()
    frame().to_parquet(buffer)
    return [
        _case("mistake: a word that is none", cell("act", "gelu"), works=None, says=("act", "gelu")),
        _case("mistake: a number that is none", cell("depth", 9), works=None, says=("depth", "9")),
        _case("mistake: a number for a word", cell("act", 3), works=None, says=("act", "3")),
        _case("mistake: a word for a number", cell("recipe.lr", "high"), works=None, says=("lr", "high")),
        _case("mistake: nothing where it has an effect", cell("recipe.momentum", None), works=None, says=("momentum",)),
        _case("mistake: between two choices", cell("recipe.lr", 0.0123), works=None, says=("lr", "0.0123", "0.01")),
        _case(
            "mistake: between 200 choices: the nearest are named",
            partial(_write, change=lambda t: t.assign(**{"recipe.lr": [0.1217, *t["recipe.lr"][1:]]}), space=many),
            works=None,
            says=("0.1217", "0.121", "0.122"),
        ),
        _case(
            "mistake: all of them at once",
            partial(
                _write, change=lambda t: t.assign(act=["gelu", "relu", "swish", "tanh", "mish"], depth=[9, 1, 2, 3, 1])
            ),
            works=None,
            says=("gelu", "swish", "mish", "9"),
        ),
        _case("mistake: no file", _space, works=None, says=("t.csv",)),
        _case("mistake: an empty file", content(b""), works=None, says=("t.csv",)),
        _case("mistake: headings only", content(b"depth,act,accuracy\n"), works=None, says=("t.csv",)),
        _case("mistake: binary", content(bytes(range(256)) * 9), works=None, says=("t.csv",)),
        _case(
            "mistake: a cut Parquet file",
            content(buffer.getvalue()[:-40], "t.parquet"),
            file="t.parquet",
            works=None,
            says=("t.parquet",),
        ),
        _case("mistake: Parquet called CSV", content(buffer.getvalue()), works=None, says=("t.csv",)),
        _case("mistake: broken JSON", content(b'[{"depth": 1', "t.json"), file="t.json", works=None, says=("t.json",)),
        _case("mistake: JSON of a number", content(b"3", "t.json"), file="t.json", works=None, says=("t.json",)),
        _case("mistake: a spreadsheet", content(b"PK\x03\x04", "t.xlsx"), file="t.xlsx", works=None, says=("t.xlsx",)),
        Case(name="table: mistake: no space", make=_write, do=("import", "t.csv", "--out", "store"), says=("space",)),
        Case(
            name="table: mistake: the space is no file",
            make=_write,
            do=("import", "t.csv", "--space", "nosuch.yaml", "--out", "store"),
            says=("nosuch.yaml",),
        ),
    ]


def _stores() -> list[Case]:
    def files(folder: Path) -> None:
        (folder / "things").mkdir()
        (folder / "things" / "a.txt").write_text("x")

    def foreign(folder: Path) -> None:
        (folder / "things").mkdir()
        frame().to_parquet(folder / "things" / "x.parquet")

    places: dict[str, tuple[Callable[[Path], object], str]] = {
        "a folder of other files": (files, "things"),
        "an empty folder": (lambda f: (f / "things").mkdir(), "things"),
        "a folder of other Parquet files": (foreign, "things"),
        "a file": (lambda f: (f / "things").write_text("x"), "things"),
        "nothing": (lambda f: None, "things"),
    }
    commands = (
        ("store", "info", "things"),
        ("store", "export", "things", "out.csv"),
        ("store", "merge", "all", "things"),
        ("store", "replay", "things", "--trainings", "2"),
        ("audit", "things", "--space", "fcnet"),
    )
    return [
        Case(name=f"store: {' '.join(command[:2])} of {name}", make=make, do=command, says=(word,))
        for name, (make, word) in places.items()
        for command in commands
    ]


def _costs() -> list[Case]:
    wide = "name: mine\nkind: generic\narchitecture:\n" + "".join(f"  c{i:02d}: [0, 1, 2]\n" for i in range(28))
    rng = np.random.default_rng(0)

    def table(folder: Path, *, costs: bool, space: str) -> None:
        (folder / "mine.yaml").write_text(space)
        X = rng.integers(0, 3, (40, 28))
        rows = pd.DataFrame(X, columns=[f"c{i:02d}" for i in range(28)])
        rows["accuracy"] = 50 + X.sum(axis=1) / 2
        if costs:
            rows["flops"] = 1e6 * (1 + X.sum(axis=1))
        rows.to_csv(folder / "t.csv", index=False)
        if space != wide:
            rows.drop(columns="accuracy").to_csv(folder / "costs.csv", index=False)

    def many(count: int) -> Check:
        return lambda outcome: equal("rows", len(SampleStore(outcome.folder / "store", must_exist=True)), count)

    def with_flops(outcome: Outcome) -> str:
        samples = SampleStore(outcome.folder / "store", must_exist=True).samples()
        wrong = [s for s in samples if s.costs.get("flops") != 1e6 * (1 + sum(s.choices))]
        return f"{len(wrong)} of {len(samples)} rows have other costs: {wrong[0].costs}" if wrong else ""

    named = wide + "costs: costs.csv\n"
    return [
        _case("costs: 28 choices, none", partial(table, costs=False, space=wide), works=many(40)),
        _case(
            "costs: 28 choices, of a column",
            partial(table, costs=True, space=wide),
            "--costs",
            "flops",
            works=with_flops,
        ),
        _case("costs: 28 choices, of a file", partial(table, costs=True, space=named), works=with_flops),
        _case(
            "costs: no such column",
            partial(table, costs=True, space=wide),
            "--costs",
            "params",
            works=None,
            says=("params",),
        ),
    ]
