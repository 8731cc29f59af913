"""A finished run grows: one more budget, longer final training, more rounds; what does not depend on it stays."""

import io
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from small_run import CONFIG, HOW, upto_collect, upto_search, upto_train, write_files

from nars.errors import ConfigError
from nars.report import family_table, read_findings
from nars.run import Run, Silent, load_config, open_run
from nars.run.changes import Change
from nars.run.naming import budget_name as name_of, budget_names
from nars.run.progress import Advance
from nars.space import Bounds, sobol
from nars.stages import ExportedFamily, Member, export, is_finished, load_family, search
from nars.stages.members import distinct, read_family, write_family
from nars.store import SampleStore


class Interrupting(Silent):
    """A reporter that presses Ctrl-C after so many steps of the bars whose title begins in a certain way."""

    def __init__(self, title: str, after: int) -> None:
        self.title, self.left = title, after

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        def advance(steps: int, note: str) -> None:
            if title.startswith(self.title) and steps:
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt

        yield advance


class Telling(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def begin(home: Path, **overrides: Any) -> Run:
    home.mkdir(parents=True, exist_ok=True)
    config = CONFIG.replace("[30k, 150k]", "[40k, 150k]").replace("final: {epochs: 1", "final: {epochs: 2")
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    return open_run(load_config(write_files(home, config), changed), home / "run", execution=HOW)


def grown(folder: Path, *, reporter: Silent | None = None, **overrides: Any) -> Run:
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    return open_run(load_config(folder, changed), folder, execution=HOW, reporter=reporter)


def drawn(run: Run, member: Member, low: float) -> Member:
    """A member with a network that is drawn from the space: of at least so many FLOPs."""
    X = sobol(run.space, 1, seed=1, bounds=Bounds({"flops": (low, member.budget.high("flops"))}))
    costs = {key: float(cost[0]) for key, cost in run.space.costs(X).items()}
    choices = tuple(int(choice) for choice in X[0])
    return replace(member, choices=choices, record=run.space.to_records(X)[0], costs=costs, same_as=None, note="")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its final training. Six trainings tell the predictor little: its members are drawn, to differ."""
    run = begin(tmp_path_factory.mktemp("trained"))
    small, large = upto_search(run).members
    write_family(run, [drawn(run, small, 22e3), drawn(run, large, 120e3)], (), doubts=())
    upto_train(run)
    return run.folder.path


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def exported(run: Run) -> ExportedFamily:
    return export(run, upto_train(run))


def files(folder: Path, *names: str) -> dict[str, bytes]:
    """Content of all files below these places of a run."""
    found = [path for name in names for path in sorted((folder / name).rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def members_of(folder: Path) -> list[dict[str, Any]]:
    document = json.loads((folder / "family" / "family.json").read_text())
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in document["members"]]


# -- budgets --------------------------------------------------------------------------------------------------------


def test_one_more_budget_leaves_the_others_as_they_are_to_the_bit(copy: Path) -> None:
    before, members = files(copy, "training/40k", "training/150k", "training/teacher", "rounds"), members_of(copy)
    results = upto_train(grown(copy, search__budgets=["40k", "80k", "150k"])).results
    assert list(results) == ["40k", "80k", "150k"]
    after = files(copy, "training/40k", "training/150k", "training/teacher", "rounds")
    assert after == before
    assert [member for member in members_of(copy) if member["name"] != "80k"] == members
    added = members_of(copy)[1]
    assert 0 < added["costs"]["flops"] <= 80e3
    # It is never predicted worse than a smaller one, whose network keeps its budget too; to single precision.
    assert added["predicted"] >= members[0]["predicted"] * (1 - 1e-6)
    assert len(SampleStore(copy / "samples")) == 6


def test_a_budget_above_all_others_teaches_itself_and_nobody_else(copy: Path) -> None:
    before = files(copy, "training/40k", "training/150k")
    run = grown(copy, search__budgets=["40k", "150k", "190k"])
    small, large, added = upto_search(run).members
    family = write_family(run, [small, large, drawn(run, added, 160e3)], (), doubts=()).members
    results = upto_train(run).results
    assert files(copy, "training/40k", "training/150k") == before
    # The same as if there had never been others: on labels first, then from itself.
    alone = begin(copy.parent / "alone", search__budgets=["190k"])
    write_family(alone, [replace(family[2], same_as=None)], (), doubts=())
    assert upto_train(alone).results["190k"].losses == results["190k"].losses


def test_a_removed_budget_leaves_the_family_and_comes_back_as_it_was(copy: Path) -> None:
    members, before = members_of(copy), files(copy, "training")
    run = grown(copy, search__budgets=["150k"])
    assert list(upto_train(run).results) == ["150k"]
    assert [member["name"] for member in members_of(copy)] == ["150k"]
    assert files(copy, "training") == before
    again = grown(copy, search__budgets=["40k", "150k"])
    assert list(upto_train(again).results) == ["40k", "150k"]
    assert members_of(copy) == members
    assert files(copy, "training") == before


# -- final training -------------------------------------------------------------------------------------------------


def test_a_longer_final_training_is_a_new_one_and_the_old_stays_until_it_is_done(copy: Path) -> None:
    old = files(copy, "training/40k", "training/150k")
    with pytest.raises(KeyboardInterrupt):
        upto_train(grown(copy, final__epochs=4, reporter=Interrupting("final training: by distillation", after=5)))
    assert files(copy, "training/40k", "training/150k") == old  # one of them is trained, and waits beside
    assert any(copy.glob("training/*~*/result.json"))
    waiting = next(copy.glob("training/*~*/model.safetensors")).read_bytes()
    results = upto_train(grown(copy, final__epochs=4)).results
    assert {len(result.curve) for result in results.values()} == {4}
    assert {path.name for path in (copy / "training").iterdir()} == {"40k", "150k", "teacher"}
    assert waiting in files(copy, "training").values()  # it was not trained twice
    fresh = begin(copy.parent / "fresh", final__epochs=4)
    write_family(fresh, read_family(grown(copy)).members, (), doubts=())
    for name, result in upto_train(fresh).results.items():
        assert (result.losses, result.test_accuracy) == (results[name].losses, results[name].test_accuracy)


def test_a_change_of_mind_costs_nothing(copy: Path) -> None:
    old = files(copy, "training/40k", "training/150k")
    with pytest.raises(KeyboardInterrupt):
        upto_train(grown(copy, final__distillation=0.5, reporter=Interrupting("final training: by dist", after=2)))
    results = upto_train(grown(copy, final__distillation=0.8)).results
    assert files(copy, "training/40k", "training/150k") == old
    assert len(results["40k"].curve) == 2


@pytest.mark.parametrize("killed", ["moved away", "moved in"])
def test_killed_while_the_new_takes_the_place_of_the_old(copy: Path, killed: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        upto_train(grown(copy, final__epochs=3, reporter=Interrupting("final training: by dist", after=5)))
    done = next(path.parent for path in copy.glob("training/*~*/result.json"))
    name = done.name.partition("~")[0]
    weights = (done / "model.safetensors").read_bytes()
    (copy / "training" / name).rename(copy / "training" / f"{name}~old")
    if killed == "moved in":
        done.rename(copy / "training" / name)
    results = upto_train(grown(copy)).results
    assert {len(result.curve) for result in results.values()} == {3}
    assert results[name].weights.read_bytes() == weights
    assert {path.name for path in (copy / "training").iterdir()} == {"40k", "150k", "teacher"}


def test_exports_follow_their_training(copy: Path) -> None:
    document = json.loads((copy / "run.json").read_text())
    document["data"]["name"] = "imagefolder:photos"  # as the user wrote it, wherever that is
    (copy / "run.json").write_text(json.dumps(document))
    first = exported(grown(copy))
    assert {card.data["name"] for card in first.cards.values()} == {"imagefolder:photos"}
    made = {name: (copy / "family" / name / "card.json").stat().st_mtime_ns for name in ("40k", "150k")}
    assert exported(grown(copy)) == first
    run = grown(copy, final__epochs=3, search__budgets=["150k"])
    assert not is_finished(run)
    cards = exported(run).cards
    assert list(cards) == ["150k"]
    for name, card in cards.items():
        assert card.accuracy["test"] == upto_train(run).results[name].test_accuracy
        assert (copy / "family" / name / "card.json").stat().st_mtime_ns > made[name]


# -- rounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interrupted", [None, 1])
def test_more_rounds_give_what_a_run_of_so_many_rounds_gives(copy: Path, interrupted: int | None) -> None:
    fresh = begin(copy.parent / f"fresh-{interrupted}", collect__rounds=3)
    upto_train(fresh)
    kept = {sample.key: sample.finished for sample in SampleStore(copy / "samples").samples()}
    if interrupted is not None:
        with pytest.raises(KeyboardInterrupt):
            upto_train(grown(copy, collect__rounds=3, reporter=Interrupting("stage 2", after=interrupted)))
        assert members_of(copy)  # the old family is there until the new one is
    results = upto_train(grown(copy, collect__rounds=3)).results
    samples = {sample.key: sample.finished for sample in SampleStore(copy / "samples").samples()}
    assert len(samples) == 9
    assert {key: samples[key] for key in kept} == kept
    assert members_of(copy) == members_of(fresh.folder.path)
    for name, result in upto_train(fresh).results.items():
        assert result.losses == results[name].losses
    with pytest.raises(ConfigError, match=r"collect.rounds was 3, now 2, and 3 rounds have begun"):
        grown(copy, collect__rounds=2)


def test_rounds_that_have_not_begun_can_be_taken_back(copy: Path) -> None:
    before = files(copy, "family", "training", "predictor")
    grown(copy, collect__rounds=9)
    upto_train(grown(copy, collect__rounds=2))
    assert files(copy, "family", "training", "predictor") == before


def test_asynchronous_rounds_grow_too(tmp_path: Path) -> None:
    run = begin(tmp_path / "a", collect__asynchronous=True)
    upto_collect(run)
    first = SampleStore(run.folder.samples).keys()
    again = grown(run.folder.path, collect__rounds=3)
    upto_search(again)
    assert len(first) == 6
    assert first < SampleStore(run.folder.samples).keys()
    assert len(SampleStore(run.folder.samples)) == 9
    assert json.loads((run.folder.predictor / "card.json").read_text())["samples"] == 9


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"collect__keep": 0.25},
        {"collect__epochs": 3},
        {"collect__per_round": 4},
        {"flops__low": 30e3},
        {"pretraining__pool": 128},
        {"data__validation": 0.5},
        {"data__max_train": 100},
        {"data__flip": True},
        {"collect__rounds": 1},
        {"search__preset": "paper"},
        {"collect__amp": True},
        {"name": "other"},
        {"collect__trial_seconds": 60.0},
        {"data__crop": 0.1},
    ],
)
def test_what_decides_the_samples_never_changes(copy: Path, change: dict[str, Any]) -> None:
    kept = (copy / "run.json").read_bytes()
    ((key, value),) = change.items()
    said = "30k" if value == 30e3 else value
    with pytest.raises(ConfigError, match=rf"{key.replace('__', '.')} was .*, now .*{said}.*nars run .*run"):
        grown(copy, **change)
    assert (copy / "run.json").read_bytes() == kept


def test_the_configuration_that_it_began_with_does_not_undo_what_has_grown(trained: Path, copy: Path) -> None:
    """A family trained overnight is not trained anew for the command of the day before."""
    first = load_config(trained.parent / "small.yaml")
    upto_train(grown(copy, final__epochs=3, search__budgets=["40k", "80k", "150k"]))
    after = files(copy, "training")
    told = Telling()
    run = open_run(first, copy, execution=HOW, reporter=told)
    assert (run.config.final.epochs, len(run.config.search.budgets)) == (3, 3)
    assert sum(" stays " in line and "has grown from" in line for line in told.lines) == 2
    upto_train(run)
    assert files(copy, "training") == after
    # By its folder it goes back, and forward again by the file.
    assert grown(copy, final__epochs=2).config.final.epochs == 2
    other = first.model_copy(update={"final": first.final.model_copy(update={"epochs": 5})})
    assert open_run(other, copy).config.final.epochs == 5
    with pytest.raises(ConfigError, match=r"seed was 0, now 1"):
        open_run(first.model_copy(update={"seed": 1}), copy)


def test_everything_else_may_change(copy: Path) -> None:
    before = files(copy, "family", "training")
    run = grown(copy, about="Another text.", data__streaming=False, final__watch=["tensorboard"])
    assert len(upto_train(run).results) == 2
    assert files(copy, "family", "training") == before
    assert json.loads((copy / "run.json").read_text())["config"]["about"] == "Another text."


def test_a_run_of_an_earlier_version_grows(copy: Path) -> None:
    """Its files do not say what they are of: until now nothing could change."""
    weights = files(copy, "training/40k", "training/150k")
    document = json.loads((copy / "run.json").read_text())
    document["data"] = {key: document["data"][key] for key in ("name", "fingerprint")}
    for key in ("format", "origin", "final_data"):
        del document[key]
    (copy / "run.json").write_text(json.dumps(document))
    shutil.rmtree(copy / "space")
    for file in [*copy.glob("rounds/*.json"), copy / "family" / "family.json", copy / "predictor" / "card.json"]:
        content = json.loads(file.read_text())
        file.write_text(json.dumps({k: v for k, v in content.items() if k not in ("seal", "origin", "rounds")}))
    for file in copy.glob("training/*/settings.json"):
        file.unlink()
    upto_train(grown(copy, search__budgets=["40k", "80k", "150k"]))
    after = files(copy, "training/40k", "training/150k")
    assert {name: content for name, content in after.items() if not name.endswith("settings.json")} == {
        name: content for name, content in weights.items() if not name.endswith("settings.json")
    }
    results = upto_train(grown(copy, final__epochs=3)).results
    assert {len(result.curve) for result in results.values()} == {3}
    upto_search(grown(copy, collect__rounds=3))
    assert len(SampleStore(copy / "samples")) == 9


# -- one network for two budgets ------------------------------------------------------------------------------------


def test_a_network_that_answers_two_budgets_is_trained_once_and_it_is_said_why(copy: Path) -> None:
    shutil.rmtree(copy / "training")
    run = grown(copy, search__budgets=["40k", "150k", "149k"])
    small, large, _ = upto_search(run).members
    assert large.same_as is None
    # As a search answers them whose predictor sees nothing better in between.
    twin = replace(large, name="149k", budget=Bounds.at_most(flops=149e3))
    told = write_family(run, [small, large, twin], (), doubts=()).members
    assert [(member.name, member.same_as) for member in told] == [("40k", None), ("150k", "149k"), ("149k", None)]
    assert told[1].note.startswith("150k brings nothing beyond 149k: the same network")
    assert "the predictor sees nothing better" in told[1].note
    results = upto_train(run).results
    assert {path.name for path in (copy / "training").iterdir()} == {"teacher", "40k", "149k"}
    assert results["150k"] == results["149k"]
    cards = exported(run).cards
    assert cards["150k"] == cards["149k"]
    assert {path.name for path in (copy / "family").iterdir()} == {"family.json", "40k", "149k"}
    findings = read_findings(run.folder)
    assert [member.name for member in findings.family.members] == ["40k", "150k", "149k"]
    assert findings.cards["150k"] == findings.cards["149k"]
    assert findings.family.attention == (told[1].note,)
    console = Console(width=200, file=io.StringIO())
    console.print(family_table(findings.family, findings.results, findings.cards))
    assert "150k brings nothing beyond 149k" in console.file.getvalue()  # type: ignore[attr-defined]

    # A twin of one that is trained already is not trained for it.
    again = grown(copy, search__budgets=["150k", "149k", "148k"])
    upto_search(again)
    told = write_family(
        again, [told[1], told[2], replace(told[2], name="148k", budget=Bounds.at_most(flops=148e3))], (), doubts=()
    ).members
    assert [member.same_as for member in told] == ["149k", None, "149k"]
    assert len(distinct(told)) == 1
    assert upto_train(again).results["148k"] == results["149k"]


def test_why_a_larger_budget_brings_nothing(tmp_path: Path) -> None:
    run = begin(tmp_path / "a", flops__high=100e3, search__budgets=["40k", "60k", "150k"])
    family = upto_search(run).members
    smallest = min(family, key=lambda member: member.costs["flops"])

    def notes(*budgets: float) -> list[str]:
        limits = [Bounds.at_most(flops=budget) for budget in budgets]
        same = [replace(smallest, name=name_of(limit), budget=limit) for limit in limits]
        return [member.note for member in write_family(run, same, (), doubts=()).members]

    assert notes(60e3) == [""]
    assert "sees nothing better in between" in notes(60e3, 80e3)[1]
    assert "stage 2 has measured networks of up to 100k FLOPs (range.flops.high)" in notes(60e3, 150e3)[1]
    assert "the largest network of the space has" in notes(1e6, 2e6)[1]
    _, second, third = notes(60e3, 80e3, 90e3)
    assert second.startswith("80k brings nothing beyond 60k: ")
    assert third.startswith("90k brings nothing beyond 80k: ")


# -- names ----------------------------------------------------------------------------------------------------------


def test_budgets_of_four_equal_digits_have_names_of_their_own() -> None:
    def budget_name(flops: float) -> str:
        return name_of(Bounds.at_most(flops=flops))

    assert budget_names([Bounds.at_most(flops=flops) for flops in (291_583, 291_584)]) == ["291.583k", "291.584k"]
    assert [budget_name(budget) for budget in (550e6, 0.15e6, 1.5e6, 2e9, 999, 123_400)] == [
        "550M",
        "150k",
        "1.5M",
        "2G",
        "999",
        "123.4k",
    ]
    gains = [Bounds({"gain": limits}) for limits in ((-4, 0), (-4, math.inf), (0, 3))]
    assert budget_names(gains) == ["gain-4to0", "gain-4up", "gain3"]
    whole = [budget_name(float(budget)) for budget in range(990_000, 1_010_000)]
    assert len({name.lower() for name in whole}) == len(whole)
    # Which others there are makes no difference: names are known before the search, and stay when it grows.
    assert budget_name(291_584) == budget_names([Bounds.at_most(flops=flops) for flops in (1e6, 291_584)])[1]


def test_names_that_an_earlier_version_gave_stay(copy: Path) -> None:
    family = copy / "family" / "family.json"
    document = json.loads(family.read_text())
    document.pop("seal")
    document["members"][0] |= {"name": "291.6k", "budget": 291_583.0}
    family.write_text(json.dumps(document))
    run = grown(copy, search__budgets=[291_583, 150e3, 291_600])
    assert [member.name for member in upto_search(run).members] == ["291.6k", "150k", "291.6k-2"]


def test_near_budgets_are_trained_apart(tmp_path: Path) -> None:
    run = begin(tmp_path / "a", search__budgets=[149_583, 149_584])
    results = upto_train(run).results
    assert list(results) == ["149.583k", "149.584k"]
    assert read_family(run).members[1].same_as == "149.583k"


def test_a_change_is_said_in_the_users_words() -> None:
    before, now = ([{"flops": flops} for flops in budgets] for budgets in ((2.5e5,), (1.5e5, 2.5e5)))
    assert str(Change(key="search.budgets", before=before, now=now)) == (
        "search.budgets was flops 250k, now flops 150k, flops 250k"
    )
    assert str(Change(key="collect.amp", before=False, now=True)) == "collect.amp was False, now True"


def test_nothing_is_said_of_a_predictor_where_none_chose(copy: Path, tmp_path: Path) -> None:
    def reordered(folder: Path, small: str = "40k") -> tuple[str, ...]:
        found = load_family(grown(folder, search__budgets=["150k", small]))
        assert found is not None
        assert [member.name for member in found.members] == ["150k", small]
        return found.doubts

    assert any("has learned from 6 trainings only" in doubt for doubt in reordered(copy))  # a search chose there
    (copy / "family" / "family.json").unlink()
    family = upto_search(grown(copy, search__preset="measured", search__budgets=["40k", "150k"]))
    assert (family.doubts, reordered(copy)) == ((), ())

    start = {"recipe": {"optimizer": "adamw"}, "stage1": {"depth": 1, "expand_first": 1}}
    set_up = {"collect__rounds": 0, "collect__start": start, "search__preset": "measured"}
    nothing = begin(tmp_path / "none", search__budgets=["100k", "150k"], **set_up)
    said = search(nothing, None)
    assert (said.doubts, reordered(nothing.folder.path, "100k")) == ((), ())
    (note,) = said.attention
    assert "nothing was measured" in note
    assert "predictor" not in note

    run = grown(copy)
    smallest = min(family.members, key=lambda member: member.costs["flops"])
    for large, why in (
        (80e3, "no better network is measured in between"),
        (300e3, "of up to 200k FLOPs (range.flops.high), none beyond that"),
    ):
        limits = [Bounds.at_most(flops=budget) for budget in (60e3, large)]
        same = [replace(smallest, name=name_of(limit), budget=limit) for limit in limits]
        note = write_family(run, same, (), doubts=()).members[1].note
        assert why in note
        assert "predictor" not in note
