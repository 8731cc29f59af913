"""Commands that time ONNX files: how their output is read, and what they do wrong. Real processes."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from nars.network import LatencyError, command_runner
from nars.network.measured import measure_files
from nars.network.runner import OnnxRunner, read_milliseconds


def script(folder: Path, text: str) -> str:
    """A shell script as a command with its placeholder."""
    (folder / "bench.sh").write_text(text)
    return f"sh {shlex.quote(str(folder / 'bench.sh'))} {{onnx}}"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("12.5", (12.5,)),
        ("warming up 3 times\nlatency: 12.5 ms\n", (12.5,)),
        ("run of 3\n12.1 12.4\n12.2\n", (12.1, 12.4, 12.2)),
        ("mean=1.5ms", (1.5,)),
        ("times [1e1, 11.0, .5]", (10.0, 11.0, 0.5)),
        ("1 ms, 2 ms", (1.0, 2.0)),
        ("1\n2 ms\n\n3\n", (1.0, 2.0, 3.0)),
        ("4 runs\n5\nmean 6", (6.0,)),
        ("batch 4: 7.", (7.0,)),
        ("at 12:30:45 took 3", (3.0,)),
    ],
)
def test_the_numbers_at_the_end_are_the_milliseconds(output: str, expected: tuple[float, ...]) -> None:
    assert read_milliseconds(output) == expected


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "it printed no number there, but nothing"),
        ("done in 12 rounds", "it printed no number there, but 'done in 12 rounds'"),
        ("12 us", "it printed no number there, but '12 us'"),
        ("12 -1", "above 0 and finite; got -1 in '12 -1'"),
        ("0", "got 0"),
        ("nan", "got nan"),
        ("1e999", "got inf"),
    ],
)
def test_output_that_is_no_time(output: str, message: str) -> None:
    with pytest.raises(LatencyError, match=message):
        read_milliseconds(output)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bench.sh model.onnx", r"one placeholder, {onnx}, .* got none in"),
        ("sh {onnx} {threads}", r"got {onnx}, {threads} in"),
        ("sh '{onnx}", "No closing quotation"),
        ("no-such-program {onnx}", "there is none called 'no-such-program'"),
        ("", "got none"),
    ],
)
def test_commands_that_are_none(text: str, message: str) -> None:
    with pytest.raises(LatencyError, match=message):
        command_runner(text)


def test_a_shell_has_its_own_braces_and_the_file_is_the_command_s_only_input(tmp_path: Path) -> None:
    file = tmp_path / "a b.onnx"
    file.write_bytes(b"12345")
    runner = command_runner("""sh -c 'n=$(wc -c < "$0"); cat; echo ${n}.5' {onnx}""")
    assert runner.milliseconds(file) == (5.5,)


def test_a_broken_connection_is_tried_again_and_a_lasting_fault_is_told(tmp_path: Path) -> None:
    once = script(tmp_path, f"cd {tmp_path}; test -e was && echo 7 && exit; touch was; exit 255")
    assert command_runner(once).milliseconds(tmp_path / "x") == (7.0,)
    failing = script(tmp_path, "echo 3; echo no route to host >&2; exit 3")
    with pytest.raises(LatencyError, match=r"ended with exit code 3, saying 'no route to host', twice"):
        command_runner(failing).milliseconds(tmp_path / "x")
    killed = script(tmp_path, "kill -9 $$")
    with pytest.raises(LatencyError, match=r"ended with signal 9, saying nothing, twice"):
        command_runner(killed).milliseconds(tmp_path / "x")


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    hanging = script(tmp_path, f"sleep 100 & echo $! >> {tmp_path}/pids; wait")
    with pytest.raises(LatencyError, match=r"had not ended after 0.3 s \(--timeout\), twice"):
        command_runner(hanging, timeout=0.3).milliseconds(tmp_path / "x")
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        for _ in range(100):
            if not running(pid):
                break
            time.sleep(0.05)
        assert not running(pid)
    with pytest.raises(LatencyError, match="--timeout is a number of seconds above 0; got 0"):
        command_runner(hanging, timeout=0)


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    leaving = script(tmp_path, f"sleep 5 & echo $! > {tmp_path}/pid; echo 4")
    started = time.monotonic()
    assert command_runner(leaving).milliseconds(tmp_path / "x") == (4.0,)
    assert time.monotonic() - started < 4
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_our_own_timing_is_such_a_command(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from nars.network.mbconv.block_onnx import empty_graph

    (tmp_path / "empty.onnx").write_bytes(empty_graph())
    runner = command_runner(f"{shlex.quote(sys.executable)} -m nars.network.timing {{onnx}} --repeats 2")
    found = runner.milliseconds(tmp_path / "empty.onnx")
    assert len(found) == 2
    assert all(0 < value < 1000 for value in found)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_file_is_measured_again_where_something_else_was_running(tmp_path: Path) -> None:
    said = iter([[15.0, 15.2, 10.0], [10.1, 10.0, 10.2]])
    runner = OnnxRunner(device="busy", runtime="command", threads=1, milliseconds=lambda _: next(said))
    (found,) = measure_files([lambda: b"a file"], runner, tmp_path)
    assert len(found.milliseconds) == 6
    assert found.undisturbed == pytest.approx(10.05)
    (kept,) = measure_files([lambda: b"a file"], runner, tmp_path)
    assert kept == found


def test_a_device_that_never_settles_is_left_after_a_few_more(tmp_path: Path) -> None:
    runner = OnnxRunner(device="busy", runtime="command", threads=1, milliseconds=lambda _: [10.0, 20.0, 20.0])
    (found,) = measure_files([lambda: b"a file"], runner, tmp_path)
    assert len(found.milliseconds) == 12
