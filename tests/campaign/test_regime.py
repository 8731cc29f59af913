"""The search for a regime: its variance components against a model with known ones, and a design that goes on."""

import importlib
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from nars.store import SampleStore

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr("os.nice", lambda _: 0)  # for this process's other tests
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield importlib.import_module("campaign_regime")
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_components_are_those_that_the_data_were_drawn_with(script) -> None:
    rng, drawn = np.random.default_rng(0), {"architecture": 4.0, "recipe": 9.0, "interaction": 2.0, "noise": 1.0}
    found = []
    for _ in range(300):
        effects = {name: rng.normal(0, np.sqrt(variance), (12, 12, 2)) for name, variance in drawn.items()}
        found.append(
            script.components(
                50
                + effects["architecture"][:, :1, :1]
                + effects["recipe"][:1, :, :1]
                + effects["interaction"][:, :, :1]
                + effects["noise"]
            )
        )
    for name, variance in drawn.items():
        values = [one[name] for one in found]
        assert np.mean(values) == pytest.approx(variance, abs=4 * np.std(values) / np.sqrt(300)), name


def test_a_design_is_complete_and_goes_on(tmp_path: Path, script, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def run(*arguments: str) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", ["campaign_regime.py", str(tmp_path), "--regime", "rehearsal", *arguments])
        assert script.main() == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])[tmp_path.name]

    size = ("--architectures", "2", "--seeds", "2", "--epochs", "1")
    assert "shares" not in run("--recipes", "1", *size)
    first = {sample.key: sample.finished for sample in SampleStore(tmp_path / "samples").samples()}
    known = run("--recipes", "2", *size)
    samples = list(SampleStore(tmp_path / "samples").samples())
    assert known["design"] == [2, 2, 2]
    assert sum(known["shares"].values()) == pytest.approx(1.0)
    assert first.items() <= {sample.key: sample.finished for sample in samples}.items()
    networks = {json.dumps({k: v for k, v in s.record.items() if "recipe." not in k}) for s in samples}
    recipes = {json.dumps({k: v for k, v in s.record.items() if "recipe." in k}) for s in samples}
    assert (len(samples), len(networks), len(recipes)) == (8, 2, 2)
    assert len(list((tmp_path / "samples").glob("*.parquet"))) == 8
