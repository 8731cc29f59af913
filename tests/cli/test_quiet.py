"""What --quiet leaves, and figures for programs."""

import json
from pathlib import Path

from typer.testing import CliRunner

from nars.cli.app import app
from nars.files.atomic import write_json
from nars.run import Silent, load_config, open_run


def test_quiet_leaves_the_results(tmp_path: Path) -> None:
    run = open_run(load_config("digits"), tmp_path / "run", reporter=Silent())
    write_json(run.folder.family_file, {"members": []})
    figures = tmp_path / "figures.json"
    loud = CliRunner().invoke(app, ["report", str(run.folder.path), "--json", str(figures)])
    quiet = CliRunner().invoke(app, ["report", str(run.folder.path), "--quiet"])
    assert "report: " in loud.stderr
    assert (quiet.exit_code, quiet.stderr, quiet.stdout) == (0, "", loud.stdout)
    assert json.loads(figures.read_text())["members"] == []
