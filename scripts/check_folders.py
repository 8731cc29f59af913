"""Folders as people have them: what becomes of each, as `nars data check` and a run see it.

    python scripts/check_folders.py                             # a minute on a CPU core; the last line is JSON
    python scripts/check_folders.py --out results/folders/README.md

Each folder is made of a few real photos (scikit-learn's two, cut into pieces). It is *handled* where a run can train on
it, *refused* where there is one message that names the file or folder and the way out; anything else is a *crash*.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_sample_image

from nars.errors import UserError
from nars.images import examine, load_images

SIDE = 64
CLASSES = ("china", "flower")


@dataclass(frozen=True)
class Outcome:
    """What became of a folder."""

    name: str
    result: str
    """handled, refused or crash."""
    says: str


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the table here")
    parser.add_argument("--only", help="the folders whose name has this in it")
    arguments = parser.parse_args()
    began = time.perf_counter()
    found = []
    for name, make, expected in FOLDERS:
        if arguments.only is None or arguments.only in name:
            with tempfile.TemporaryDirectory() as place:
                found.append((outcome(name, make, Path(place)), expected))
    rows = [f"| {one.name} | {one.result} | {one.says} |" for one, _ in found]
    table = "\n".join(["| folder | | what is said |", "|---|---|---|", *rows])
    print(table)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(f"{_ABOUT}\n{table}\n", encoding="utf-8")
    surprises = [one.name for one, expected in found if one.result != expected]
    counts = {kind: sum(one.result == kind for one, _ in found) for kind in ("handled", "refused", "crash")}
    seconds = round(time.perf_counter() - began, 1)
    print(json.dumps({"folders": len(found), **counts, "surprises": surprises, "seconds": seconds}))


_ABOUT = """# Folders as people have them

Made by `python scripts/check_folders.py --out results/folders/README.md`. *handled*: a run trains on it; *refused*: one
message with the file's or folder's name, and what to do. "n broken" is what `nars data check` lists by name.
"""


def outcome(name: str, make: Callable[[Path], Path | None], place: Path) -> Outcome:
    """Make a folder, look at it, and read it as a run does."""
    root = make(place / "photos") or place / "photos"
    try:
        looked = examine(root)
        beside = f"; {len(looked.broken)} broken" if looked.broken else ""
        leaks = sum(pair.leaks and looked.divided for pair in looked.pairs)
        beside += f"; {leaks} between splits" if leaks else ""
        data = load_images(f"imagefolder:{root}", resolution=16, validation_fraction=0.25, seed=0)
        notes = "".join(f"; {note}" for note in data.notes)
        return Outcome(name, "handled", _plain(f"{data.summary}{notes}{beside}", place))
    except UserError as error:
        named = str(place) in str(error)
        return Outcome(name, "refused" if named else "crash", _plain(f"{error}", place))
    except Exception as error:  # what this script looks for
        return Outcome(name, "crash", _plain(f"{type(error).__name__}: {error}", place))


def _plain(text: str, place: Path) -> str:
    return " ".join(text.replace(str(place) + "/", "").replace(str(place), ".").replace("|", "/").split())


# ---- pieces of real photos


def _made(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return root


def pieces(count: int, *, of: str, seed: int = 0) -> list[Image.Image]:
    """Different pieces of one of scikit-learn's photos."""
    photo = Image.fromarray(load_sample_image(f"{of}.jpg"))
    rng = np.random.default_rng([seed, len(of)])
    corners = [(int(rng.integers(photo.width - SIDE)), int(rng.integers(photo.height - SIDE))) for _ in range(count)]
    return [photo.crop((x, y, x + SIDE, y + SIDE)) for x, y in corners]


def fill(root: Path, *, each: int = 8, seed: int = 0, ending: str = ".jpg", classes: tuple[str, ...] = CLASSES) -> Path:
    """A folder for each class with pieces of a photo in it."""
    for number, name in enumerate(classes):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for at, piece in enumerate(pieces(each, of=CLASSES[number % 2], seed=seed + number)):
            piece.save(folder / f"{at}{ending}")
    return root


def _with(change: Callable[[Path], object]) -> Callable[[Path], Path]:
    """A usual folder with one thing that is not."""

    def make(root: Path) -> Path:
        fill(root)
        change(root)
        return root

    return make


