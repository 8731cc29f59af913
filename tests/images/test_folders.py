"""What people's folders look like: how they are divided, what lies about in them, and what occurs in them twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from nars.cli.app import app
from nars.errors import DataError
from nars.images import ImageData, load_images

SIDE = 4


def fill(root: Path, folders: Mapping[str, int]) -> Path:
    """So many images in each folder, no two alike."""
    chance = np.random.default_rng(sum(map(ord, "".join(folders))))
    for name, count in folders.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = chance.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def chosen(classes: int, *, seed: int) -> list[int]:
    """The classes that `max_classes=2` keeps."""
    return np.random.default_rng([seed, 1]).choice(classes, size=2, replace=False).tolist()


def load(root: Path, **options: Any) -> ImageData:
    return load_images(f"imagefolder:{root}", **{"resolution": SIDE, "validation_fraction": 0.25, "seed": 0, **options})


def counts(data: ImageData) -> tuple[int, int, int]:
    return len(data.train), len(data.validation), len(data.test)


def pixels(split: Any) -> list[bytes]:
    return [image.tobytes() for image in split.images.numpy()]


def divided(names: Iterable[str], classes: Iterable[str] = ("cat", "dog"), count: int = 8) -> dict[str, int]:
    return {f"{name}/{label}": count for name in names for label in classes}


TWO = ["Training Testing", "Train Test", "TRAIN TEST", "training_set test_set", "train-images test-images"]
TWO += ["seg_train seg_test", "trainset testset", "TrainSet TestSet", "train2017 val2017", "train_data eval_data"]
TWO += ["flowers_train flowers_test", "training validation", "train valid", "Train Dev", "train holdout"]
TWO += [
    "1_train 2_test",
    "train1 test1",
    "X_train X_test",
    "dataset.train dataset.test",
    "trainingData testData",
    "train evaluation",
]


@pytest.mark.parametrize("names", TWO)
def test_two_splits_in_any_spelling(tmp_path: Path, names: str) -> None:
    train, test = names.split()
    data = load(fill(tmp_path, divided((train, test))))
    assert data.classes == ("cat", "dog")
    assert counts(data) == (12, 4, 16)
    assert data.summary.endswith(f"12 training / 4 validation / 16 test images ({test}/ of the folder)")
    assert f"the folder is divided: {train}/ for training, {test}/ for test" in data.notes
    plain = fill(tmp_path / "plain", divided((train, test)))
    (plain / train).rename(plain / "train")
    (plain / test).rename(plain / "test")
    assert load(plain).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("names", "validation", "test"),
    [
        ("train val test", "val", "test"),
        ("Training Validation Testing", "Validation", "Testing"),
        ("training validation evaluation", "validation", "evaluation"),
        ("train eval test", "eval", "test"),
        ("train_set dev_set test_set", "dev_set", "test_set"),
        ("TRAIN VALID TEST", "VALID", "TEST"),
    ],
)
def test_three_splits(tmp_path: Path, names: str, validation: str, test: str) -> None:
    data = load(fill(tmp_path, divided(names.split())))
    assert counts(data) == (16, 16, 16)
    assert f"16 validation ({validation}/ of the folder) / 16 test images ({test}/ of the folder)" in data.summary


def test_the_folders_of_kaggle(tmp_path: Path) -> None:
    data = load(fill(tmp_path, divided(("seg_train/seg_train", "seg_test/seg_test")) | {"seg_pred/seg_pred": 5}))
    assert counts(data) == (12, 4, 16)
    assert data.classes == ("cat", "dog")
    assert "not used, beside the splits: seg_pred/ with 5 images" in data.notes


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        ({"train": 8, "car": 8, "bus": 8}, ("bus", "car", "train")),
        ({"train/images": 8, "car/images": 8}, ("car", "train")),
        ({"valid": 8, "invalid": 8}, ("invalid", "valid")),
        ({"valid/2019": 4, "valid/2020": 4, "invalid/2019": 8}, ("invalid", "valid")),
        ({"bullet_train": 8, "test_tube": 8}, ("bullet_train", "test_tube")),
        ({"train station/day": 4, "train station/night": 4, "harbour": 8}, ("harbour", "train station")),
        ({"contest": 8, "protest": 8, "evaluate_me": 8}, ("contest", "evaluate_me", "protest")),
        ({"_background": 8, "cat": 8}, ("_background", "cat")),
        ({"photo.jpg": 8, "cat": 8}, ("cat", "photo.jpg")),
        ({"cat/deep/deeper.png": 8, "dog": 8}, ("cat", "dog")),
    ],
)
def test_what_is_a_class_whatever_it_is_called(
    tmp_path: Path, folders: dict[str, int], classes: tuple[str, ...]
) -> None:
    data = load(fill(tmp_path, folders))
    assert data.classes == classes
    assert sum(counts(data)) == sum(folders.values())


DOUBT: dict[str, tuple[dict[str, int], str]] = {
    "a split or a class beside a class": (
        divided(["train"]) | {"cat": 4},
        r"train/ as the training split with the classes cat/, dog/, or cat/, train/ as classes",
    ),
    "two classes or two splits without classes": (
        {"train": 8, "test": 8},
        r"test/, train/ as splits whose images are not sorted .* or test/, train/ as classes",
    ),
    "images of unknown class, or a class": (
        {"cat": 8, "dog": 8, "test": 8},
        "test/ as splits .*cat/, dog/, test/ as classes",
    ),
    "other classes": (
        divided(["train"]) | divided(["test"], ["cat", "bird"]),
        "train/ and test/ as splits, but test/ has classes that the training folder lacks: bird/; or .* as classes",
    ),
    "other case": (divided(["train"]) | divided(["test"], ["Cat", "dog"]), r"lacks: Cat/ \(Cat/ in other upper and"),
    "no training": (divided(["val", "test"]), "without a training split, or test/, val/ as classes"),
    "training without classes": ({"train": 8} | divided(["test"]), "without a training split, or test/, train/ as c"),
    "test without classes": (divided(["train"]) | {"test": 9}, "test/ holds images, but not in one folder per class"),
    "training twice": (
        divided(["train", "Training", "test"]),
        "Training/ as training split or train/ as training split, or both as cl",
    ),
    "validation twice": (divided(["train", "valid", "validation"]), "validation/ as validation split, or both"),
    "splits in classes": (
        divided(["cat", "dog"], ["train", "test"]),
        r"classes with splits of their own \(cat/test/\), or as classes with deeper folders",
    ),
}


@pytest.mark.parametrize("case", DOUBT)
def test_doubt_is_an_error_with_both_readings_and_a_way_out(tmp_path: Path, case: str) -> None:
    folders, message = DOUBT[case]
    with pytest.raises(DataError, match=message) as error:
        load(fill(tmp_path, folders))
    assert str(error.value).startswith(f"{tmp_path} can be read in two ways: ")
    assert "Decide it by names: " in str(error.value)


def test_splits_under_other_names_are_classes_with_a_warning(tmp_path: Path) -> None:
    data = load(fill(tmp_path, divided(["entrenamiento", "prueba"])))
    assert data.classes == ("entrenamiento", "prueba")
    (note,) = data.notes
    assert note.startswith(
        "WARNING: entrenamiento/, prueba/ all hold the folders cat/, dog/; they are read as classes."
    )
    assert load(fill(tmp_path / "else", {"cat/a": 5, "cat/b": 5, "dog/a": 5, "dog/c": 5})).notes == ()


def test_extra_folders_beside_two_splits_are_named(tmp_path: Path) -> None:
    fill(tmp_path, divided(["train", "test"]) | {"samples of it": 3})
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "cat.xml").write_text("<a/>", encoding="utf-8")
    Image.new("RGB", (4, 4)).save(tmp_path / "overview.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "train" / "stray.png")
    data = load(tmp_path)
    assert counts(data) == (12, 4, 16)
    assert "not used, beside the splits: samples of it/ with 3 images" in data.notes
    assert f"not used, because in no class folder: 1 image of {tmp_path} (overview.png)" in data.notes
    assert f"not used, because in no class folder: 1 image of {tmp_path / 'train'} (stray.png)" in data.notes


def test_what_systems_leave_behind_is_passed_over_and_said_once(tmp_path: Path) -> None:
    clean = load(fill(tmp_path / "clean", {"cat": 10, "dog": 10}))
    root = fill(tmp_path / "used", {"cat": 10, "dog": 10})
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (root / "cat" / name).write_bytes(b"\0\5\26\7")
    hidden = ("@eaDir", "__MACOSX/cat", ".ipynb_checkpoints", "#recycle", "$RECYCLE.BIN", "lost+found", ".git/cat")
    for name in hidden:
        fill(root, {name: 2, f"cat/{name}": 2})
    (root / "cat" / "labels.csv").write_text("a,b", encoding="utf-8")
    (root / "dog" / "IMG_1.HEIC").write_bytes(b"heic")
    (root / "dog" / "raw.cr2").write_bytes(b"raw")
    data = load(root)
    assert data.fingerprint == clean.fingerprint
    assert clean.notes == ()
    assert data.notes == (
        "passed over files and folders of the system: 12 (#recycle, $RECYCLE.BIN, @eaDir, ...)",
        "passed over hidden files and folders (a dot in front): 6 (.git, .ipynb_checkpoints, cat/.DS_Store, ...)",
        "passed over files whose endings are not those of images: 1 (cat/labels.csv)",
        "passed over images in formats that Pillow cannot read here; convert them, e.g. to PNG: 2 (dog/IMG_1.HEIC, "
        "dog/raw.cr2)",
    )


@pytest.mark.parametrize("ending", ["jfif", "jpe", "JPG", "avif", "jp2", "tga", "ppm", "pcx", "ico", "dib", "apng"])
def test_endings_that_pillow_reads_are_images(tmp_path: Path, ending: str) -> None:
    fill(tmp_path, {"cat": 6, "dog": 6})
    Image.fromarray(np.full((16, 16, 3), 9, dtype=np.uint8)).save(tmp_path / "dog" / f"more.{ending}")
    assert sum(counts(load(tmp_path))) == 13


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", {"more": 6, "dogs": 4})
    root = fill(tmp_path / "set", {"cat": 2})
    (root / "cat" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "dog").symlink_to(tmp_path / "elsewhere" / "dogs")
    (root / "cat" / "one.png").symlink_to(tmp_path / "elsewhere" / "dogs" / "0.png")
    (root / "cat" / "again").symlink_to(root)
    (root / "cat" / "more" / "up").symlink_to("..")  # in another folder, of which this is no part
    (root / "dog" / "self").symlink_to("self")
    (root / "dog" / "gone.txt").symlink_to("nothing")
    data = load(root, streaming=True)
    assert data.classes == ("cat", "dog")
    assert sum(counts(data)) == 2 + 6 + 1 + 4 + 4  # the last by way of elsewhere/more/up/dogs
    assert any("links back to a folder above them: 2" in note for note in data.notes)
    assert any("links that lead nowhere: 4" in note for note in data.notes)
    (root / "dog" / "gone.png").symlink_to("nothing")
    with pytest.raises(DataError, match=r"gone\.png is a link that leads nowhere"):
        load(root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 6, "dog": 6})
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    assert sum(counts(load(tmp_path))) == 12


def test_the_first_copy_decides_where_the_others_go(tmp_path: Path) -> None:
    """Each of 20 + 20 images three times, within its class: no split may have a content of another."""
    root = fill(tmp_path, {"cat": 20, "dog": 20})
    for file in sorted(root.rglob("*.png")):
        for number in (1, 2):
            shutil.copy(file, file.with_name(f"copy-{number}-of-{file.name}"))
    for streaming in (False, True):
        data = load(root, streaming=streaming)
        contents = {part: pixels(getattr(data, part)) for part in ("train", "validation", "test")}
        assert sum(map(len, contents.values())) == 120
        assert len(set().union(*contents.values())) == 40
        assert all(len(found) == 3 * len(set(found)) for found in contents.values())
        assert counts(data) == (72, 24, 24)
        assert np.bincount(data.test.labels.numpy()).tolist() == [12, 12]
        (note,) = data.notes
        assert note.startswith("exact copies of other images: 80 (")
    assert load(root, seed=1).test.labels.tolist() == data.test.labels.tolist()


@pytest.mark.parametrize("many", [1, 9, 30])
def test_many_copies_of_one_image_do_not_fill_or_starve_a_split(tmp_path: Path, many: int) -> None:
    root = fill(tmp_path, {"cat": 30, "dog": 30})
    for number in range(many):
        shutil.copy(root / "cat" / "0.png", root / "cat" / f"again-{number}.png")
    data = load(root)
    train, validation, test = counts(data)
    assert test in ((60 + many) // 5, (60 + many) // 5 - 1)
    assert abs(validation - (train + validation) / 4) <= 1
    held = [set(pixels(getattr(data, part))) for part in ("train", "validation", "test")]
    assert sum(map(len, held)) == len(set().union(*held)) == 60


def test_nothing_but_copies_is_refused(tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 1, "dog": 0})
    for number in range(9):
        shutil.copy(root / "cat" / "0.png", root / "dog" / f"{number}.png")
    with pytest.raises(DataError, match=r"leaves 0 for training and 0 for validation"):
        load(root)


def test_sets_without_copies_are_split_as_ever(tmp_path: Path) -> None:
    """The numbers are those of the version before copies were looked for."""
    root = tmp_path / "set"
    for label in (0, 1):
        (root / f"class {label}").mkdir(parents=True)
        for number in range(20):
            content = b"P6 4 4 255\n" + bytes([label, number, 0] * 16)
            (root / f"class {label}" / f"{number:02}.ppm").write_bytes(content)
    data = load(root, streaming=True)
    assert data.fingerprint == "2c8fddd72e51bae613769d13bbc3adf4"
    for split, numbers in (
        (data.test, [2, 3, 4, 11, 23, 24, 27, 34]),
        (data.validation, [5, 7, 14, 15, 20, 28, 32, 37]),
    ):
        assert [20 * int(image[0, 0, 0]) + int(image[1, 0, 0]) for image in split.images] == numbers


def test_leaks_between_splits_and_classes_are_told(tmp_path: Path) -> None:
    root = fill(tmp_path, divided(["train", "val", "test"]))
    shutil.copy(root / "train" / "cat" / "3.png", root / "test" / "cat" / "leak.png")
    shutil.copy(root / "train" / "cat" / "4.png", root / "val" / "cat" / "leak.png")
    shutil.copy(root / "val" / "dog" / "1.png", root / "test" / "cat" / "wrong.png")
    data = load(root)
    assert counts(data) == (16, 17, 18)
    told = "\n".join(data.notes)
    assert "exact copies of other images: 3" in told
    assert "WARNING: also among the training images: 1 test image (test/cat/leak.png = train/cat/3.png)" in told
    assert "WARNING: also among the training images: 1 validation image (val/cat/leak.png = train/cat/4.png)" in told
    assert "WARNING: also among the validation images: 1 test image (test/cat/wrong.png = val/dog/1.png)" in told
    assert "WARNING: also in another class: 1 image (test/cat/wrong.png = val/dog/1.png)" in told


def test_accents_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    data = load(fill(tmp_path, divided(["train"], ["cafe\u0301", "bar"]) | divided(["test"], ["caf\u00e9", "bar"])))
    assert counts(data) == (12, 4, 16)
    assert np.bincount(data.test.labels.numpy()).tolist() == [8, 8]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 6, "dog": 6})
    odd = os.fsencode(root / "cat") + b"/caf\xe9.png"
    Path(os.fsdecode(odd)).write_bytes((root / "cat" / "0.png").read_bytes())
    data = load(root)
    assert sum(counts(data)) == 13
    assert "caf\\xe9.png" in data.notes[0]
    for line in data.notes:
        line.encode()
    Path(os.fsdecode(os.fsencode(root) + b"/\xe9")).mkdir()
    shutil.copy(root / "dog" / "0.png", os.fsencode(root) + b"/\xe9/0.png")
    with pytest.raises(DataError, match=r"must be UTF-8, got .*\\xe9"):
        load(root)


def test_few_images_of_a_class_are_said_or_refused(tmp_path: Path) -> None:
    data = load(fill(tmp_path / "one", {"cat": 20, "dog": 1}))
    assert sum(counts(data)) == 21
    lacking = {f"no {part} images of 1 of 2 classes (dog)" for part in ("training", "validation", "test")}
    assert len(lacking & set(data.notes)) == 2
    with pytest.raises(DataError, match=r"leaves 1 for training and 0 for validation.*add images"):
        load(fill(tmp_path / "two", {"cat": 1, "dog": 1}))
    data = load(fill(tmp_path / "test", divided(["train"]) | divided(["test"], ["cat"])))
    assert "no test images of 1 of 2 classes (dog)" in data.notes
    fill(tmp_path / "narrow", divided(["train"], "abcdef") | {"test/a": 3})
    without = next(seed for seed in range(99) if 0 not in chosen(6, seed=seed))
    with pytest.raises(DataError, match="no test images of these classes"):
        load(tmp_path / "narrow", max_classes=2, seed=without)
    (tmp_path / "none" / "test" / "cat").mkdir(parents=True)
    data = load(fill(tmp_path / "none", divided(["train"])))
    assert counts(data) == (10, 3, 3)


def test_empty_and_broken_files_are_found_before_training_even_when_streamed(tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 6, "dog": 6})
    for name, content, message in (
        ("a.png", b"", r"a\.png .*empty, 0 bytes"),
        ("b.jpg", b"<html>", r"b\.jpg is in no format that Pillow knows"),
    ):
        (root / "cat" / name).write_bytes(content)
        for streaming in (False, True):
            with pytest.raises(DataError, match=message):
                load(root, streaming=streaming)
        (root / "cat" / name).unlink()
    Image.fromarray(np.zeros((4, 4), dtype=np.int32)).save(root / "cat" / "c.tif")
    for streaming in (False, True):
        with pytest.raises(DataError, match=r"c\.tif has mode I: integers of 32 bits"):
            load(root, streaming=streaming)


def test_a_class_of_what_pillow_cannot_read(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 3})
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.heic").write_bytes(b"heic")
    with pytest.raises(DataError, match=r"have none: dog\..*formats that Pillow cannot read here.*dog/1\.heic"):
        load(tmp_path)


def test_paths_that_are_no_folder(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"photos\.zip.*a file: unpack it"):
        load(tmp_path / "photos.zip")
    fill(tmp_path, {"photos/flowers/rose": 6, "photos/flowers/tulip": 6})
    with pytest.raises(DataError, match=r"has one, flowers.*name '.*photos/flowers' instead"):
        load(tmp_path / "photos")


def test_a_look_says_what_a_run_would_stop_at(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", {"cat": 1, "dog": 1})
    with pytest.raises(DataError, match="leaves 1 for training and 0 for validation"):
        load(root)
    looked = CliRunner().invoke(app, ["data", "check", f"imagefolder:{root}"], env={"COLUMNS": "200"})
    assert looked.exit_code == 1
    assert "would stop: both splits need images, but validation_fraction 0.2" in looked.output


def test_what_is_found_is_told_with_names_as_they_are(tmp_path: Path) -> None:
    """Brackets and colons, which rich would take for styles and emoji; and a command that can be copied."""
    root = fill(tmp_path / "pho[tos] :cat:", {"[unknown]": 24, ":dog:": 24})
    out = CliRunner().invoke(app, ["data", "check", str(root)], env={"COLUMNS": "200"}).output
    assert "2: [unknown] 24, :dog: 24" in out
    assert f"nars run '{root}' --time 30m" in out
