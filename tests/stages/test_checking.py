"""What `check` knows before anything is computed: the table of configurations, images and spaces, and each mistake."""

from __future__ import annotations

import gzip
import io
import json
import os
import shlex
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import timm
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from nars.cli import main
from nars.errors import ConfigError
from nars.images import list_images, load_images
from nars.run import Execution, Silent, check, load_config, open_run, preview, read_config, run_names
from nars.run.environment import check_engine
from nars.run.fidelity import final_settings, search_settings
from nars.space import cost_range, load_space, quantity, space_names
from nars.stages import Family, TrainedFamily, export, run_all

FOLDERS = {
    "grey": ("L", 28, {"cat": 12, "dog": 12, "owl": 12}),
    "rgb": ("RGB", 40, {f"class-{number}": 8 for number in range(5)}),
    "two": ("RGB", 28, {"no": 10, "yes": 30}),
}
"""Image folders: mode, side in pixels, images of each class."""

IMAGES = ("digits", "fashion-mnist", "cifar10", "imagenet", *(f"imagefolder:{name}" for name in FOLDERS))
NOWHERE = ("imagefolder:nosuch", "nonsense", "imagefolder:", "imagefolder: ", "imagefolder:data")


def _write(folder: Path, mode: str, side: int, classes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shape = (side, side) if mode == "L" else (side, side, 3)
            pixels = rng.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels, mode).save(folder / name / f"{number}.png")


def _png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in: image folders, and small sets in the documented layouts."""
    home = tmp_path_factory.mktemp("home")
    for name, (mode, side, classes) in FOLDERS.items():
        _write(home / name, mode, side, classes)
    for part in ("train", "val"):
        _write(home / "data" / "imagenet" / part, "RGB", 32, {"bee": 6, "cow": 6, "elk": 6})
    (home / "data" / "cifar10").mkdir()
    for part, count in (("train", 60), ("test", 20)):
        rows = [{"img": {"bytes": _png(32), "path": ""}, "label": number % 10} for number in range(count)]
        pq.write_table(pa.Table.from_pylist(rows), home / "data" / "cifar10" / f"{part}.parquet")
    (home / "data" / "fashion-mnist").mkdir()
    for part, count in (("train", 70), ("t10k", 30)):
        labels = struct.pack(">HBBI", 0, 8, 1, count) + bytes(number % 10 for number in range(count))
        images = struct.pack(">HBBIII", 0, 8, 3, count, 28, 28) + bytes(count * 28 * 28)
        (home / "data" / "fashion-mnist" / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        (home / "data" / "fashion-mnist" / f"{part}-images-idx3-ubyte").write_bytes(images)
    return home


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    monkeypatch.setenv("NARS_DATA", str(home / "data"))
    return home


def _lines(config: str, overrides: dict[str, object]) -> list[str]:
    """The mistakes that `check` tells; none is a plan."""
    try:
        given = read_config(config, overrides)
        check(given.config, starting=True, upto="export", place=given.place)
    except ConfigError as error:
        return str(error).splitlines()
    return []


KEYS = ("space", "range.flops", "search.budgets", "data.validation", "data.search_classes", "family.scale")
"""What can stand in the way: numbers of a set's own configuration that a small copy of the set cannot keep, and spaces
whose sizes no built-in configuration knows."""


@pytest.mark.parametrize("space", space_names())
@pytest.mark.parametrize("images", IMAGES)
def test_each_configuration_on_each_image_set_and_in_each_space_has_a_plan_or_errors_with_keys(
    space: str, images: str, here: Path
) -> None:
    """A Latin square: each pair of a configuration, an image set and a space once, as all threes take minutes."""
    counts = list_images(images)
    loaded = load_space(space, classes=len(counts.classes), in_channels=counts.in_channels)
    own = {name: load_config(name).images for name in run_names()}.get(images)
    too_many = own is not None and own.validation >= counts.train
    assert len(IMAGES) >= len(run_names())  # else a space would not see all configurations
    config = run_names()[(space_names().index(space) + IMAGES.index(images)) % len(run_names())]
    lines = _lines(config, {"data.name": images, "space": space})
    assert all(_key(line) in KEYS for line in lines), lines
    assert any(_key(line) == "data.validation" for line in lines) == too_many
    if loaded.kind == "generic":
        assert any("generic space" in line for line in lines)
    else:
        assert not [line for line in lines if _key(line) in ("range.flops", "search.budgets")], lines


@pytest.mark.parametrize("space", [name for name in space_names() if load_space(name).kind != "generic"])
def test_a_range_outside_of_a_space_leads_to_one_that_fits(space: str, here: Path) -> None:
    overrides = {"space": space, "range": {"flops": {"low": "1G", "high": "9G"}}, "search.budgets": "8G"}
    if cost_range(load_space(space))["flops"][1] > 1e9:
        overrides["range"] = {"flops": "1k"}
    line = next(line for line in _lines("digits", overrides) if _key(line) == "range.flops")
    left = _lines("digits", {"space": space} | _options(line.split("add ")[1]))
    assert not [text for text in left if _key(text) in ("range.flops", "search.budgets")], (line, left)


@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("config", run_names())
def test_each_command_tells_the_same(
    config: str, images: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistakes that a run would tell; where there are none, that the stage before is missing. Nothing is begun.

    A Latin square, as above: each command with each configuration and with each image set.
    """
    lines, commands = _lines(config, {"data.name": images}), ("collect", "search", "train", "export")
    command = commands[(run_names().index(config) + IMAGES.index(images)) % len(commands)]
    monkeypatch.setattr("sys.argv", ["nars", command, config, "--out", "nothing", "--set", f"data.name={images}"])
    with pytest.raises(SystemExit) as leaving:
        main()
    said = capsys.readouterr().err
    assert leaving.value.code == 2
    assert "Traceback" not in said
    for line in lines or [f"nars {command} goes on with a run, and nothing holds none."]:
        assert line.removeprefix("data.name") in said
    assert not (here / "nothing").exists()


