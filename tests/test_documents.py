"""What the README and the pages of the site say: each command is run as it stands, and all Python.

Small settings are added where a command would take long. What needs other hardware stands in blocks of plain text, or
in a sentence; it is run elsewhere in the form that this machine has (two processes of torchrun:
tests/stages/test_final.py; a Ray cluster of this machine: tests/evaluate/test_engines.py); here it is checked that the
options are there.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
import yaml
from PIL import Image

from nars.cli import main
from nars.cli.app import app
from nars.space import load_space, sobol

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    str(page.relative_to(ROOT / "docs")): page.read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if page.relative_to(ROOT / "docs").parts[0] not in ("reference", "_build")
}


def blocks(text: str) -> list[tuple[str, str]]:
    """Kind and content of the fenced blocks."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


BLOCKS = blocks(README)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
PROSE = re.sub(r"```.*?```", "", README, flags=re.DOTALL)

SHELL = [
    *re.findall(r"^    ((?:nars|make) [^\n]*)$", PROSE, flags=re.MULTILINE),
    *re.findall(r"`((?:nars|make|torchrun) [^`]*)`", re.sub(r"^    .*$", "", PROSE, flags=re.MULTILINE)),
]
COMMANDS = list(dict.fromkeys(command.split("  ")[0].strip() for command in SHELL))

_SETS = (
    "--set pretraining.pool=128 --set collect.rounds=2 "
    "--set collect.per_round=6 --set collect.epochs=2 --set collect.warmup_epochs=0 --set collect.batch_size=16 "
    "--set final.epochs=1 --set final.warmup_epochs=0 --set final.batch_size=16"
)
_SHORT = f"--engine in-process --workers 1 --device cpu {_SETS}"
_STAGES = f"{_SETS} --set collect.rounds=1 --set data.max_train=64 --set search.budgets=250k"
SHORT = {
    "nars run digits": f"{_SHORT} --set collect.per_round=16 --set data.max_train=64 "
    "--set search.budgets=250k,500k --set final.batch_size=128",
    "nars run fashion-mnist": f"{_SHORT} --set collect.rounds=1",
    "nars run cifar10": f"{_SHORT} --set collect.rounds=1 --set data.validation=20 --set data.max_train=40 "
    "--set search.budgets=2M",
    "nars pretrain digits": _STAGES,
    "nars collect digits": f"{_STAGES} --engine in-process --device cpu",
    "nars search digits": _STAGES,
    "nars train digits --out": f"{_STAGES} --device cpu",
    "nars train digits --model": "--device cpu --resolution 16 --set final.epochs=1 --set final.warmup_epochs=0 "
    "--set data.validation=0.9",
    "nars run runs/digits": "--engine in-process --workers 1 --device cpu --set final.epochs=1 --set collect.rounds=2",
    "nars audit runs/digits": "--splits 1",
    "nars verify answers": "--engine in-process --workers 1 --device cpu --trainings 1",
    "nars swap runs/digits": "--engine in-process --device cpu",
    "nars store replay runs/digits": "--repeats 2 --trainings 6 --batch 3",
    "nars run mlp-run.yaml": "--engine in-process --workers 1 --device cpu",
}
"""What is added to a command that begins so, for the time's sake."""


def _examples() -> Iterator[str]:
    """The examples at the end of every --help."""
    groups: list[Any] = [typer.main.get_command(app)]
    while groups:
        group = groups.pop(0)
        yield from re.findall(r"nars [^\n]*", group.epilog or "")
        groups += getattr(group, "commands", {}).values()


EXAMPLES = [example for example in dict.fromkeys(_examples()) if example not in COMMANDS]
LONGER = (
    "nars --install-completion",  # tests/cli/test_completing.py
    "nars run runs/digits ",  # tests/stages/test_growing.py
    "nars run photos/ --time",  # test_timed.py
    "nars run --data imagefolder:new --initial",  # test_members.py
    "nars train cifar10 --model fbnetv3-b",  # tests/network/test_starting.py
    "nars transfer ",  # test_transfer.py
    "nars data check labels.csv",  # tests/images
    "nars verify ",  # test_verifying.py, and above
    "nars train digits --set final.teacher",  # test_final.py
    "nars train answers",  # above
    "nars train runs/digits/scaled",  # tests/space/test_scaling.py
    "nars export ",  # above, and tests/export
    "nars fit ",  # above, and tests/cli/test_fit.py
    "nars compress ",  # test_compress.py
    "nars latency ",  # tests/network, test_latency_run.py
    "nars audit nas-bench-macro",  # tests/trials/test_tables.py
    "nars swap runs/digits --train",  # test_swap.py
    "nars explore cifar10",  # serves until Ctrl-C: tests/explore
    "nars explore runs/digits",
)
"""Examples of --help whose work is done elsewhere; here it is seen that they mean something."""


