"""Who proposes augmentation: against autograd, enumeration, and a bandit whose best setting is known."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from nars.recipe import BUILT_IN, LearnedPolicy, Online, OnlinePolicy, Recipe, RecipeError, read_policy
from nars.recipe.learned import read_by
from nars.recipe.online import reinforce, softmax, standardized

CHOICES = {"augment": ("none", "randaugment", "trivialaugment"), "magnitude": (5, 9), "erasing": (0.0, 0.25, 0.5)}


def policy(seed: int = 0, learning_rate: float = 0.5) -> OnlinePolicy:
    return OnlinePolicy(CHOICES, learning_rate=learning_rate, rng=np.random.default_rng(seed))


def test_the_gradient_is_that_of_autograd() -> None:
    rng = np.random.default_rng(3)
    logits = [rng.normal(size=len(values)) for values in CHOICES.values()]
    rows = np.stack([rng.integers(len(values), size=6) for values in CHOICES.values()], axis=1)
    rewards = rng.uniform(30.0, 90.0, size=6)
    read = np.ones(rows.shape, dtype=np.bool_)
    read[:, 1] = rows[:, 0] == 1  # the magnitude is RandAugment's

    theta = [torch.tensor(one, requires_grad=True) for one in logits]
    objective = torch.zeros((), dtype=torch.float64)
    for row, reward in zip(rows, rewards, strict=True):
        advantage = (reward - rewards.mean()) / rewards.std()
        chance = theta[0].log_softmax(0)[row[0]] + theta[2].log_softmax(0)[row[2]]
        if row[0] == 1:
            chance = chance + theta[1].log_softmax(0)[row[1]]
        objective = objective + advantage * chance / len(rows)
    expected = torch.autograd.grad(objective, theta)
    for ours, theirs in zip(reinforce(logits, rows, read, standardized(rewards)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-12)

    # What a proposer does with it, from its flat start.
    learner = policy(learning_rate=0.7)
    learner.tell(rows, rewards.tolist())
    flat = [np.zeros(len(values)) for values in CHOICES.values()]
    for name, move in zip(CHOICES, reinforce(flat, rows, read, standardized(rewards)), strict=True):
        np.testing.assert_allclose(learner.learned.probabilities[name], softmax(0.7 * move), atol=1e-12)


def test_equal_rewards_teach_nothing() -> None:
    learner = policy()
    learner.tell(learner.ask(4), [61.0] * 4)
    assert learner.learned.probabilities["erasing"] == pytest.approx((1 / 3,) * 3)
    assert learner.learned.updates == 1


def test_it_finds_the_best_setting_of_a_bandit() -> None:
    """The reward is additive with noise as large as what a setting is worth; RandAugment only helps at magnitude 5."""

    def reward(setting: dict[str, object]) -> float:
        policy_worth = {"none": 0.0, "trivialaugment": 0.5, "randaugment": 1.0 if setting["magnitude"] == 5 else -1.0}
        erasing_worth = {0.0: 0.0, 0.25: 1.0, 0.5: 0.0}
        return 70.0 + policy_worth[str(setting["augment"])] + erasing_worth[setting["erasing"]] + noise.normal()  # type: ignore[index]

    best = {"augment": "randaugment", "magnitude": 5, "erasing": 0.25}
    for seed in range(3):
        learner, noise = policy(seed, learning_rate=0.2), np.random.default_rng(100 + seed)
        for _ in range(300):
            rows = learner.ask(4)
            learner.tell(rows, [reward(learner.setting(row)) for row in rows])
        learned = learner.learned
        assert learned.most_likely == best
        assert min(max(shares) for shares in learned.probabilities.values()) > 0.8


def test_draws_have_the_learned_frequencies() -> None:
    shares = {"augment": (0.6, 0.1, 0.3), "magnitude": (0.2, 0.8), "erasing": (0.0, 1.0, 0.0)}
    learned = LearnedPolicy(choices=CHOICES, probabilities=shares, updates=7)
    rng = np.random.default_rng(0)
    drawn = [learned.draw(rng) for _ in range(4000)]
    assert {setting["erasing"] for setting in drawn} == {0.25}
    for name, value, share in (("augment", "none", 0.6), ("augment", "randaugment", 0.1), ("magnitude", 9, 0.8)):
        found = np.mean([setting[name] == value for setting in drawn])
        assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / len(drawn))
    assert learned.most_likely == {"augment": "none", "erasing": 0.25}  # the most likely of all rows, by enumeration:
    chances = {
        row: np.prod([shares[name][place] for name, place in zip(CHOICES, row, strict=True)])
        for row in product(*(range(len(values)) for values in CHOICES.values()))
    }
    likeliest = max(chances, key=lambda row: chances[row])
    named = {name: CHOICES[name][place] for name, place in zip(CHOICES, likeliest, strict=True)}
    assert read_by(named) == learned.most_likely


def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been() -> None:
    straight, told = policy(5), [60.0, 62.0, 59.0]
    straight.tell(straight.ask(3), told)
    resumed = policy(6)
    resumed.load_state_dict(json.loads(json.dumps(straight.state_dict())))
    for _ in range(3):
        rows = straight.ask(3)
        assert (rows == resumed.ask(3)).all()
        straight.tell(rows, told)
        resumed.tell(rows, told)
    assert straight.learned == resumed.learned


def test_the_built_in_choices_are_those_of_a_recipe() -> None:
    assert Online(choices=BUILT_IN).copies == 4
    for name, values in BUILT_IN.items():
        for value in values:
            assert (
                getattr(Recipe.from_dict({"learning_rate": 0.1, "augment": "randaugment", name: value}), name) == value
            )


def test_a_learned_policy_is_read_again_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    learner = policy()
    rows = np.array([[1, 0, 1], [0, 0, 0]])
    learner.tell(rows, [62.0, 60.0])
    file, recipe = tmp_path / "policy.json", Recipe(learning_rate=0.02, optimizer="sgd", dropout=0.2)
    learner.learned.save(file, recipe)
    assert read_policy(file) == learner.learned
    whole = Recipe.from_dict(json.loads(file.read_text())["recipe"])
    assert whole == Recipe(
        learning_rate=0.02, optimizer="sgd", dropout=0.2, augment="randaugment", magnitude=5, erasing=0.25
    )

    good = json.loads(file.read_text())
    for change, said in (
        ({"settings": {}}, "at least one of mixup, augment"),
        ({"settings": {"rotation": {"choices": [1], "probabilities": [1.0]}}}, "rotation"),
        (
            {"settings": {"mixup": {"choices": [0.0, 0.2], "probabilities": [0.5, 0.6]}}},
            "probabilities of mixup .* sum 1",
        ),
        ({"settings": {"mixup": {"choices": [0.0, 0.2], "probabilities": [1.0]}}}, "one for each choice; got 1"),
        ({"settings": {"mixup": {"choices": [0.0, 0.0], "probabilities": [0.5, 0.5]}}}, "each once"),
        ({"settings": {"erasing": {"choices": [2.0], "probabilities": [1.0]}}}, "erasing must be a number from 0 to 1"),
        ({"settings": [1]}, "it lacks updates, or settings"),
    ):
        file.write_text(json.dumps(good | change))
        with pytest.raises(RecipeError, match=f"{file} must hold a learned augmentation policy: .*{said}") as caught:
            read_policy(file)
        assert len(str(caught.value).splitlines()) == 1
    for text, said in (("{", "Expecting"), ('{"updates": 1}', "it lacks updates, or settings")):
        file.write_text(text)
        with pytest.raises(RecipeError, match=said):
            read_policy(file)
    with pytest.raises(RecipeError, match="there is no such file"):
        read_policy(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"copies": 1}, "copies must be >= 2"),
        ({"chunk": 0}, "chunk must be >= 1"),
        ({"learning_rate": 0.0}, "learning_rate must be > 0"),
        ({"choices": {"dropout": (0.0, 0.1)}}, "a setting of augmentation must be one of mixup"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Online(**{"choices": CHOICES, **wrong})  # type: ignore[arg-type]