def _key(line: str) -> str:
    return line.split(":", maxsplit=1)[0].split("[", maxsplit=1)[0]


def _options(text: str) -> dict[str, object]:
    """The overrides that a suggested command line makes."""
    words = shlex.split(text)
    flops = words[words.index("--set") + 1].removeprefix("flops=")
    return {"flops": yaml.safe_load(flops), "search.budgets": words[words.index("--budgets") + 1]}


@pytest.mark.parametrize("images", [name for name in IMAGES if name.startswith("imagefolder:")])
@pytest.mark.parametrize("config", run_names())
def test_the_readmes_own_command_has_a_plan_for_any_folder(config: str, images: str, here: Path) -> None:
    """Its split is a share of these images, all of them are searched on, and nothing is silently another set's."""
    given = read_config(config, {"data.name": images})
    checked = check(given.config, upto="export", place=given.place)
    count = sum(FOLDERS[images.partition(":")[2]][2].values())
    training = count - count // 5
    assert checked.images.test == count // 5
    assert checked.sizes.validated == round(0.2 * training)
    assert checked.sizes.searched == checked.sizes.trained == training - round(0.2 * training)
    assert (given.config.data.max_train, given.config.data.search_classes) == (None, None)
    assert (given.config.data.flip, given.config.data.crop) == (True, 0.125)
    assert given.notes
    assert "validation 0.2" in given.notes[0]
    assert given.config.name == images.partition(":")[2]


@pytest.mark.parametrize("images", IMAGES)
def test_a_listing_counts_what_loading_gives(images: str, here: Path) -> None:
    listed = list_images(images)
    loaded = load_images(images, resolution=8, validation_fraction=0.25, seed=0)
    assert listed.classes == loaded.classes
    assert listed.in_channels == loaded.in_channels
    assert listed.train + listed.validation == len(loaded.train) + len(loaded.validation)
    assert listed.test == len(loaded.test)
    assert listed.present


def test_what_will_be_downloaded_is_known_by_its_published_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NARS_DATA", str(tmp_path))
    assert [(list_images(name).train, list_images(name).present) for name in ("fashion-mnist", "cifar10")] == [
        (60_000, False),
        (50_000, False),
    ]
    planned = check(load_config("imagenet"), upto="export")
    assert planned.sizes.searched == round((1_281_167 - 10_000) * 200 / 1000)
    assert any("cannot be downloaded" in warning for warning in planned.warnings)
    with pytest.raises(ConfigError, match=r"data\.name: imagenet cannot be downloaded .*NARS_DATA"):
        check(load_config("imagenet"), upto="export", starting=True)


