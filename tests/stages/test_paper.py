"""docs/paper.md: each constant is the one in the code, each file is there, nothing that a run can say is left out."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from rich.table import Table

from nars.run import load_config
from nars.run.config import RunConfig, value_at
from nars.run.paper import STATED, beside_the_paper

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "paper.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| mechanism"))
]


def _in_code(place: str) -> Any:
    """What `module:name`, or a dotted key of a configuration, is."""
    name = re.findall(r"`([^`]+)`", place)[0]
    if ":" in name:
        found = resolve_name(name)
        return len(found()) if callable(found) else found
    config = load_config("imagenet-recipe" if "†" in place else "imagenet")
    return value_at(config.model_dump(mode="json"), name)


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return _spelled([limit for limits in value.values() for limit in limits.values()])
    if isinstance(value, list) and isinstance(value[0], dict):  # budgets
        return ", ".join(f"{next(iter(budget.values())) / 1e6:g}M" for budget in value)
    if isinstance(value, list):
        return "-".join(f"{number / 1e6:g}M" if number > 1e6 else f"{number:.4g}" for number in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_what_the_code_does(row: list[str]) -> None:
    _, paper, place, file, _, _ = row
    assert (ROOT / file.strip("`")).is_file()
    if place:
        assert _spelled(_in_code(place)) == paper


def test_nothing_that_a_configuration_says_of_the_paper_is_left_out() -> None:
    named = {key for row in ROWS for key in re.findall(r"`([a-z]\w*(?:\.\w+)?)`", row[2])}
    schedules = {"collect.schedule", "final.schedule"}  # with the decay
    assert {stated.key for stated in STATED} - schedules <= named


def _deviations(name: str, overrides: dict[str, Any] | None = None) -> dict[str, str]:
    config: RunConfig = load_config(name, overrides)
    table: Table = beside_the_paper(config, recipe_only=name == "imagenet-recipe")
    marks, keys, _, ours, _ = (list(column.cells) for column in table.columns)
    return {str(key): str(own) for mark, key, own in zip(marks, keys, ours, strict=True) if mark}


def test_a_run_is_shown_beside_the_paper() -> None:
    assert _deviations("imagenet") == {}
    assert _deviations("imagenet-recipe") == {}
    found = _deviations("imagenet", {"collect.ema_warmup": True, "search.budgets": "500M", "range.flops.high": "1G"})
    assert found.keys() == {"collect.ema_warmup", "search.budgets", "range"}
    assert found["range"] == "flops low 400M, high 1000M"
