"""A run folder is whole, says what has changed, and takes nothing that belongs to another run."""

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from small_run import CONFIG, HOW, SPACE, upto_collect, upto_search, upto_train, write_files

from nars.cli import main
from nars.errors import ConfigError, DataError, PredictorError, StoreError
from nars.files.atomic import write_json
from nars.run import Run, RunWarning, load_config, open_run, read_config, reopen_run
from nars.run.journal import Journal
from nars.space import load_space
from nars.stages import collect, export, load_pool, load_pretrained, open_predictor, sample_pool
from nars.store import SampleStore
from nars.studies import grow, swap


def nars(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str]:
    """The command line, in this process: exit code and everything said, on one line."""
    monkeypatch.setattr("sys.argv", ["nars", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving, warnings.catch_warnings():
        main()
    said = capsys.readouterr()
    return int(leaving.value.code or 0), " ".join((said.out + said.err).split())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after stage 3, from a folder of its own that nobody else writes to."""
    home = tmp_path_factory.mktemp("searched")
    upto_search(open_run(load_config(write_files(home)), home / "run", execution=HOW))
    return home


@pytest.fixture
def copy(searched: Path, tmp_path: Path) -> Path:
    """Its run folder alone, moved to another place."""
    shutil.copytree(searched / "run", tmp_path / "moved")
    return tmp_path / "moved"


def open_again(folder: Path, **overrides: Any) -> Run:
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    return open_run(load_config(folder, changed), folder, execution=HOW)


# -- the space ------------------------------------------------------------------------------------------------------


def test_a_space_edited_since_is_refused_by_its_configuration_and_ignored_by_the_folder(config: Path) -> None:
    run = open_run(load_config(config), config.parent / "run", execution=HOW)
    sample_pool(run)
    (config.parent / "mine.yaml").write_text(SPACE.replace("kernel: [3, 5]", "kernel: [3, 7]"))
    with pytest.raises(ConfigError, match=r"stage1.kernel_first was \[3, 5\], now \[3, 7\].*nars run .*run"):
        open_run(load_config(config), run.folder.path, execution=HOW)
    with pytest.warns(RunWarning, match=r"mine.yaml has changed since .* goes on with its own copy"):
        again = reopen_run(run.folder.path)
    assert again.space.fingerprint == run.space.fingerprint
    np.testing.assert_array_equal(load_pool(again).X, load_pool(run).X)


def test_comments_and_another_place_of_the_same_space_are_no_change(config: Path, tmp_path: Path) -> None:
    run = open_run(load_config(config), tmp_path / "run")
    (tmp_path / "other.yaml").write_text(SPACE.replace("# A space of a user's own.", "# Said otherwise."))
    again = open_run(load_config(config, {"space": str(tmp_path / "other.yaml")}), tmp_path / "run")
    assert again.space.fingerprint == run.space.fingerprint
    (tmp_path / "other.yaml").unlink()
    (tmp_path / "mine.yaml").unlink()
    assert reopen_run(tmp_path / "run").space.fingerprint == run.space.fingerprint
    with pytest.warns(RunWarning, match="is not there any more; .* goes on with its own copy"):
        open_run(load_config(config, {"space": str(tmp_path / "other.yaml")}), tmp_path / "run")


def test_the_own_copy_of_the_space_is_not_to_be_edited(config: Path, tmp_path: Path) -> None:
    run = open_run(load_config(config), tmp_path / "run")
    file = run.folder.space_file
    copied = yaml.safe_load(file.read_text())
    copied["recipe"]["optimizer"] = ["sgd", "rmsprop"]
    file.write_text(yaml.safe_dump(copied))
    with pytest.raises(ConfigError, match=r"own copy .*recipe.optimizer was \['sgd', 'adamw'\], now \['sgd', 'rmsprop"):
        reopen_run(tmp_path / "run")
    file.unlink()
    with pytest.raises(ConfigError, match=r"own copy of the space mine, is not there"):
        reopen_run(tmp_path / "run")


def test_a_moved_run_answers_from_anywhere_without_the_files_it_came_from(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    document = json.loads((copy / "run.json").read_text())
    # As if it had been mailed: neither the space nor the images are there any more.
    document["config"] |= {"space": "/nowhere/mine.yaml"}
    document["config"]["data"]["name"] = "imagefolder:/nowhere/photos"
    write_json(copy / "run.json", document)
    grown = grow(reopen_run(Path("../moved")), [100e3])
    assert grown[0].architecture.classes == 10
    matrix = swap(reopen_run(Path("../moved")))
    assert matrix.predicted.shape == (2, 2)
    for command in (
        ("report", copy),
        ("search", "--predictor", copy, "--max-flops", "80k"),
        ("store", "info", copy),
        ("scale", copy, "--to", "100k"),
        ("swap", copy),
    ):
        code, said = nars(capsys, monkeypatch, *command)
        assert code == 0, said
    with pytest.raises(DataError, match=r"images of the run .* are needed now.*/nowhere/photos.*--set data.name="):
        upto_train(reopen_run(copy))


def test_a_run_of_an_earlier_version_gets_its_copy_if_nothing_has_changed(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def old(name: str) -> Path:
        home = tmp_path / name
        shutil.copytree(searched, home)
        shutil.rmtree(home / "run" / "space")
        document = json.loads((home / "run" / "run.json").read_text())
        document["data"] = {key: document["data"][key] for key in ("name", "fingerprint")}
        document["config"]["space"] = "mine.yaml"  # relative to where it was begun
        write_json(home / "run" / "run.json", {k: v for k, v in document.items() if k not in ("format", "origin")})
        return home

    first = old("first")
    monkeypatch.chdir(tmp_path)
    run = reopen_run(first / "run")
    assert load_space(run.folder.space_file).fingerprint == run.space.fingerprint
    assert run.config.space == str(first / "mine.yaml")
    members = upto_search(run)
    assert [member.name for member in members.members] == ["30k", "150k"]

    # Its predictor has the space too; without a predictor the file alone has it.
    lost = old("lost")
    (lost / "mine.yaml").unlink()
    assert upto_search(reopen_run(lost / "run")) == members
    edited = old("edited")
    shutil.rmtree(edited / "run" / "predictor")
    (edited / "mine.yaml").write_text(SPACE.replace("[8, 16], stride", "[8, 24], stride"))
    with pytest.raises(ConfigError, match=r"begun by an earlier version .*mine.yaml has changed since"):
        reopen_run(edited / "run")


def test_a_run_in_the_format_of_the_first_version_goes_on_to_the_same_family(copy: Path) -> None:
    """What a run.json of that version had, key by key."""
    run = reopen_run(copy, execution=HOW)
    members, pool = upto_search(run), load_pool(run)
    document = json.loads(run.folder.run_file.read_text())
    shutil.rmtree(run.folder.space_file.parent)
    old = {key: document[key] for key in ("config", "space", "versions", "started")}
    write_json(run.folder.run_file, old | {"data": {key: document["data"][key] for key in ("name", "fingerprint")}})
    for file in [run.folder.family_file, *run.folder.path.glob("rounds/*.json")]:
        content = json.loads(file.read_text())
        members_or_all = {"members": content["members"]} if "members" in content else content
        write_json(file, {k: v for k, v in members_or_all.items() if k not in ("seal", "origin")})
    for card in (run.folder.encoder / "card.json", run.folder.predictor / "card.json"):
        content = json.loads(card.read_text())
        write_json(card, {k: v for k, v in content.items() if k not in ("origin", "weights")})
    table = pq.read_table(run.folder.pool_file)
    kept = {"nars.space": document["space"]["fingerprint"]}
    pq.write_table(table.replace_schema_metadata(kept), run.folder.pool_file)
    again = reopen_run(run.folder.path)
    assert load_pool(again).X.tolist() == pool.X.tolist()
    assert upto_search(again).members == members.members
    upto_collect(again)
    assert set(upto_train(again).results) == {"30k", "150k"}


def test_tables_of_costs_are_part_of_what_is_copied(tmp_path: Path) -> None:
    from nars.predictors import Predictor
    from nars.stages import write_predictor

    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "costs.csv").write_text("a,flops\n1,10\n2,20\n")
    text = "name: table\nkind: generic\narchitecture: {a: [1, 2], b: [x, y]}\ncosts: tables/costs.csv  # measured\n"
    (tmp_path / "space.yaml").write_text(text)
    space = load_space(tmp_path / "space.yaml")
    X = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    predictor = Predictor.pretrained(space, X, seed=0)
    write_predictor(tmp_path / "predictor", predictor, space=space, data="none", quality={})
    shutil.rmtree(tmp_path / "tables")
    opened, _ = open_predictor(tmp_path / "predictor")
    np.testing.assert_array_equal(opened.costs(X)["flops"], [10, 20, 10, 20])


def test_a_space_without_networks_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "generic.yaml").write_text(
        "name: g\nkind: generic\narchitecture: {a: [1, 2]}\ncosts: {flops: {a: [1, 2]}}\n"
    )
    with pytest.raises(ConfigError, match="space: a run on images trains networks, and 'g' is a generic space"):
        open_run(load_config("digits", {"space": str(tmp_path / "generic.yaml")}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# -- the images -----------------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three classes of twenty images."""
    rng = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def test_changed_images_are_told_with_numbers_and_moved_ones_are_found_by_their_content(
    photos: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = open_run(load_config(config, {"data.name": "imagefolder:photos", "search.budgets": ["50k"]}), "run")
    assert run.config.data.name == f"imagefolder:{photos}"
    monkeypatch.chdir("/")
    reopen_run(tmp_path / "run").images  # noqa: B018
    monkeypatch.chdir(tmp_path)

    photos.rename(tmp_path / "pictures")
    moved = {"data.name": "imagefolder:pictures"}
    with pytest.raises(DataError, match=r"needed now.*photos.*--set data.name=imagefolder:PATH"):
        reopen_run(tmp_path / "run").images  # noqa: B018
    again = open_run(load_config(tmp_path / "run", moved), tmp_path / "run")
    assert again.images.fingerprint == run.images.fingerprint
    assert reopen_run(tmp_path / "run").config.data.name == f"imagefolder:{tmp_path / 'pictures'}"

    shutil.copytree(tmp_path / "pictures" / "cat", tmp_path / "pictures" / "dog")
    for file in (tmp_path / "pictures" / "dog").iterdir():
        Image.new("RGB", (12, 12), (int(file.stem), 0, 0)).save(file)
    told = r"began with 3 classes, 12 training / 36 validation / 12 test images, .* now 4 classes, .*\(new: dog\)"
    with pytest.raises(DataError, match=told):
        reopen_run(tmp_path / "run").images  # noqa: B018
    shutil.copytree(tmp_path / "pictures", tmp_path / "third")
    with pytest.raises(DataError, match=told):  # named anew, they are looked at at once
        open_run(load_config(tmp_path / "run", {"data.name": "imagefolder:third"}), tmp_path / "run")
    assert reopen_run(tmp_path / "run").config.data.name == f"imagefolder:{tmp_path / 'pictures'}"


def test_one_pixel_is_another_image_set(photos: Path, config: Path, tmp_path: Path) -> None:
    run = open_run(
        load_config(config, {"data.name": f"imagefolder:{photos}", "search.budgets": ["50k"]}), tmp_path / "run"
    )
    sample_pool(run)
    file = photos / "ant" / "3.png"
    with Image.open(file) as image:
        changed = image.copy()
    changed.putpixel((0, 0), (1, 2, 3))
    changed.save(file)
    with pytest.raises(DataError, match="does not hold the images that the run"):
        upto_train(reopen_run(tmp_path / "run", execution=HOW))


def test_runs_on_own_images_are_called_by_them(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config("fashion-mnist", {"data.name": "imagefolder:photos"})
    assert (config.name, "photos" in config.about, "gray" in config.about) == ("photos", True, False)
    assert load_config("fashion-mnist", {"data.name": "imagefolder:photos/"}).name == "photos"
    monkeypatch.chdir(photos)
    assert load_config("fashion-mnist", {"data.name": "imagefolder:."}).name == "photos"
    assert load_config("fashion-mnist", {"data.name": "imagefolder:x", "name": "own"}).name == "own"
    # A folder that is called like a built-in run must not land in that run's folder.
    assert load_config("fashion-mnist", {"data.name": "imagefolder:digits"}).name == "digits-fashion-mnist"
    assert load_config("digits", {"data.name": "cifar10"}).name == "cifar10-digits"
    for name in ("digits", "fashion-mnist"):
        plain = load_config(name)
        assert (plain.name, load_config(name, {"data.name": plain.data.name})) == (name, plain)
    (tmp_path / "user.yaml").write_text(CONFIG.replace("space: mine.yaml", "space: digits"))
    assert load_config(tmp_path / "user.yaml", {"data.name": "imagefolder:photos"}).name == "small"


def test_a_photo_run_of_an_earlier_version_keeps_its_name(photos: Path, tmp_path: Path) -> None:
    asked = {"data.name": f"imagefolder:{photos}", "search.budgets": ["1M"]}
    open_run(load_config("fashion-mnist", asked | {"name": "fashion-mnist", "about": "old"}), tmp_path / "run")
    given = read_config("fashion-mnist", asked)
    assert given.config.name == "photos"
    kept = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert open_run(given.begun_as(kept).config, tmp_path / "run").config.name == "fashion-mnist"
    assert reopen_run(tmp_path / "run").config.about == "old"
    with pytest.raises(ConfigError, match="name was 'fashion-mnist', now 'other'"):
        open_run(load_config(tmp_path / "run", {"name": "other"}), tmp_path / "run")


# -- versions -------------------------------------------------------------------------------------------------------


def test_another_library_is_a_warning_once_and_a_newer_format_an_error(config: Path, tmp_path: Path) -> None:
    run = open_run(load_config(config), tmp_path / "run")
    document = json.loads(run.folder.run_file.read_text())
    ours = document["versions"]["torch"]
    document["versions"]["torch"] = "1.0.0"
    write_json(run.folder.run_file, document)
    with pytest.warns(RunWarning, match=rf"torch 1\.0\.0 then, {ours} now"):
        reopen_run(tmp_path / "run")
    reopen_run(tmp_path / "run")  # warnings are errors here: it is not said again
    write_json(run.folder.run_file, document | {"format": 3})
    with pytest.raises(ConfigError, match="format 3, this version of nars reads up to 2"):
        reopen_run(tmp_path / "run")


# -- files of other runs --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run in the same space: of another seed."""
    home = tmp_path_factory.mktemp("foreign")
    upto_search(open_run(load_config(write_files(home), {"seed": 1}), home / "run", execution=HOW))
    return home / "run"


def replace_with(copy: Path, foreign: Path, name: str) -> None:
    if (copy / name).is_dir():
        shutil.rmtree(copy / name)
        shutil.copytree(foreign / name, copy / name)
    else:
        shutil.copy(foreign / name, copy / name)


@pytest.mark.parametrize(
    ("name", "lost", "use"),
    [
        ("pool.parquet", ("encoder", "predictor", "family"), load_pool),
        ("encoder", ("predictor", "family"), load_pretrained),
        ("rounds", ("predictor", "family"), upto_collect),
        ("predictor", ("family",), upto_search),
        ("family", (), upto_train),
        ("family", (), upto_search),
    ],
)
def test_files_of_another_run_are_refused(
    copy: Path, foreign: Path, name: str, lost: tuple[str, ...], use: Callable[[Run], object]
) -> None:
    replace_with(copy, foreign, name)
    for folder in lost:
        shutil.rmtree(copy / folder)
    with pytest.raises(DataError, match="belongs to another run"):
        use(reopen_run(copy, execution=HOW))


def test_a_foreign_predictor_is_not_asked(copy: Path, foreign: Path) -> None:
    replace_with(copy, foreign, "predictor")
    with pytest.raises(ConfigError, match="belongs to another run"):
        open_predictor(copy)


def test_samples_of_another_space_are_refused_before_anything_is_trained(copy: Path, tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "mine.yaml").write_text(SPACE.replace("count: 5", "count: 7"))
    few = load_config(tmp_path / "small.yaml", {"collect.rounds": 1})
    other = open_run(few, tmp_path / "other", execution=HOW)
    upto_collect(other)
    replace_with(copy, other.folder.path, "samples")
    for folder in ("rounds", "predictor", "family"):
        shutil.rmtree(copy / folder)
    before = SampleStore(copy / "samples").keys()
    with pytest.raises(StoreError, match="must share one search space"):
        upto_collect(reopen_run(copy, execution=HOW))
    assert SampleStore(copy / "samples").keys() == before


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def test_an_edited_family_is_refused_with_and_without_its_seal(copy: Path) -> None:
    family = copy / "family" / "family.json"
    good = family.read_text()

    def other_choices(document: dict[str, Any]) -> None:
        document["members"][0]["choices"] = document["members"][1]["choices"]

    edit(family, other_choices)
    with pytest.raises(DataError, match="has been edited since nars wrote it"):
        upto_search(reopen_run(copy))
    edit(family, lambda document: document.pop("seal"))  # as an earlier version wrote it
    with pytest.raises(DataError, match=r"the member 30k is not of one piece: its choices say .* its record"):
        upto_train(reopen_run(copy, execution=HOW))
    family.write_text(good)

    def more_than_the_budget(document: dict[str, Any]) -> None:
        document.pop("seal")
        small, large = document["members"]
        small |= {key: large[key] for key in ("choices", "record", "costs")}

    edit(family, more_than_the_budget)
    with pytest.raises(DataError, match=r"flops, its budget is flops <= 30k"):
        upto_train(reopen_run(copy, execution=HOW))
    family.write_text(good)

    def no_choice(document: dict[str, Any]) -> None:
        document.pop("seal")
        document["members"][0]["choices"][0] = 99

    edit(family, no_choice)
    with pytest.raises(DataError, match="its choices are none of the space mine"):
        upto_search(reopen_run(copy))


def test_edited_rounds_pools_and_mixed_predictors_are_refused(copy: Path) -> None:
    plan = copy / "rounds" / "round-2-plan.json"
    good = plan.read_text()
    edit(plan, lambda document: document["choices"].reverse())
    shutil.rmtree(copy / "family")
    with pytest.raises(DataError, match=r"round-2-plan.json has been edited"):
        upto_search(reopen_run(copy, execution=HOW))
    plan.write_text(good)
    upto_search(reopen_run(copy, execution=HOW))

    pool = copy / "pool.parquet"
    table = pq.read_table(pool)
    pq.write_table(table.take(list(range(len(table) - 1))), pool)
    with pytest.raises(DataError, match="has been edited since nars wrote it"):
        load_pool(reopen_run(copy))

    shutil.copy(copy / "encoder" / "predictor.safetensors", copy / "predictor" / "predictor.safetensors")
    with pytest.raises(PredictorError, match="come from two predictors"):
        open_predictor(copy)


def test_weights_of_another_network_are_an_error_with_the_way_out(copy: Path) -> None:
    run = reopen_run(copy, execution=HOW)
    upto_train(run)
    shutil.copy(copy / "training" / "150k" / "model.safetensors", copy / "training" / "30k" / "model.safetensors")
    again = reopen_run(copy, execution=HOW)
    trained = upto_train(again)
    with pytest.raises(ValueError, match=r"does not hold the weights of 30k .* delete .*30k to train it again"):
        export(again, trained)


def test_results_without_their_run_file_are_nobodys(copy: Path, config: Path) -> None:
    (copy / "run.json").unlink()
    with pytest.raises(ConfigError, match=r"holds results of a run \(pool.parquet, .*but not its run.json"):
        open_run(load_config(config), copy)


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "", " ", "a\\b", "x\n", ".hidden", "a" * 101, "a:b"])
def test_names_that_leave_the_folder_of_runs_are_refused(config: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name: names the folder runs/NAME and must"):
        load_config(config, {"name": name})
    config.write_text(CONFIG.replace("name: small", f"name: {json.dumps(name)}"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"small.yaml:2: name: names the folder runs/NAME and must"):
        load_config(config)
    with pytest.raises(ConfigError, match="name: names the folder runs/NAME and must"):
        open_run(load_config("digits").model_copy(update={"name": name}))


def test_the_folder_may_be_anywhere(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert open_run(load_config(config), "../a/b").folder.run_file.is_file()
    assert (tmp_path / "a" / "b" / "run.json").is_file()


# -- a run's folder as a configuration ------------------------------------------------------------------------------


def test_a_folder_stands_for_its_configuration(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = load_config(copy)
    assert (kept.name, kept.collect.per_round, kept.space) == ("small", 3, str(copy / "space" / "space.yaml"))
    assert load_config(copy, {"final.epochs": 7}).final.epochs == 7
    with pytest.raises(ConfigError, match="unknown key 'epoch'"):
        load_config(copy, {"final.epoch": 7})
    fresh = open_run(kept, tmp_path / "another")  # the same again, in another folder: with a copy of its own
    shutil.rmtree(copy)
    assert reopen_run(tmp_path / "another").space.fingerprint == fresh.space.fingerprint
    # A built-in name is never taken for a folder of that name.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "another").rename(tmp_path / "digits")
    assert load_config("digits").name == "digits"
    assert load_config("./digits").name == "small"


def test_each_command_takes_a_folder(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("pretrain", "collect", "search", "train"):
        code, said = nars(capsys, monkeypatch, command, copy)
        assert code == 0, said
    code, said = nars(capsys, monkeypatch, "export", copy, "--verify")
    assert (code, said.count(": ok, ")) == (0, 8)
    code, said = nars(capsys, monkeypatch, "run", copy)
    assert (code, "report:" in said) == (0, True)
    assert "is finished" in nars(capsys, monkeypatch, "run", copy)[1]
    code, said = nars(capsys, monkeypatch, "run", copy, "--dry-run")
    assert "Plan of small" in said
    assert "and 2 trained members already: the plan is of the whole run" in said
    code, said = nars(capsys, monkeypatch, "run", copy, "--dry-run", "--seed", 5)
    assert (code, "seed was 0, now 5" in said) == (2, True)
    code, said = nars(capsys, monkeypatch, "run", copy.parent / "nothing")
    assert (code, "or the folder of a run" in said) == (2, True)
    card = copy / "family" / "30k" / "card.json"
    made = card.stat().st_mtime_ns
    nars(capsys, monkeypatch, "export", copy)
    assert card.stat().st_mtime_ns == made
    nars(capsys, monkeypatch, "export", copy, "--again")
    assert card.stat().st_mtime_ns > made


@pytest.mark.parametrize("command", ["collect", "search", "train", "export"])
def test_a_stage_does_not_begin_a_search_that_nobody_asked_for(
    command: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = nars(capsys, monkeypatch, command, config, "--out", tmp_path / "empty")
    assert code == 2
    assert f"nars {command} goes on with a run, and {tmp_path / 'empty'} holds none" in said
    assert not (tmp_path / "empty").exists()


def test_a_stage_names_the_one_that_is_missing(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (copy / "run.json").read_bytes()
    for command, lacks, first in (
        ("export", "no final training by these settings of 30k, 150k", "train"),
        ("train --set search.budgets=[30k,150k,180k]", "no member for 1 of its budgets", "search"),
        ("search --set collect.rounds=3 --set search.budgets=[30k]", "not done its 3 rounds", "collect"),
    ):
        name, *rest = command.split()
        code, said = nars(capsys, monkeypatch, name, copy, *rest)
        assert code == 2, command
        assert lacks in said
        assert f"nars {first} {copy}" in said
        assert (copy / "run.json").read_bytes() == kept  # a refused command changes nothing
    shutil.rmtree(copy / "family")
    assert f"nars search {copy}" in nars(capsys, monkeypatch, "train", copy)[1]
    shutil.rmtree(copy / "predictor")
    assert f"nars collect {copy}" in nars(capsys, monkeypatch, "search", copy)[1]
    shutil.rmtree(copy / "encoder")
    assert f"nars pretrain {copy}" in nars(capsys, monkeypatch, "collect", copy)[1]


def test_a_round_whose_plan_was_deleted_is_chosen_and_paired_anew(copy: Path) -> None:
    run = open_again(copy)
    journal = Journal(run)
    first, second = journal.plans()
    before = [result.measured for result in journal.results()]
    stored = len(journal.samples())
    run.folder.round_plan(2).unlink()
    assert [result.measured for result in journal.results()] == before[:1]
    journal.keep_plan(replace(second, choices=second.choices[::-1]))  # as another choice of candidates
    assert not run.folder.round_result(2).exists()
    pool, pretrained = load_pool(run), load_pretrained(run)
    assert pool is not None
    assert pretrained is not None
    collect(run, pool, pretrained)
    assert len(journal.samples()) == stored  # all of them were measured
    assert [result.measured for result in journal.results()] == [before[0], before[1][::-1]]
    run.folder.round_plan(1).unlink()
    assert journal.results() == []
    journal.keep_plan(first)
    assert [plan.round for plan in journal.plans()] == [1]
    assert not run.folder.round_result(1).exists()