@pytest.mark.parametrize(
    ("config", "split"), [("digits", 0.25), ("fashion-mnist", 6000), ("cifar10", 5000), ("imagenet", 10000)]
)
def test_a_built_in_configuration_keeps_the_split_of_its_own_images(config: str, split: float) -> None:
    for overrides in ({}, {"data.name": config}, {"seed": 3}):
        data = load_config(config, overrides).data
        assert data.validation == split
        assert data.max_train == {"fashion-mnist": 6000, "cifar10": 10000}.get(config)
    assert load_config("digits", {"data.name": "cifar10"}).data == load_config("cifar10").data
    assert load_config("fashion-mnist", {"data.name": "digits"}).data == load_config("digits").data


def test_what_the_user_says_is_left_alone(here: Path) -> None:
    data = {"data.name": "imagefolder:rgb", "data.validation": 5, "data.flip": False, "data.max_train": 20}
    config = load_config("fashion-mnist", data)
    assert (config.data.validation, config.data.flip, config.data.max_train) == (5, False, 20)
    own = here / "own.yaml"
    own.write_text(
        "name: own\nspace: digits\ndata: {name: digits, validation: 9, max_train: 30}\n"
        "flops: {low: 0.2M, high: 1M}\nsearch: {budgets: [1M]}\n"
    )
    assert load_config(own, {"data.name": "imagefolder:rgb"}).data.validation == 9
    own.write_text(own.read_text().replace("validation: 9", "validation: 900"))
    given = read_config(own, {"data.name": "imagefolder:rgb"})
    with pytest.raises(ConfigError, match=r"own\.yaml:3: data\.validation: must leave images .* 32 training images"):
        check(given.config, place=given.place)


def test_a_run_that_was_begun_with_another_versions_choice_goes_on(here: Path, tmp_path: Path) -> None:
    """Until now the configuration's own numbers were taken to any images: run.json has them."""
    folder, images = tmp_path / "run", {"data.name": "imagefolder:rgb", "search.budgets": "1M,2M"}
    given = read_config("fashion-mnist", images)
    earlier = {"name": "fashion-mnist", "data.validation": 6, "data.max_train": 6, "data.crop": 0.07}
    open_run(load_config("fashion-mnist", images | earlier), folder)
    before = json.loads((folder / "run.json").read_text())["config"]
    resumed = given.begun_as(before)
    assert open_run(resumed.config, folder).config.data.max_train == 6
    assert json.loads((folder / "run.json").read_text())["config"] == before
    with pytest.raises(ConfigError, match=r"data\.validation was 6"):
        open_run(read_config("fashion-mnist", images | {"data.validation": 7}).begun_as(before).config, folder)


def test_averages_warm_up_in_short_trainings_and_in_runs_from_before_there_was_a_choice(
    here: Path, tmp_path: Path
) -> None:
    config = load_config("digits", {"collect.epochs": 500})
    assert not search_settings(config, images=1_000).ema_warmup  # 15,500 steps, of which the average spans 50
    assert search_settings(config, images=50).ema_warmup
    assert search_settings(load_config("digits"), images=1_000).ema_warmup
    assert "ema_warmup" not in search_settings(load_config("digits"), images=1_000).fidelity(3)
    assert '"ema_warmup":false' in search_settings(config, images=1_000).fidelity(3)
    assert not final_settings(load_config("digits", {"final.ema_warmup": False}), images=50).ema_warmup
    file = open_run(config, tmp_path / "run").folder.run_file
    document = json.loads(file.read_text())
    for part in ("collect", "final"):
        del document["config"][part]["ema_warmup"]
    file.write_text(json.dumps(document))
    for asked in (config, load_config(tmp_path / "run")):
        assert open_run(asked, tmp_path / "run").config.collect.ema_warmup is True
    with pytest.raises(ConfigError, match=r"collect\.ema_warmup was True, now False"):
        open_run(load_config(tmp_path / "run", {"collect.ema_warmup": False}), tmp_path / "run")


