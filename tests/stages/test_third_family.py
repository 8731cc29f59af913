"""A family that nars does not know, defined in a module of a user's own, from the space file to exported networks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_run import CONFIG

sys.path.insert(0, str(Path(__file__).parent.parent / "space"))

import two_layers

from nars.cli import main
from nars.export import ExportError, load_member, register

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}


def nars(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from nars.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=ENVIRONMENT)


@pytest.mark.slow
def test_from_a_space_file_to_an_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(*arguments: object) -> tuple[int, str, str]:
        """Exit code and what is said, in this process, which has loaded torch."""
        monkeypatch.setattr("sys.argv", ["nars", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0), *capsys.readouterr()

    (tmp_path / "mine.yaml").write_text(two_layers.SPACE)
    (tmp_path / "small.yaml").write_text(
        CONFIG.replace("low: 20k, high: 200k", "low: 5k, high: 800k").replace("[30k, 150k]", "[40k, 600k]")
    )
    folder = tmp_path / "out"
    done = nars("run", tmp_path / "small.yaml", "--out", folder, "--workers", 2)  # worker processes find it as well
    assert done.returncode == 0, done.stderr
    samples = json.loads(next((folder / "family").glob("family.json")).read_text())["members"]
    assert [member["name"] for member in samples] == ["40k", "600k"]
    assert all(0 < member["costs"]["flops"] <= member["budget"] for member in samples)

    home = folder / "family" / "40k"
    assert {path.name for path in home.iterdir()} == {
        *("README.md", "architecture.yaml", "card.json", "config.json", "recipe.yaml"),
        *("model.onnx", "model.pt2", "model.safetensors"),
    }  # neither model.py nor timm: these describe MBConv networks
    card = json.loads((home / "card.json").read_text())
    assert card["counted"]["flops"] == card["costs"]["flops"]  # fvcore's count and the user's arithmetic
    assert max(card["max_difference"].values()) <= 1e-4
    assert "model.py" not in (home / "README.md").read_text()
    assert load_member(home)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    with pytest.raises(ExportError, match="No exported member of the family mbconv"):
        register(folder)
    code, said, why = here("export", folder, "--verify")
    assert code == 0, why
    assert said.count(": ok") == 2 * len({json.dumps(member["choices"]) for member in samples})

    code, _, why = here("latency", tmp_path / "mine.yaml", "--out", tmp_path / "latency.json")
    assert code == 2
    assert "latency is measured for blocks of kind mbconv only" in why
    code, _, why = here("scale", folder, "--to", "900k")
    assert code == 2
    assert "MBConv" in why or "two different members" in why
