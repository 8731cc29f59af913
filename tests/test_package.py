"""What is given away: wheel and sdist, their contents and metadata, and the wheel at work in an environment of its own.

That environment is empty but for the wheel, which pip installs; what the wheel needs is seen through a .pth file where
it lies already, as torch alone is half a gigabyte to download. That the names of all that are right is checked against
what is installed here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import HeaderParser
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOY = {
    "pretraining.pool": 64,
    "collect.rounds": 1,
    "collect.per_round": 2,
    "collect.epochs": 1,
    "collect.warmup_epochs": 0,
    "data.max_train": 64,
    "search.budgets": "250k",
    "final.epochs": 1,
    "final.warmup_epochs": 0,
    "final.teacher": "none",
}


def run(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(source: Path, folder: Path, *targets: str) -> None:
    wanted = [part for target in targets for part in ("-t", target)]
    run(sys.executable, "-m", "hatchling", "build", *wanted, "-d", folder, cwd=source)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built(ROOT, folder, "sdist", "wheel")
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (file,) = dist.glob("nars-*-py3-none-any.whl")
    return file


def test_the_metadata_is_what_an_index_takes(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (place,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        text = archive.read(place).decode()
    found = Metadata.from_email(text, validate=True)
    assert (found.name, str(found.version), found.license_expression) == ("nars", version("nars"), "Apache-2.0")
    assert found.description_content_type == "text/markdown"
    assert HeaderParser().parsestr(text).get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"onnx", "compress", "ray", "tensorboard", "trackers"} <= set(found.provides_extra or ())
    for one in map(str, found.requires_dist or ()):
        needed = Requirement(one)
        if "extra ==" not in one:
            assert version(needed.name) in needed.specifier, one


def test_the_wheel_has_what_runs_and_the_sdist_makes_the_same_wheel(dist: Path, wheel: Path, tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"nars/py.typed", "nars/explore/assets/page.html", "nars/report/page.html"} <= names
    assert {f"nars/_shipped/{name}" for name in ("space/digits.yaml", "space/runs/digits.yaml")} <= names
    assert not [name for name in names if name.startswith(("tests/", "scripts/")) or "__pycache__" in name]
    assert wheel.stat().st_size < 10e6
    (sdist,) = dist.glob("nars-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "SECURITY.md", "tests", "nars"} <= {
        path.name for path in source.iterdir()
    }
    built(source, tmp_path / "dist", "wheel")
    (again,) = (tmp_path / "dist").glob("*.whl")
    assert set(zipfile.ZipFile(again).namelist()) == names


@pytest.mark.slow
def test_the_wheel_searches_digits_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    home, python = tmp_path / "env", tmp_path / "env" / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=tmp_path)
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, wheel, cwd=tmp_path)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "what_it_needs.pth").write_text(sysconfig.get_path("purelib"))
    assert run(python, "-c", "import nars; print(nars.__file__)", cwd=tmp_path).strip() == str(
        site / "nars/__init__.py"
    )
    sets = [part for key, value in TOY.items() for part in ("--set", f"{key}={value}")]
    said = run(home / "bin" / "nars", "run", "digits", "--engine", "in-process", "--device", "cpu", *sets, cwd=tmp_path)
    assert "250k" in said
    folder = tmp_path / "runs" / "digits"
    assert (folder / "report.html").is_file()
    assert (folder / "family" / "250k" / "model.onnx").is_file()