def test_packed_images_have_no_random_parts(tmp_path: Path) -> None:
    table = pa.table({"image": [_png(20 + at) for at in range(60)], "label": [at % 2 for at in range(60)]})
    pq.write_table(table, tmp_path / "photos.parquet")
    images = {"data.name": f"imagefolder:{tmp_path / 'photos.parquet'}"}
    check(load_config("photos-64", images | {"data.cropping": "pad"}))
    with pytest.raises(ConfigError, match=r"data\.cropping.*middle squares only; take pad, or unpack them"):
        check(load_config("photos-64", images | {"data.cropping": "resized"}))


def test_crops_of_whole_images_are_asked_for_in_the_configuration(here: Path) -> None:
    said = {"data.cropping": "resized", "data.scale": [0.25, 1], "data.evaluation_crop": 0.875}
    config = load_config("digits", said)
    assert final_settings(config, images=9).augmentation.scale == (0.25, 1.0)
    assert load_config("digits").images.cropping == "pad"
    for wrong in ({"data.scale": [1, 0.25]}, {"data.ratio": [0, 1]}, {"data.evaluation_crop": 1.5}):
        with pytest.raises(ConfigError, match=next(iter(wrong)).removeprefix("data.")):
            load_config("digits", said | wrong)


def test_a_run_that_was_begun_under_its_configurations_name_is_found(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs on a person's own images were called after the configuration, now after the images."""
    images = f"imagefolder:{here / 'rgb'}"
    monkeypatch.chdir(tmp_path)
    earlier = {"name": "fashion-mnist", "about": "", "data.validation": 6, "data.max_train": 6, "data.crop": 0.07}
    run = open_run(load_config("fashion-mnist", {"data.name": images, "pretraining.pool": 100, **earlier}))
    assert run.folder.path == Path("runs/fashion-mnist")
    for data, place in ((images, "fashion-mnist"), (f"imagefolder:{here / 'two'}", "two")):
        words = ["nars", "pretrain", "fashion-mnist", "--set", f"data.name={data}", "--set", "pretraining.pool=100"]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as leaving:
            main()
        assert leaving.value.code == 0, capsys.readouterr().err
        assert (tmp_path / "runs" / place / "encoder" / "card.json").is_file()
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["fashion-mnist", "two"]


def test_python_is_told_before_the_first_stage_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(load_config("digits"), tmp_path / "run")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    for begin in (run_all, lambda run: export(run, TrainedFamily(family=Family(), results={}))):
        with pytest.raises(ConfigError, match=r"^export: .* needs onnxscript: pip install 'nars\[onnx\]'"):
            begin(run)
    assert not run.folder.pool_file.exists()


MISTAKES: list[tuple[dict[str, object], list[str]]] = [
    ({"final.epochs": 1}, ["final.warmup_epochs", "final.epochs 1", "got 2", "--set final.warmup_epochs=0"]),
    ({"collect.epochs": 2, "collect.warmup_epochs": 3}, ["collect.warmup_epochs", "collect.epochs 2", "got 3"]),
    ({"collect.batch_size": 1}, ["collect.batch_size", "at least 2 images", "got 1"]),
    ({"final.batch_size": 1}, ["final.batch_size", "at least 2 images", "got 1"]),
    ({"final.accumulation": 100}, ["final.accumulation", "100 such parts"]),
    ({"final.accumulation": 2, "final.batch_size": 3}, ["final.accumulation", "3 images", "2 such parts"]),
    ({"data.max_train": 9}, ["data.max_train", "10 classes", "got 9"]),
    ({"data.search_classes": 11}, ["data.search_classes", "digits has 10 classes", "got 11"]),
    ({"data.validation": 1437}, ["data.validation", "1,437 training images", "got 1,437"]),
    ({"data.validation": 12.5}, ["data.validation", "whole number", "got 12.5"]),
    ({"data.validation": 1e-9}, ["data.validation", "on both sides", "got 1e-09"]),
    ({"data.crop": 0.99}, ["data.crop", "cannot mirror", "got 0.99"]),
    ({"search.budgets": "0.2M,100M"}, ["search.budgets[1]", "3.102M FLOPs", "100M limits nothing", "3,101,696"]),
    ({"search.budgets": "1k"}, ["search.budgets[0]", "105.2k FLOPs", "got a budget of 1k", "at least 105,"]),
    ({"flops": {"low": "1G", "high": "2G"}}, ["flops", "105.2k to 3.102M", "got the range 1G to 2G", "--budgets"]),
    ({"flops": {"low": 105231, "high": 105233}}, ["flops"]),
    ({"pretraining.pool": 16}, ["pretraining.pool", "48 candidates", "got a pool of 16"]),
    ({"collect.per_round": 100_000}, ["collect.per_round", "4 x 100,000", "got a pool of 8,192"]),
    ({"final.teacher": "timm:nosuchmodel"}, ["final.teacher", "no model 'nosuchmodel'"]),
    ({"final.teacher": "timm:resnet18"}, ["final.teacher", "1000 classes", "digits has 10"]),
    ({"final.teacher": "timm:resnet18", "final.teacher_weights": "nosuch.pt"}, ["final.teacher_weights", "nosuch.pt"]),
    ({"final.teacher": "nosuch"}, ["final.teacher", "a member (150k, 250k, 500k)", "got 'nosuch'"]),
    ({"name": "../../x"}, ["name", "runs/NAME", "got '../../x'", "--out"]),
    ({"space": "nosuch"}, ["space", "no space is called 'nosuch'", "fbnetv3"]),
    ({"space": "fcnet"}, ["space", "generic space", "nars import"]),
]


@pytest.mark.parametrize(("overrides", "expected"), MISTAKES)
def test_a_mistake_is_found_before_anything_is_computed(
    overrides: dict[str, object], expected: list[str], here: Path
) -> None:
    (line,) = _lines("digits", overrides)
    for part in expected:
        assert part in line
    assert line.startswith(expected[0])
    assert not (here / "runs").exists()


WARNINGS: list[tuple[dict[str, object], list[str]]] = [
    ({"collect.epochs": 2, "collect.warmup_epochs": 2}, ["collect.warmup_epochs", "only rises"]),
    ({"data.max_train": 20}, ["collect.batch_size", "32 is more than", "20 training images", "batch_size=4"]),
    ({"search.budgets": "0.2M,2M"}, ["search.budgets[1]", "2M lies above", "110k to 550k", "range.flops.high"]),
    ({"search.budgets": "0.106M,0.2M"}, ["search.budgets[0]", "106k lies below", "flops.low"]),
    ({"collect.keep": 0.01, "pretraining.pool": 1000}, ["collect.keep", "round 2"]),
    ({"collect.per_round": 2, "flops.high": "0.6M"}, ["collect.per_round", "rank correlation"]),
    ({"final.teacher": "none", "final.teacher_resolution": 32}, ["final.teacher_resolution", "no effect"]),
    ({"final.teacher": "none", "final.teacher_images": "rendered"}, ["final.teacher_images", "no effect"]),
    ({"data.validation": 5}, ["data.validation", "5 validation images for 10 classes"]),
    ({"data.validation": 16}, ["data.validation", "16 validation images tell candidates apart by 12 % at best"]),
    *(
        ({f"{section}.batch_size": 2000}, ["2,000 is more than the 1,078 training images", f"{section}.batch_size=256"])
        for section in ("collect", "final")
    ),
]


@pytest.mark.parametrize(("overrides", "expected"), WARNINGS)
def test_what_is_doubtful_is_said(overrides: dict[str, object], expected: list[str], here: Path) -> None:
    given = read_config("digits", overrides)
    (line,) = check(given.config, place=given.place).warnings
    for part in expected:
        assert part in line


def test_the_demo_gives_no_warning(here: Path) -> None:
    assert check(load_config("digits"), upto="export").warnings == ()


@pytest.mark.parametrize(
    ("extra", "packages", "overrides", "engine", "last"),
    [
        ("onnx", ("onnx", "onnxscript", "onnxruntime"), {}, "processes", "export"),
        ("ray", ("ray",), {}, "ray", "collect"),
        ("tensorboard", ("tensorboard",), {"final.watch": ["tensorboard"]}, "processes", "train"),
        ("mlflow", ("mlflow",), {"final.watch": ["mlflow"]}, "processes", "train"),
        ("wandb", ("wandb",), {"final.watch": ["wandb"]}, "processes", "train"),
    ],
)
def test_an_extra_that_is_missing_is_named_with_its_command_where_it_will_be_needed(
    extra: str,
    packages: tuple[str, ...],
    overrides: dict,
    engine: str,
    last: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # where no run of the demo is
    stages = ("pretrain", "collect", "search", "train", "export")
    execution, config = Execution(engine=engine, device="cpu"), load_config("digits", overrides)
    for package in packages:
        for other in packages:
            monkeypatch.setitem(sys.modules, other, None if other == package else __import__("math"))
        with pytest.raises(ConfigError) as error:
            check(config, execution, upto=last)
        assert f"needs {package}: pip install " in str(error.value)
        assert extra in str(error.value)
        if engine == "ray":
            with pytest.raises(ConfigError, match=r"--engine: --engine ray needs ray: pip install 'nars\[ray\]'"):
                check_engine(execution)  # which a run with a time asks before it measures anything
        for earlier in stages[: stages.index(last)]:
            check(config, execution, upto=earlier)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"address": "here:6379"}, ["--address", "--engine ray", "got --engine processes"]),
        ({"per_gpu": 4}, ["--per-gpu", "--device cuda", "--workers"]),
        ({"engine": "ray", "device": "mps"}, ["--device", "auto, cpu or cuda", "got mps"]),
    ],
)
def test_options_that_would_do_nothing_are_refused(settings: dict, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        check(load_config("digits"), Execution(**({"device": "cpu"} | settings)), upto="export")
    for part in expected:
        assert part in str(error.value)


@pytest.mark.parametrize("kind", ["text", "other shapes", "other network", "right", "right, torch"])
def test_a_teachers_weights_are_opened_before_the_search(kind: str, tmp_path: Path) -> None:
    file = tmp_path / ("weights.pt" if kind in ("text", "right, torch") else "weights.safetensors")
    options = {"num_classes": 10, "in_chans": 3 if kind == "other shapes" else 1}
    if kind == "text":
        file.write_text("no weights")
    elif kind == "right, torch":
        torch.save(timm.create_model("resnet10t", **options).state_dict(), file)
    else:
        save_file(
            timm.create_model("resnet14t" if kind == "other network" else "resnet10t", **options).state_dict(), file
        )
    lines = _lines("digits", {"final.teacher": "timm:resnet10t", "final.teacher_weights": str(file)})
    assert bool(lines) == (not kind.startswith("right"))
    for line in lines:
        assert line.startswith("final.teacher_weights: ")
        assert str(file) in line
        assert len(line) < 700


def test_several_mistakes_are_told_together_one_line_each(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        *("nars", "run", "digits", "--engine", "rya", "--data", "imagefolder:nosuch", "--budgets", "100M"),
        *("--set", "final.epochs=1", "--dry-run"),
    ]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    starts = ["--engine", "--data (data.name)", "--budgets (search.budgets[0])", "final.warmup_epochs"]
    assert [line.removeprefix("error: ").split(": ")[0] for line in lines] == starts


@pytest.mark.parametrize("command", ["run", "pretrain", "collect", "search", "train", "export"])
def test_every_command_checks_first(
    command: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["nars", command, "digits", "--out", str(tmp_path / "run"), "--set", "final.epochs=1"]
    )
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert "final.warmup_epochs" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("images", NOWHERE)
def test_images_that_are_nowhere_are_one_error(images: str, here: Path) -> None:
    (line,) = _lines("fashion-mnist", {"data.name": images, "search.budgets": "1M"})
    assert line.startswith("data.name: ")
    assert images.strip() in line or images.partition(":")[2] in line


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--out: .*file is a file, no folder"):
        check(load_config("digits"), folder=tmp_path / "file" / "run")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if not os.access(closed, os.W_OK):  # root may write anywhere
        with pytest.raises(ConfigError, match=r"--out: .*cannot be written to"):
            check(load_config("digits"), folder=closed / "run")


def test_a_run_that_is_done_asks_nothing_of_this_machine(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images may have gone, and extras that nothing needs any more."""
    shutil.copytree(here / "rgb", tmp_path / "rgb")
    monkeypatch.chdir(tmp_path)
    config = load_config("fashion-mnist", {"data.name": "imagefolder:rgb", "search.budgets": "1M"})
    run = open_run(config, tmp_path / "run", reporter=Silent())
    for file, content in (
        (run.folder.predictor / "card.json", "{}"),
        (run.folder.family_file, json.dumps({"members": [{"name": "1M"}]})),
        (run.folder.training("1M") / "result.json", "{}"),
        (run.folder.member("1M") / "card.json", "{}"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "rgb").rename(tmp_path / "gone")
    open_run(config, tmp_path / "run", upto="export")
    (run.folder.member("1M") / "card.json").unlink()
    with pytest.raises(ConfigError) as error:
        open_run(config, tmp_path / "run", upto="export")
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["data.name", "export"]


def test_the_plan_of_a_small_run_says_minutes_and_of_the_papers_gpu_hours(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cells = _cells("digits")
    assert "GPU-hours" not in cells
    assert "1,078 training / 359 validation / 360 test images" in cells["images"]
    assert "seconds" in cells["time"] or "minutes" in cells["time"]
    assert "2 at once" in _cells("digits", workers=2)["time"]
    assert (
        "5 classes, 26 training / 6 validation / 8 test images"
        in _cells("cifar10", **{"data.name": "imagefolder:rgb"})["images"]
    )
    monkeypatch.setenv("NARS_DATA", str(tmp_path))
    # Stage 2: 48 x (150 + 4 x 108) epochs of 254,233 images at 600 M multiply-accumulates, x 6 operations.
    hours = 6 * 600e6 * 254_233 * 48 * (150 + 4 * 108) / 5e12 / 3600
    assert f"stage 2 {hours:,.0f}" in _cells("imagenet")["GPU-hours"]


def _cells(name: str, workers: int = 0, **overrides: object) -> dict[str, str]:
    table = preview(load_config(name, overrides), Execution(device="cpu", workers=workers))
    keys, values = (list(column.cells) for column in table.columns)
    return dict(zip(map(str, keys), map(str, values), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 M", [1e6]),
        ("1e6", [1e6]),
        ("1M, 2M", [1e6, 2e6]),
        ("4M,1M", [4e6, 1e6]),
        ("1m", "--budgets (search.budgets[0]): bounds on flops: 'm' is no suffix, got '1m'; write 1M with a capital"),
        ("0.5m", "write 0.5M with a capital"),
        ("1M,,2M", "--budgets (search.budgets): item 2 of the list is empty; write e.g. 1M,2M,4M; got '1M,,2M'"),
        ("1M,", "item 2 of the list is empty"),
        ("", "item 1 of the list is empty"),
        ("-1M", "--budgets (search.budgets[0]): bounds on flops: the lower limit must not"),
        ("1M,1000k", "--budgets (search.budgets): flops <= 1M appears more than once; give each budget once"),
        ("many", "a number with an optional suffix k, M, G"),
    ],
)
def test_budgets_are_read_as_people_write_them_or_refused_by_the_options_name(text: str, expected: object) -> None:
    options = {"search.budgets": "--budgets"}
    if isinstance(expected, list):
        config = read_config("cifar10", {"search.budgets": text}, options=options).config
        assert [budget.high("flops") for budget in config.budgets] == expected
        return
    with pytest.raises(ConfigError) as error:
        read_config("cifar10", {"search.budgets": text}, options=options)
    assert str(expected) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert ".yaml" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["--seed", "-1"], "--seed (seed): "),
        (["--space", "nosuch"], "--space (space): no space is called 'nosuch'"),
        (["--data", "nosuch"], "--data (data.name): "),
        (["--set", "collect.rounds=0"], "--set collect.rounds: "),
        (["--set", "flops.low=1G"], "--set flops.low (range): "),
        (["--set", "final={epochs: 0}"], "--set final.epochs: "),
        (["--set", "collect.round=3"], "--set collect.round: unknown key 'round'"),
        (["--set", "collect.rounds=[1"], "--set collect.rounds:1: not valid YAML"),
        (["--engine", "rya"], "--engine: "),
        (["--workers", "-1"], "--workers: "),
        (["--per-gpu", "0"], "--per-gpu: "),
    ],
)
def test_a_value_of_the_command_line_is_reported_as_such(
    arguments: list[str],
    start: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # where no run of the demo is
    monkeypatch.setattr("sys.argv", ["nars", "run", "digits", "--dry-run", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(f"error: {start}")
    assert "digits.yaml" not in text


def test_a_small_m_is_refused_wherever_a_quantity_is_read() -> None:
    assert quantity("12ms") == 12
    for text, better in (("1m", "1M"), ("3 g", "3G"), ("2b", "2B")):
        with pytest.raises(ValueError, match=f"write {better} with a capital"):
            quantity(text)
