"""Reasons to doubt an answer, on both sides of each threshold."""

from dataclasses import replace

import numpy as np
import pytest

from nars.metric import IMAGE_METRICS
from nars.run import RoundResult
from nars.space import load_space
from nars.stages import Answer, Evidence, doubts, evidence_of

SPREAD = 10.0


def answer(name: str = "1M", predicted: float = 80.0, std: float = 1.0, **recipe: object) -> Answer:
    return Answer(
        name=name, predicted=predicted, std=std, record={f"recipe.{key}": value for key, value in recipe.items()}
    )


def accuracies(count: int, spread: float = SPREAD, centre: float = 70.0) -> tuple[float, ...]:
    """So many values whose standard deviation is `spread`."""
    if count == 1:
        return (centre,)
    values = np.linspace(-1.0, 1.0, count)
    return tuple((centre + spread * values / values.std(ddof=1)).tolist())


SOUND = Evidence(
    answers=(answer("1M", 78.0, lr=0.01), answer("2M", 82.0, lr=0.02)),
    scales={"recipe.lr": (0.001, 0.01, 0.02, 0.1)},
    measured=accuracies(40),
    taus=((0.6, 12), (0.5, 12)),
    validation_images=1000,
)


def test_nothing_is_said_where_there_is_nothing_to_doubt() -> None:
    assert doubts(SOUND) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": (answer(std=7.1),)}, "1M: 80.00 ± 7.10 %"),
        ({"answers": (answer(std=6.9),)}, None),
        ({"answers": (answer(std=17.97),), "measured": None}, None),
        ({"taus": ((-0.2, 12),)}, "Kendall tau -0.20"),
        ({"taus": ((0.19, 12),)}, "hardly better than chance"),
        ({"taus": ((0.21, 12),)}, None),
        ({"taus": ((0.0, 12), (0.5, 36))}, None),
        ({"taus": ()}, None),
        ({"taus": ((0.5, 12), (0.0, 36))}, "Kendall tau 0.12"),
        ({"measured": accuracies(15)}, "15 trainings only"),
        ({"measured": accuracies(16)}, None),
        ({"measured": accuracies(1)}, "1 training only"),
        ({"failed": 14}, "14 of 54 trainings failed"),
        ({"failed": 13}, None),
        ({"measured": accuracies(8), "failed": 8}, "8 of 16 trainings failed"),
        ({"answers": (answer("1M", 78.0, 1.0, lr=0.01), answer("2M", 78.9, 1.2, lr=0.02))}, "78.00 to 78.90 %"),
        ({"answers": (answer("1M", 78.0, 1.0, lr=0.01), answer("2M", 79.1, 1.2, lr=0.02))}, None),
        ({"answers": (answer("1M", 78.0, 1.0, lr=0.01), answer("2M", 78.0, 1.0, lr=0.01))}, None),
        ({"best_seen": 79.9}, "2M: 82.00 ± 1.00 %; the best candidate behind the predictor has 79.90 %"),
        ({"best_seen": 80.1}, None),
        ({"validation_images": 80}, "80 validation images"),
        ({"validation_images": 90}, None),
        ({"validation_images": None}, None),
        ({"validation_images": 1}, "1 validation image,"),
    ],
)
def test_each_reason_on_both_sides_of_its_threshold(change: dict, said: str | None) -> None:
    if "validation_images" in change:
        # At 70 % right of n images, chance is 100 sqrt(.7 x .3 / n) %: 5.12 of 80, 4.83 of 90; half of the spread is 5.
        assert change["validation_images"] is None or "measured" not in change
    found = doubts(replace(SOUND, **change))
    if said is None:
        assert found == ()
    else:
        assert len(found) == 1
        assert said in found[0]
        assert found[0].endswith(".")


@pytest.mark.parametrize(
    ("scale", "value", "said"),
    [
        ((0.001, 0.01, 0.1), 0.001, "lr 0.001 (the least there is)"),
        ((0.001, 0.01, 0.1), 0.1, "lr 0.1 (the most there is)"),
        ((0.001, 0.01, 0.1), 0.01, None),
        ((0.0, 0.1, 0.3), 0.0, None),  # nothing lies below
        ((0.0, 0.1, 0.3), 0.3, "lr 0.3 (the most there is)"),
        ((0.0, 0.5, 1.0), 1.0, None),  # a share
        ((0.5, 1.0, 2.0), 2.0, "lr 2 (the most there is)"),
        ((16.0, 32.0), 32.0, None),  # of two choices each is an edge
        ((0.0, 1.0, 2.0), True, None),
        ((0.001, 0.01, 0.1), None, None),  # has no effect in this candidate
    ],
)
def test_only_an_edge_that_something_can_lie_beyond_counts(
    scale: tuple[float, ...], value: object, said: str | None
) -> None:
    found = doubts(replace(SOUND, answers=(answer(lr=value),), scales={"recipe.lr": scale}))
    assert found == () if said is None else (said in found[0] and "space file" in found[0])


def test_an_edge_names_the_members_that_are_there() -> None:
    answers = (answer("1M", 78.0, lr=0.1), answer("2M", 82.0, lr=0.02), answer("4M", 86.0, lr=0.1))
    (found,) = doubts(replace(SOUND, answers=answers))
    assert "lr 0.1 (the most there is; for 1M, 4M)" in found


def test_evidence_of_a_run_folder() -> None:
    space = load_space("digits")
    rounds = [
        RoundResult(
            round=1,
            stop_epoch=3,
            statuses={"ok": 2, "diverged": 1},
            predicted=(None, None, None),
            measured=(50.0, None, 60.0),
            tau=None,
        ),
        RoundResult(
            round=2,
            stop_epoch=3,
            statuses={"ok": 3, "diverged": 1},
            predicted=(71.0, 79.0, 60.0, 70.0),
            measured=(70.0, 80.0, None, 75.0),
            tau=1 / 3,
        ),
    ]
    found = evidence_of([answer()], space, rounds, validation_images=7)
    assert found.measured == (50.0, 60.0, 70.0, 80.0, 75.0)
    assert found.failed == 2
    assert found.taus == ((1 / 3, 3),)
    assert found.validation_images == 7
    assert found.best_seen == 80.0
    assert evidence_of([answer()], space, rounds, best_seen=83.0).best_seen == 83.0
    loss = IMAGE_METRICS["log_loss"]
    assert evidence_of([answer()], space, rounds, metric=loss).best_seen == 50.0
    assert (
        "1M: 0.5 ± 0.1" in doubts(Evidence(answers=(answer("1M", 0.5, 0.1),), scales={}, metric=loss, best_seen=0.8))[0]
    )
    rates = found.scales["recipe.learning_rate"]
    assert (len(rates), rates[0], rates[-1]) == (15, 0.002, 0.05)
    assert "recipe.optimizer" not in found.scales
    assert "stage2.channels" not in found.scales
    assert evidence_of([answer()], space, []).measured is None
