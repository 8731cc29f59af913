"""Predictors that start from other data sets': matched by name and value, overruled by samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nars.errors import PredictorError
from nars.metric import Metric
from nars.predictors import PRESETS, Predictor, Source, kendall, load_predictor, save_predictor
from nars.space import Population, Space, parse_document, read_space, sobol

SMALL = replace(PRESETS["default"], pretrain_epochs=1)
OURS = """
name: ours
kind: generic
architecture: {depth: [2, 4, 6, 8], kernel: [3, 5, 7], block: [plain, bottleneck], only_here: [a, b]}
recipe: {lr: {choices: [0.01, 0.03, 0.1, 0.3], scale: log}, decay: 0.001}
"""
THEIRS = """
name: theirs
kind: generic
architecture: {block: [bottleneck, plain, wide], depth: [2, 3, 4, 5, 6, 7, 8]}
recipe: {lr: {choices: [0.01, 0.1, 1.0], scale: log}, decay: {choices: [0.0001, 0.001], scale: log}, only_there: [x, y]}
"""
LOSS = Metric(name="loss", goal="minimize")


def space_of(text: str) -> Space:
    return read_space(parse_document(text, source="inline"))


def quality(space: Space, X: Population) -> np.ndarray:
    """Deeper is better, plain is better, and a learning rate of 0.1."""
    value = np.zeros(len(X))
    for name, worth in (("depth", lambda v: v), ("block", lambda v: 3 * (v == "plain")), ("lr", lr_worth)):
        full = next(one for one in space.index if one.split(".")[-1] == name)
        values = np.array([worth(v) for v in space.dimensions[space.index[full]].values], dtype=np.float64)
        value += values[X[:, space.index[full]]]
    return value


def lr_worth(lr: float) -> float:
    return -4 * abs(np.log10(lr / 0.1))


@pytest.fixture(scope="module")
def source() -> Source:
    space = space_of(THEIRS)
    X = sobol(space, 60, seed=0)
    model = Predictor.pretrained(space, X, settings=SMALL, seed=0)
    fitted = model.fit(model.inputs(space, X), 5 - quality(space, X) / 10, seed=0)  # a loss: less is better
    return Source(name="theirs", space=space, predictor=replace(fitted, metric=LOSS))


def test_choices_are_matched_by_name_and_value(source: Source) -> None:
    space = space_of(OURS)
    match = source.match(space)
    assert sorted(name.split(".")[-1] for name in match.shared) == ["block", "depth", "lr"]
    assert [name.split(".")[-1] for name in match.only_source] == ["only_there"]
    assert sorted(name.split(".")[-1] for name in match.only_space) == ["kernel", "only_here"]
    X = sobol(space, 16, seed=1)
    rows = match.rows(source.space, X)
    theirs, ours = source.space, space
    for name in match.shared:
        mine, other = ours.dimensions[ours.index[name]], theirs.dimensions[theirs.index[name]]
        wanted = [mine.values[at] for at in X[:, ours.index[name]]]
        for draw in rows:
            found = [other.values[at] for at in draw[:, theirs.index[name]]]
            if name.endswith("lr"):  # the nearest on the logarithmic scale
                ends = np.log10(np.array([wanted, found], dtype=np.float64))
                assert np.abs(ends[0] - ends[1]).max() <= 0.5 + 1e-9
            else:
                assert found == wanted
    column = next(at for at, dimension in enumerate(theirs.dimensions) if dimension.name.endswith("decay"))
    assert {theirs.dimensions[column].values[at] for at in rows[..., column].ravel()} == {0.001}  # fixed in ours
    open_ = next(at for at, dimension in enumerate(theirs.dimensions) if dimension.name.endswith("only_there"))
    assert set(rows[..., open_].ravel()) == {0, 1}  # averaged over
    with pytest.raises(PredictorError, match="nothing that theirs"):
        source.match(space_of("name: other\nkind: generic\narchitecture: {a: [1, 2]}\nrecipe: {b: [1, 2]}"))


@pytest.mark.parametrize("metric", [Metric(name="accuracy", goal="maximize", unit="%", low=0.0, high=100.0), LOSS])
def test_a_source_ranks_before_there_is_a_sample_and_samples_overrule_it(
    source: Source, metric: Metric, tmp_path: Path
) -> None:
    space = space_of(OURS)
    X = sobol(space, 96, seed=0)
    truth = quality(space, X)
    values = 80 + truth if metric.maximized else 5 - truth / 10
    blank = replace(Predictor.pretrained(space, X, settings=SMALL, seed=0), metric=metric)
    warm = replace(blank, sources=(source,))
    inputs = warm.inputs(space, X)
    assert blank.prior_scores(blank.inputs(space, X)) is None
    prior = warm.prior_scores(inputs)
    assert prior is not None
    assert kendall(prior, truth) > 0.7

    def tau(model: Predictor, n: int, y: np.ndarray) -> float:
        read = model.inputs(space, X)
        return kendall(model.fit(read[:n], y[:n], seed=0).predict_mean(read[n:]), y[n:])

    assert tau(warm, 8, values) > tau(blank, 8, values) + 0.05
    opposite = values.max() + values.min() - values  # a source that ranks the wrong way round
    assert tau(warm, 30, opposite) > tau(blank, 30, opposite) - 0.03

    fitted = warm.fit(inputs[:20], values[:20], seed=0)
    save_predictor(fitted, tmp_path, space=space, data="x")
    again = load_predictor(tmp_path, space)
    np.testing.assert_array_equal(again.inputs(space, X), inputs)
    np.testing.assert_array_equal(again.predict_mean(inputs), fitted.predict_mean(inputs))
