"""What an installed wheel brings: the built-in files are found by name there as in a checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_spaces_and_runs_are_found_by_name_from_a_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("nars-*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(installed)
    assert "nars/py.typed" in names
    assert len([name for name in names if name.endswith("digits.yaml")]) == 2  # the space and the run, one copy each
    assert not [name for name in names if name.startswith(("tests/", "scripts/"))]
    script = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); import nars; "
        "from nars.space import load_space, published_models, space_names; from nars.run import load_config; "
        "print(nars.__file__, load_space('fbnetv3').name, load_config('imagenet').space, 'digits' in space_names(), "
        "len(published_models()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(installed / "nars" / "__init__.py"), "fbnetv3", "fbnetv3", "True", "7"]
