"""A run within a given time: what is planned for it, how that is revised, and that the best so far is always there."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_run import HOW, write_files

from nars.cli.opening import Asked
from nars.cli.options import How
from nars.cli.timed import Within, is_meant, run as command
from nars.errors import ConfigError
from nars.export import read_card
from nars.files.atomic import write_text
from nars.run import Run, Silent, load_config, open_run, read_config, reopen_run
from nars.run.choosing import base_for, candidates, chosen, lengths_for, narrowed
from nars.run.clock import Clock, seconds_of, spell_time
from nars.run.folder import RunFolder
from nars.run.places import absolute
from nars.run.planned import write_plan
from nars.run.planning import (
    FEWEST,
    FINE_TUNED,
    Expected,
    Networks,
    Photos,
    TimePlan,
    epochs_left,
    final_epoch,
    goes_on,
    plan,
)
from nars.run.rehearsing import Pace
from nars.run.starting import start_row
from nars.space import Bounds, load_space
from nars.stages import export_best, load_family, run_timed, search, verify_best
from nars.stages.predictors import predictor_folder
from nars.store import SampleStore
from nars.train import MemberResult, epochs_within

PHOTOS = Photos(classes=30, train=1200, validation=300, test=370, side=230)
PACE = Pace(
    device="cpu", at_once=2, batch=10, flops=(5e7, 1.5e8), training=(0.05, 0.15), evaluation=(0.015, 0.045), gain=1.6
)
"""1 ms for each million of multiply-accumulates."""
NETWORKS = Networks(
    flops=np.array([2e7, 5e7, 1e8, 4e8]),
    sides=np.array([96, 128, 160, 224]),
    quality=np.array([60.0, 70.0, 75.0, 80.0]),
    slowness=np.ones(4),
)


def planned(seconds: float, networks: Networks = NETWORKS) -> TimePlan:
    return plan(PHOTOS, networks, PACE, seconds=seconds, lengths=FINE_TUNED)


def epoch(flops: float) -> float:
    """Of final training, by hand: 1,200 images and two looks at 300."""
    return (1200 + 2 * 300 * 0.3) * flops * 1e-9 / 1.6


def test_the_largest_network_that_gets_enough_epochs_is_trained_for_all_of_a_short_time() -> None:
    found = planned(600)
    assert NETWORKS.flops[found.network] == 5e7  # 12 epochs: 517 s; of the next 1035
    assert (found.trainings, found.search_seconds) == (0, 0.0)
    assert found.final_epochs == round(600 / epoch(5e7))
    assert found.final_seconds == pytest.approx(600, rel=0.05)
    assert "nothing is searched" in dict(found.reasons)["collect.rounds"]
    slow = replace(NETWORKS, slowness=np.array([1.0, 2.0, 1.0, 1.0]))
    assert NETWORKS.flops[planned(600, slow).network] == 2e7


@pytest.mark.parametrize("hours", [2, 5])
def test_a_long_time_is_shared_and_used(hours: int) -> None:
    small = replace(NETWORKS, **{name: getattr(NETWORKS, name)[:3] for name in vars(NETWORKS)})
    found = planned(3600 * hours, small)
    assert small.flops[found.network] == 1e8
    assert found.trainings >= FEWEST
    assert found.final_epochs >= FINE_TUNED.good
    assert 0.85 <= (found.search_seconds + found.final_seconds) / (3600 * hours) <= 1.05


def test_a_time_that_is_too_short_is_refused_with_one_that_is_not() -> None:
    with pytest.raises(
        ConfigError, match=r"an epoch on 1,200 training images takes about 22 s .*; give about \d+m more"
    ):
        planned(10)
    assert planned(40).final_epochs == round(40 / final_epoch(PACE, PHOTOS, 2e7)) == 2


def test_the_plan_is_revised_by_what_trainings_take() -> None:
    expected = Expected(pace=PACE, photos=PHOTOS, slowness=1.0, pretrained=True)
    assert Expected.from_dict(json.loads(json.dumps(expected.to_dict()))) == expected
    alone = 4 * (1200 + 2 * 300 * 0.3) * 5e7 * 1e-9

    def ledger(slow: float, left: float) -> tuple[bool, int]:
        trainings = [(5e7, 4, slow * 1.15 * alone)] * 4
        found = expected.ledger(left=left, asked=2000, trainings=trainings, images=1200, flops=5e7)
        assert found.epoch == pytest.approx(slow * epoch(5e7))
        return goes_on(found, FINE_TUNED), epochs_left(found, FINE_TUNED)

    assert ledger(1.0, 1500) == (True, round(1500 / epoch(5e7)))
    assert ledger(2.0, 1500) == (False, round(1500 / epoch(5e7) / 2))  # 12 epochs take 1035 s, a batch of two 635
    assert not ledger(1.0, 1000)[0]  # half of the time is final training's


def test_epochs_end_nearest_to_the_deadline() -> None:
    assert epochs_within(100.0, done=3, seconds=9.0) == 14
    assert epochs_within(-5.0, done=3, seconds=9.0) == 3
    assert epochs_within(-5.0, done=0, seconds=9.0) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("2 hours", 7200), ("1.5h", 5400), ("5 minutes", 300)],
)
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    assert spell_time(5400) == "90:00 min"


@pytest.mark.parametrize("text", ["30", "", "m", "30x", "10s", "90000ms", "1 month"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="--time"):
        seconds_of(text)


def test_what_a_time_is_for_is_said(tmp_path: Path) -> None:
    assert is_meant("digits", Within(time="30m"))
    assert not is_meant("digits", Within())
    with pytest.raises(ConfigError, match="--max-flops goes with --time"):
        is_meant("digits", Within(max_flops="3M"))
    with pytest.raises(ConfigError, match=r"is a folder, and not that of a run.*--time 30m"):
        is_meant(str(tmp_path), Within())
    (tmp_path / "photos.csv").touch()
    with pytest.raises(ConfigError, match=r"photos.csv is a file, and not that of a run.*--time 30m"):
        is_meant(str(tmp_path / "photos.csv"), Within())


def test_a_built_in_name_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10").mkdir()
    assert not is_meant("cifar10", Within())
    with pytest.raises(ConfigError, match="is a folder, and not that of a run"):
        is_meant("./cifar10", Within())


def test_a_run_of_other_images_of_the_same_name_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("a", "b"):
        (tmp_path / place / "photos").mkdir(parents=True)
    home = RunFolder(Path("runs") / "photos")
    about = {"asked": 300.0, "used": 10.0, "tail": 5.0, "given": {}, "of": str(tmp_path / "a" / "photos")}
    for file, text in ((home.run_file, "{}"), (home.plan_file, ""), (home.time_file, json.dumps(about))):
        write_text(file, text)

    def asked(name: str, out: Path | None = None) -> None:
        command(Asked(name=name, overrides={}, options={}), Within(time="5m"), out, How(), dry_run=True)

    asked("a/photos")
    with pytest.raises(ConfigError, match=r"is the run of .*a/photos, and this asks for one of .*b/photos.*--out"):
        asked("b/photos")
    with pytest.raises(ConfigError, match="--out goes with images or a configuration"):
        asked("runs/photos", Path("runs/new"))


@pytest.mark.parametrize(
    ("side", "weights", "limits", "space"),
    [
        (230, ("lcnet_050.ra2_in1k",), {}, "finetune"),
        (230, ("lcnet_050.ra2_in1k",), {"flops": 6e6}, "photos-64"),
        (230, (), {}, "photos-128"),
        (75, (), {}, "photos-96"),
        (28, ("lcnet_050.ra2_in1k",), {}, "cifar10"),
    ],
)
def test_the_space_fits_photos_limits_and_weights(
    side: int, weights: tuple[str, ...], limits: dict[str, float], space: str
) -> None:
    base = base_for(replace(PHOTOS, side=side), Bounds.at_most(**limits), weights=weights)
    assert base.space == space


def test_what_is_chosen_is_a_run_configuration(tmp_path: Path) -> None:
    limits = Bounds.at_most(flops=1.5e8)
    base = base_for(PHOTOS, limits, weights=("all",))
    space = load_space(base.space, classes=30)
    X, networks = candidates(space, limits, PHOTOS)
    assert (networks.flops <= 1.5e8).all()
    assert len(networks.flops) > 40
    found = plan(PHOTOS, networks, PACE, seconds=14_000, lengths=lengths_for(space))
    row = X[found.network][None]
    (record,) = space.to_records(row)
    assert record["model"] in (
        "fbnetv3_b.ra2_in1k",
        "mobilenetv3_large_100.ra_in1k",
        "mobilenetv4_conv_medium.e500_r224_in1k",
    )
    flops = float(networks.flops[found.network])
    files = narrowed(space, flops, limits)
    assert files is not None
    (tmp_path / "space.yaml").write_bytes(files["space.yaml"])
    small = load_space(tmp_path / "space.yaml", classes=30)
    costs = small.costs(start_row(small, record))
    assert float(costs["flops"][0]) == flops
    assert len(small.values("model")) < len(space.values("model"))
    made = chosen(base, space, row, PHOTOS, found, limits=limits, lengths=FINE_TUNED)
    config = load_config(base.config, {**made.values, "space": str(tmp_path / "space.yaml"), "data.name": "digits"})
    assert config.collect.rounds * config.collect.per_round == pytest.approx(found.trainings, abs=2)
    assert config.budgets == (limits,)
    assert config.final.epochs == found.final_epochs
    assert start_row(small, config.collect.start).tolist() == start_row(small, record).tolist()
    assert "metric" not in made.values
    several = replace(PHOTOS, multi_label=True)
    made = chosen(base, space, row, several, found, limits=limits, lengths=FINE_TUNED)
    assert made.values["metric"] == "mean_average_precision"


def test_the_file_of_a_plan_is_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is no limit at all, where the space names some, and from another working directory."""
    monkeypatch.chdir(tmp_path)
    given = read_config("finetune", {"data.name": "digits", "search.budgets": [], "range": {}, "latency": "table.json"})
    assert load_space("finetune").budgets
    made = SimpleNamespace(given=given, reasons={}, seconds=60.0)
    home = RunFolder(tmp_path / "runs" / "x")
    write_plan(made, home)  # type: ignore[arg-type]  # what it reads
    planned = absolute(given.config)
    monkeypatch.chdir(home.path)
    assert load_config(home.plan_file) == planned
    assert planned.latency == str(tmp_path / "table.json")