def _as(mode: str, name: str, **options: object) -> Callable[[Path], object]:
    """One image of another kind."""
    return lambda root: pieces(1, of="china", seed=9)[0].convert(mode).save(root / "china" / name, **options)  # type: ignore[arg-type]


def _sixteen(root: Path) -> None:
    values = np.linspace(0, 65535, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint16)
    Image.fromarray(values).save(root / "china" / "deep.png")


def _turned(root: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    pieces(1, of="china", seed=9)[0].save(root / "china" / "turned.jpg", exif=exif)


def _animated(root: Path) -> None:
    first, *rest = pieces(3, of="china", seed=9)
    first.save(root / "china" / "moving.gif", save_all=True, append_images=rest)


def _cut(root: Path) -> None:
    file = root / "china" / "0.jpg"
    file.write_bytes(file.read_bytes()[:-200])


def _mixed_sizes(root: Path) -> None:
    for at, piece in enumerate(pieces(4, of="flower", seed=5)):
        piece.resize((20 + 90 * at, 300 - 60 * at)).save(root / "flower" / f"odd{at}.png")


def _nested(root: Path) -> None:
    for at, piece in enumerate(pieces(4, of="flower", seed=5)):
        (root / "flower" / f"2020/{at}").mkdir(parents=True)
        piece.save(root / "flower" / f"2020/{at}/p.jpg")


def _hidden(root: Path) -> None:
    for name in (".cache", "__MACOSX", ".ipynb_checkpoints", "@eaDir"):
        (root / name).mkdir()
        pieces(1, of="china")[0].save(root / name / "a.jpg")
    (root / "china" / "Thumbs.db").write_bytes(b"x")
    (root / "china" / "._0.jpg").write_bytes(b"x")


def _splits(*names: str, **options: object) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        for number, name in enumerate(names):
            fill(root / name, seed=10 * number, each=8 if number == 0 else 4)
        return root

    return make


def _loose(root: Path) -> Path:
    for at, piece in enumerate(pieces(4, of="china")):
        piece.save(_made(root) / f"{at}.jpg")
    return root


def _more_classes(root: Path) -> Path:
    fill(_splits("train", "test")(root) / "test", classes=("new",))
    return root


def _unsorted_test(root: Path) -> Path:
    fill(root / "train")
    _loose(root / "test")
    return root


def _zipped(root: Path) -> Path:
    return Path(shutil.make_archive(str(fill(root)), "zip", root))


def _leak(root: Path) -> Path:
    _splits("train", "test")(root)
    shutil.copy(root / "train/china/0.jpg", root / "test/china/again.jpg")
    image = Image.open(root / "train/flower/1.jpg")
    image.resize((48, 48)).save(root / "test/flower/smaller.jpg", quality=40)
    return root


def _table(root: Path, rows: list[list[str]], *, name: str = "labels.csv", mark: str = ",") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    with (root / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=mark).writerows(rows)
    return root / name


def _listed(root: Path) -> list[tuple[str, str]]:
    """Images in one folder, unsorted; (path, class)."""
    fill(root / "sorted")
    (root / "images").mkdir()
    rows = []
    for file in sorted((root / "sorted").rglob("*.jpg")):
        name = f"{file.parent.name}_{file.name}"
        file.rename(root / "images" / name)
        rows.append((f"images/{name}", file.parent.name))
    shutil.rmtree(root / "sorted")
    return rows


def _csv(root: Path) -> Path:
    return _table(root, [["path", "label"], *map(list, _listed(root))])


def _csv_in_folder(root: Path) -> Path:
    _csv(root)
    return root


def _csv_of_names(root: Path) -> Path:
    rows = [[Path(path).stem, name] for path, name in _listed(root)]
    return _table(root, [["id", "breed"], *rows])


def _csv_with_splits(root: Path) -> Path:
    rows = [[p, n, "test" if at % 4 == 0 else "train"] for at, (p, n) in enumerate(_listed(root))]
    return _table(root, [["file", "class", "split"], *rows], mark=";")


def _csv_lacking(root: Path) -> Path:
    return _table(root, [["path", "label"], *map(list, _listed(root)), ["images/gone.jpg", "china"]])


def _csv_without_labels(root: Path) -> Path:
    return _table(root, [["path", "width", "height"], *([p, "64", "64"] for p, _ in _listed(root))])


def _encoded(count: int) -> list[tuple[bytes, str]]:
    found = []
    for name in CLASSES:
        for piece in pieces(count, of=name):
            buffer = io.BytesIO()
            piece.save(buffer, "JPEG")
            found.append((buffer.getvalue(), name))
    return found


def _hub_parquet(root: Path) -> Path:
    (root / "data").mkdir(parents=True)
    names = {"info": {"features": {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
    for split, count in (("train", 8), ("test", 4)):
        rows = _encoded(count)
        images = pa.array([{"bytes": data, "path": None} for data, _ in rows])
        table = pa.table({"image": images, "label": pa.array([CLASSES.index(name) for _, name in rows])})
        table = table.replace_schema_metadata({"huggingface": json.dumps(names)})
        pq.write_table(table, root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def _parquet_of_paths(root: Path) -> Path:
    root.mkdir(parents=True)
    table = pa.table({"image": ["a.jpg", "b.jpg"], "label": [0, 1]})
    pq.write_table(table, root / "train.parquet")
    return root / "train.parquet"


def _webdataset(root: Path, *, labels: bool = True) -> Path:
    root.mkdir(parents=True)
    with tarfile.open(root / "shard-000.tar", "w") as archive:
        for at, (data, name) in enumerate(_encoded(8)):
            members = [(f"{at:04d}.jpg", data)] + ([(f"{at:04d}.cls", name.encode())] if labels else [])
            for member, content in members:
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return root


FOLDERS: tuple[tuple[str, Callable[[Path], Path | None], str], ...] = (
    ("a folder for each class", fill, "handled"),
    ("nested: folders inside a class", _with(_nested), "handled"),
    ("images of very mixed size", _with(_mixed_sizes), "handled"),
    ("turned by EXIF", _with(_turned), "handled"),
    ("CMYK", _with(_as("CMYK", "print.jpg")), "handled"),
    ("palette", _with(_as("P", "palette.png")), "handled"),
    ("16-bit gray", _with(_sixteen), "handled"),
    ("transparent", _with(_as("RGBA", "clear.png")), "handled"),
    ("black and white, 1 bit", _with(_as("1", "fax.png")), "handled"),
    ("animated GIF", _with(_animated), "handled"),
    ("truncated JPEG", _with(_cut), "refused"),
    ("zero bytes", _with(lambda root: (root / "china/empty.jpg").write_bytes(b"")), "refused"),
    ("text named .jpg", _with(lambda root: (root / "china/note.jpg").write_text("hello")), "refused"),
    ("a class folder without images", _with(lambda root: (root / "roof").mkdir()), "refused"),
    ("a class with two images", _with(lambda root: fill(root, each=2, classes=("few", "few2"))), "handled"),
    ("hidden, cache and system files", _with(_hidden), "handled"),
    ("other files beside the images", _with(lambda root: (root / "china/notes.txt").write_text("x")), "handled"),
    ("one class alone", lambda root: fill(root, classes=("china",)), "refused"),
    ("images without class folders", _loose, "refused"),
    ("an empty folder", _made, "refused"),
    ("no such folder", lambda root: root / "nowhere", "refused"),
    ("train and test", _splits("train", "test"), "handled"),
    ("train, val and test", _splits("train", "val", "test"), "handled"),
    ("train without val", _splits("train"), "handled"),
    ("Training and TESTING", _splits("Training", "TESTING"), "handled"),
    ("copies between train and test", _leak, "handled"),
    ("test with a class that train lacks", _more_classes, "refused"),
    ("unsorted test beside classes in train", _unsorted_test, "refused"),
    ("a zip file in place of a folder", _zipped, "refused"),
    ("CSV of paths and labels", _csv, "handled"),
    ("a folder with such a CSV", _csv_in_folder, "handled"),
    ("CSV of names without endings", _csv_of_names, "handled"),
    ("CSV with semicolons and splits", _csv_with_splits, "handled"),
    ("CSV with a path to nothing", _csv_lacking, "refused"),
    ("CSV without labels", _csv_without_labels, "refused"),
    ("Parquet of a hub", _hub_parquet, "handled"),
    ("Parquet with paths in place of images", _parquet_of_paths, "refused"),
    ("WebDataset", _webdataset, "handled"),
    ("WebDataset without labels", lambda root: _webdataset(root, labels=False), "refused"),
)  # fmt: skip
"""(name, makes it below a path, what is expected)."""


if __name__ == "__main__":
    main()
