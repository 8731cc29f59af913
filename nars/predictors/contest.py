"""The contest: the predictor, its variants and its rivals on the same random splits of a table of accuracies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from nars.arrays import Ints
from nars.metric import ACCURACY, Metric
from nars.predictors.calibration import Z_LEVEL
from nars.predictors.checks import Numbers
from nars.predictors.metrics import kendall, mean_within, precision_at_top, spearman
from nars.predictors.predictor import Predictor
from nars.predictors.regressor import Prediction, Regressor
from nars.predictors.rivals import RIVALS
from nars.predictors.settings import PRESETS
from nars.predictors.sources import Source
from nars.predictors.statistics import Scale, Statistics, choices_of, free_statistics
from nars.space import Population, Space


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a name of the registry stands for."""

    rival: Regressor | None = None
    """What is fitted; None for a predictor, which is made for the space."""
    preset: str = "default"
    """The predictor's settings."""
    pretraining: Callable[[str], bool] = lambda statistic: False
    """Which statistics the predictor is pretrained on."""
    warm: bool = False
    """Whether it starts from other data sets' predictors, where there are any."""
    reads_statistics: bool = False
    """Whether it gets the free statistics as further columns."""
    about: str = ""
    """What it is, where its name does not say so."""


def entries(rivals: Mapping[str, Regressor]) -> dict[str, Entry]:
    """Rivals of a contest: each by its name and, with the free statistics as further columns, as NAME+statistics."""
    return {
        name + end: Entry(rival=rival, reads_statistics=bool(end))
        for name, rival in rivals.items()
        for end in ("", "+statistics")
    }


REGRESSORS: Mapping[str, Entry] = MappingProxyType(
    {
        "pretrained": Entry(
            pretraining=lambda statistic: True, about="the predictor as nars uses it, pretrained on free statistics"
        ),
        "warm-start": Entry(
            pretraining=lambda statistic: True, warm=True, about="that, from the other data sets' predictors on"
        ),
        "paper": Entry(
            preset="paper",
            pretraining=lambda statistic: statistic in ("flops", "params"),
            about="with the paper's settings, pretrained on FLOPs and parameters",
        ),
        "plain": Entry(preset="paper", about="with the paper's settings, without pretraining"),
        "no-pretraining": Entry(about="nars' settings without pretraining"),
        "features": Entry(reads_statistics=True, about="without pretraining; the statistics are inputs instead"),
    }
    | entries(RIVALS)
)
"""All regressors by name: the predictor's variants, of which warm-start takes part where there are other data sets'
predictors, then the rivals."""

