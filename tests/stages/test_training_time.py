"""What trainings take as a cost: learned from a run's samples, and kept by answers as a limit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nars.arrays import Floats
from nars.cli.app import app
from nars.errors import ConfigError
from nars.predictors import PRESETS, Predictor
from nars.space import Bounds, InfeasibleError, Population, Space, SpaceError, load_space, sobol
from nars.stages import ask, ask_front, read_answer, save_answers, write_predictor
from nars.store import Sample, SampleStore

TEXT = """
name: timed
architecture:
  in_channels: 1
  classes: 10
  resolution: [8, 12]
  stem: {channels: [8, 16], stride: 1}
  stages:
    - {kernel: [3, 5], expand: {low: 1, high: 3}, channels: [8, 16, 24], depth: {low: 1, high: 3}}
  head: {expand: 2, channels: 32}
recipe:
  learning_rate: {low: 0.002, high: 0.05, count: 5, scale: log}
  epochs_share: {choices: [0.25, 0.5, 1.0], scale: log}
"""


def truth(space: Space, X: Population) -> Floats:
    """Seconds of a whole training: some for each epoch, more for larger networks."""
    share = np.array([recipe["epochs_share"] for recipe in space.recipes(X)], dtype=np.float64)
    return share * (20.0 + space.costs(X)["flops"] / 2e4)


def accuracy(space: Space, X: Population) -> Floats:
    """Longer trainings of larger networks are better, at all costs."""
    share = np.array([recipe["epochs_share"] for recipe in space.recipes(X)], dtype=np.float64)
    return np.asarray(70 + 8 * np.log2(share) + 3 * np.log(space.costs(X)["flops"] / 1e5))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Space]:
    """A folder with a predictor and the samples that it was fitted to, half of them stopped early."""
    home = tmp_path_factory.mktemp("timed")
    (home / "timed.yaml").write_text(TEXT)
    space = load_space(home / "timed.yaml")
    X = sobol(space, 64, seed=1)
    values = accuracy(space, X)
    settings = replace(PRESETS["default"], members=2)
    start = Predictor.pretrained(space, sobol(space, 256, seed=0), settings=settings, seed=0)
    write_predictor(
        home / "predictor", start.fit(start.inputs(space, X), values, seed=0), space=space, data="none", quality={}
    )
    samples = [
        Sample(
            record=record,
            choices=tuple(row),
            costs={},
            status="ok",
            value=float(value),
            curve=(float(value),) * epochs,
            epochs=epochs,
            planned_epochs=epochs,
            seconds=float(seconds) * epochs / 8,
            seed=0,
            space=space.fingerprint,
            data="none",
            fidelity=f"{epochs}",
        )
        for number, (record, row, value, seconds) in enumerate(
            zip(space.to_records(X), X.tolist(), values, truth(space, X), strict=True)
        )
        for epochs in [8 if number % 2 else 4]
    ]
    SampleStore(home / "samples").append(samples)
    return home, space


def test_an_answer_keeps_a_limit_on_seconds_and_uses_it(run: tuple[Path, Space], tmp_path: Path) -> None:
    home, space = run
    limits = (15.0, 30.0, 60.0)
    answer = ask(home, [Bounds.at_most(seconds=limit) for limit in limits])
    rows = np.concatenate([budget.ties.rows[:1] for budget in answer.budgets])
    expected = [float(budget.ties.costs["seconds"][0]) for budget in answer.budgets]
    assert (np.array(expected) <= limits).all()
    np.testing.assert_allclose(expected, truth(space, rows), rtol=0.15)
    X = sobol(space, 4000, seed=5)
    for limit, row in zip(limits, rows, strict=True):  # against the best of what there is
        best = accuracy(space, X)[truth(space, X) <= limit].max()
        assert accuracy(space, row[None])[0] > best - 2.0
    with pytest.raises(InfeasibleError, match="nothing in timed keeps"):  # though nobody knows the ends of seconds
        ask(home, [Bounds.at_most(flops=100, seconds=60)])
    (kept,) = save_answers(ask(home, [Bounds.read("seconds=30s+flops=200k")]), home, tmp_path)
    assert read_answer(kept.folder).bounds == Bounds.at_most(seconds=30, flops="200k")


def test_a_front_trades_accuracy_for_seconds(run: tuple[Path, Space]) -> None:
    home, space = run
    front = ask_front(home, ["seconds"]).front
    np.testing.assert_allclose(front.costs["seconds"], truth(space, front.rows), rtol=0.3)
    assert (np.diff(front.costs["seconds"]) > 0).all()
    assert (np.diff(front.predicted) > 0).all()
    shares = [recipe["epochs_share"] for recipe in space.recipes(front.rows)]
    assert (shares[0], shares[-1]) == (0.25, 1.0)


def test_the_command_says_how_far_off_seconds_are(run: tuple[Path, Space]) -> None:
    home, _ = run
    said = CliRunner().invoke(app, ["search", "--predictor", str(home), "--max-seconds", "30s,1m"]).output
    said = " ".join(said.split())
    assert "seconds <= 30" in said
    assert "seconds <= 60" in said
    assert "% off in the median" in said


def test_without_trainings_nobody_knows_seconds(run: tuple[Path, Space], tmp_path: Path) -> None:
    home, space = run
    (home / "predictor").rename(tmp_path / "predictor")
    try:
        with pytest.raises(ConfigError, match=r"learned from 20 successful trainings or more; .* has 0"):
            ask(tmp_path / "predictor", [Bounds.at_most(seconds=30)])
    finally:
        (tmp_path / "predictor").rename(home / "predictor")
    with pytest.raises(SpaceError, match=r"no cost is called 'seconds'.*nars search --predictor RUN"):
        sobol(space, 1, seed=0, bounds=Bounds.at_most(seconds=30))


def test_limits_on_seconds_are_written_as_times_are() -> None:
    written = [Bounds.read(f"seconds={text}").high("seconds") for text in ("90", "90s", "1.5m", "1 h", "500ms")]
    assert written == [90.0, 90.0, 90.0, 3600.0, 0.5]
    assert Bounds.read("latency=2s").high("latency") == 2000.0
