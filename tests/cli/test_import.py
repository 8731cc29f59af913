"""`nars import`, and what the commands of stores say where there is no store, in the process."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from nars.cli.app import app
from nars.errors import DataError, StoreError
from nars.store import SampleStore

SPACE = """
name: mine
kind: generic
architecture: {depth: [1, 2, 3]}
recipe: {lr: [0.001, 0.01]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SPACE, encoding="utf-8")
    trials = {"depth": [1, 2, 3, 1], "lr": [0.001, 0.01, 0.001, 0.001], "top1": [0.7, 0.8, 0.9, 0.7]}
    pd.DataFrame({**trials, "end": ["gut", "gut", "mies", "gut"], "macs": [10, 20, 30, 10]}).to_csv(
        "t.csv", index=False
    )
    return tmp_path


def run(*arguments: str) -> str:
    """What a command prints, on both streams."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return " ".join(result.output.split())


OPTIONS = (
    "--columns",
    "accuracy=top1,status=end",
    "--ok-status",
    "gut",
    "--failed-status",
    "mies",
    "--costs",
    "flops=macs",
)


def test_all_options_in_one_line(folder: Path) -> None:
    said = run("import", "t.csv", "--space", "mine.yaml", "--out", "store", *OPTIONS)
    assert "fractions, taken times 100" in said
    assert "1 rows are equal to another one in every column" in said
    assert "3 new trainings in store, 1 of them failed; 0 equal" in said
    samples = SampleStore("store").samples()
    assert sorted((s.record["depth"], s.value, s.costs["flops"]) for s in samples if s.status == "ok") == [
        (1, 70.0, 10.0),
        (2, 80.0, 20.0),
    ]
    # The store knows its space from now on.
    assert "0 new trainings in store, 0 of them failed; 3 equal" in run("import", "t.csv", "--out", "store", *OPTIONS)
    run("import", "t.csv", "--space", "mine.yaml", "--out", "raw", *OPTIONS, "--scale", "1", "--data-set", "photos")
    raw = SampleStore("raw").samples()
    assert {s.value for s in raw} == {0.7, 0.8, None}
    assert {s.data for s in raw} == {"photos"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--columns", "accuracy"), "--columns takes NAME=HEADING"),
        (("--columns", "accuracy="), "--columns takes NAME=HEADING"),
        (("--columns", "accuracy=top1,accuracy=macs"), "names 'accuracy' twice"),
        (("--columns", "accuracy=top1,rate=lr"), "neither a setting of mine"),
        (("--accuracy", "top5"), r"no column 'top5' \(did you mean 'top1'\?\)"),
        (("--columns", "accuracy=top1", "--status", "ended"), r"no column 'ended' .*did you mean 'end'.* by --status"),
        (("--columns", "accuracy=top1,status=end"), r"'gut' \(3 rows\), 'mies' \(1 rows\)"),
        (("--columns", "accuracy=top1", "--scale", "much"), "--scale takes a number above 0"),
        (("--columns", "accuracy=top1", "--costs", "params"), "no column 'params'.* by --costs"),
    ],
)
def test_errors_name_the_option(arguments: tuple[str, ...], message: str, folder: Path) -> None:
    with pytest.raises(DataError, match=message):
        run("import", "t.csv", "--space", "mine.yaml", "--out", "store", *arguments)
    assert not Path("store").exists()


@pytest.mark.parametrize(
    "command",
    [("info",), ("export", "o.csv"), ("replay", "--trainings", "2"), ("merge",)],
    ids=lambda command: str(command[0]),
)
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("empty", "empty is no sample store: it holds no samples"),
        ("notes", "notes is no sample store: it holds no samples"),
        ("absent", "there is no sample store at 'absent'"),
        ("t.csv", "t.csv is a file; give the folder"),
        ("run", "the run in run has no samples yet"),
    ],
)
def test_where_there_is_no_store(command: tuple[str, ...], place: str, message: str, folder: Path) -> None:
    for name in ("empty", "notes", "run"):
        Path(name).mkdir()
    Path("notes/README.txt").write_text("hello", encoding="utf-8")
    Path("run/run.json").write_text("{}", encoding="utf-8")
    name, *rest = command
    places = ("target", place) if name == "merge" else (place,)
    with pytest.raises(StoreError, match=message):
        run("store", name, *places, *rest)
    assert not Path("target").exists()


def test_a_file_or_folder_without_trials(folder: Path) -> None:
    Path("empty").mkdir()
    for name, message in [("gone.csv", "there is no file gone.csv"), ("empty", "empty is no sample store")]:
        with pytest.raises((DataError, StoreError), match=message):
            run("import", name, "--space", "mine.yaml", "--out", "store")
        with pytest.raises((DataError, StoreError), match=message):
            run("audit", name, "--space", "mine.yaml")
