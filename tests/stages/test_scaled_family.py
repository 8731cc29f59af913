"""Members scaled beyond the searched budgets: trained, distilled from the largest of them, exported, in the report."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console
from sklearn.datasets import load_digits
from small_run import HOW, SPACE, upto_train

from nars.errors import ConfigError, DataError
from nars.export import verify
from nars.files.sealed import write_sealed
from nars.report import family_table, read_findings, write_report
from nars.run import Run, Silent, load_config, open_run, preview
from nars.space import EFFICIENTNET, Architecture, architecture_costs, growth, scale
from nars.stages import is_finished, run_all
from nars.stages.members import read_family
from nars.stages.training import architecture_of, recipe_of
from nars.train import MemberResult

CONFIG = """
name: scaled
space: mine.yaml
data: {name: cifar10, validation: 0.5, max_train: 40}
range: {flops: {low: 20k, high: 200k}}
pretraining: {pool: 64, preset: paper}
collect: {rounds: 1, per_round: 4, epochs: 1, warmup_epochs: 0, batch_size: 20}
search: {budgets: [45k, 120k]}
family: {scale: [400k]}
final: {epochs: 1, warmup_epochs: 0, policy: none, batch_size: 30, ema_decay: 0.9}
"""


def as_cifar10(root: Path) -> None:
    """Scanned digits in the form in which CIFAR-10 comes: 32 pixels, three channels, ten classes."""
    digits = load_digits()
    (root / "cifar10").mkdir()
    for part, rows in (("train", slice(0, 120)), ("test", slice(120, 160))):
        pixels = np.kron(np.uint8(digits.images[rows] * 15), np.ones((1, 4, 4), dtype=np.uint8))
        images = []
        for image in pixels:
            buffer = io.BytesIO()
            Image.fromarray(image).convert("RGB").save(buffer, "png")
            images.append({"bytes": buffer.getvalue(), "path": None})
        table = pa.table({"img": images, "label": digits.target[rows]})
        pq.write_table(table, root / "cifar10" / f"{part}.parquet")


def opened(home: Path, **overrides: object) -> Run:
    values = {"data.root": str(home)} | {key.replace("__", "."): value for key, value in overrides.items()}
    return open_run(load_config(home / "small.yaml", values), home / "run", execution=HOW, reporter=Silent())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of two searched members and a scaled one."""
    folder = tmp_path_factory.mktemp("scaled")
    as_cifar10(folder)
    (folder / "mine.yaml").write_text(SPACE.replace("in_channels: 1", "in_channels: 3"))
    (folder / "small.yaml").write_text(CONFIG)
    run_all(opened(folder))
    return folder


def test_the_largest_is_scaled_from_the_searched_ones_teaches_all_and_is_exported(home: Path) -> None:
    run = opened(home)
    small, large, grown = read_family(run).members
    assert small.scaled is large.scaled is None
    assert math.isnan(grown.predicted)  # no predictor knows it
    assert grown.scaled is not None
    assert grown.scaled.source == large.name
    # The definition of compound scaling, on the networks of the two: as the search grew, then EfficientNet's direction.
    a, b = (architecture_of(run, member) for member in (small, large))
    assert isinstance(a, Architecture)
    assert isinstance(b, Architecture)
    network = scale(b, grown.scaled.factors)
    assert architecture_of(run, grown) == network
    assert growth(a, b) or EFFICIENTNET
    assert 0.65 * 400e3 < architecture_costs(network)["flops"] == grown.costs["flops"] <= 400e3
    # Above the searched ones, a stochastic depth of 0.2 at least; the rest of the recipe is the source's.
    assert recipe_of(run, grown).stochastic_depth == grown.record["recipe.stochastic_depth"] == 0.2
    assert recipe_of(run, grown).learning_rate == recipe_of(run, large).learning_rate
    # Everyone, the largest too, is distilled from the largest, which was trained on labels first.
    for member in (small, large, grown):
        settings = json.loads(run.folder.training_settings(member.name).read_text())
        assert settings["teacher"] == grown.identity
    teacher = json.loads(run.folder.training_settings("teacher").read_text())
    assert (teacher["choices"], teacher["teacher"]) == (grown.identity, "none")
    test = run.final_images.seen_by(network).test
    assert verify(run.folder.member("400k"), test.images, test.labels).passed
    card = json.loads((run.folder.member("400k") / "card.json").read_text())
    assert card["counted"]["flops"] == grown.costs["flops"]  # fvcore's count of the built network
    console = Console(file=io.StringIO(), width=200)
    found = read_findings(run.folder)
    console.print(family_table(found.family, found.results, found.cards, found.metric))
    assert "scaled from 120k: depth x" in console.file.getvalue()  # type: ignore[attr-defined]
    assert f"scaled from {large.name}: depth x" in write_report(run.folder).read_text()


def test_a_finished_run_gets_one_more_and_keeps_the_others_to_the_bit(home: Path) -> None:
    run = opened(home)
    before = {name: MemberResult.load(run.folder.training_result(name)).identity for name in ("45k", "120k", "400k")}
    kept = read_family(run).members
    more = opened(home, family__scale=["30k", "400k"])
    assert not is_finished(more)
    family = upto_train(more).family
    assert [member.name for member in family.members] == ["45k", "120k", "30k", "400k"]
    there = [member for member in family.members if member.name != "30k"]
    assert [replace(member, predicted=0.0) for member in there] == [replace(member, predicted=0.0) for member in kept]
    down = family.members[2]
    assert down.scaled is not None
    assert down.scaled.source == "45k"
    assert down.scaled.stochastic_depth is None
    assert {name: MemberResult.load(run.folder.training_result(name)).identity for name in before} == before


def test_a_file_whose_scaled_member_is_another_network_is_refused(home: Path) -> None:
    run = opened(home, family__scale=["30k", "400k"])
    file, text = run.folder.family_file, run.folder.family_file.read_bytes()
    document = json.loads(text)
    document["members"][-1]["record"]["stage1.channels"] += 8
    write_sealed(file, {key: value for key, value in document.items() if key != "seal"})
    with pytest.raises(DataError, match="the member 400k is not of one piece: scaling gives"):
        read_family(run)
    file.write_bytes(text)


def test_what_cannot_be_scaled_is_refused_before_anything_is_computed(home: Path) -> None:
    with pytest.raises(ConfigError, match="takes FLOPs budgets above 0"):
        opened(home, family__scale=[{"params": 1000}])
    with pytest.raises(ConfigError, match="more than once"):
        opened(home, family__scale=["45k"])
    with pytest.raises(ConfigError, match=r"family\.scale: scaling makes stages of MBConv blocks"):
        preview(load_config("finetune", {"family.scale": ["123M"], "data.name": "digits"}))
