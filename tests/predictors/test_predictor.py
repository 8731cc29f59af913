"""The predictor: what it learns, that it repeats, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from nars.errors import PredictorError
from nars.metric import Metric
from nars.predictors import PRESETS, Predictor, PredictorSettings, kendall, load_predictor, save_predictor
from nars.predictors.fitting import fit_members
from nars.space import Space, load_space, sobol


@pytest.fixture(scope="module")
def space() -> Space:
    return load_space("digits")


@pytest.fixture(scope="module")
def encoding(space: Space) -> np.ndarray:
    return space.encode(sobol(space, 1024, seed=0))


def truth(space: Space, encoding: np.ndarray) -> np.ndarray:
    """Accuracy that grows with log FLOPs and has a best learning rate: of the kind a search meets."""
    costs = space.costs(space.decode(encoding))
    recipe = encoding[:, space.architecture_width :]
    return 90 + 3 * np.log(costs["flops"] / 5e5) - 8 * (recipe[:, 0] - 0.6) ** 2


_PRETRAINED: dict[tuple[str, int], Predictor] = {}


def pretrained(space: Space, encoding: np.ndarray, preset: str) -> Predictor:
    """On the first candidates of `encoding`; made once, as no fit changes it."""
    of = preset, len(encoding)
    if of not in _PRETRAINED:
        _PRETRAINED[of] = Predictor.pretrained(space, space.decode(encoding), settings=PRESETS[preset], seed=3)
    return _PRETRAINED[of]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_it_ranks_what_it_has_not_seen_and_repeats_bit_by_bit(space, encoding, preset) -> None:
    y = truth(space, encoding)
    first = pretrained(space, encoding, preset).fit(encoding[:150], y[:150], seed=5)
    anew = Predictor.pretrained(space, space.decode(encoding), settings=PRESETS[preset], seed=3)
    again = anew.fit(encoding[:150], y[:150], seed=5)
    prediction = first.predict(encoding[150:])
    assert kendall(prediction.mean, y[150:]) > {"paper": 0.6, "default": 0.85}[preset]
    assert (prediction.std > 0).all()
    np.testing.assert_array_equal(prediction.mean, again.predict(encoding[150:]).mean)
    np.testing.assert_array_equal(prediction.mean, first.predict_mean(encoding[150:]))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_what_is_alike_is_told_to_err_together(space, encoding, preset) -> None:
    model = pretrained(space, encoding, preset).fit(encoding[:150], truth(space, encoding)[:150], seed=5)
    asked = np.concatenate([encoding[150:170], encoding[150:151]])  # the first one twice
    joint, single = model.predict_jointly(asked), model.predict(asked)
    np.testing.assert_array_equal(joint.mean, single.mean)
    own = joint.covariance.diagonal()
    assert (own > 0).all()
    assert (own <= single.std**2 * 1.001).all()  # without the noise of a training
    np.testing.assert_allclose(joint.covariance, joint.covariance.T, rtol=1e-5, atol=1e-5 * own.max())
    assert np.linalg.eigvalsh((joint.covariance + joint.covariance.T) / 2).min() > -1e-3 * own.max()
    if preset == "default":  # the process knows that they are one
        assert own[0] + own[-1] - 2 * joint.covariance[0, -1] < 1e-3 * own[0]


def test_the_callers_random_state_and_threads_are_left_alone(space, encoding) -> None:
    torch.manual_seed(0)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    fitted = pretrained(space, encoding[:100], "paper").fit(encoding[:20], truth(space, encoding[:20]), seed=0)
    fitted.predict(encoding)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_pretraining_holds_out_a_fifth_and_tells_flops_within_some_percent(space, encoding) -> None:
    report = pretrained(space, encoding, "default").pretraining
    assert report is not None
    assert (report.train, report.validation) == (819, 205)
    assert report.errors["flops"].relative < 0.1
    assert report.errors["flops"].correlation > 0.95


def test_statistics_come_back_in_their_own_unit(space, encoding) -> None:
    predictor = pretrained(space, encoding, "default")
    told = predictor.predict_statistics(encoding[:, : space.architecture_width])
    true = space.costs(space.decode(encoding))
    assert np.median(np.abs(told["params"] / true["params"] - 1)) < 0.1


def test_a_fit_starts_from_the_pretrained_weights_and_leaves_them(space, encoding) -> None:
    base = pretrained(space, encoding, "paper")
    before = {name: value.copy() for name, value in base.weights.items()}
    fitted = base.fit(encoding[:40], truth(space, encoding[:40]), seed=0)
    assert base.fitted is None
    assert all(np.array_equal(before[name], base.weights[name]) for name in before)
    refitted = fitted.fit(encoding[:40], truth(space, encoding[:40]), seed=0)
    np.testing.assert_array_equal(fitted.predict(encoding).mean, refitted.predict(encoding).mean)


def test_the_encoder_stays_frozen_for_the_first_phase(space, encoding) -> None:
    frozen = dataclasses.replace(PRESETS["paper"], joint_epochs=0)
    x = encoding[:40]
    base = pretrained(space, encoding, "paper")
    width = space.architecture_width
    weights, _ = fit_members(base.weights, x[:, :width], x[:, width:], np.linspace(-1, 1, 40), settings=frozen, seed=0)
    for name, value in weights.items():
        if name.startswith("tuned"):
            assert np.array_equal(value, base.weights[name.replace("tuned", "encoder")])


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_recipe_only_and_architecture_only_spaces(preset) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((200, 5)).astype(np.float32)
    y = 80 + 5 * x[:, 0] - 3 * x[:, 1]
    recipe_only = Predictor.pretrain(x[:, :0], {}, recipe_width=5, settings=PRESETS[preset], seed=0)
    assert recipe_only.pretraining is None
    assert kendall(recipe_only.fit(x[:80], y[:80], seed=0).predict(x).mean, y) > 0.8
    told = {"sum": 1 + x.sum(axis=1)}
    architecture_only = Predictor.pretrain(x, told, recipe_width=0, settings=PRESETS[preset], seed=0)
    assert kendall(architecture_only.fit(x[:80], y[:80], seed=0).predict(x).mean, y) > 0.8


def test_eighty_percent_intervals_hold_about_eighty_percent() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((800, 6)).astype(np.float32)
    y = 85 + 6 * np.sin(3 * x[:, 0]) * x[:, 1] + 0.5 * rng.normal(size=800)
    base = Predictor.pretrain(x, {"a": 1 + x[:, 0] + x[:, 1]}, recipe_width=0, settings=PRESETS["default"], seed=0)
    held = []
    for split in range(8):
        rows = rng.permutation(800)
        prediction = base.fit(x[rows[:100]], y[rows[:100]], seed=split).predict(x[rows[100:]])
        held.append(np.mean(np.abs(y[rows[100:]] - prediction.mean) < 1.2816 * prediction.std))
    assert 0.75 <= np.mean(held) <= 0.85


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("is_fitted", [True, False])
def test_saved_and_loaded_it_says_the_same(space, encoding, tmp_path: Path, preset, is_fitted) -> None:
    predictor = pretrained(space, encoding[:200], preset)
    if is_fitted:
        predictor = predictor.fit(encoding[:30], truth(space, encoding[:30]), seed=0)
    save_predictor(predictor, tmp_path / "p", space=space, data="digits", quality={"tau": 0.5})
    loaded = load_predictor(tmp_path / "p", space)
    assert loaded.settings == predictor.settings
    assert loaded.pretraining == predictor.pretraining
    if is_fitted:
        np.testing.assert_array_equal(loaded.predict(encoding).mean, predictor.predict(encoding).mean)
        np.testing.assert_array_equal(loaded.predict(encoding).std, predictor.predict(encoding).std)
    else:
        assert loaded.fitted is None


def test_files_whose_matrices_are_whole_open_as_before(space, encoding, tmp_path: Path) -> None:
    predictor = pretrained(space, encoding[:200], "default").fit(encoding[:30], truth(space, encoding[:30]), seed=0)
    card_file = save_predictor(predictor, tmp_path, space=space, data="digits")
    halves = load_file(tmp_path / "predictor.safetensors")
    assert predictor.fitted is not None
    whole = {f"process.{at}.inverse": one.arrays["inverse"] for at, one in enumerate(predictor.fitted.processes)}
    assert whole
    assert {name: halves[name].shape for name in whole} == dict.fromkeys(whole, (30 * 31 // 2,))
    save_file(halves | whole, tmp_path / "predictor.safetensors")
    card = json.loads(card_file.read_text())
    card_file.write_text(json.dumps({name: value for name, value in card.items() if name != "weights"} | {"format": 5}))
    loaded = load_predictor(tmp_path, space)
    np.testing.assert_array_equal(loaded.predict(encoding).std, predictor.predict(encoding).std)


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_best_value_that_was_seen_is_known_and_kept(space, encoding, tmp_path: Path, goal) -> None:
    y = truth(space, encoding[:40])
    base = dataclasses.replace(pretrained(space, encoding[:50], "default"), metric=Metric(name="m", goal=goal))
    assert base.best_seen is None
    fitted = base.fit(encoding[:40], y, seed=0)
    assert fitted.best_seen == pytest.approx(y.max() if goal == "maximize" else y.min())
    save_predictor(fitted, tmp_path, space=space, data="digits")
    assert load_predictor(tmp_path, space).best_seen == pytest.approx(fitted.best_seen)


def test_another_space_is_refused_with_the_reason(space, encoding, tmp_path: Path) -> None:
    save_predictor(pretrained(space, encoding[:50], "paper"), tmp_path, space=space, data="digits")
    with pytest.raises(PredictorError, match=r"made for the space 'digits'.*this\s+is 'fbnetv3'"):
        load_predictor(tmp_path, load_space("fbnetv3"))


def test_a_damaged_or_absent_predictor_is_refused(space, encoding, tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match="holds no predictor"):
        load_predictor(tmp_path / "none", space)
    save_predictor(pretrained(space, encoding[:50], "paper"), tmp_path, space=space, data="digits")
    card = tmp_path / "card.json"
    whole = card.read_text()
    other_version = json.loads(whole)
    other_version["settings"]["retired"] = 1
    card.write_text(json.dumps(other_version))
    with pytest.raises(PredictorError, match=r"this version reads .*retired"):
        load_predictor(tmp_path, space)
    card.write_text(whole)
    (tmp_path / "predictor.safetensors").write_bytes(b"rubbish")
    with pytest.raises(PredictorError, match="damaged"):
        load_predictor(tmp_path, space)


def test_wrong_input_is_refused(space, encoding) -> None:
    base = pretrained(space, encoding[:50], "paper")
    with pytest.raises(PredictorError, match="seen no accuracies"):
        base.predict(encoding)
    with pytest.raises(PredictorError, match="no sample"):
        base.fit(encoding[:3], np.array([1.0, np.nan, 2.0]), seed=0)
    with pytest.raises(PredictorError, match="one accuracy for each"):
        base.fit(encoding[:3], np.zeros(4), seed=0)
    with pytest.raises(PredictorError, match="matrix"):
        base.fit(encoding[:3, 1:], np.zeros(3), seed=0)
    with pytest.raises(PredictorError, match="one value per architecture"):
        Predictor.pretrain(encoding, {"a": np.zeros(2)}, recipe_width=0, settings=PRESETS["paper"], seed=0)
    with pytest.raises(PredictorError, match="members must be >= 1"):
        PredictorSettings(members=0)
    with pytest.raises(PredictorError, match="huber_delta must be > 0"):
        PredictorSettings(huber_delta=0)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_equal_accuracies_and_two_samples_do_not_break_it(space, encoding, preset) -> None:
    base = pretrained(space, encoding[:50], preset)
    assert np.isfinite(base.fit(encoding[:20], np.full(20, 50.0), seed=0).predict(encoding).mean).all()
    assert np.isfinite(base.fit(encoding[:2], np.array([50.0, 60.0]), seed=0).predict(encoding).std).all()


@pytest.mark.parametrize("unit", [1e-20, 1e-4, 1e22])
def test_labels_may_have_any_unit_and_be_equal_but_for_rounding(space, encoding, unit) -> None:
    base = pretrained(space, encoding[:50], "default")
    for y in (truth(space, encoding[:12]), np.full(12, 1.1)):
        found = base.fit(encoding[:12], unit * y, seed=0).predict(encoding)
        assert np.isfinite(found.mean).all()
        assert np.isfinite(found.std).all()
        assert (found.mean.mean() / unit) == pytest.approx(y.mean(), abs=5)


def test_a_loss_that_diverged_to_a_number_spoils_no_other(space, encoding) -> None:
    y, rate = 100 - truth(space, encoding), encoding[:, space.architecture_width]
    y[rate > 0.8] = 1e8
    rest = np.flatnonzero(rate[150:] <= 0.8) + 150
    metric = Metric(name="loss", goal="minimize")
    base = dataclasses.replace(pretrained(space, encoding, "default"), metric=metric)
    model = base.fit(encoding[:150], y[:150], seed=5)
    assert kendall(model.predict_mean(encoding[rest]), y[rest]) > 0.5
