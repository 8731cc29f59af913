"""A run says once what its images are."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from PIL import Image

from nars.run import Execution, Silent, load_config, open_run
from nars.run.progress import Advance


class Heard:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def bar(self, title: str, total: int) -> AbstractContextManager[Advance]:
        return Silent().bar(title, total)


def test_what_the_images_are_is_said_once_and_kept(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    for name in ("Training/a", "Training/b", "Testing/a", "Testing/b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = chance.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
        (tmp_path / "photos" / name / "._0.png").touch()
    changes = {"data.name": f"imagefolder:{tmp_path / 'photos'}", "final.batch_size": 8, "collect.batch_size": 8}
    heard = Heard()
    run = open_run(load_config("digits", changes), tmp_path / "run", execution=Execution(), reporter=heard)
    said = [
        "images: 2 classes, 32 training / 8 validation / 40 test images (Testing/ of the folder)",
        "  the folder is divided: Training/ for training, Testing/ for test",
        "  passed over hidden files and folders (a dot in front): 4 (Testing/a/._0.png, Testing/b/._0.png, "
        "Training/a/._0.png, ...)",
    ]
    assert run.final_images is run.images
    assert run.computed(Execution(), heard).images is run.images
    assert [line for line in heard.lines if line in said] == said
    kept = (tmp_path / "run").glob("*.log")
    assert [line.partition(" ")[2].partition(" ")[2] for line in next(kept).read_text().splitlines()] == said