OWN = tuple(name for name, entry in REGRESSORS.items() if entry.rival is None)
"""The predictor and its variants."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one model did on one split."""

    tau: float
    """Kendall's tau on all held-out candidates."""
    within: float | None
    """Mean of tau inside the quintiles of the cost; None without a cost."""
    spearman: float
    mae: float
    """Mean absolute error, in the metric's unit."""
    mse: float
    """Mean squared error, in its square."""
    precision: float
    """At the top 1 %."""
    coverage: float
    """Share of held-out values in the 80 % interval."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contender:
    """A model with the columns that it reads."""

    model: Regressor
    columns: Numbers
    """(N, E) of all candidates."""

    def predict(self, train: Ints, held_out: Ints, y: Numbers, *, seed: int) -> Prediction:
        """Fit on the rows `train` and predict the rows `held_out`; y (N,) are all accuracies."""
        return self.model.fit(self.columns[train], y[train], seed=seed).predict(self.columns[held_out])


def contenders(
    space: Space,
    X: Population,
    names: Sequence[str],
    *,
    pool: Population | None = None,
    statistics: Statistics | None = None,
    sources: Sequence[Source] = (),
    metric: Metric = ACCURACY,
    more: Mapping[str, Entry] = MappingProxyType({}),
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Contender]:
    """Models by name, pretrained where that is part of them, on X (N, D) and the pool: statistics are free.

    Args:
        space: where X is from.
        X: all candidates of the contest.
        names: of `REGRESSORS` and `more`.
        pool: more candidates of the space to pretrain on, (P, D).
        statistics: {name: (N + P,)} to pretrain on and to give to rivals; `free_statistics` when None.
        sources: other data sets' predictors, for "warm-start".
        more: models beside `REGRESSORS`, by name (`entries`).
        seed: of the pretraining.
        progress: of the pretraining, (epochs done, epochs in all).
    """
    rows = X if pool is None else np.concatenate([X, pool])
    encoding = space.encode(rows)
    statistics = dict(free_statistics(space, rows) if statistics is None else statistics)
    width = space.architecture_width
    scale = Scale.of(statistics)
    exact = scale.standardize(statistics) if scale.names else np.zeros((len(rows), 0), dtype=np.float32)
    wide = np.concatenate([encoding[:, :width], exact, encoding[:, width:]], axis=1)
    known, made = {**REGRESSORS, **more}, dict[str, Contender]()
    for name in names:
        entry = known[name]
        if entry.warm and not sources:
            continue
        columns = wide if entry.reads_statistics else encoding
        if entry.rival is not None:
            made[name] = Contender(model=entry.rival, columns=columns[: len(X)])
            continue
        choices = choices_of(space)
        if entry.reads_statistics:  # each a choice of its own
            own = range(len(space.dimensions), len(space.dimensions) + exact.shape[1])
            choices = (*choices[:width], *own, *choices[width:])
        model = Predictor.pretrain(
            columns[:, : columns.shape[1] - space.recipe_width],
            {statistic: values for statistic, values in statistics.items() if entry.pretraining(statistic)},
            recipe_width=space.recipe_width,
            choices=choices,
            settings=PRESETS[entry.preset],
            seed=seed,
            progress=progress,
        )
        if model.pretraining is not None and model.settings.process:
            columns = np.concatenate([encoding, exact], axis=1)
        if entry.warm:
            told = [metric.score(source.scores(space, rows))[:, None] for source in sources]
            columns = np.concatenate([columns, *told], axis=1)
            model = replace(model, sources=tuple(sources))
        model = replace(model, metric=metric)
        made[name] = Contender(model=model, columns=columns[: len(X)])
    return made


def random_split(candidates: int, samples: int, *, split: int, held_out: int | None) -> tuple[Ints, Ints]:
    """Rows to fit on (samples,) and rows to predict: all others or `held_out` of them; a function of its arguments."""
    order = np.random.default_rng([split, samples]).permutation(candidates)
    rest = order[samples:]
    return order[:samples], rest if held_out is None else rest[:held_out]


def score(prediction: Prediction, measured: Numbers, cost: Numbers | None, *, metric: Metric = ACCURACY) -> Score:
    """The figures of a prediction of N candidates, with their measured values and cost, both (N,), if any."""
    mean, half = prediction.mean, Z_LEVEL * prediction.std
    return Score(
        tau=kendall(mean, measured),
        within=None if cost is None else mean_within(kendall, mean, measured, cost),
        spearman=spearman(mean, measured),
        mae=float(np.mean(np.abs(mean - measured))),
        mse=float(np.mean((mean - measured) ** 2)),
        precision=precision_at_top(metric.score(mean), metric.score(measured)),
        coverage=float(np.mean((mean - half <= measured) & (measured <= mean + half))),
    )


def samples_needed(curve: Mapping[int, float], level: float, *, rising: bool = True) -> float | None:
    """Samples at which a learning curve {n: value} reaches a level, interpolated in log n; None if it does not.

    Args:
        curve: tau (rising) or squared error (falling) by number of samples.
        level: to reach.
        rising: whether more is better.
    """
    sign = 1.0 if rising else -1.0
    points = [(n, sign * value) for n, value in sorted(curve.items())]
    if not points or points[0][1] >= sign * level:
        return float(points[0][0]) if points else None
    for (n, value), (m, next_value) in itertools.pairwise(points):
        if next_value >= sign * level:
            part = (sign * level - value) / (next_value - value)
            return float(np.exp(np.log(n) + part * (np.log(m) - np.log(n))))
    return None
