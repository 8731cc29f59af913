"""Images that are kept in tables and packed files, and what a look at a folder finds in it."""

import csv
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps

from nars.errors import DataError
from nars.images import ImageData, examine, load_images
from nars.images.pixels import read_whole, size_of_whole

SIDE = 24


def photo(seed: int) -> Image.Image:
    """Soft blobs, as photos have them: noise alone has no near copies."""
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE * 2, SIDE * 3, 3), dtype=np.uint8)
    return ImageOps.autocontrast(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(4))).resize((96, 64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "photos"
    for number, (split, name) in enumerate((s, n) for s in ("train", "test") for n in ("cat", "dog")):
        (root / split / name).mkdir(parents=True)
        for at in range(6 if split == "train" else 3):
            photo(10 * number + at).save(root / split / name / f"{split}-{name}-{at}.png")
    return root


def load(path: Path) -> ImageData:
    return load_images(f"imagefolder:{path}", resolution=SIDE, validation_fraction=0.3, seed=0)


def listed(folder: Path) -> list[tuple[Path, str, str]]:
    """(file, class, split) in the order of a folder's own reading."""
    rows = [(file, file.parent.name, file.parents[1].name) for file in folder.rglob("*.png")]
    return sorted(rows, key=lambda row: (row[2] != "train", row[1], row[0]))


def as_csv(folder: Path, out: Path) -> Path:
    shutil.copytree(folder, out / "images")
    with (out / "labels.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(
            [["file_name", "breed", "split"], *([row[0].stem, *row[1:]] for row in listed(folder))]
        )
    return out / "labels.csv"


def as_parquet(folder: Path, out: Path) -> Path:
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    for split in ("train", "test"):
        rows = [row for row in listed(folder) if row[2] == split]
        images = pa.array([{"bytes": file.read_bytes(), "path": None} for file, *_ in rows])
        table = pa.table({"image": images, "label": pa.array([["cat", "dog"].index(name) for _, name, _ in rows])})
        table = table.replace_schema_metadata({"huggingface": json.dumps(names)})
        pq.write_table(table, out / f"{split}-00000-of-00001.parquet")
    return out


def as_tar(folder: Path, out: Path) -> Path:
    for split in ("train", "test"):
        with tarfile.open(out / f"{split}-0000.tar", "w") as archive:
            for file, name, _ in (row for row in listed(folder) if row[2] == split):
                for ending, content in ((".png", file.read_bytes()), (".json", json.dumps({"label": name}).encode())):
                    info = tarfile.TarInfo(f"{file.stem}{ending}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return out


@pytest.mark.parametrize("kept_as", [as_csv, as_parquet, as_tar])
def test_images_are_the_same_however_they_are_kept(kept_as: object, folder: Path, tmp_path: Path) -> None:
    own, other = load(folder), load(kept_as(folder, tmp_path))  # type: ignore[operator]
    assert other.classes == own.classes == ("cat", "dog")
    for name in ("train", "validation", "test"):
        one, two = getattr(own, name), getattr(other, name)
        order, again = (torch.stack([part.images.flatten(1).float().mean(1), part.labels], 1) for part in (one, two))
        assert torch.equal(order.sort(0).values, again.sort(0).values), name
    assert "labels.csv" in other.notes[0] or "train-0000" in other.notes[0]


def test_groups_stay_on_one_side_of_every_split(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "images")
    rows = [[file.stem, name, f"p{at // 3}"] for at, (file, name, _) in enumerate(listed(folder))]
    shutil.copy(tmp_path / "images/train/cat/train-cat-0.png", tmp_path / "images/again.png")  # joins two groups
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["name", "label", "Patient_ID"], *rows, ["again", "cat", "p5"]])
    data = load(tmp_path / "labels.csv")
    assert data.notes[0].endswith("in 6 groups that stay together")
    group = dict.fromkeys(("p0", "p5"), "joined") | {f"p{at}": f"p{at}" for at in range(1, 5)}
    of = {name: group[patient] for name, _, patient in [*rows, ["again", "cat", "p5"]]}
    sides = [
        {of[Path(path.decode()).stem] for path in data._source.files[index]}  # type: ignore[index]
        for index in data._indices
    ]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 5
    with pytest.raises(DataError, match=r"has no column 'place' to group by, it has name, label, Patient_ID"):
        load_images(
            f"imagefolder:{tmp_path / 'labels.csv'}",
            resolution=8,
            validation_fraction=0.3,
            seed=0,
            group_column="place",
        )


def test_groups_of_one_table_of_two_keep_together(folder: Path, tmp_path: Path) -> None:
    """As competitions have it: patients are told of the training images alone."""
    shutil.copytree(folder, tmp_path / "images")
    told = listed(folder)
    for split, columns in (("train", ["path", "label", "patient_id"]), ("test", ["path", "label"])):
        rows = [[file.name, name, f"p{at // 2}"] for at, (file, name, part) in enumerate(told) if part == split]
        with (tmp_path / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([columns, *(row[: len(columns)] for row in rows)])
    data = load(tmp_path)
    assert data.notes[0].endswith("in 12 groups that stay together")  # 6 patients and 6 test images
    groups = data._source.groups
    assert groups is not None
    train, validation, test = ({*groups[rows].tolist()} for rows in data._indices)
    assert not train & validation
    assert len(test) == 6


def test_a_parquet_file_says_splits_and_patients_where_they_are_named(folder: Path, tmp_path: Path) -> None:
    rows = listed(folder)
    columns = {
        "image": [file.read_bytes() for file, *_ in rows],
        "label": [name for _, name, _ in rows],
        "Split": [part for *_, part in rows],
        "patient": [at // 2 for at in range(len(rows))],
    }
    pq.write_table(pa.table(columns), tmp_path / "photos.parquet")
    data = load(tmp_path / "photos.parquet")
    tests = [at for at, (*_, part) in enumerate(rows) if part == "test"]
    assert data._indices[2].tolist() == tests
    assert "column patient is not used; --group-column patient keeps" in data.notes[-1]
    data = load_images(
        f"imagefolder:{tmp_path / 'photos.parquet'}",
        resolution=SIDE,
        validation_fraction=0.3,
        seed=0,
        group_column="patient",
    )
    assert data.notes[0].endswith(f"in {len(rows) // 2} groups that stay together")
    assert data._indices[2].tolist() == tests
    assert not {*(data._indices[0] // 2).tolist()} & {*(data._indices[1] // 2).tolist()}
    for words in ([f"row {at}" for at in range(len(rows))], ["test"] * len(rows)):  # of something else, of one set
        pq.write_table(pa.table(columns | {"Split": words}), tmp_path / "photos.parquet")
        assert 0 < len(load(tmp_path / "photos.parquet").test) < 6


def test_labels_that_are_kept_secret_are_no_class(folder: Path, tmp_path: Path) -> None:
    images = [file.read_bytes() for file, *_ in listed(folder)]
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": images, "label": [at % 3 - 1 for at in range(len(images))]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(names)}), tmp_path / "secret.parquet")
    with pytest.raises(DataError, match=r"secret\.parquet has -1 in 6 places, and the file names classes 0 to 1"):
        load(tmp_path / "secret.parquet")


def test_two_images_of_one_name_in_a_webdataset(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        (file, name, _), *_ = listed(folder)
        for ending, content in ((".left.png", file.read_bytes()), (".right.png", b""), (".cls", name.encode())):
            info = tarfile.TarInfo(f"0{ending}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(DataError, match=r"two images of one name, 0\.left\.png and 0\.right\.png"):
        load(tmp_path / "photos.tar")


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_the_size_of_an_image_on_its_side_is_the_upright_one(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / f"a.{ending}", exif=exif)
    pixels, *_ = read_whole(tmp_path / f"a.{ending}", 8)
    assert size_of_whole(tmp_path / f"a.{ending}", 8) == pixels.shape[:2] == (40, 20)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_images_of_no_group_stay_by_themselves(folder: Path, tmp_path: Path, ending: str) -> None:
    rows = [(file, name, "p0" if at < 3 else None) for at, (file, name, _) in enumerate(listed(folder))]
    if ending == "csv":
        with (tmp_path / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["path", "label", "patient"], *rows])
    else:
        images = [file.read_bytes() for file, *_ in rows]
        table = {"image": images, "label": [name for _, name, _ in rows], "patient": [group for *_, group in rows]}
        pq.write_table(pa.table(table), tmp_path / "labels.parquet")
    data = load_images(
        f"imagefolder:{tmp_path / f'labels.{ending}'}",
        resolution=8,
        validation_fraction=0.3,
        seed=0,
        group_column="patient",
    )
    assert data.notes[0].endswith(f"in {len(rows) - 2} groups that stay together")
    assert all(len(part.labels.unique()) == 2 for part in (data.train, data.validation, data.test))


def test_captions_are_no_classes_where_the_class_is_said(folder: Path, tmp_path: Path) -> None:
    """A caption that comes before the class, and JSON that says other things."""
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for at, (file, name, _) in enumerate(listed(folder)):
            label = (".cls", name) if at % 2 else (".json", json.dumps({"label": name}))
            other = (".json", json.dumps({"width": 8})) if at % 2 else (".txt", f"photo {at} of a {name}")
            for ending, content in ((".txt", f"caption {at}"), other, label, (".png", file.read_bytes())):
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(f"{at:03d}{ending}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    data = load(tmp_path / "photos.tar")
    assert data.classes == ("cat", "dog")
    assert len(data.train.labels) + len(data.validation.labels) + len(data.test.labels) == len(listed(folder))


def test_numbers_of_their_own_are_no_classes_in_parquet(folder: Path, tmp_path: Path) -> None:
    images = [file.read_bytes() for file, *_ in listed(folder)]
    table = pa.table({"image": images, "label": [at + 0.5 for at in range(len(images))]})
    pq.write_table(table, tmp_path / "ages.parquet")
    with pytest.raises(DataError, match=r"ages\.parquet has \d+ different labels .* \(regression\) are not taken"):
        load(tmp_path / "ages.parquet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,cat\nb.png,dog\n", r"labels\.csv names 2 images that are not there.* \(a\.png, b\.png\)"),
        ("path,width\na.png,3\n", r"at least 2 classes, got '3' alone"),
        ("width,height\n3,4\n", r"labels\.csv needs a column of paths"),
        ("path,label\na.png\n", r"line 2 of .*labels\.csv has another number of cells"),
        ("path,label\n", "has no rows"),
    ],
)
def test_mistakes_in_tables(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    if "width\n" in text:
        photo(0).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "labels.csv")


def test_a_look_finds_leaks_and_every_broken_file(folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(folder, tmp_path / "photos")
    train = root / "train"
    shutil.copy(train / "cat/train-cat-0.png", root / "test/cat/again.png")
    image = Image.open(train / "dog/train-dog-1.png")
    image.resize((72, 48)).save(root / "test/cat/near.jpg", quality=70)
    (train / "dog/empty.jpg").write_bytes(b"")
    (train / "cat/cut.png").write_bytes((train / "cat/train-cat-1.png").read_bytes()[:-300])
    exif = Image.Exif()
    exif[274] = 6
    photo(99).save(train / "dog/turned.jpg", exif=exif)
    found = examine(root)
    assert [name for name, _ in found.broken] == ["train/cat/cut.png", "train/dog/empty.jpg"]
    leaks = {(pair.first, pair.second): pair for pair in found.pairs if pair.leaks}
    exact = leaks["train/cat/train-cat-0.png", "test/cat/again.png"]
    near = leaks["train/dog/train-dog-1.png", "test/cat/near.jpg"]
    assert len(leaks) == len(found.pairs) == 2
    assert (exact.exact, near.exact, near.classes) == (True, False, ("dog", "cat"))
    assert found.counts.tolist() == [[6, 0, 5], [7, 0, 3]]
    (turned,) = (one for one in found.seen if one.turned)
    assert turned.size == (64, 96)
    assert found.divided
    with pytest.raises(DataError, match=r"empty\.jpg .it is empty"):
        load(root)


def test_a_look_finds_broken_images_of_a_table(folder: Path, tmp_path: Path) -> None:
    rows = [(file, name) for file, name, _ in listed(folder)]
    (tmp_path / "cut.png").write_bytes(rows[0][0].read_bytes()[:-300])
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows, ["cut.png", "cat"]])
    found = examine(tmp_path / "labels.csv")
    assert [name for name, _ in found.broken] == ["cut.png"]
    assert "cut.png" in found.fault


def test_near_copies_and_groups_stay_on_one_side_of_every_split(tmp_path: Path) -> None:
    """Of 20 photos there are 12 again, smaller and as JPEG of low quality: in every part, or together."""
    rows = []
    for at in range(20):
        image, name = photo(200 + at), ("cat", "dog")[at % 2]
        image.save(tmp_path / f"{at}.png")
        rows.append([f"{at}.png", name, f"g{at}"])
        if at < 12:
            image.resize((60, 40)).save(tmp_path / f"{at}-small.jpg", quality=40)
            rows.append([f"{at}-small.jpg", name, f"h{at // 2}"])
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *(row[:2] for row in rows)])
    contents = pa.array([(tmp_path / name).read_bytes() for name, *_ in rows])
    packed = {
        "image": contents,
        "label": pa.array([row[1] for row in rows]),
        "shoot": pa.array([row[2] for row in rows]),
    }
    (tmp_path / "packed").mkdir()
    pq.write_table(pa.table(packed), tmp_path / "packed" / "images.parquet")

    def sides(path: Path, **options: Any) -> list[set[int]]:
        """Of each split, which photos are in it."""
        name = f"imagefolder:{path}"
        data = load_images(name, resolution=8, validation_fraction=0.3, seed=0, **options)
        files = [row[0] for row in rows]
        if data._source.files is not None:
            files = [Path(file.decode()).name for file in data._source.files]
        return [{int(files[at].split(".")[0].split("-")[0]) for at in index} for index in data._indices]

    table, parquet = tmp_path / "labels.csv", tmp_path / "packed"
    assert sum(map(len, sides(table))) > 20
    for path in (table, parquet):
        assert sum(map(len, sides(path, near_copies="together"))) == 20
    both = sides(parquet, near_copies="together", group_column="shoot")  # small ones come in twos: so do all
    assert sum(map(len, both)) == 20
    assert all((at in side) == (at ^ 1 in side) for side in both for at in side if at < 12)
    data = load_images(f"imagefolder:{table}", resolution=8, validation_fraction=0.3, seed=0, near_copies="together")
    assert "near copies of each other: 24 images, in 12 sets of 2 at most" in data.notes[1]
    with pytest.raises(DataError, match=r"no column 'patient' to group by, it has image, label, shoot"):
        sides(parquet, group_column="patient")
    with pytest.raises(DataError, match=r"got a published set"):
        load_images("digits", resolution=8, validation_fraction=0.3, seed=0, near_copies="together")
