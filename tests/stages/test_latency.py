"""`nars latency` for a run's own space, and the command that an incomplete table asks for."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from nars.cli import main
from nars.network.mbconv.block_timing import measure_blocks
from nars.predictors import PRESETS, Predictor
from nars.space import Bounds, LatencyTable, SpaceError, distinct_blocks, load_space, sobol
from nars.stages import ask, ask_front, write_predictor

TINY = """
name: tiny
architecture:
  in_channels: 1
  classes: 3
  resolution: [8, 12]
  stem: {channels: 8, stride: 2, activation: [relu, hard_swish]}
  stages:
    - {kernel: 3, expand: 1, channels: [8, 16], depth: [1, 2]}
    - {kernel: [3, 5], expand: 2, channels: 16, depth: 1, stride: 2, se: true}
  head: {expand: 1, channels: 8}
recipe:
  learning_rate: {low: 0.01, high: 0.1, count: 5, scale: log}
"""


def nars(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code, and what it said, without line ends."""
    first, *rest = shlex.split(command)
    assert first == "nars"
    monkeypatch.setattr("sys.argv", ["nars", *rest])
    with pytest.raises(SystemExit) as leaving:
        main()
    captured = capsys.readouterr()
    return int(leaving.value.code or 0), " ".join((captured.out + captured.err).split())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a space of grey images of three classes, and a run in it on colour images of five."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my tiny.yaml").write_text(TINY)
    space = load_space("my tiny.yaml", classes=5, in_channels=3)
    X = sobol(space, 40, seed=0)
    encoded = space.encode(X)
    predictor = Predictor.pretrained(space, X, settings=replace(PRESETS["default"], members=2), seed=0).fit(
        encoded[:20], encoded[:20].sum(axis=1) + 50, seed=0
    )
    write_predictor(tmp_path / "runs" / "it's mine" / "predictor", predictor, space=space, data="none", quality={})
    return tmp_path


