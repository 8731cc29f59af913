"""Images with several labels from a CSV to an exported family: scanned digits, up to four in a picture."""

import contextlib
import csv
import io
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, average_precision_score
from small_run import HOW

from nars.errors import ConfigError
from nars.explore import open_source
from nars.explore.contents import family as shown_family
from nars.export import read_card, read_config
from nars.export.onnx import onnx_logits, open_onnx
from nars.export.program import top1
from nars.report import document_of, read_findings, write_report
from nars.run import Run, Silent, load_config, open_run
from nars.stages import load_family, load_trained, run_all
from nars.studies import compress
from nars.train import read_mistakes

SPACE = """
name: mine
architecture:
  classes: 4
  in_channels: 3
  resolution: 16
  stem: {channels: 16, stride: 1}
  stages:
    - {kernel: 3, expand: 2, channels: [16, 24], depth: 1, stride: 2}
  head: {expand: 2, channels: 64}
recipe:
  learning_rate: [0.01, 0.02]
  optimizer: adamw
  mixup: 0.1
  loss: [cross_entropy, focal]
"""
CONFIG = """
name: several
space: mine.yaml
metric: mean_average_precision
data: {name: "imagefolder:digits.csv", flip: false, crop: 0.0}
pretraining: {pool: 16}
collect: {rounds: 1, per_round: 2, epochs: 1, warmup_epochs: 0, batch_size: 32}
search: {budgets: [380k]}
final: {epochs: 8, warmup_epochs: 0, policy: none, batch_size: 32, ema_decay: 0.9}
"""


def draw(folder: Path) -> None:
    """400 pictures of 16 x 16 pixels, each quarter a scanned 0, 1, 2 or 3, or blank."""
    digits, rng = load_digits(), np.random.default_rng(0)
    rows = []
    for at in range(400):
        picture, labels = np.zeros((16, 16), dtype=np.uint8), set()
        for top, left in ((0, 0), (0, 8), (8, 0), (8, 8)):
            if rng.random() < 0.5:
                number = int(rng.integers(4))
                scan = digits.images[rng.choice(np.flatnonzero(digits.target == number))]
                picture[top : top + 8, left : left + 8] = np.minimum(255, 16 * scan)
                labels.add(f"digit {number}")
        Image.fromarray(picture).save(folder / f"{at:03}.png")
        rows.append([f"{at:03}.png", "|".join(sorted(labels))])
    with (folder / "digits.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "labels"], *rows])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("several")
    draw(folder)
    (folder / "mine.yaml").write_text(SPACE)
    (folder / "several.yaml").write_text(CONFIG)
    with contextlib.chdir(folder):
        made = open_run(load_config("several.yaml"), folder / "out", execution=HOW, reporter=Silent())
        run_all(made)
    write_report(made.folder)
    return made


def test_a_run_trains_measures_and_exports_them(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = load_family(run)
    assert family is not None
    trained = load_trained(run, family)
    assert trained is not None
    (result,) = trained.results.values()
    data = run.images.at(16)
    chance = 100 * float(data.test.labels.double().mean())  # of mean average precision, about
    assert result.test > chance + 25
    assert list(result.test_scores) == ["accuracy", "macro_f1", "auroc", "mean_average_precision"]
    table = result.test_classes
    assert table is not None
    assert table.images == tuple(data.test.labels.sum(0).tolist())

    folder = run.folder.member("380k")
    config, card = read_config(folder), read_card(folder)
    assert config.multi_label
    assert card.data["multi_label"]
    facts = open_onnx(folder / "model.onnx").get_modelmeta().custom_metadata_map
    assert (facts["multi_label"], facts["activation"]) == ("true", "sigmoid")

    monkeypatch.chdir(folder)
    Image.fromarray(data.test.images[0].permute(1, 2, 0).numpy()).save("photo.jpg", quality=95)
    shares = runpy.run_path("model.py")["predict"]("photo.jpg")
    text = (folder / "README.md").read_text()
    assert "A multi-label image classifier for 4 classes" in text
    short = next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "np.float32(photo)" in code)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(short, {})
    assert printed.getvalue().strip() == str([name for name in data.classes if shares[name] > 0.5])
    logits = onnx_logits(open_onnx("model.onnx"), config.normalize(data.test.images))
    said = logits > 0
    assert top1(logits, data.test.labels) == pytest.approx(result.test_accuracy)
    assert top1(logits, data.test.labels) == pytest.approx(100 * accuracy_score(data.test.labels, said))

    mean_precision = 100 * average_precision_score(data.test.labels, logits)
    assert mean_precision != pytest.approx(result.test_accuracy, abs=1)
    (member,) = document_of(read_findings(run.folder))["members"]
    (shown,) = shown_family(open_source(run.folder.path))
    assert (member["test"], shown["test"]) == pytest.approx((mean_precision, mean_precision), abs=0.01)
    assert member["validation"] == result.validation != result.validation_accuracy
    assert shown["validation"] == pytest.approx(result.validation, rel=1e-3)

    mistakes = read_mistakes(result.weights.parent)
    assert mistakes
    wrong = {
        tuple(" | ".join(n for n, there in zip(data.classes, row, strict=True) if there) or "no label" for row in rows)
        for rows in zip(data.test.labels.tolist(), said.tolist(), strict=True)
    }
    assert {(one.truth, one.taken) for one in mistakes} <= wrong
    assert all(one.truth != one.taken and one.sure > 0.5 for one in mistakes)
    assert [one.sure for one in mistakes] == sorted((one.sure for one in mistakes), reverse=True)
    assert "mean average precision" in (run.folder.path / "report.html").read_text()
    assert read_findings(run.folder).mistakes["380k"] == mistakes
    assert not torch.equal(said, data.test.labels.bool())


def test_smaller_forms_are_judged_by_the_metric(run: Run, tmp_path: Path) -> None:
    found = compress(run.folder.member("380k"), folder=tmp_path / "small", trainings=0, device="cpu")
    images, config = run.images.at(16), read_config(run.folder.member("380k"))
    for one in found.front:
        for name, split in (("validation", images.validation), ("test", images.test)):
            logits = onnx_logits(open_onnx(found.model(one)), config.normalize(split.images))
            assert one.accuracy[name] == pytest.approx(100 * average_precision_score(split.labels, logits))
        assert float(found.rows()[found.front.index(one)][-1]) == pytest.approx(
            found.whole.accuracy["validation"] - one.accuracy["validation"], abs=0.006
        )
    assert "mean average precision (%)" in found.legend


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("metric", "top5", r"have several labels, for which there are accuracy, macro_f1, auroc, mean_av.*got top5"),
        ("space", "poly.yaml", r"of images with several labels loss is cross_entropy or focal or bce, and the space"),
    ],
)
def test_what_does_not_go_with_several_labels_is_refused(run: Run, key: str, value: str, message: str) -> None:
    folder = run.folder.path.parent
    (folder / "poly.yaml").write_text(SPACE.replace("focal", "poly1"))
    with contextlib.chdir(folder), pytest.raises(ConfigError, match=message):
        open_run(load_config("several.yaml", {key: value}), folder / "other", execution=HOW, reporter=Silent())