def _photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog", "owl")):
        (folder / name).mkdir(parents=True)
        for index in range(20):
            pixels = np.clip(rng.normal(80 + 60 * number, 40, (48, 36, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.jpg")


def _cifar10(folder: Path) -> None:
    """A little set in the documented layout."""
    folder.mkdir(parents=True)
    for part, count in (("train", 80), ("test", 20)):
        rows = []
        for number in range(count):
            file = io.BytesIO()
            Image.new("RGB", (32, 32), (25 * (number % 10), 0, 0)).save(file, "PNG")
            rows.append({"img": {"bytes": file.getvalue(), "path": ""}, "label": number % 10})
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{part}.parquet")


def _trials(file: Path, space_file: Path) -> None:
    """Trainings that somebody has paid for already."""
    space = load_space(space_file)
    rows = sobol(space, 40, seed=0)
    frame = pd.DataFrame(space.to_records(rows))
    accuracy = 10 * np.log10(space.costs(rows)["flops"])
    frame.assign(accuracy=accuracy, val_loss=100 - accuracy).to_csv(file, index=False)
    frame.add_prefix("params_").assign(value=accuracy, state="COMPLETE").to_csv(file.with_name("optuna.csv"))


@functools.cache
def nars(command: str) -> tuple[int, str]:
    """Exit code and what a command prints, run in this process; once, if it stands in several places.

    No table is wider than the terminal, and none cuts a word.
    """
    said = io.StringIO()
    words = [word for begin, more in SHORT.items() if command.startswith(begin) for word in shlex.split(more)]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        patch.setattr("sys.argv", [*shlex.split(command, comments=True), *words])
        with pytest.raises(SystemExit) as leaving:
            main()
    lines = said.getvalue().splitlines()
    assert not [line for line in lines if "…" in line or (line[:1] in tuple("│┃┏┌╭") and len(line) > 80)]
    return int(leaving.value.code or 0), said.getvalue()


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with what the texts speak of: photos, a space, trials, the demo's finished run."""
    folder = tmp_path_factory.mktemp("home")
    _photos(folder / "photos")
    _cifar10(folder / "data" / "cifar10")
    (folder / "mine.yaml").write_text(next(text for kind, text in blocks(PAGES["how-to/space.md"]) if kind == "yaml"))
    _trials(folder / "trials.csv", folder / "mine.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NARS_DATA", str(folder / "data"))
        patch.setenv("COLUMNS", "80")
        patch.setenv("COLUMNS", "80")
        code, said = nars("nars run digits")
        assert code == 0, said
        yield folder


def test_what_is_shortened_is_there() -> None:
    shown = "".join(text for page in PAGES.values() for kind, text in blocks(page) if kind == "sh")
    for begin in SHORT:
        assert any(command.startswith(begin) for command in (*COMMANDS, *EXAMPLES, *shown.splitlines())), begin


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("nars ")])
def test_a_command_runs_as_it_stands(command: str) -> None:
    code, said = nars(command)
    assert code == 0, said
    assert "Traceback" not in said


@pytest.mark.parametrize("example", [one for one in EXAMPLES if not one.startswith(LONGER)])
def test_an_example_of_a_help_runs_as_it_stands(example: str) -> None:
    code, said = nars(example)
    assert code == 0, said
    assert "Traceback" not in said


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.startswith(LONGER)])
def test_an_example_of_a_help_is_understood(example: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(example)[1:]
    while hasattr(command, "commands") and words[0] in command.commands:
        command, *words = (command.commands[words[0]], *words[1:])
    if words != ["--install-completion"]:
        command.make_context("nars", words)


def test_every_help_has_an_example_and_fits_80_columns() -> None:
    commands: list[Any] = [("nars", typer.main.get_command(app))]
    while commands:
        name, command = commands.pop()
        commands += [(f"{name} {part}", one) for part, one in getattr(command, "commands", {}).items()]
        assert hasattr(command, "commands") or "Example: nars " in command.epilog, name
        assert nars(f"{name} --help")[0] == 0


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if blocks(text)])
def test_a_page_runs_from_top_to_bottom(page: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that begins with the name of a file is that file."""
    monkeypatch.syspath_prepend(str(home))
    for kind, text in blocks(PAGES[page]):
        if name := re.match(r"# (\S+\.(?:yaml|py))\n", text):
            (home / name[1]).write_text(text)
        elif kind == "yaml":
            yaml.safe_load(text)
        elif kind == "python":
            exec(compile(text, page, "exec"), {})
        elif kind == "sh":
            for command in text.splitlines():
                assert command.startswith("nars "), command
                code, said = nars(command)
                assert code == 0, said
                assert "Traceback" not in said


def test_what_the_commands_say_they_leave_is_there(home: Path) -> None:
    assert (home / "runs" / "digits" / "report.html").is_file()
    for name in ("1M", "2M"):
        assert (home / "runs" / "photos" / "family" / name / "model.onnx").is_file()
    assert pq.read_table(home / "front.parquet").num_rows > 1
    for name in ("80k", "1M"):
        assert (home / "runs" / "digits" / "scaled" / name / "architecture.yaml").is_file()


@pytest.mark.parametrize("command", ["run runs/digits", "store info runs/digits", "report runs/digits --help"])
def test_a_finished_run_is_opened_without_large_libraries(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    ended = importlib.import_module("bench_startup").nars(command)
    assert ended.code == 0, ended.said
    assert ended.loaded == ()


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})


def test_the_python_is_typed(tmp_path: Path) -> None:
    """Each block is a function: its names are its own."""
    module = tmp_path / "readme.py"
    functions = (f"def block{n}() -> None:\n{textwrap.indent(code, '    ')}" for n, code in enumerate(PYTHON))
    module.write_text("\n\n".join(functions))
    command = [sys.executable, "-m", "mypy", "--strict", str(module)]
    env = os.environ | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("target", [command.split()[1] for command in COMMANDS if command.startswith("make ")])
def test_make_has_the_target(target: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_options_for_other_hardware_are_there() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    prose = "".join([PROSE, *(re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.M) for text in PAGES.values())])
    named = [shlex.split(text) for text in re.findall(r"`(--[a-z][^`]*)`", prose)]
    assert ["--engine", "ray", "--address", "HOST:6379"] in named
    known = {name: {option for part in command.params for option in part.opts} for name, command in commands.items()}
    for words in named:
        wanted = {word for word in words if word.startswith("--")}
        assert any(wanted <= options for options in known.values()), words
        if wanted <= known["run"] and len(words) > 1:
            commands["run"].make_context("run", ["digits", *words], resilient_parsing=False)
    shown = "".join(text for page in PAGES.values() for kind, text in blocks(page) if kind == "text")
    for line in re.findall(r"^nars (.*)$", shown, flags=re.MULTILINE):
        name, *words = shlex.split(line.split("  #")[0])
        commands[name].make_context(name, words, resilient_parsing=False)
    (torchrun,) = [shlex.split(command) for command in COMMANDS if command.startswith("torchrun ")]
    assert torchrun[3:6] == ["-m", "nars", "train"]


def test_every_link_leads_to_a_file() -> None:
    for page, text in {"../README.md": README, **PAGES}.items():
        links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if not link.startswith("http")]
        for link in links:
            made = "reference/" in link and "reference.md" not in link
            assert made or (ROOT / "docs" / page).parent.joinpath(link).exists(), (page, link)


def test_every_key_that_is_set_exists() -> None:
    from nars.run import load_config

    for text in re.findall(r"--set ([a-z_.]+=(?:'[^']*'|[^\s`]*))", "".join([README, *PAGES.values()])):
        key, _, value = text.partition("=")
        load_config("cifar10", {key: yaml.safe_load(value.strip("'"))} | ({"collect.refit_every": None}))