# ---- a run


class Stops(Silent):
    """Interrupts a final training after its first epoch, and knows what was said beside the bars."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[object]:  # type: ignore[override]
        done = 0

        def advance(steps: int, note: str) -> None:
            nonlocal done
            done += steps
            self.notes.append(f"{title}: {note}")
            if title.startswith("final training") and done >= 1:
                raise KeyboardInterrupt

        yield advance


def timed(folder: Path, *, rounds: int, seconds: float) -> Run:
    """A small run that has so many seconds for its trainings."""
    overrides = {
        "pretraining.pool": 2048,
        "collect.rounds": rounds,
        "collect.per_round": 2,
        "collect.epochs": 1,
        "collect.start": {
            "recipe": {"optimizer": "adamw", "learning_rate": 0.01},
            "stage1": {"depth": 1, "expand_first": 1},
        },
        "collect.stop_correlation": None,
        "collect.asynchronous": True,
        "collect.refit_every": 2,
        "search.preset": "measured",
        "search.budgets": ["150k"],
        "final.teacher": "none",
        "final.schedule": "cosine",
    }
    config = load_config(write_files(folder), overrides)
    run = open_run(config, folder / "out", execution=HOW, reporter=Stops())
    clock = Clock(run.folder.time_file, asked=seconds, tail=0.0)
    pace = Pace(device="", at_once=1, batch=1, flops=(2e4, 2e5), training=(1e-3, 2e-3), evaluation=(1e-4, 2e-4))
    photos = Photos(classes=10, train=120, validation=1078, test=360, side=8)
    expected = Expected(pace=pace, photos=photos, slowness=1.0, pretrained=False)
    clock.note({"expected": expected.to_dict(), "trainings": seconds, "given": {}})
    write_text(run.folder.plan_file, "")
    return replace(run, clock=clock)


@pytest.mark.slow
def test_the_best_so_far_is_there_and_the_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = timed(tmp_path, rounds=2, seconds=6.0)
    with pytest.raises(ConfigError, match="has trained nothing to its end yet"):
        export_best(run)
    with pytest.raises(KeyboardInterrupt):
        run_timed(run)
    assert isinstance(run.reporter, Stops)
    trained = [note for note in run.reporter.notes if "ok" in note or note.startswith("final training")]
    assert len(trained) >= 2
    assert all(" s left of 6 s" in note for note in trained), trained  # no estimate: the time is given
    samples = SampleStore(run.folder.samples).samples()
    start = start_row(run.space, run.config.collect.start)
    assert tuple(start[0].tolist()) in [sample.choices for sample in samples]
    assert len(list(run.folder.kept.glob("*.safetensors"))) == 1  # the best candidate's
    card = export_best(reopen_run(run.folder.path))
    assert read_card(run.folder.best_so_far).accuracy == card.accuracy
    checked = verify_best(reopen_run(run.folder.path))
    assert checked.passed
    assert all(check.accuracy == pytest.approx(card.accuracy["test"]) for check in checked.formats)
    used = json.loads(run.folder.time_file.read_text())["used"]
    assert used > 0
    clock = Clock.kept(run.folder.time_file)
    assert clock is not None
    again = replace(reopen_run(run.folder.path, execution=HOW), clock=clock)
    exported = run_timed(again)
    (member,) = exported.family.members
    assert member.predicted >= max(s.result or 0.0 for s in samples) - 5
    result = MemberResult.load(run.folder.training_result(member.name))
    assert len(result.curve) >= 1
    assert clock.used > used
    assert clock.used < 90  # of 6; this machine may be busy
    kept = run.folder.time_file.read_bytes()
    for dry_run in (True, False):
        wanted = Asked(name=str(run.folder.path), overrides={}, options={})
        assert (command(wanted, Within(time="1h"), None, How(), dry_run=dry_run) is None) == dry_run
        assert run.folder.time_file.read_bytes() == kept
    assert "is finished: " in (said := " ".join(capsys.readouterr().err.split()))
    assert (
        "what is finished is not trained for longer: give another run of the same images 60:00 min, with --out" in said
    )


def test_nothing_is_searched_where_the_time_is_short(tmp_path: Path) -> None:
    run = replace(timed(tmp_path, rounds=0, seconds=1.0), reporter=Silent())
    with pytest.raises(ConfigError, match=r"that run has searched nothing \(collect.rounds 0; with --time"):
        predictor_folder(run.folder.path)
    (member,) = search(run, None).members
    assert member.choices == tuple(start_row(run.space, run.config.collect.start)[0].tolist())
    family = load_family(run)
    assert family is not None
    assert math.isnan(family.members[0].predicted)
    assert not run.folder.pool_file.exists()
