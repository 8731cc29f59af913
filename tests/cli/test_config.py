"""`nars config`: every key that a configuration takes, and nothing that it does not."""

import pytest
from typer.testing import CliRunner

from nars.cli.app import app
from nars.errors import ConfigError
from nars.run import RunConfig
from nars.run.config import keys_at
from nars.run.keys import keys


def test_every_key_has_its_kind_and_a_sentence() -> None:
    found = {key.name: key for key in keys()}
    assert {name.split(".")[0] for name in found} == set(RunConfig.model_fields)
    for section in ("collect", "search", "final", "final.online", "pretraining"):
        there = {name.removeprefix(f"{section}.").split(".")[0] for name in found if name.startswith(f"{section}.")}
        assert there == set(keys_at(tuple(section.split("."))))
    assert all(len(key.says) > 10 and key.says.endswith((".", ")")) for key in found.values())
    assert all("paper:" not in key.says for key in found.values())
    rounds = found["collect.rounds"]
    assert (rounds.default, rounds.kind, rounds.paper) == ("5", "whole number >= 0", "5 joint, 4 recipe-only")
    assert found["final.online.copies"].kind == "whole number >= 2"
    assert found["collect.schedule"].kind == "exponential | cosine | linear"


def test_it_fits_the_terminal_and_knows_what_was_meant() -> None:
    shown = CliRunner().invoke(app, ["config", "collect"], env={"COLUMNS": "80", "NO_COLOR": "1"})
    assert shown.exit_code == 0
    assert "collect.rounds = 5" in shown.stdout
    assert "final." not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    with pytest.raises(ConfigError, match=r"did you mean collect\?"):
        keys("colect")
