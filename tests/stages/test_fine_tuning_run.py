"""Networks of timm from a space file to exported members: weights of a file, several normalizations, another metric."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small_run import run_with_family

from nars.export import read_card, read_config, verify
from nars.report import read_findings, write_report
from nars.run import Run
from nars.stages import Family, TrainedFamily, export, train
from nars.stages.members import Member, read_family
from nars.stages.training import architecture_of
from nars.train import MemberResult, read_mistakes

SPACE = """
name: pretrained
kind: timm
architecture:
  resolution: 24
  model: [test_resnet, test_efficientnet]
  weights: {test_resnet: none, test_efficientnet: w.safetensors}
recipe:
  learning_rate: {low: 0.002, high: 0.05, count: 5, scale: log}
  freeze: features
  ema: false
"""
CONFIG = """
name: fine
space: space.yaml
metric: macro_f1
data: {name: digits, validation: 0.5, flip: false, crop: 0.0, max_train: 120}
collect: {rounds: 2, per_round: 3, epochs: 1, warmup_epochs: 0, batch_size: 48}
search: {budgets: [1.3M, 2450112]}
final: {epochs: 1, warmup_epochs: 0, policy: none, batch_size: 96, label_smoothing: 0.0}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("fine")
    torch.manual_seed(3)
    model = timm.create_model("test_efficientnet", num_classes=1000)
    save_file(model.state_dict(), folder / "w.safetensors")
    (folder / "space.yaml").write_text(SPACE)
    (folder / "run.yaml").write_text(CONFIG)
    run = run_with_family(folder / "run.yaml", folder / "out", {"small": 1.3e6, "large": 2450112.0})
    family = read_family(run)
    trained = train(run, family)
    export(run, TrainedFamily(family=replace(family, members=(pretrained_in(family),)), results=trained.results))
    return run


def pretrained_in(family: Family) -> Member:
    """The one that is exported."""
    return next(member for member in family.members if member.record["model"] == "test_efficientnet")


@pytest.mark.slow
def test_members_are_trained_from_the_weights_and_normalized_as_they_want_it(run: Run) -> None:
    family = read_family(run)
    started = load_file(run.folder.path.parent / "w.safetensors")
    for member in family.members:
        seen = run.final_images.seen_by(architecture_of(run, member)).mean.tolist()
        weights = load_file(run.folder.training_result(member.name).with_name("model.safetensors"))
        built = timm.create_model(str(member.record["model"]), num_classes=10, in_chans=1)
        assert {name: v.shape for name, v in weights.items()} == {n: v.shape for n, v in built.state_dict().items()}
        cfg = timm.get_pretrained_cfg("test_efficientnet")
        assert cfg is not None
        mean = (sum(cfg.mean) / 3,)
        if member.record["model"] == "test_efficientnet":
            assert seen == pytest.approx(mean)
            assert read_config(run.folder.member(member.name)).mean == pytest.approx(mean)
            assert max(read_card(run.folder.member(member.name)).max_difference.values()) <= 1e-4
            assert torch.equal(weights["blocks.1.0.conv_exp.weight"], started["blocks.1.0.conv_exp.weight"])
        else:
            assert seen == pytest.approx(run.final_images.at(24).mean.tolist())
    assert {member.record["model"] for member in family.members} == {"test_resnet", "test_efficientnet"}
    pretrained = pretrained_in(family)
    test = run.final_images.seen_by(architecture_of(run, pretrained)).test
    assert verify(run.folder.member(pretrained.name), test.images, test.labels).passed


@pytest.mark.slow
def test_report_and_card_have_the_metric_and_the_classes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("small", "large"):
        result = MemberResult.load(run.folder.training_result(name))
        assert result.metric == "macro_f1"
        assert result.test == result.test_scores["macro_f1"]
    home = run.folder.member(pretrained_in(read_family(run)).name)
    card, result = read_card(home), MemberResult.load(run.folder.training_result(home.name))
    assert card.test_classes is not None
    assert card.test_classes == result.test_classes
    assert sum(card.test_classes.images) == len(run.final_images.test)
    readme = (home / "README.md").read_text()
    assert f"| test macro f1 | {result.test:.2f} % |" in readme
    assert "## Class by class" in readme
    page = write_report(run.folder).read_text()
    assert "Class by class, on the test images" in page
    assert 'class="confusion"' in page
    assert read_findings(run.folder).metric.name == "macro_f1"
    shown = page.count("<img")
    monkeypatch.setattr("nars.report.page._LARGEST", len(page) - 1)
    assert 0 < write_report(run.folder).read_text().count("<img") < shown


@pytest.mark.slow
def test_the_mistakes_of_a_member_are_those_of_its_confusion_matrix(run: Run) -> None:
    test, classes = run.final_images.at(24).test, run.final_images.classes
    for name in ("small", "large"):
        result = MemberResult.load(run.folder.training_result(name))
        assert result.test_classes is not None
        wrong = np.array(result.test_classes.confusion)
        np.fill_diagonal(wrong, 0)
        mistakes = read_mistakes(result.weights.parent)
        assert len(mistakes) == min(24, int(np.minimum(wrong, 3).sum())) > 0
        for one in mistakes:
            truth, taken = classes.index(one.truth), classes.index(one.taken)
            assert wrong[truth, taken] > 0
            assert 1 / len(classes) < one.sure > one.doubt
            picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(one.picture.partition(",")[2]))))
            of_class = test.images[test.labels == truth].numpy()
            assert (of_class == picture.reshape(-1, *picture.shape[:2])).all(axis=(1, 2, 3)).any()
