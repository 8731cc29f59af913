"""What Tab offers, asked as the shells ask it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nars.cli.app import app

BASH = """
source <(nars --show-completion bash)
COMP_WORDS=(nars run digits --set metric = ba) COMP_CWORD=6
_nars_completion nars
echo "${COMPREPLY[@]}"
"""
NARS = """#!{python}
import atexit, pathlib, sys
from nars.cli import main
large = {{"torch", "pandas", "scipy"}}
atexit.register(lambda: pathlib.Path({loaded!r}).write_text(" ".join(large & set(sys.modules))))
main()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of a user."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "runs/digits/run.json",
        "runs/digits/family/500k/recipe.yaml",
        "answers/300k/answer.json",
        "mine.yaml",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nars expl", {"explore"}),
        ("nars run ", {"digits", "imagenet", "runs/digits", "mine.yaml"}),
        ("nars run runs/", {"runs/digits"}),
        ("nars run digits --space fbnetv3", {"fbnetv3", "fbnetv3-rich"}),
        ("nars train a", {"answers/300k"}),
        ("nars verify ", {"answers/300k"}),
        ("nars compress runs/d", {"runs/digits/family/500k"}),
        ("nars search --predictor ", {"cifar10", "runs/digits"}),
        ("nars run digits --set collect.sch", {"collect.schedule=exponential"}),
        ("nars run digits --set metric=b", {"metric=balanced_accuracy"}),
        ("nars run digits --set task=", {"task=images"}),
        ("nars run digits --data f", {"fashion-mnist"}),
        ("nars fit x.csv --metric log", {"log_loss:minimize"}),
        ("nars config coll", {"collect", "collect.rounds"}),
        ("nars space show dig", {"digits"}),
        ("nars store info ", {"runs/digits"}),
    ],
)
def test_what_may_stand_there(line: str, expected: set[str], home: Path) -> None:
    asked = {"_NARS_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    answer = CliRunner().invoke(app, env=asked, prog_name="nars").stdout.splitlines()
    words = {one.partition("\t")[0] for one in answer}
    assert expected <= words
    assert all(word.startswith(line.rpartition(" ")[2]) for word in words)


def test_in_bash_itself_which_ends_words_at_signs_and_nothing_large_is_loaded(home: Path) -> None:
    loaded = home / "loaded"
    command = home / "bin" / "nars"
    command.parent.mkdir()
    command.write_text(NARS.format(python=sys.executable, loaded=str(loaded)))
    command.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    said = subprocess.run(["bash", "-c", BASH], env=environment, capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("balanced_accuracy\n", "")
    assert loaded.read_text() == ""
