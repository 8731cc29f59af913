"""A small trained network compressed in a folder, once, interrupted on the way; its files are judged by themselves."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from nars import compress, load_config
from nars.errors import ConfigError
from nars.files.atomic import write_text
from nars.metric import IMAGE_METRICS
from nars.run import Silent
from nars.run.progress import Advance
from nars.run.run import read_images
from nars.space import Architecture, Head, Stage, Stem, dump_yaml
from nars.studies import Compressed, train_other
from nars.studies.compression.limits import Limits, choose
from nars.studies.compression.measuring import Measured
from nars.studies.compression.results import front_of

STAGE = Stage(kernel_first=3, kernel_rest=3, expand_first=3, expand_rest=2, channels=8, depth=2, stride=2, se=True)
NETWORK = Architecture(
    resolution=8,
    stem=Stem(channels=8, stride=1),
    stages=(STAGE,),
    head=Head(expand=2, channels=24),
    in_channels=1,
    classes=10,
)
CONFIG = {
    "name": "small",
    "space": "digits",
    "data": {"name": "digits", "validation": 0.5, "flip": False, "crop": 0.0},
    "search": {"budgets": ["150k"]},
    "final": {"epochs": 3, "warmup_epochs": 0, "policy": "none", "batch_size": 32, "ema_decay": 0.9, "teacher": "none"},
}


class Interrupting(Silent):
    """Ctrl-C once a pruned candidate has been measured in float32."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        def advance(steps: int, note: str) -> None:
            if title == "round 1" and note.startswith("f"):
                raise KeyboardInterrupt

        yield advance


