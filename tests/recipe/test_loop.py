import copy
import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nars.images import ImageData, Split
from nars.recipe import (
    Augmentation,
    DivergedError,
    Normalizer,
    Recipe,
    RecipeError,
    Schedule,
    Teaching,
    TrainingLoop,
    TrainingSettings,
    evaluate,
)
from nars.recipe.loop import _exact
from nars.recipe.loss import mixed_answers

FULL = Recipe(
    learning_rate=0.02,
    optimizer="rmsprop",
    dropout=0.2,
    stochastic_depth=0.2,
    mixup=0.2,
    weight_decay=1e-5,
    label_smoothing=0.1,
)


RICH = {
    "augment": "randaugment",
    "operations": 1,
    "color": 0.3,
    "erasing": 0.3,
    "crop": 0.2,
    "cutmix": 1.0,
    "loss": "poly1",
    "regularizer": "disout",
    "batch_size": 32,
    "schedule": "cosine",
    "warmup": 0.2,
}
"""All that a recipe may say beside the paper's settings."""


SETTINGS = TrainingSettings(
    schedule=Schedule(epochs=8, warmup_epochs=1, kind="cosine"),
    batch_size=32,
    ema_decay=0.9,
    augmentation=Augmentation(flip=False),
)


def _loop(
    model: nn.Module,
    data: ImageData,
    recipe: Recipe = FULL,
    *,
    seed: int = 7,
    teaching: Teaching | None = None,
    **changes: Any,
) -> TrainingLoop:
    return TrainingLoop(model, recipe, data, replace(SETTINGS, **changes), seed=seed, teaching=teaching)


def _weights(loop: TrainingLoop) -> list[torch.Tensor]:
    states = [loop.model.state_dict()] + ([] if loop.ema_model is None else [loop.ema_model.state_dict()])
    return [value.clone() for state in states for value in state.values()]


def _equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "said", [{"optimizer": "rmsprop"}, {"optimizer": "sgd"}, {"optimizer": "adamw"}, {"optimizer": "lamb"}, RICH]
)
@pytest.mark.parametrize("stop", [1, 7, 10, 13])
def test_a_saved_and_loaded_training_ends_in_the_same_bits(
    network: nn.Module, digits: ImageData, said: dict[str, Any], stop: int
) -> None:
    recipe = Recipe.from_dict(FULL.to_dict() | said)
    fresh = copy.deepcopy(network)
    straight = _loop(copy.deepcopy(network), digits, recipe)
    losses = [straight.train_epoch().loss for _ in range(2)]

    first = _loop(network, digits, recipe)
    for _ in range(stop):
        first.train_epoch(max_steps=1)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    torch.rand(17)  # what happens to the global generator in between must not matter
    second = _loop(fresh, digits, recipe)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert (second.epoch, second.step) == divmod(stop, 10)
    while second.epoch < 2:
        stats = second.train_epoch()
    assert stats.loss == losses[1]
    assert _equal(_weights(straight), _weights(second))


