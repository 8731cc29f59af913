"""The report of runs that have got only so far, and of names that try to be markup."""

import re
from pathlib import Path

import pytest

from nars.errors import ConfigError, DataError
from nars.files.atomic import write_json
from nars.files.sealed import write_sealed
from nars.report import read_findings, write_report
from nars.run import Silent, load_config, open_run
from nars.run.folder import RunFolder, existing_run
from nars.space import sobol
from nars.store import Sample, SampleStore
from nars.train import MemberResult


def test_a_run_that_has_just_begun_has_a_report(tmp_path: Path) -> None:
    run = open_run(load_config("digits"), tmp_path / "run", reporter=Silent())
    page = write_report(run.folder).read_text()
    assert "Not searched yet." in page
    assert "<svg" not in page


def test_names_are_escaped(tmp_path: Path) -> None:
    run = open_run(load_config("digits", {"about": "<script>alert(1)</script>"}), tmp_path / "run")
    assert "<script>" not in write_report(run.folder).read_text()


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.json"):
        write_report(RunFolder(tmp_path))


def test_a_folder_is_refused_before_anything_in_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nosuch holds no run \(no run\.json\); give the folder that nars run wrote"):
        existing_run(tmp_path / "nosuch")


def test_a_training_that_went_wrong_does_not_press_the_others_together(tmp_path: Path) -> None:
    good = {f"{90 + k}": (90.0 + k, 91.0 + k) for k in range(1, 9)}
    predicted, measured = zip(*good.values(), (95.0, 20.0), strict=True)
    document = {
        "round": 2,
        "stop_epoch": 3,
        "statuses": {"ok": 9},
        "predicted": predicted,
        "measured": measured,
        "tau": 0.5,
    }
    run = open_run(load_config("digits"), tmp_path / "run", reporter=Silent())
    write_sealed(run.folder.round_result(1), document | {"round": 1, "predicted": [None] * 9, "tau": None})
    write_sealed(run.folder.round_result(2), document)
    page = write_report(run.folder).read_text()
    assert "1 lower, not shown" in page
    assert "round 2 (tau 0.50)" in page


def test_a_legend_names_some_of_many_rounds(tmp_path: Path) -> None:
    run = open_run(load_config("digits"), tmp_path / "run", reporter=Silent())
    for number in range(1, 45):
        predicted = [None] * 3 if number == 1 else [90.0, 91.0, 92.0]
        document = {"round": number, "stop_epoch": 3, "statuses": {"ok": 3}, "tau": None}
        write_sealed(
            run.folder.round_result(number), document | {"predicted": predicted, "measured": [90.0, 92.0, 91.0]}
        )
    named = [int(text) for text in re.findall(r">round (\d+)<", write_report(run.folder).read_text())]
    assert (named[0], named[-1]) == (2, 44)
    assert len(named) == 6


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = open_run(load_config("digits"), tmp_path / "run")
    write_json(run.folder.family_file, {"members": []})
    run.folder.family_file.write_text("{half")
    with pytest.raises(DataError, match=r"family\.json"):
        read_findings(run.folder)


def test_one_network_for_two_budgets_shows_its_figures_in_both_rows(tmp_path: Path) -> None:
    member = {
        "budget": 1e6,
        "choices": [0, 1],
        "costs": {"flops": 6e5, "params": 4e4},
        "record": {"resolution": 28},
        "predicted": 70.0,
        "predicted_std": 1.0,
        "history": [],
        "seconds": 0.1,
    }
    family = [
        member | {"name": "700k", "budget": 7e5, "same_as": "1M"},
        member | {"name": "1M", "note": "1M brings nothing beyond 700k"},
    ]
    folder = RunFolder(tmp_path)
    write_json(folder.run_file, {"config": {}})
    write_json(folder.family_file, {"members": family, "doubts": ["few trainings"]})
    result = MemberResult(
        test_accuracy=70.25,
        validation_accuracy=71.5,
        uses_ema=False,
        losses=(),
        curve=(),
        ema_curve=(),
        seconds=1.0,
        identity="i",
        weights=folder.training("1M") / "model.safetensors",
    )
    result.save(folder.training_result("1M"))
    findings = read_findings(folder)
    assert findings.results == {"700k": result, "1M": result}
    assert findings.family.attention == ("1M brings nothing beyond 700k", "few trainings")


def test_trainings_that_verify_answers_are_of_no_round(tmp_path: Path) -> None:
    run = open_run(load_config("digits"), tmp_path / "run", reporter=Silent())
    X = sobol(run.space, 9, seed=1)
    costs, records = run.space.costs(X), run.space.to_records(X)
    rounds = [0, 0, 0, 1, 1, 1, 2, 2, 2]  # 0: a verification
    values = [99.0, 99.0, 99.0, 50.0, 60.0, 61.0, 70.0, 81.0, 82.0]
    SampleStore(run.folder.samples).append(
        [
            Sample(
                record=records[at],
                choices=tuple(X[at].tolist()),
                costs={name: float(cost[at]) for name, cost in costs.items()},
                status="ok",
                epochs=4,
                planned_epochs=4,
                seconds=1.0,
                seed=at,
                space=run.space.fingerprint,
                data="made up",
                fidelity="made up",
                value=values[at],
                curve=(values[at],),
                round=rounds[at],
                finished="2026-01-01T00:00:00",
            )
            for at in range(9)
        ]
    )
    page = write_report(run.folder).read_text()
    assert "half of the last are above 81.00 %, of the first 60.00 %" in page
    assert "6 trainings of the search in" in page
    assert "3 trainings that verify answers in" in page