class Listening(Silent):
    """Keeps the notes of bars."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        yield lambda steps, note: self.said.append(note)


@dataclass(frozen=True)
class Done:
    home: Path
    found: Compressed
    before: dict[Path, int]
    """When the files were written that were there at the interruption, in nanoseconds."""


def _written(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    home = tmp_path_factory.mktemp("compress")
    write_text(home / "network.yaml", dump_yaml(NETWORK.to_dict()))
    write_text(home / "recipe.yaml", dump_yaml({"learning_rate": 0.005, "optimizer": "rmsprop", "ema": False}))
    train_other(
        load_config(CONFIG), str(home / "network.yaml"), home / "recipe.yaml",
        folder=home / "net", resolution=None, device="cpu", reporter=Silent(),
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        compress(home / "net", trainings=1, epochs=1, device="cpu", reporter=Interrupting())
    before = _written(home / "net" / "compressed")
    found = compress(home / "net", trainings=1, epochs=1, device="cpu")
    return Done(home, found, before)


def test_the_front_is_not_dominated_and_its_files_are_what_the_cards_say(done: Done) -> None:
    cards = [json.loads(path.read_text()) for path in (done.found.folder / "measured").glob("*/card.json")]
    aims = np.array([[-card["accuracy"]["validation"], card["bytes"], card["latency_ms"]] for card in cards])
    beaten = [bool(((aims <= own).all(axis=1) & (aims < own).any(axis=1)).any()) for own in aims]
    assert {card["name"] for card, no in zip(cards, beaten, strict=True) if not no} == {
        m.name for m in done.found.front
    }
    assert len(cards) == done.found.measured > len(done.found.front) > 1

    images = read_images(load_config(CONFIG), resolution=8, whole=True)
    for one in done.found.front:
        file = done.found.model(one)
        content = file.read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one.bytes, one.sha256)
        session = onnxruntime.InferenceSession(content)
        facts = session.get_modelmeta().custom_metadata_map
        mean, std = (np.array(json.loads(facts[key]), np.float32).reshape(-1, 1, 1) for key in ("mean", "std"))
        for name, split in (("validation", images.validation), ("test", images.test)):
            (logits,) = session.run(None, {"images": (split.images.numpy().astype(np.float32) / 255 - mean) / std})
            right = (logits.argmax(axis=1) == split.labels.numpy()).mean()
            assert 100 * right == pytest.approx(one.accuracy[name])
    assert {path.name for path in (done.found.folder / "front").iterdir()} == {one.name for one in done.found.front}
    table = (done.found.folder / "README.md").read_text()
    assert all(f"{one.bytes:,}" in table for one in done.found.front)


def test_what_is_done_is_not_repeated(done: Done) -> None:
    assert any("trained" in path.parts for path in done.before)
    after = _written(done.found.folder)
    kept = {path for path in done.before if path.name != "plan.json"}
    assert {path: after[path] for path in kept} == {path: done.before[path] for path in kept}
    again = compress(done.home / "net", trainings=1, epochs=1, max_drop=100, device="cpu")
    assert again.front == done.found.front
    assert again.chosen == min(again.front, key=lambda one: (one.bytes, one.latency_ms))
    now = _written(done.found.folder)
    tables = {done.found.folder / name for name in ("README.md", "front.json")}
    assert {path: when for path, when in now.items() if path not in tables} == {
        path: when for path, when in after.items() if path not in tables
    }


def test_limits_that_nothing_keeps_name_the_nearest(done: Done) -> None:
    smallest = min(one.bytes for one in done.found.front)
    with pytest.raises(ConfigError, match=f"no model has at most 1,000 bytes; nearest: .* with {smallest:,} bytes"):
        compress(done.home / "net", trainings=1, epochs=1, max_bytes=1e3, device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_drop": -1}, "max_drop must be a number from 0 on"),
        ({"max_bytes": 0}, "max_bytes must be a number above 0"),
        ({"trainings": -1}, "trainings must be 0 or more"),
        ({"epochs": 2}, "began otherwise .epochs: 1 there, 2 now."),
    ],
)
def test_what_cannot_be_asked(done: Done, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compress(done.home / "net", **options)


def model(name: str, accuracy: float, size: int, latency: float) -> Measured:
    return Measured(
        name=name,
        int8=(),
        pruned={},
        accuracy={"validation": accuracy},
        bytes=size,
        latency_ms=latency,
        flops=1,
        params=1,
        sha256="",
        max_difference=0.0,
        epochs=0,
        device="cpu",
    )


def test_of_equal_models_the_front_has_the_first() -> None:
    whole, q, worse = model("f", 91.2, 100, 0.5), model("q", 90.2, 40, 0.25), model("w", 90.2, 41, 0.25)
    assert front_of([worse, q, whole, model("p", 90.2, 40, 0.25)]) == [whole, q]


def test_a_log_loss_is_better_the_lower(done: Done, tmp_path: Path) -> None:
    said: list[str] = []
    found = compress(
        done.home / "net", folder=tmp_path / "small", trainings=1, epochs=1, overrides={"metric": "log_loss"},
        max_bytes=1e9, device="cpu", reporter=Listening(said),
    )  # fmt: skip
    images = read_images(load_config(CONFIG), resolution=8, whole=True)
    for one in (*found.front, found.whole):
        session = onnxruntime.InferenceSession(found.folder / "measured" / one.name / "model.onnx")
        facts = session.get_modelmeta().custom_metadata_map
        mean, std = (np.array(json.loads(facts[key]), np.float32).reshape(-1, 1, 1) for key in ("mean", "std"))
        for name, split in (("validation", images.validation), ("test", images.test)):
            (logits,) = session.run(None, {"images": (split.images.numpy().astype(np.float32) / 255 - mean) / std})
            logits = logits.astype(np.float64)
            of_truth = logits[np.arange(len(logits)), split.labels.numpy()]
            assert one.accuracy[name] == pytest.approx((np.log(np.exp(logits).sum(axis=1)) - of_truth).mean(), rel=1e-6)

    losses = {one.name: one.accuracy["validation"] for one in found.front}
    assert found.chosen is not None
    assert losses[found.chosen.name] == min(losses.values()) < max(losses.values())
    cards = [json.loads(path.read_text()) for path in (found.folder / "measured").glob("*/card.json")]
    assert min(losses.values()) == min(card["accuracy"]["validation"] for card in cards)
    for row, one in zip(found.rows(), found.front, strict=True):
        assert float(row[-1]) == pytest.approx(losses[one.name] - found.whole.accuracy["validation"], rel=1e-3)
    assert "log loss of the file" in (found.folder / "README.md").read_text()
    assert said
    assert not [note for note in said if "%" in note]
    (training,) = (found.folder / "trained").glob("*/result.json")
    assert json.loads(training.read_text())["metric"] == "log_loss"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("accuracy", "at most 9 bytes and accuracy at most 0.1 % worse"),
        ("macro_f1", "at most 9 bytes and macro f1 at most 0.1 % worse"),
        ("log_loss", "at most 9 bytes and log loss at most 0.1 worse"),
    ],
)
def test_limits_are_told_in_the_unit_of_the_metric(name: str, text: str) -> None:
    assert str(Limits(max_bytes=9, max_drop=0.1, metric=IMAGE_METRICS[name])) == text


def test_of_log_losses_those_beyond_the_limit_are_higher() -> None:
    whole, q, worse = (
        replace(model(name, loss, size, 0.5), metric="log_loss")
        for name, loss, size in (("f", 0.30, 100), ("q", 0.34, 40), ("w", 0.36, 30))
    )
    limits = Limits(max_drop=0.05, metric=IMAGE_METRICS["log_loss"])
    assert front_of([whole, q, worse]) == [whole, q, worse]
    assert choose([whole, q, worse], whole, limits, trainings=0) == q
    with pytest.raises(ConfigError, match=r"nearest: w with 30 bytes, 0\.06 worse"):
        choose([worse], whole, limits, trainings=0)


def test_an_accuracy_lost_that_is_the_limit_is_not_beyond_it() -> None:
    whole, q = model("f", 80.2, 100, 0.5), model("q", 80.1, 40, 0.25)
    assert whole.accuracy["validation"] - q.accuracy["validation"] > 0.1  # as floats are
    assert choose([whole, q], whole, Limits(max_drop=0.1), trainings=0) == q
