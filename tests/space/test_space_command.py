"""`nars space` as a person types it."""

import json
import re

import pytest
from typer.testing import CliRunner

from nars.cli.space import app
from nars.space import InfeasibleError, SpaceError, load_space, space_file, space_names

runner = CliRunner()


def run(*arguments):
    result = runner.invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_list_and_show_every_space():
    listing = run("list").output
    for name in space_names():
        assert name in listing
        shown = run("show", name).output
        assert load_space(name).fingerprint in shown
    shown = run("show", "fbnetv3").output
    assert "4.8e19 x 1.3e7 (architectures x recipes) as shipped" in shown
    assert "3.0e17 x 1.3e7 with the paper's ranges (the paper says 10^17 x 10^7" in shown
    assert "stage7.channels: (184, 240, 8); in the paper (180, 224, 4)" in shown


@pytest.mark.parametrize("name", space_names())
def test_show_cuts_no_word_at_80_columns(name):
    output = runner.invoke(app, ["show", name], env={"COLUMNS": "80"}).output
    assert "…" not in output
    rows = [line for line in output.splitlines() if line[:1] in ("│", "┃")]
    assert {len(row) <= 80 for row in rows} == {True}
    # Folded words would be there in parts: what the wide table says is there in whole words.
    wide = runner.invoke(app, ["show", name], env={"COLUMNS": "300"}).output
    words = [set(re.findall(r"[\w./-]+", text)) for text in (wide, output)]
    assert words[0] <= words[1]


def test_check(tmp_path):
    assert "no mistakes" in run("check", str(space_file("digits"))).output
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(space_file("digits").read_text(encoding="utf-8").replace("kernel: [3, 5]", "kernel: [3, 4]"))
    with pytest.raises(SpaceError, match=r"wrong\.yaml:\d+: architecture\.stages\[0\]\.kernel: kernels are odd"):
        run("check", str(wrong))


def test_sample_keeps_every_limit():
    output = run("sample", "fbnetv3", "-n", "7", "--max-flops", "500M", "--max-params", "8M", "--json").stdout
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert len(rows) == 7
    assert all(row["costs"]["flops"] <= 5e8 and row["costs"]["params"] <= 8e6 for row in rows)
    space = load_space("fbnetv3")
    assert space.from_records([row["record"] for row in rows]).tolist() == [row["choices"] for row in rows]
    assert (
        run("sample", "fcnet", "-n", "2", "--seed", "3").output
        == run("sample", "fcnet", "-n", "2", "--seed", "3").output
    )
    with pytest.raises(InfeasibleError, match=r"flops <= 162\.6M"):
        run("sample", "fbnetv3", "--max-flops", "100M")
    with pytest.raises(SpaceError, match="no cost is called 'latency'"):
        run("sample", "digits", "--max-latency", "3ms")
