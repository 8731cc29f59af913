"""Images with several labels, in each way in which they are written down."""

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from rich.console import Console

from nars.cli.data import _table, document
from nars.errors import DataError
from nars.images import ImageData, examine, load_images

CLASSES = ("bird", "cat", "dog")
LABELS = (np.random.default_rng(3).random((30, 3)) < [0.15, 0.4, 0.5]).astype(int)
NAMES = [[name for name, there in zip(CLASSES, row, strict=True) if there] for row in LABELS]


def pictures(folder: Path) -> list[Path]:
    files = [folder / f"{at:02}.png" for at in range(len(LABELS))]
    for at, file in enumerate(files):
        Image.fromarray(np.full((8, 8, 3), 8 * at, dtype=np.uint8)).save(file)
    return files


def in_one_column(folder: Path) -> Path:
    rows = [[file.name, " | ".join(names)] for file, names in zip(pictures(folder), NAMES, strict=True)]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "tags"], *rows])
    return folder / "labels.csv"


def in_columns(folder: Path) -> Path:
    rows = [[file.name, *row, at] for at, (file, row) in enumerate(zip(pictures(folder), LABELS, strict=True))]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", *CLASSES, "width"], *rows])
    return folder / "labels.csv"


def in_lists(folder: Path) -> Path:
    (folder / "hub").mkdir()
    said = {"info": {"features": {"labels": {"feature": {"names": CLASSES, "_type": "ClassLabel"}, "_type": "List"}}}}
    numbers = [[CLASSES.index(name) for name in names] for names in NAMES]
    table = pa.table({"image": [file.read_bytes() for file in pictures(folder)], "labels": numbers})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(said)}), folder / "hub" / "images.parquet")
    return folder / "hub"


def in_columns_of_parquet(folder: Path) -> Path:
    (folder / "hub").mkdir()
    marks = {name: LABELS[:, at].astype(bool) for at, name in enumerate(CLASSES)}
    images = [file.read_bytes() for file in pictures(folder)]
    pq.write_table(pa.table({"image": images, **marks, "width": np.arange(30)}), folder / "hub" / "images.parquet")
    return folder / "hub"


def in_a_tar(folder: Path) -> Path:
    (folder / "hub").mkdir()
    with tarfile.open(folder / "hub" / "images.tar", "w") as archive:
        for file, names in zip(pictures(folder), NAMES, strict=True):
            for name, content in ((file.name, file.read_bytes()), (f"{file.stem}.json", json.dumps({"label": names}))):
                data = content if isinstance(content, bytes) else content.encode()
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return folder / "hub"


def load(path: Path) -> ImageData:
    return load_images(f"imagefolder:{path}", resolution=8, validation_fraction=0.3, seed=0)


@pytest.mark.parametrize("kept_as", [in_one_column, in_columns, in_lists, in_columns_of_parquet, in_a_tar])
def test_labels_are_the_same_however_they_are_written(kept_as: object, tmp_path: Path) -> None:
    data = load(kept_as(tmp_path))  # type: ignore[operator]
    assert (data.classes, data.multi_label) == (CLASSES, True)
    for part in (data.train, data.validation, data.test):
        rows = part.images[:, 0, 0, 0].numpy() // 8  # each picture's gray says which it is
        assert torch.equal(part.labels, torch.from_numpy(LABELS[rows]))
        assert part.labels.any(dim=0).all()
    assert any(note.startswith("several labels an image: 1.") and "without any" in note for note in data.notes)


def test_one_label_each_is_a_set_of_classes(tmp_path: Path) -> None:
    rows = [[file.name, *np.eye(3, dtype=int)[at % 3]] for at, file in enumerate(pictures(tmp_path))]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", *CLASSES], *rows])
    data = load(tmp_path / "labels.csv")
    assert not data.multi_label
    assert torch.equal(data.train.labels, data.train.images[:, 0, 0, 0].long() // 8 % 3)


def test_a_look_says_how_many_labels_images_have(tmp_path: Path) -> None:
    found = examine(in_one_column(tmp_path))
    assert found.counts.sum(axis=1).tolist() == LABELS.sum(axis=0).tolist()
    assert found.images.sum() == 30
    assert document(found)["labels_each"] == np.bincount(LABELS.sum(axis=1)).tolist()
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(_table(tmp_path, found))
    text = " ".join(console.export_text().split())
    none, one = np.bincount(LABELS.sum(axis=1))[:2]
    assert f"several an image: {none} with none, {one} with 1" in text
    assert f"dog {LABELS[:, 2].sum()}, cat {LABELS[:, 1].sum()}, bird {LABELS[:, 0].sum()}" in text


def test_a_column_that_is_mostly_yes_or_no_is_not_passed_over(tmp_path: Path) -> None:
    file = in_columns(tmp_path)
    file.write_text(file.read_text().replace("03.png,0", "03.png,-1").replace("03.png,1", "03.png,-1"))
    with pytest.raises(DataError, match=r"column bird of .*labels\.csv is something else in 1 of 30 rows"):
        load(file)
