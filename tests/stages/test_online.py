"""A run whose final training learns its augmentation: plan, settings, what it leaves, and who trains by that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from small_run import run_with_family

from nars.errors import ConfigError
from nars.export import read_card
from nars.recipe import BUILT_IN, Drawn, Online, read_policy
from nars.report import write_report
from nars.run import Run, check, execution, load_config, open_run, preview
from nars.run.config import Final
from nars.run.fidelity import final_augmenting, final_settings, learned_choices
from nars.run.previewing import _seconds
from nars.run.rehearsing import rehearse
from nars.run.settled import settings_of
from nars.space import load_space
from nars.stages import export, load_family, train

CONFIG = """
name: small
space: digits
data: {name: digits, validation: 0.75, flip: false, crop: 0.0, max_train: 120}
flops: {low: 0.11M, high: 0.25M}
pretraining: {pool: 64}
collect: {rounds: 1, per_round: 2, epochs: 2, warmup_epochs: 0, batch_size: 48}
search: {budgets: [0.15M]}
final: {epochs: 2, warmup_epochs: 0, policy: online, online: {copies: 2}, teacher: none, batch_size: 96, ema_decay: 0.9}
"""

Open = Callable[..., Run]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path / "small.yaml"


@pytest.fixture
def opened(config: Path, tmp_path: Path) -> Open:
    """A run whose one member is drawn from the space instead of searched."""

    def make(name: str = "run", **final: Any) -> Run:
        return run_with_family(config, tmp_path / name, {"150k": 0.15e6}, **final)

    return make


def test_what_is_learned_is_kept_exported_reported_and_drawn_from(opened: Open) -> None:
    run = opened()
    family = load_family(run)
    assert family is not None
    trained = train(run, family)
    kept = run.folder.training("150k") / "policy.json"
    learned = read_policy(kept)
    assert learned.updates == 2
    assert learned.choices.keys() == BUILT_IN.keys()
    assert set(learned.choices["mixup"]) < set(run.space.values("recipe.mixup"))

    card = export(run, trained).cards["150k"]
    folder = run.folder.member("150k")
    assert (folder / "policy.json").read_bytes() == kept.read_bytes()
    assert read_card(folder) == card
    assert dict(card.recipe) == json.loads(kept.read_text())["recipe"]
    assert card.recipe["crop"] == learned.most_likely["crop"]
    assert "final.policy=policy.json" in (folder / "README.md").read_text()
    assert "augmentation of 150k, learned; likeliest" in write_report(run.folder).read_text()

    by_file = opened("other", policy=str(kept))
    other = load_family(by_file)
    assert other is not None
    assert final_augmenting(by_file.config, lambda: by_file.space) == Drawn(policy=learned)
    drawn = train(by_file, other).results["150k"]
    assert len(drawn.losses) == 2
    assert drawn.losses != trained.results["150k"].losses


def test_the_plan_says_what_is_learned_from_what_and_how_long_it_takes(config: Path) -> None:
    console = Console(width=300)
    asked = {"final.epochs": 30, "final.online.copies": 3, "final.online.chunk": 2}
    learning, fixed = (load_config(config, asked | {"final.policy": policy}) for policy in ("online", "none"))
    with console.capture() as capture:
        console.print(preview(learning))
    for said in (
        "1 x 30 epochs x 3 copies",
        "3 copies, each with settings of its own, the best goes on after each 2 epochs (15 updates",
        "validation images",
        "the test images have no part in it",
        "Choices of the space: mixup 0, 0.1, 0.2, 0.3, 0.4.",
        "Built-in choices, as the space has none: augment none, randaugment, trivialaugment; magnitude 5, 9, 13;",
    ):
        assert said in " ".join(capture.get().replace("│", " ").split())

    how, checked = execution(device="cpu"), check(learning)
    pace = rehearse(learning, how, checked.space)
    (search, thrice), (same, once) = (_seconds(each, how, checked, pace) for each in (learning, fixed))
    assert (search, thrice) == (same, pytest.approx(3 * once))
    assert any(text.startswith("final.online: has no effect with final.policy none") for text in check(fixed).warnings)


def test_the_space_says_what_is_learned_and_built_in_choices_the_rest(config: Path) -> None:
    rich = load_space("cifar10-rich")
    assert learned_choices(rich)["magnitude"] == (3, 9, 12, 15, 21)
    assert learned_choices(rich)["augment"] == ("none", "randaugment", "trivialaugment", "autoaugment-cifar10")
    plain = learned_choices(load_space("cifar10"))
    assert plain | {"mixup": ()} == dict(BUILT_IN) | {"mixup": ()}
    assert plain["mixup"] == (0.0, 0.1, 0.2, 0.3, 0.4)  # of 21
    assert "crop" not in learned_choices(load_space("cifar10"), "resized")  # it would pad in place of random parts
    asked = load_config(config, {"final.online": {"copies": 5, "chunk": 2, "learning_rate": 0.1}})
    assert final_augmenting(asked, lambda: rich) == Online(
        choices=learned_choices(rich), copies=5, chunk=2, learning_rate=0.1
    )
    assert final_settings(asked, images=None).augmentation.policy == "none"
    fixed = load_config(config, {"final.policy": "randaugment"})
    assert final_augmenting(fixed, lambda: rich) is None


def test_settings_of_trainings_before_it_are_what_they_were() -> None:
    document = settings_of(Final(policy="none"), choices=[1], teacher="none", origin="x")["final"]
    assert "online" not in document
    assert (
        settings_of(Final(policy="online"), choices=[1], teacher="none", origin="x")["final"]["online"]["copies"] == 4
    )


@pytest.mark.parametrize(
    ("final", "said"),
    [
        ({"policy": "auto"}, r"final\.policy: must be one of none, .*online, or the policy\.json of .*got 'auto'"),
        ({"policy": "absent.json"}, r"final\.policy: .*absent\.json must hold .*there is no such file"),
        ({"online.copies": 1}, r"final\.online\.copies: must be greater than or equal to 2; got 1"),
        ({"online.learning_rate": 0}, r"final\.online\.learning_rate: must be greater than 0; got 0"),
        ({"online.chunk": 3}, r"final\.online\.chunk: must be no longer than the training \(final\.epochs 2\), got 3"),
        ({"online.copy": 3}, r"unknown key 'copy'; allowed are chunk, copies, learning_rate; did you mean copies"),
    ],
)
def test_wrong_settings_give_one_error(config: Path, tmp_path: Path, final: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        open_run(load_config(config, {f"final.{key}": value for key, value in final.items()}), tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
