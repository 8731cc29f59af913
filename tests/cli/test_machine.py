"""What the machine refuses (full disks, permissions, closed pipes) is one sentence and exit code 2, on real ones."""

import errno
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from nars.cli import main
from nars.cli.machine import spell
from nars.files.atomic import append_line, machine_at_fault, write_bytes, write_json, write_text
from nars.parallel.sharing import SharedObject
from nars.run import Execution, load_config, open_run
from nars.stages import collect, pretrain, sample_pool, search, train

TINY = """
name: tiny
space: digits
data: {name: digits, validation: 0.25, flip: false, max_train: 120}
flops: {low: 0.12M, high: 0.4M}
pretraining: {pool: 64}
collect: {rounds: 2, per_round: 2, epochs: 2, warmup_epochs: 1, schedule: cosine, batch_size: 60, ema_decay: 0.9}
search: {budgets: [0.3M]}
final: {epochs: 2, warmup_epochs: 1, policy: none, schedule: cosine, batch_size: 60, ema_decay: 0.9}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a file system of a few kB in memory, or changes it; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()

    def mounted(*options: str, again: bool = False) -> Path:
        chosen = ",".join((*(("remount",) if again else ()), *options))
        command = ["mount", "-t", "tmpfs", "-o", chosen, "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small file system is not permitted here")
        return place

    yield mounted
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def nars(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str]:
    """Exit code and standard error of `nars ARGUMENTS`."""
    monkeypatch.setattr("sys.argv", ["nars", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    code = leaving.value.code
    assert isinstance(code, int) or code is None
    return code or 0, capsys.readouterr().err


def last_line(text: str) -> str:
    assert "Traceback" not in text
    return text.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_run_on_a_disk_that_fills_up_goes_on_to_the_same_result(
    mount: Callable[..., Path],
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk, stages = mount("size=16k"), []
    for size in (16, 60, 100, 200, 600, 1060, 9000):
        mount(f"size={size}k", again=True)
        code, said = nars(capsys, monkeypatch, "run", config, "--out", disk / "run", "--engine", "in-process")
        if code == 0:
            break
        assert code == 2
        line = last_line(said)
        assert line.startswith(f"error: {disk}/run/")
        assert "no space left on device; make room" in line
        stages.append(Path(line.split(": ")[1]).relative_to(disk / "run").parts[0])
    assert code == 0
    assert len(set(stages)) >= 4  # the pool, the pretrained predictor, ..., final training, export
    whole = open_run(load_config(config), tmp_path / "whole", execution=Execution(engine="in-process"))
    pool = sample_pool(whole)
    for name, result in train(whole, search(whole, collect(whole, pool, pretrain(whole, pool)))).results.items():
        assert (disk / "run/training" / name / "model.safetensors").read_bytes() == result.weights.read_bytes()
    families = [json.loads((run / "family/family.json").read_text()) for run in (disk / "run", whole.folder.path)]
    for family in families:
        del family["seal"]  # of everything in the file, the seconds too
        for member in family["members"]:
            del member["seconds"]
    assert families[0] == families[1]
    assert not list((disk / "run").rglob(".*.tmp*"))


@pytest.mark.parametrize("size", [100_000, 65_536 // 4 - 50])
def test_the_context_of_workers_on_a_full_disk(
    mount: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    disk = mount("size=64k")
    monkeypatch.setattr("tempfile.tempdir", str(disk))
    with pytest.raises(OSError, match="No space left") as caught:
        SharedObject({"images": torch.ones(size)})
    assert caught.value.errno == errno.ENOSPC
    assert str(disk) in caught.value.filename
    assert list(disk.iterdir()) == []
    SharedObject({"images": torch.ones(100)}).close()


def test_a_limit_on_the_size_of_files_names_the_file(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            write_bytes(tmp_path / "weights", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "weights")
    assert list(tmp_path.iterdir()) == []
    assert "ulimit -f" in spell(caught.value)


WRITERS = {
    "json": ("search", "--predictor", "cifar10", "--max-flops", "3M", "--json"),
    "parquet": ("search", "--predictor", "cifar10", "--max-flops", "3M", "--parquet"),
    "run": ("run", "digits", "--out"),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("trouble", ["read only", "a file", "too long", "full"])
def test_a_place_that_cannot_be_written(
    writer: str,
    trouble: str,
    mount: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if trouble == "read only":
        target, expected = mount("size=64k", "ro") / "out", "read-only file system"
    elif trouble == "full":
        disk = mount("size=4k")
        (disk / "full").write_bytes(bytes(4096))
        target, expected = disk / "out" / "more", "no space left on device"
    elif trouble == "a file":
        (tmp_path / "file").touch()
        target, expected = tmp_path / "file" / "out", "a file"
    else:
        target, expected = tmp_path / ("x" * 300), "file name too long"
    code, said = nars(capsys, monkeypatch, *WRITERS[writer], target)
    line = last_line(said)
    assert code == 2
    assert expected in line.lower()
    assert str(target) in line or str(target.parent) in line
    assert ";" in line  # what to do about it


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """As an ordinary user, who has no right to everything as root has."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o500)
    user = os.geteuid()
    if user == 0:
        os.chown(theirs, 12345, 12345)
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        for write in (write_text, write_json, append_line):
            with pytest.raises(OSError, match="Permission denied") as caught:
                write(theirs / "report.html", "text")
            assert caught.value.filename.startswith(str(theirs))
            assert "permission denied; change its permissions" in spell(caught.value)
    finally:
        os.seteuid(user)


def test_what_a_worker_was_refused_reaches_the_user_whole() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/weights")
    assert spell(pickle.loads(pickle.dumps(error))).startswith("/data/weights: no space left on device; make room")


def test_a_broken_file_is_no_fault_of_the_machine() -> None:
    assert machine_at_fault(OSError(errno.EMFILE, "Too many open files"))
    assert machine_at_fault(PermissionError(errno.EACCES, "Permission denied"))
    assert not machine_at_fault(FileNotFoundError(errno.ENOENT, "No such file"))
    assert not machine_at_fault(OSError("Couldn't deserialize thrift"))
    assert not machine_at_fault(ValueError("nonsense"))


@pytest.mark.parametrize("number", [n for n in errno.errorcode if n not in (errno.EPIPE,)])
def test_every_refusal_has_a_remedy(number: int) -> None:
    text = spell(OSError(number, "text", "/some/file"))
    assert text.startswith("/some/file: ")
    assert len(text.split("; ", 1)[1]) > 8


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    program = f'{sys.executable} -c "from nars.cli import main; main()"'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("nars", program, 1)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )


def test_a_reader_that_leaves_is_no_error() -> None:
    done = _shell("nars space sample digits -n 3000 --json | head -1")
    assert json.loads(done.stdout)["choices"]
    assert done.stderr.count("\n") <= 1  # what it has to say of itself, no complaint
    assert "Broken pipe" not in done.stderr


@pytest.mark.parametrize("command", ["nars --version > /dev/full", "nars space show digits > /dev/full"])
def test_standard_output_on_a_full_disk(command: str) -> None:
    done = _shell(command)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["nars --version >&-", "nars --version 2>&-", "nars space show digits >&- 2>&-"])
def test_closed_streams_are_taken_as_nobody_listening(command: str) -> None:
    assert _shell(command).returncode == 0