def test_the_command_that_the_error_prints_completes_the_table(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, run = home / "my table.json", "runs/it's mine"
    measure_blocks(load_space("my tiny.yaml"), table, runtime="onnxruntime", threads=2, batch=3)
    before = LatencyTable.read(table)
    missing = re.escape(
        f"there is no device table {home / 'none.json'}; make it by: nars latency 'runs/it'\"'\"'s mine' --out"
    )
    with pytest.raises(SpaceError, match=missing):
        ask(run, [Bounds.at_most(latency=1e3)], latency=str(home / "none.json"))
    with pytest.raises(SpaceError, match=r"lacks .*'in_channels': 3") as lacking:
        ask(run, [Bounds.at_most(latency=1e3)], latency=table)
    command = re.search(r"complete it by: (.*)$", str(lacking.value))
    assert command is not None
    # As the user sees it: the same question on the command line, its error, and the command from it.
    asked = ["nars", "search", "--predictor", run, "--max-latency", "1s", "--latency", str(table)]
    code, text = nars(shlex.join(asked), capsys, monkeypatch)
    assert code == 2
    assert command[1] in text
    code, text = nars(command[1], capsys, monkeypatch)
    assert code == 0, text
    after = LatencyTable.read(table)
    own = distinct_blocks(load_space("my tiny.yaml", classes=5, in_channels=3))
    assert set(after.milliseconds) == {*before.milliseconds, *own}
    assert (after.runtime, after.threads, after.batch) == ("onnxruntime", 2, 3)
    assert nars(shlex.join(asked), capsys, monkeypatch)[0] == 0
    found = ask_front(run, ["latency"], latency=table)
    assert len(found.front.rows) > 0


def test_the_command_for_a_space_file(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = home / "t.json"
    measure_blocks(load_space("my tiny.yaml", classes=5, in_channels=3), table)
    sample = f"nars space sample 'my tiny.yaml' --latency {table} --max-latency 1s"
    code, text = nars(sample, capsys, monkeypatch)
    assert code == 2
    command = re.search(r"complete it by: (.*)$", text)
    assert command is not None
    assert "'my tiny.yaml' --classes 3 --channels 1" in command[1]
    assert nars(command[1], capsys, monkeypatch)[0] == 0
    assert nars(sample, capsys, monkeypatch)[0] == 0


def test_a_space_of_the_run_of_the_predictor_or_with_options(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = set(distinct_blocks(load_space("my tiny.yaml", classes=5, in_channels=3)))
    for number, given in enumerate(
        ('"runs/it\'s mine"', '"runs/it\'s mine/predictor"', "'my tiny.yaml' --classes 5 --channels 3")
    ):
        code, text = nars(f"nars latency {given} --out {number}.json", capsys, monkeypatch)
        assert code == 0, text
        assert set(LatencyTable.read(Path(f"{number}.json")).milliseconds) == wanted
    code, text = nars('nars latency "runs/it\'s mine" --channels 1', capsys, monkeypatch)
    assert code == 2
    assert "--channels of runs/it's mine is 3, that of its data; got 1. Leave the option out" in text
    code, text = nars("nars latency nowhere", capsys, monkeypatch)
    assert code == 2
    assert "'nowhere' is no built-in space (" in text
    code, text = nars("nars latency 'my tiny.yaml' --channels 0", capsys, monkeypatch)
    assert code == 2
    assert "in_channels must be at least 1, got 0" in text
    code, text = nars('nars search --predictor "runs/it\'s mine" --max-latency 5ms', capsys, monkeypatch)
    assert code == 2
    assert "make one by: nars latency 'runs/it'\"'\"'s mine' --out latency.json" in text
    assert json.loads((home / "0.json").read_text())["runtime"] == "eager"


def test_a_runner_that_fails_on_the_third_network_has_lost_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "bench.sh").write_text(
        "echo >> calls; test -e gone && test $(wc -l < calls) -ge 3 && { echo lost the board >&2; exit 1; }\n"
        'n=$(wc -c < "$1"); echo "took $n.0 $n.5 $n.1"\n'
    )
    (home / "gone").touch()
    command = "nars latency 'my tiny.yaml' --runner 'sh bench.sh {onnx}' --networks 12 --out board.json"
    code, text = nars(command, capsys, monkeypatch)
    assert code == 2
    assert "ended with exit code 1, saying 'lost the board', twice. What is measured so far, 2 files of 12, is" in text
    assert not (home / "board.json").exists()
    assert len((home / "calls").read_text().splitlines()) == 4
    (home / "gone").unlink()
    code, text = nars(command, capsys, monkeypatch)
    assert code == 0, text
    assert "networks that it was not fitted to: " in text
    assert len((home / "calls").read_text().splitlines()) == 4 + 10
    sample = nars("nars space sample 'my tiny.yaml' --latency board.json --max-latency 1M", capsys, monkeypatch)
    assert sample[0] == 0
    asked = 'nars search --predictor "runs/it\'s mine" --max-latency 1M --latency '
    code, text = nars(asked + "board.json", capsys, monkeypatch)
    assert code == 2  # a run of other classes and channels
    made = re.search(r"make one by: (nars latency .*)$", text)
    assert made is not None
    assert nars(made[1], capsys, monkeypatch)[0] == 0
    assert nars(asked + "board-tiny.json", capsys, monkeypatch)[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--runner 'sh bench.sh'", "--runner has one placeholder, {onnx}"),
        ("--runner 'sh {onnx}' --threads 2 --runtime eager", "itself what --runtime, --threads say"),
        ("--runner 'nowhere {onnx}'", "there is none called 'nowhere'"),
        ("--networks 20 --runtime eager", "measured by ONNX Runtime on this CPU, or by --runner"),
        ("--networks 3", "--networks at least 12, got 1 and 3"),
        ("--members", "my tiny.yaml holds no run"),
        ("--members --networks 20", "leave out --networks"),
        ("--runner 'echo fine {onnx}'", "it printed no number there, but 'fine"),
        ("--runner \"sh -c 'echo -3' {onnx}\"", "above 0 and finite; got -3"),
        ("--runner \"sh -c 'sleep 9' {onnx}\" --timeout 0.1", "had not ended after 0.1 s (--timeout), twice"),
    ],
)
def test_what_the_command_refuses(
    options: str, message: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text = nars(f"nars latency 'my tiny.yaml' {options}", capsys, monkeypatch)
    assert code == 2
    assert message in text
