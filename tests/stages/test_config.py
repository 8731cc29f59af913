"""A broken configuration: one clear line per mistake and exit code 2, before anything is computed."""

from __future__ import annotations

import json
from math import floor
from pathlib import Path

import pytest

from nars.cli import main
from nars.errors import ConfigError
from nars.run import load_config, open_run
from nars.run.places import absolute
from nars.run.suggesting import suggested_options
from nars.space import Bounds, SpaceError

GOOD = """
name: mine
space: digits
data: {name: digits}
flops: {low: 0.2M, high: 0.8M}
search: {budgets: [0.4M]}
"""


def fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What `nars ARGUMENTS` prints to standard error; it must end with exit code 2."""
    monkeypatch.setattr("sys.argv", ["nars", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        ("colect: {rounds: 2}", ["mine.yaml:7", "unknown key 'colect'", "did you mean collect?"]),
        ("collect: {round: 2}", ["mine.yaml:7", "collect.round", "unknown key", "per_round", "did you mean rounds?"]),
        ("collect: {rounds: many}", ["mine.yaml:7: collect.rounds", "got 'many'"]),
        ("collect: {rounds: -1}", ["collect.rounds", "greater than or equal to 0", "got -1"]),
        ("collect: {refit_every: 4}", ["mine.yaml:7: collect", "asynchronous: true", "Leave it out"]),
        ("pretraining: {preset: best}", ["pretraining.preset", "paper or default", "got 'best'"]),
        ("final: {teacher_temperature: 0}", ["final.teacher_temperature", "greater than 0", "got 0"]),
        ("final: {teacher_sees: both}", ["final.teacher_sees", "augmented, clean or whole", "got 'both'"]),
        ("final: {distillation: 1.5}", ["final.distillation", "less than or equal to 1", "got 1.5"]),
        ("collect: {trial_seconds: .inf}", ["collect.trial_seconds", "finite number", "got inf"]),
        ("seed: -1", ["seed", "greater than or equal to 0", "got -1"]),
        ("seed: 1.5", ["seed", "whole number", "got 1.5"]),
        ("seed: 9223372036854775808", ["seed", "less than 9223372036854775808", "got 9223372036854775808"]),
    ],
)
def test_a_mistake_names_file_line_key_rule_and_what_it_got(
    mistake: str,
    expected: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD + mistake + "\n")
    text = fails(capsys, monkeypatch, "run", str(file), "--out", str(tmp_path / "out"))
    for part in expected:
        assert part in text
    assert len(text.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--set", "search.budgets=[-1M]"], ["search.budgets[0]", "must not be negative", "got"]),
        (["--budgets", "1k"], ["search.budgets[0]", "smallest network of digits has", "got a budget of 1k"]),
        (["--data", "imagefolder:/nowhere/at/all"], ["/nowhere/at/all"]),
        (["--data", "nonsense"], ["digits", "imagefolder:PATH", "nonsense"]),
        (["--space", "nonsense"], ["no space is called 'nonsense'", "fbnetv3"]),
        (["--set", "flops.low=1M"], ["flops", "lower limit must not exceed the upper", "got"]),
        (["--set", "flops={low: 1G, high: 2G}"], ["flops", "got the range 1G to 2G"]),
        (["--set", "rounds"], ["--set takes KEY=VALUE", "got 'rounds'"]),
        (["--engine", "cluster"], ["--engine", "cluster"]),
    ],
)
def test_an_impossible_request_is_one_error_with_exit_code_2(
    arguments: list[str],
    expected: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    text = fails(capsys, monkeypatch, "run", str(file), "--out", str(tmp_path / "out"), *arguments)
    for part in expected:
        assert part in text


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "run digits --time 5m --warm-start digits",
            "--samples, --samples-fidelity and --warm-start go without --time",
        ),
        ("train digits --resolution 64", "--resolution with --model"),
        ("train digits --model fbnetv3-b --recipe r.yaml --config cifar10", "with --model the configuration is digits"),
        ("search --predictor digits --set seed=1", "--set changes the configuration of a run"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    command: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in " ".join(fails(capsys, monkeypatch, *command.split()).split())
    assert not [*tmp_path.iterdir()]


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace("name: mine\n", "") + "colour: red\n")
    with pytest.raises(ConfigError) as error:
        load_config(file)
    assert "'name' is missing" in str(error.value)
    assert "unknown key 'colour'" in str(error.value)


def test_a_run_of_an_earlier_version_goes_on_where_new_keys_have_come_since(tmp_path: Path) -> None:
    file, folder = tmp_path / "mine.yaml", tmp_path / "out"
    file.write_text(GOOD)
    open_run(load_config(file), folder)
    document = json.loads((folder / "run.json").read_text())
    del document["config"]["collect"]["asynchronous"], document["config"]["collect"]["refit_every"]
    (folder / "run.json").write_text(json.dumps(document))
    open_run(load_config(file), folder)
    with pytest.raises(ConfigError, match=r"collect\.asynchronous was False, now True"):
        open_run(load_config(file, {"collect.asynchronous": True}), folder)


def test_quantities_are_read_as_people_write_them() -> None:
    assert Bounds.read({"flops": {"low": "400M", "high": 8e8}}) == Bounds({"flops": (400e6, 800e6)})
    assert Bounds.read("flops=1M+latency=12ms") == Bounds.at_most(flops=1e6, latency=12.0)
    with pytest.raises(SpaceError, match="flops is limited twice"):
        Bounds.read("flops=1M+flops=2M")
    assert Bounds.read("2M") == Bounds.read(2e6) == Bounds.at_most(flops=2e6)


def test_words_for_a_teacher_are_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("largest", "none", "400k", "mine"):
        (tmp_path / name).mkdir()
        config = load_config("digits", {"final.teacher": name, "search.budgets": ["400k"]})
        assert absolute(config).final.teacher == (str(tmp_path / name) if name == "mine" else name)


def test_a_cost_that_begins_at_nothing_is_suggested_in_ratios() -> None:
    low = floor(10 * 1000**-0.8 * 1000) / 1000
    assert f"{{low: {low}, high: 2.6}}" in suggested_options("flops", 0.0, 10.0)


def test_imagenet_is_the_paper() -> None:
    """Constants of FBNetV3 (arXiv 2006.02049), sections 3.3, 4.1 and appendix A."""
    config = load_config("imagenet")
    assert config.range == Bounds({"flops": (400e6, 800e6)})
    assert config.pretraining.pool == 20_000
    assert (config.collect.rounds, config.collect.per_round, config.collect.epochs) == (5, 48, 150)
    assert (config.collect.decay, config.collect.stop_correlation) == (0.963, 0.92)
    assert [budget.document for budget in config.budgets] == [{"flops": 1e6 * n} for n in (450, 550, 650, 750)]
    assert (config.final.epochs, config.final.warmup_epochs, config.final.decay) == (400, 5, 0.9875)
    assert (config.final.distillation, config.final.ema_decay, config.final.batch_size) == (0.8, 0.99985, 2048)
    assert (config.final.scale_learning_rate, config.final.ema_warmup) == (True, False)
    assert (config.images.search_classes, config.images.validation) == (200, 10_000)


@pytest.mark.parametrize(
    "command", ["run", "pretrain", "collect", "search", "train", "export", "report", "swap", "scale"]
)
def test_help_shows_an_example(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["nars", command, "--help"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 0
    assert f"Example: nars {command}" in capsys.readouterr().out
