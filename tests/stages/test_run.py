"""The whole method on real images, interrupted by real signals, against an uninterrupted run."""

import json
import os
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "network"))

import macs

from nars import Bounds, ask
from nars.cli import main
from nars.network import OnnxRunner
from nars.network.fitting_latency import measure_networks
from nars.network.mbconv.block_onnx import network_graph
from nars.run.folder import RunFolder
from nars.space import COMMAND, read_document, read_space
from nars.stages import read_member_latency
from nars.store import SampleStore

TINY = """
name: tiny
space: digits
data: {name: digits, validation: 0.25, flip: false, crop: 0.0625, max_train: 240}
flops: {low: 0.12M, high: 0.4M}
pretraining: {pool: 256}
collect: {rounds: 2, per_round: 4, epochs: 3, warmup_epochs: 1, schedule: cosine, batch_size: 48, ema_decay: 0.9}
search: {budgets: [0.2M, 0.4M]}
final: {epochs: 4, warmup_epochs: 1, policy: none, schedule: cosine, batch_size: 48, ema_decay: 0.9}
"""

ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
"""Networks this small gain nothing from a second thread, and lose much where the other core is busy."""


def nars(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from nars.cli import main; main()", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(nars(*arguments), capture_output=True, text=True, check=False, timeout=280, env=ONE_THREAD)


class Said(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Here = Callable[..., Said]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """The command line in this process, which has loaded all that a command needs."""

    def call(*arguments: object) -> Said:
        monkeypatch.setattr("sys.argv", ["nars", *map(str, arguments)])
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # they are said, as in a process of its own
            with pytest.raises(SystemExit) as leaving:
                main()
        return Said(int(leaving.value.code or 0), *capsys.readouterr())

    return call


def family(folder: Path) -> list[dict]:
    members = json.loads(RunFolder(folder).family_file.read_text())["members"]
    return [{key: value for key, value in member.items() if key != "seconds"} for member in members]


def trained(folder: Path) -> dict[str, str]:
    """Identity and accuracies of each final training."""
    results = {}
    for file in sorted((folder / "training").glob("*/result.json")):
        document = json.loads(file.read_text())
        results[file.parent.name] = {key: document[key] for key in ("identity", "test_accuracy", "curve", "losses")}
    return results


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, all stages."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    done = run("run", config, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_leaves_everything_a_user_needs(finished: Path) -> None:
    folder = RunFolder(finished)
    members = json.loads(folder.family_file.read_text())["members"]
    assert [member["name"] for member in members] == ["200k", "400k"]
    for member in members:
        assert member["costs"]["flops"] <= member["budget"]
        card = json.loads((folder.member(member["name"]) / "card.json").read_text())
        assert max(card["max_difference"].values()) <= 1e-4
        assert card["counted"]["flops"] == member["costs"]["flops"]  # fvcore's count of the built network
        assert (folder.member(member["name"]) / "model.onnx").is_file()
    page = folder.report_file.read_text()
    assert page.count("<svg") == 4
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_the_store_is_plain_parquet_with_one_row_per_training(finished: Path) -> None:
    frame = pd.read_parquet(finished / "samples")
    assert len(frame) == 8
    assert (frame["status"] == "ok").all()
    assert sorted(frame["round"].unique()) == [1, 2]
    first = json.loads((finished / "rounds" / "round-1.json").read_text())
    epochs = frame.groupby("round")["epochs"].unique()
    assert epochs[1] == [3]
    assert epochs[2] == [first["stop_epoch"]]


def test_a_finished_run_says_so_and_changes_nothing(finished: Path, config: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    again = run("run", config, "--out", finished)
    assert again.returncode == 0
    assert "finished" in again.stderr
    assert "200k" in again.stdout
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}


def test_another_configuration_in_the_same_folder_is_refused(here: Here, finished: Path, config: Path) -> None:
    other = here("run", config, "--out", finished, "--set", "collect.keep=0.25")
    assert other.returncode == 2
    assert "collect.keep was 0.5, now 0.25" in other.stderr
    assert "Traceback" not in other.stderr


def test_the_predictor_answers_new_budgets(here: Here, finished: Path, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    asked = ("search", "--predictor", finished, "--max-flops", "0.15M,0.3M", "--max-params", "20k", "--json", answer)
    done = here(*asked)
    assert done.returncode == 0, done.stderr
    members = json.loads(answer.read_text())["members"]
    for member, budget in zip(members, (0.15e6, 0.3e6), strict=True):
        assert member["costs"]["flops"] <= budget
        assert member["costs"]["params"] <= 20e3
        assert all(tie["predicted"] <= member["predicted"] for tie in member["near_ties"])
        candidates = [member, *member["near_ties"]]
        to_train = sorted((one for one in candidates if one["train"]), key=lambda one: one["train_as"])
        assert to_train[0] is member  # the one predicted best first
        gains = [one["expected_gain"] for one in to_train]
        assert gains[0] == 0
        assert gains == sorted(gains)
        assert member["plan_gain"] == gains[-1]
        assert 1 + 1e-9 >= member["plan_probability"] >= sum(one["probability_of_best"] for one in to_train) - 1e-9
        assert sum(one["probability_of_best"] for one in candidates) <= 1 + 1e-9
    assert members[0]["predicted"] <= members[1]["predicted"]
    assert "guess" not in done.stdout + done.stderr
    larger = here("search", "--predictor", finished, "--max-flops", "0.2M,0.9M")
    assert "900k lies outside the flops that stage 2 trained" in " ".join((larger.stdout + larger.stderr).split())
    impossible = here("search", "--predictor", finished, "--max-flops", "20k")
    assert impossible.returncode == 2
    assert "105.3k" in impossible.stderr  # the smallest network


def test_the_predictor_answers_with_a_front(here: Here, finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "front.parquet"
    asked = ("search", "--predictor", finished, "--pareto", "flops,params", "--max-flops", "0.3M", "--parquet", file)
    done = here(*asked)
    assert done.returncode == 0, done.stderr
    front = pq.read_table(file).to_pandas()
    values = front[["cost.flops", "cost.params"]].assign(loss=-front["predicted"]).to_numpy()
    assert len(front) > 3
    assert (front["cost.flops"] <= 0.3e6).all()
    dominates = (values[:, None] <= values[None]).all(axis=2) & (values[:, None] < values[None]).any(axis=2)
    assert not dominates.any()
    assert {"stem.channels", "recipe.learning_rate"} <= set(front.columns)
    nothing = here("search", "--predictor", finished)
    assert nothing.returncode == 2
    assert "at least one limit" in nothing.stderr


def test_a_second_question_does_not_score_again_what_the_first_did(finished: Path) -> None:
    budget = Bounds.at_most(flops=2e5)
    first = ask(finished, [budget])
    scored = len(first.known)
    again = ask(finished, [budget], seed=1, known=first.known)
    assert again.budgets[0].ties.predicted[0] >= first.budgets[0].ties.predicted[0] - 1e-9
    assert len(again.known) == scored + again.budgets[0].evaluations
    with pytest.raises(ValueError, match=r"known was scored in digits .* the question is about cifar10"):
        ask("cifar10", [Bounds.at_most(flops=2e6)], known=first.known)


def test_swapping_predicts_all_trains_what_is_asked_for_and_does_not_train_it_again(
    here: Here, finished: Path, tmp_path: Path
) -> None:
    asked = ("swap", finished, "--engine", "in-process", "--seeds", 2)
    some = here(*asked, "--train", "200k:400k", "--json", tmp_path / "some.json")
    assert some.returncode == 0, some.stderr
    document = json.loads((tmp_path / "some.json").read_text())
    assert document["trained"][0][1] is not None
    assert document["shares"]["trained"] is None
    whole = here(*asked, "--train", "all", "--json", tmp_path / "all.json")
    assert "architecture explains" in whole.stdout
    shown = here("swap", finished / "family", "--seeds", 2, "--json", tmp_path / "shown.json")
    assert (tmp_path / "shown.json").read_bytes() == (tmp_path / "all.json").read_bytes()
    assert shown.stdout == whole.stdout
    after = json.loads((tmp_path / "all.json").read_text())
    assert after["trained"][0][1] == document["trained"][0][1]
    rows = pd.read_parquet(finished / "swap")
    assert rows["key"].is_unique
    # A cell's row in the store has the architecture of the one member and the recipe of the other.
    small, large = (member["record"] for member in family(finished))
    swapped = {k: large[k] if k.startswith("recipe.") else v for k, v in small.items()}
    assert swapped in [{**row} for row in _records(finished / "swap")]
    wrong = here(*asked, "--train", "200k:1M")
    assert wrong.returncode == 2
    assert "got '200k:1M'" in wrong.stderr


def _records(store: Path) -> list[dict]:
    return [dict(sample.record) for sample in SampleStore(store).samples()]


def test_every_exported_format_agrees(here: Here, finished: Path, config: Path) -> None:
    done = here("export", config, "--out", finished, "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": ok, ") == 8  # two members in four formats


def test_members_are_measured_by_the_runner_of_the_table(here: Here, finished: Path, tmp_path: Path) -> None:
    """A device whose time follows from the graph, so that table and measurement must agree, exports included."""
    command = shlex.join([sys.executable, str(Path(macs.__file__)), "{onnx}"])
    device = OnnxRunner(device=command, runtime=COMMAND, threads=0, milliseconds=macs.milliseconds)
    space, table = read_space(read_document(RunFolder(finished).space_file)), tmp_path / "board.json"
    measure_networks(space, table, device, networks=12, encode=partial(network_graph, batch=1))
    done = here("latency", finished, "--members", "--out", table)
    assert done.returncode == 0, done.stderr
    found = read_member_latency(RunFolder(finished))
    assert found is not None
    for member, one in zip(family(finished), found.members, strict=True):
        assert one.table == pytest.approx(macs.CONSTANT + macs.PER_MAC * member["costs"]["flops"])
        assert one.measured.undisturbed == pytest.approx(one.table)
        assert one.measured.spread == pytest.approx(0.01 * one.table)
        assert one.name in done.stdout
    assert "+0.0 %" in done.stdout.replace("-0.0", "+0.0")
    page = (finished / "report.html").read_text()
    assert "latency of 200k" in page
    assert macs.__file__ in page
    again = here("latency", finished, "--members", "--runner", "sh -c 'exit 9' {onnx}")
    assert again.returncode == 2
    assert "ended with exit code 9" in again.stderr


def test_the_store_can_be_looked_at_exported_and_replayed(here: Here, finished: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        said = here(*arguments)
        assert said.returncode == 2
        return said.stderr

    assert "8 ok" in here("store", "info", finished).stdout
    assert "8 samples" in here("store", "export", finished, tmp_path / "samples.csv").stdout
    assert len(pd.read_csv(tmp_path / "samples.csv")) == 8
    told = here(
        "store", "replay", finished, "--trainings", 4, "--repeats", 2,
        "--strategies", "random,evolution,predictor,tpe,asha,hyperband,pbt"
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    shown = ("4 of 8", "the run itself", "random", "evolution", "predictor", "tpe", "asha", "hyperband")
    assert all(name in told.stdout for name in shown)
    assert "pbt has no answer here: population based training copies the weights" in told.stdout
    unknown = refused("store", "replay", finished, "--trainings", 4, "--strategies", "luck")
    assert "no strategy 'luck'; name some of random, evolution, predictor, tpe, asha" in unknown
    guided = ("store", "replay", finished, "--trainings", 4, "--strategies", "predictor")
    assert "belong to the space" in refused(*guided, "--space", "cifar10")
    assert "name one by --cost: flops, params" in refused(*guided, "--cost", "latency")


def test_a_file_set_aside_is_one_line_and_other_folders_are_left_alone(
    here: Here, finished: Path, tmp_path: Path
) -> None:
    store = tmp_path / "samples"
    shutil.copytree(finished / "samples", store)
    (store / "torn.parquet").write_bytes(b"PAR1")
    told = here("store", "info", f"file://{store}")
    assert "8 ok" in told.stdout
    assert told.stderr.startswith("warning: ")
    assert "torn.parquet" in told.stderr
    assert ".py" not in told.stderr
    assert "8 ok" in here("store", "info", f"file://{finished}").stdout  # the run's store, not its other files
    (tmp_path / "pool").mkdir()
    shutil.copy(finished / "pool.parquet", tmp_path / "pool")
    assert here("store", "info", tmp_path / "pool").returncode == 2
    assert (tmp_path / "pool" / "pool.parquet").is_file()


def test_ctrl_c_ends_the_run_with_a_word_and_keeps_what_is_measured(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = nars("run", config, "--out", folder, "--set", "collect.epochs=20")
    # As in a terminal, though the tests may run in a shell's background, which ignores the signal.
    command[2] = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); " + command[2]
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ONE_THREAD
    )
    _wait_until(lambda: any((folder / "samples").glob("*.parquet")), process)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all of them
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; nothing measured is lost" in said
    assert "Traceback" not in said
    assert len(SampleStore(folder / "samples")) >= 1


@pytest.mark.slow
def test_killed_in_stage_2_and_in_final_training_it_goes_on_to_the_same_family(
    finished: Path, config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "interrupted"
    _kill_when(lambda: len(list((folder / "samples").glob("*.parquet"))) >= 3, "run", config, "--out", folder)
    kept = {sample.key: sample.finished for sample in SampleStore(folder / "samples").samples()}
    # Without worker processes, which would change nothing.
    again = ("run", config, "--out", folder, "--workers", 1)
    _kill_when(lambda: any(folder.glob("training/*/checkpoint.pt")), *again)
    done = run("train", config, "--out", folder)
    assert done.returncode == 0, done.stderr

    samples = {sample.key: sample for sample in SampleStore(folder / "samples").samples()}
    assert {key: samples[key].finished for key in kept} == kept  # none was trained again
    assert len(samples) == 8
    assert family(folder) == family(finished)
    assert trained(folder) == trained(finished)


def _kill_when(condition, *arguments: object) -> None:
    """Start the command and SIGKILL it as soon as the condition holds."""
    process = subprocess.Popen(nars(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ONE_THREAD)
    _wait_until(condition, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_the_scripts_one_after_another_give_the_same_as_nars_run(
    finished: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scripts = tmp_path / "scripts", Path(__file__).parents[2] / "scripts"
    monkeypatch.syspath_prepend(scripts)
    for name in ("stage1_pretrain", "stage2_collect", "stage3_search", "train_family"):
        monkeypatch.setattr("sys.argv", [name, str(config), "--out", str(folder), "--workers", "1"])
        runpy.run_path(str(scripts / f"{name}.py"), run_name="__main__")
    assert family(folder) == family(finished)
    assert trained(folder) == trained(finished)
