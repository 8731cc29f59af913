"""A recipe for any network of timm: `architecture: timm:NAME` in a space file, and its search."""

from pathlib import Path

import pytest
import timm
from small_run import HOW, upto_search

from nars.run import Silent, load_config, open_run
from nars.space import SpaceError, load_space

SPACE = """
name: any-network
{}
recipe:
  learning_rate: {{low: 0.002, high: 0.05, count: 5, scale: log}}
  optimizer: [rmsprop, sgd]
  ema: [true, false]
"""
SHORT = "architecture: timm:test_efficientnet"
LONG = "kind: timm\narchitecture: {model: test_efficientnet, resolution: 160}"
SMALL = "kind: timm\narchitecture: {model: test_resnet, resolution: 24}"
CONFIG = """
name: any
space: space.yaml
data: {name: digits, validation: 0.5, flip: false, crop: 0.0, max_train: 60}
pretraining: {pool: 20, preset: paper}
collect: {rounds: 1, per_round: 3, epochs: 1, warmup_epochs: 0, batch_size: 30}
final: {epochs: 1, warmup_epochs: 0, policy: none, batch_size: 96, teacher: none}
"""


def test_the_short_form_is_the_long_one_at_the_resolution_of_timm(tmp_path: Path) -> None:
    for name, text in (("short", SHORT), ("long", LONG)):
        (tmp_path / f"{name}.yaml").write_text(SPACE.format(text))
    short, long = (load_space(tmp_path / f"{name}.yaml") for name in ("short", "long"))
    assert short.fingerprint == long.fingerprint
    cfg = timm.get_pretrained_cfg("test_efficientnet")
    assert cfg is not None
    assert short.values("resolution") == (cfg.input_size[-1],)
    (tmp_path / "wrong.yaml").write_text(SPACE.format("architecture: timm:resnet5000"))
    with pytest.raises(SpaceError, match=r"wrong.yaml:3: architecture: .*no model 'resnet5000'"):
        load_space(tmp_path / "wrong.yaml")


def test_a_run_searches_the_recipe_of_one_network(tmp_path: Path) -> None:
    """Its final training and export are those of `test_fine_tuning_run`."""
    (tmp_path / "space.yaml").write_text(SPACE.format(SMALL))
    (tmp_path / "run.yaml").write_text(CONFIG)
    run = open_run(load_config(tmp_path / "run.yaml"), tmp_path / "out", execution=HOW, reporter=Silent())
    (member,) = upto_search(run).members
    assert member.record["model"] == "test_resnet"
    assert member.record["recipe.optimizer"] in ("rmsprop", "sgd")