class NoFloat64(TorchDispatchMode):
    """As on Apple's GPUs, which have none."""

    def __torch_dispatch__(self, of: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = of(*args, **(kwargs or {}))
        for found in tree_leaves(out):
            assert not (isinstance(found, torch.Tensor) and found.dtype == torch.float64), of
        return out


@pytest.mark.parametrize("optimizer", ["rmsprop", "sgd", "adamw", "lamb"])
def test_a_training_needs_no_float64_where_there_is_none(
    network: nn.Module, digits: ImageData, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    assert _exact(torch.device("mps")) == torch.float32
    monkeypatch.setattr("nars.recipe.loop._exact", lambda _: torch.float32)
    recipe = Recipe.from_dict(FULL.to_dict() | RICH | {"optimizer": optimizer})
    with NoFloat64():
        loop = _loop(network, digits, recipe)
        loop.train_epoch(max_steps=3)
        loop.accuracy(digits.validation, ema=True)
        loop.load_state_dict(loop.state_dict())
    elsewhere = loop.state_dict() | {"loss": torch.ones((), dtype=torch.float64)}  # of a machine that has it
    loop.load_state_dict(elsewhere)
    assert loop.state_dict()["loss"].dtype == torch.float32


def test_the_global_generator_is_left_alone(network: nn.Module, digits: ImageData) -> None:
    before = torch.get_rng_state()
    _loop(network, digits).train_epoch()
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_trains_other_weights(network: nn.Module, digits: ImageData) -> None:
    loops = [_loop(copy.deepcopy(network), digits, seed=seed) for seed in (1, 2)]
    for loop in loops:
        loop.train_epoch(max_steps=2)
    assert not _equal(_weights(loops[0]), _weights(loops[1]))


def test_it_learns_the_digits(network: nn.Module, digits: ImageData) -> None:
    schedule = Schedule(epochs=30, warmup_epochs=1, kind="cosine")
    loop = _loop(network, digits, Recipe(learning_rate=0.02), schedule=schedule, ema_decay=0.99)
    while loop.epoch < 30:
        loop.train_epoch()
    assert loop.accuracy(digits.validation) > 60.0
    assert loop.accuracy(digits.validation, ema=True) > 60.0
    with pytest.raises(RecipeError, match="schedule ends"):
        loop.train_epoch()


@pytest.mark.parametrize("tau", [None, 2.0])
def test_the_first_step_is_the_one_written_out_by_hand(
    network: nn.Module, digits: ImageData, tau: float | None
) -> None:
    recipe = Recipe(learning_rate=0.01, optimizer="sgd", ema=False, label_smoothing=0.1)
    if tau is not None:
        recipe = replace(recipe, class_balance="logit_adjustment", balance_tau=tau)
        rare = digits.train.labels < 5  # of which every other one goes
        digits = _without(digits, rare & (torch.arange(len(rare)) % 2 == 0))
    plain = copy.deepcopy(network)
    _without_drops(plain)
    _without_drops(network)
    loop = _loop(
        network,
        digits,
        recipe,
        batch_size=320,
        augmentation=Augmentation(crop=0.0, flip=False),
        schedule=Schedule(epochs=4, warmup_epochs=2),
    )
    stats = loop.train_epoch()
    # One step of all images: their order only changes the rounding.
    x = (digits.train.images.float() / 255 - digits.mean.view(1, -1, 1, 1)) / digits.std.view(1, -1, 1, 1)
    shift = (tau or 0.0) * (torch.bincount(digits.train.labels) / len(digits.train)).log()
    loss = nn.functional.cross_entropy(plain.train()(x) + shift, digits.train.labels, label_smoothing=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert stats.learning_rate == pytest.approx(4 * 0.01 * 0.25)
    assert stats.loss == pytest.approx(loss.item(), rel=1e-5)
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        assert theirs.grad is not None
        torch.testing.assert_close(ours, theirs - stats.learning_rate * theirs.grad, rtol=1e-4, atol=1e-6)


def _without(data: ImageData, left_out: torch.Tensor) -> ImageData:
    train = data.train
    assert isinstance(train, Split)
    return replace(data, train=Split(images=train.images[~left_out], labels=train.labels[~left_out]))


def _without_drops(model: nn.Module) -> None:
    for module in model.modules():
        if hasattr(module, "drop_rate"):
            module.drop_rate = 0.0
        if hasattr(module, "drop_prob"):
            module.drop_prob = 0.0


def test_a_student_of_a_teacher_alone_learns_its_answers(network: nn.Module, digits: ImageData) -> None:
    teacher = copy.deepcopy(network)
    teacher_before = [value.clone() for value in teacher.state_dict().values()]
    teaching = Teaching(network=teacher, weight=1.0)
    loop = _loop(network, digits, Recipe(learning_rate=0.01, optimizer="adamw"), teaching=teaching)
    losses = [loop.train_epoch().loss for _ in range(4)]
    assert losses[-1] < losses[0]
    assert _equal([value.clone() for value in teacher.state_dict().values()], teacher_before)
    assert not teacher.training


def test_a_teacher_sees_the_batch_at_its_own_resolution(network: nn.Module, digits: ImageData) -> None:
    class Watch(nn.Module):
        seen: tuple[int, ...] = ()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = tuple(x.shape)
            return torch.zeros(len(x), 10)

    teacher = Watch()
    _loop(network, digits, teaching=Teaching(network=teacher, resolution=12)).train_epoch(max_steps=1)
    assert teacher.seen == (32, 1, 12, 12)


def test_a_teacher_sees_clean_images_where_it_is_told_to_and_labels_are_off_at_weight_1(
    network: nn.Module, digits: ImageData
) -> None:
    class Watch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.zeros(len(x), 10)

    def train(sees: Any, labels: torch.Tensor) -> list[torch.Tensor]:
        seen.clear()
        train = Split(images=digits.train.images, labels=labels)  # type: ignore[union-attr]
        recipe = Recipe(learning_rate=0.02, erasing=1.0)
        teaching = Teaching(network=Watch(), weight=1.0, temperature=2.0, sees=sees)
        loop = _loop(copy.deepcopy(network), replace(digits, train=train), recipe, teaching=teaching, accumulation=2)
        loop.train_epoch(max_steps=2)
        return _weights(loop)

    seen: list[torch.Tensor] = []
    labels = digits.train.labels
    weights = train("clean", labels)
    assert len(seen) == 4  # two parts of two steps
    assert torch.count_nonzero(seen[0] == 0) == 0
    assert _equal(weights, train("augmented", labels))  # this teacher always answers alike
    assert torch.count_nonzero(seen[0] == 0) > 100
    assert _equal(weights, train("clean", labels.flip(0)))


def test_a_teacher_who_looks_once_says_the_same_where_nothing_varies_and_mixes_its_answers_as_labels(
    network: nn.Module, digits: ImageData
) -> None:
    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.images = copy.deepcopy(network), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.images += len(x)
            said: torch.Tensor = 20 * self.network(x)
            return said

    def losses(sees: Any, mixup: float) -> list[float]:
        teacher = Counted()
        teaching = Teaching(network=teacher, weight=1.0, resolution=12, sees=sees)
        settings = TrainingSettings(
            schedule=Schedule(epochs=3, warmup_epochs=0.0), batch_size=32, augmentation=Augmentation(crop=0, flip=False)
        )
        recipe = Recipe(learning_rate=0.02, mixup=mixup)
        loop = TrainingLoop(copy.deepcopy(network), recipe, digits, settings, seed=0, teaching=teaching)
        found = [loop.train_epoch().loss for _ in range(2)]
        looks = len(digits.train) if sees == "whole" else 2 * 32 * loop.steps_per_epoch
        assert teacher.images == looks
        return found

    # A half-precision answer is all the difference.
    assert losses("whole", 0.0) == pytest.approx(losses("augmented", 0.0), rel=2e-3)
    assert losses("whole", 0.4) != pytest.approx(losses("augmented", 0.4), rel=2e-3)  # it never saw the mixtures
    said = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 3.0):
        told = torch.softmax(mixed_answers(said, 0.3, temperature=temperature) / temperature, dim=1)
        each = torch.softmax(said / temperature, dim=1)
        assert torch.allclose(told, 0.3 * each + 0.7 * each.flip(0), atol=1e-6)
    assert mixed_answers(said, 1.0) is said


def test_a_teacher_as_it_always_was_is_described_as_it_always_was(network: nn.Module) -> None:
    assert Teaching(network=network).described() == {"distillation": 0.8, "teacher_resolution": None}
    other = Teaching(network=network, temperature=2.0, sees="clean").described()
    assert other | {"distillation": 1} == {
        "distillation": 1, "teacher_resolution": None, "teacher_temperature": 2.0, "teacher_sees": "clean"
    }  # fmt: skip
    with pytest.raises(RecipeError, match="temperature must be > 0; got 0"):
        Teaching(network=network, temperature=0.0)
    with pytest.raises(RecipeError, match="augmented or clean"):
        Teaching(network=network, sees="both")  # type: ignore[arg-type]


def test_divergence_is_an_error_of_its_own(network: nn.Module, digits: ImageData) -> None:
    loop = _loop(network, digits, Recipe(learning_rate=1e30, optimizer="sgd"))
    with pytest.raises(DivergedError, match="learning rate"):
        loop.train_epoch()


def test_a_state_of_other_settings_is_refused(network: nn.Module, digits: ImageData) -> None:
    state = _loop(copy.deepcopy(network), digits).state_dict()
    with pytest.raises(RecipeError, match="batch_size: 32 there, 16 here"):
        _loop(network, digits, batch_size=16).load_state_dict(state)


def test_another_recipe_takes_a_training_over_at_the_end_of_an_epoch(network: nn.Module, digits: ImageData) -> None:
    def loop(**said: Any) -> TrainingLoop:
        return _loop(copy.deepcopy(network), digits, Recipe.from_dict(FULL.to_dict() | {"optimizer": "sgd"} | said))

    first, same, other = loop(), loop(), loop(learning_rate=0.004, weight_decay=1e-3, mixup=0.0)
    first.train_epoch()
    state = first.state_dict()
    for taker in (same, other):
        taker.take_over(state)
        assert taker.epoch == 1
        assert _equal(_weights(taker), _weights(first))
    stats = other.train_epoch(max_steps=1)
    assert stats.learning_rate == pytest.approx(0.2 * first.train_epoch(max_steps=1).learning_rate)
    taken = other.state_dict()["optimizer"]["param_groups"]
    assert sorted(group["weight_decay"] for group in taken) == [0.0, 1e-3]
    first.train_epoch()
    same.train_epoch()
    assert _equal(_weights(same), _weights(first))  # the moments came along
    (adaptive := loop(optimizer="adamw")).take_over(state)  # which another optimizer has no use for
    assert not adaptive.state_dict()["optimizer"]["state"]
    with pytest.raises(RecipeError, match="end of an epoch"):
        loop().take_over(other.state_dict())
    with pytest.raises(RecipeError, match="ema_decay"):
        _loop(network, digits, ema_decay=0.5).take_over(state)


def test_accuracy_is_sklearns(network: nn.Module, digits: ImageData) -> None:
    normalize = Normalizer(digits.mean, digits.std, device=torch.device("cpu"))
    with torch.inference_mode():
        predicted = network.eval()(normalize(digits.validation.images)).argmax(1)
    network.train()
    expected = 100 * accuracy_score(digits.validation.labels, predicted)
    assert evaluate(network, digits.validation, normalize, batch_size=50) == pytest.approx(expected)
    assert network.training


def test_what_cannot_be_trained_or_measured_is_refused(network: nn.Module, digits: ImageData) -> None:
    loop = _loop(network, digits, Recipe(learning_rate=0.01, ema=False))
    with pytest.raises(RecipeError, match="moving average"):
        loop.accuracy(digits.validation, ema=True)
    with pytest.raises(RecipeError, match="no images"):
        loop.accuracy(Split(images=digits.test.images[:0], labels=digits.test.labels[:0]))
    with pytest.raises(RecipeError, match="distillation"):
        Teaching(network=network, weight=1.1)
    for change in (
        {"batch_size": 0},
        {"seed": -1},
        {"ema_decay": 1.0},
        {"learning_rate_scale": 0.0},
        {"accumulation": 0},
    ):
        with pytest.raises(RecipeError, match=f"{next(iter(change))} must be .*; got"):
            _loop(network, digits, **change)  # type: ignore[arg-type]


def test_fidelity_is_text_that_old_stores_have_and_tells_trainings_apart() -> None:
    text = TrainingSettings(schedule=Schedule(epochs=3, warmup_epochs=1), batch_size=48).fidelity(2)
    assert text == (  # written before there were accumulation and channels_last
        '{"amp":false,"augmentation":{"border":"reflect","crop":0.125,"erasing":0.0,"flip":true,"policy":"none"},'
        '"batch_size":48,"ema_decay":0.99985,"epochs":2,"learning_rate_scale":1.0,'
        '"schedule":{"decay":0.963,"epochs":3,"kind":"exponential","warmup_epochs":1}}'
    )
    changes: list[dict[str, Any]] = [{"batch_size": 16}, {"accumulation": 2}, {"amp": True}, {"channels_last": False}]
    changes.append({"schedule": Schedule(epochs=8, warmup_epochs=0)})
    assert len({replace(SETTINGS, **change).fidelity(3) for change in [{}, *changes]} | {SETTINGS.fidelity(2)}) == 7
    assert replace(SETTINGS, compiler="inductor").fidelity(3) == SETTINGS.fidelity(3)
