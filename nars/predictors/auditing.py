"""Is the predictor any good on these trials, did pretraining help, and how much do the labels allow?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, final

import numpy as np
from threadpoolctl import threadpool_limits

from nars.arrays import Floats, Floats32
from nars.errors import PredictorError
from nars.metric import ACCURACY, Metric
from nars.parallel import torch_threads
from nars.predictors.contest import OWN, REGRESSORS, Score, contenders, random_split, samples_needed, score
from nars.predictors.gaussian import fit_process
from nars.predictors.metrics import kendall, mean_within, spearman
from nars.predictors.noise import Ceiling, noise_ceiling
from nars.predictors.process import ENCODING_SCALE
from nars.predictors.sources import Source
from nars.predictors.statistics import Scale, Statistics, choices_of, free_statistics
from nars.predictors.verdict import verdict_on
from nars.predictors.warp import Warp
from nars.space import Population, Space

SIZES = (20, 50, 100, 200, 500)
_FEWEST = 30
_SMALLEST = 5
_PRETRAINING = 20
"""Steps that one pretraining counts for."""
_TARGET_SPLITS = 4
"""Splits on which a set of targets is judged."""

OnStep = Callable[[int, int, str], None]
"""Steps done, steps in all, what is next."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model fitted on n samples: means over the splits and their standard errors."""

    model: str
    n: int
    mean: Score
    error: Score | None
    """None after one split."""


@dataclass(frozen=True, kw_only=True)
class TargetVerdict:
    """What one free statistic is worth as a pretraining target."""

    name: str
    correlation: float
    """Spearman's correlation with the measured values."""
    within: float | None
    """The same inside cost quintiles, where a search compares; None without costs that differ."""
    tau_without: float
    """Cross-validated tau when all targets but this one are used."""
    hurts: bool
    """Without it the predictor is better, by more than the standard error over the splits."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Everything `nars audit` says; `to_dict` for JSON."""

    candidates: int
    splits: int
    metric: Metric
    """What was measured."""
    rows: tuple[Row, ...]
    tau_all_targets: float
    targets: tuple[TargetVerdict, ...]
    ceiling: Ceiling | None
    """None where the noise of the labels is unknown: hardly any candidate was trained twice."""
    worth: float | None = None
    """Trainings that the predictors it started from are worth: those that the pretrained one needs to be as good as
    with them at the fewest samples, less those; None without any."""
    efficiency: float | None
    """Samples with which the un-pretrained predictor has its best tau / samples the pretrained one needs for it."""

    @property
    def chosen_targets(self) -> tuple[str, ...]:
        """Statistics worth pretraining on."""
        return tuple(target.name for target in self.targets if not target.hurts)

    @property
    def of_ceiling(self) -> float | None:
        """Best tau of the pretrained predictor as a share of what the labels allow; None where that is nothing."""
        best = max((row.mean.tau for row in self.rows if row.model == "pretrained"), default=None)
        return None if best is None or self.ceiling is None or self.ceiling.tau <= 0 else best / self.ceiling.tau

    @property
    def verdict(self) -> str | None:
        """Whether to trust the pretrained predictor, why, and how many more trainings help, in one sentence.

        None where it did not take part.
        """
        return verdict_on(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        more = {"chosen_targets": list(self.chosen_targets), "of_ceiling": self.of_ceiling, "verdict": self.verdict}
        return asdict(self) | {"metric": self.metric.document} | more


def audit(
    space: Space,
    X: Population,
    values: Floats,
    *,
    seed: int,
    metric: Metric = ACCURACY,
    splits: int = 5,
    sizes: Sequence[int] = SIZES,
    models: Sequence[str] = tuple(REGRESSORS),
    pool: Population | None = None,
    sources: Sequence[Source] = (),
    progress: OnStep | None = None,
) -> Audit:
    """Fit every model on random parts of finished trials and let it predict the rest.

    Args:
        space: of the trials.
        X: distinct candidates (N, D), N >= 30.
        values: measured, (N,) or (N, seeds); NaN where a seed is missing. Failed trainings are left out, not put in
            as 0.
        seed: of splits and models, >= 0.
        metric: what was measured.
        splits: repetitions, >= 1.
        sizes: numbers of samples to fit on, >= 5; those above 80 % of N are left out.
        models: of `REGRESSORS`.
        pool: more candidates to pretrain on, e.g. `sobol(space, 4096, seed=0)`; None where the trials are the space.
        sources: other data sets' predictors; what they are worth here is measured.
        progress: told what is next before each step.

    Raises:
        PredictorError: too few candidates, one that appears twice or has no value, equal values throughout,
            a cost that is not finite, or an unknown model.
    """
    if not sources:
        models = [name for name in models if name != "warm-start"]
    y, labels = _labels(space, X, values, metric.name)
    _check(splits, sizes, models, seed)
    sizes = [n for n in sizes if n <= 0.8 * len(y)] or [int(0.8 * len(y))]
    statistics = free_statistics(space, X)
    varying = Scale.of(statistics).names
    cost = next((statistics[name] for name in ("flops", "params", *space.cost_names) if name in varying), None)
    steps = _Steps(
        progress,
        others=splits * len(sizes) * len(models) + len(varying) + 2,
        pretrainings=sum(any(map(REGRESSORS[name].pretraining, varying)) for name in set(models))
        if space.architecture_width
        else 0,
    )
    steps.say("free statistics", 0)
    # Small matrices: more threads than one wait for each other most of the time.
    with torch_threads(1), threadpool_limits(1):
        made = contenders(
            space, X, models, pool=pool, sources=sources, metric=metric, seed=seed, progress=steps.pretraining
        )
        scores: dict[tuple[str, int], list[Score]] = {}
        for split in range(splits):
            for n in sizes:
                train, held_out = random_split(len(y), n, split=seed + split, held_out=None)
                for name in models:
                    steps.next(f"{name} on {n} samples, split {split + 1} of {splits}")
                    prediction = made[name].predict(train, held_out, y, seed=seed + split)
                    found = score(prediction, y[held_out], None if cost is None else cost[held_out], metric=metric)
                    scores.setdefault((name, n), []).append(found)
        rows = tuple(_row(name, n, found) for (name, n), found in scores.items())
        tau_all, targets = _judge_targets(
            space.encode(X),
            choices_of(space),
            statistics,
            y,
            cost,
            samples=sizes[len(sizes) // 2],
            seed=seed,
            before=steps.next,
        )
        steps.next("the noise of the labels")
        ceiling = noise_ceiling(metric.score(labels))
    steps.say("done", steps.total)
    return Audit(
        candidates=len(y),
        splits=splits,
        metric=metric,
        rows=rows,
        tau_all_targets=tau_all,
        targets=targets,
        ceiling=ceiling,
        worth=_worth(rows),
        efficiency=_efficiency(rows),
    )


def _judge_targets(
    encoding: Floats32,
    choices: Sequence[int],
    statistics: Statistics,
    y: Floats,
    cost: Floats | None,
    *,
    samples: int,
    seed: int,
    before: Callable[[str], None],
) -> tuple[float, tuple[TargetVerdict, ...]]:
    """Cross-validated tau with all statistics, and a verdict on each: its correlations and what leaving it out does.

    Of encodings (N, E), accuracies y (N,) and, if there is one, the cost (N,) that makes the quintiles; `before` is
    told which set of targets is next.

    The Gaussian process of the default preset is fitted on exact statistics here, not on predicted ones: a pretraining
    for each set of targets would take minutes, and reports itself how well its encoder predicts them.
    """
    scale = Scale.of(statistics)
    z = scale.standardize(statistics) if scale.names else np.zeros((len(y), 0), dtype=np.float32)
    x = np.asarray(encoding, dtype=np.float32) * np.float32(ENCODING_SCALE)

    def taus(columns: list[int]) -> Floats:
        found = []
        for split in range(_TARGET_SPLITS):
            train, rest = random_split(len(y), samples, split=seed + split, held_out=2000)
            warp = Warp.of(y[train])
            warped = warp.forward(y[train])
            chosen = z[:, columns]
            process, _ = fit_process(
                chosen[train], x[train], warped, warp.slope(warped) ** 2, choices=choices, seed=seed
            )
            predicted = process.mean(chosen[rest], x[rest], process.scratch(len(rest)))
            found.append(kendall(predicted, y[rest]))
        return np.array(found)

    with torch_threads(1):
        before("the predictor with all targets")
        everything = taus(list(range(len(scale.names))))
        verdicts = []
        for column, name in enumerate(scale.names):
            before(f"the predictor without {name}")
            without = taus([other for other in range(len(scale.names)) if other != column])
            gain = without - everything
            verdicts.append(
                TargetVerdict(
                    name=name,
                    correlation=spearman(statistics[name], y),
                    within=None if cost is None else mean_within(spearman, statistics[name], y, cost),
                    tau_without=float(without.mean()),
                    hurts=bool(gain.mean() > max(1e-3, gain.std(ddof=1) / len(gain) ** 0.5)),
                )
            )
    return float(everything.mean()), tuple(verdicts)


def plot_audit(result: Audit, path: Path) -> None:
    """Tau, overall and within cost quintiles, against the number of samples; `path`'s suffix sets the format."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    models = [model for model in REGRESSORS if any(row.model == model for row in result.rows)]
    colors = dict(zip(models, colormaps["tab20"].colors, strict=False))  # type: ignore[attr-defined]
    counts = sorted({row.n for row in result.rows})
    for axes, name, title in zip(panels, ("tau", "within"), ("all", "within cost quintiles"), strict=True):
        for model in models:
            rows = [row for row in result.rows if row.model == model and getattr(row.mean, name) is not None]
            axes.errorbar(
                [row.n for row in rows],
                [getattr(row.mean, name) for row in rows],
                yerr=None if any(row.error is None for row in rows) else [getattr(row.error, name) for row in rows],
                label=model,
                marker="o",
                markersize=3,
                linewidth=2.5 if model == "pretrained" else 1.2,
                linestyle="-" if model in OWN else ":",
                color=colors.get(model),
            )
        if result.ceiling is not None and name == "tau":
            axes.axhline(result.ceiling.tau, color="grey", linestyle="--", linewidth=1, label="what the labels allow")
            axes.axhspan(*result.ceiling.interval, color="grey", alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("samples")
        axes.set_title(f"Kendall's tau, {title}")
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside right upper")
    figure.savefig(path)


@final
class _Steps:
    """Tells what is next, and how far it is: a step for each fit, several for each pretraining."""

    def __init__(self, on_step: OnStep | None, *, pretrainings: int, others: int) -> None:
        self._on_step, self._done, self._pretrained = on_step, 0, 0
        self._before = _PRETRAINING * pretrainings
        self.total = self._before + others

    def say(self, what: str, done: int) -> None:
        """What is next, with so many steps done."""
        self._done = min(done, self.total)
        if self._on_step is not None:
            self._on_step(self._done, self.total, what)

    def pretraining(self, epochs: int, of: int) -> None:
        """Called by the pretrainings one after the other."""
        at = _PRETRAINING * self._pretrained + _PRETRAINING * epochs // max(1, of)
        self._pretrained += epochs == of
        self.say("pretraining on free statistics", min(at, self._before))

    def next(self, what: str) -> None:
        """A step begins."""
        self.say(what, max(self._done, self._before))
        self._done += 1


def _labels(space: Space, X: Population, values: Floats, name: str) -> tuple[Floats, Floats]:
    """Means (N,) and labels (N, seeds) of the metric of this name, checked."""
    labels = np.asarray(values, dtype=np.float64)
    labels = labels[:, None] if labels.ndim == 1 else labels
    if labels.ndim != 2 or len(X) != len(labels):
        raise PredictorError(
            f"an audit needs values (N,) or (N, seeds) of N candidates, got shape {np.shape(values)} for {len(X)}"
        )
    if len(labels) < _FEWEST:
        raise PredictorError(
            f"an audit needs the {name} of at least {_FEWEST} distinct candidates, got {len(labels)}; collect more "
            f"samples first"
        )
    known = np.isfinite(labels)
    if empty := int((~known.any(axis=1)).sum()):
        raise PredictorError(
            f"{empty} candidates have no {name} at all; a training that failed is no sample: leave it out"
        )
    if twice := len(X) - len(np.unique(space.canonical(space.check(X)), axis=0)):
        raise PredictorError(
            f"{twice} candidates appear twice or more; put the values of one candidate side by side, one per seed"
        )
    labels = np.where(known, labels, np.nan)
    y = np.asarray(np.nanmean(labels, axis=1), dtype=np.float64)
    if np.ptp(y) == 0:
        raise PredictorError(
            f"all {len(y)} candidates have the {name} {y[0]:g}, so there is nothing to tell apart; check that its "
            f"column is the right one"
        )
    return y, labels


def _check(splits: int, sizes: Sequence[int], models: Sequence[str], seed: int) -> None:
    for name, got, least in (("splits", splits, 1), ("seed", seed, 0), ("sizes", min(sizes, default=0), _SMALLEST)):
        if got < least:
            raise PredictorError(f"{name} must be at least {least}, got {got}")
    if unknown := [name for name in models if name not in REGRESSORS]:
        raise PredictorError(f"there is no model {unknown[0]!r}; there are {', '.join(REGRESSORS)}")


def _row(model: str, n: int, scores: Sequence[Score]) -> Row:
    columns = {field.name: [getattr(one, field.name) for one in scores] for field in fields(Score)}

    def each(what: Callable[[Floats], Any]) -> Score:
        found = {name: None if None in values else float(what(np.array(values))) for name, values in columns.items()}
        return Score(**found)  # type: ignore[arg-type]

    error = each(lambda values: values.std(ddof=1) / len(values) ** 0.5) if len(scores) > 1 else None
    return Row(model=model, n=n, mean=each(np.mean), error=error)


def _worth(rows: Sequence[Row]) -> float | None:
    own, warm = ({row.n: row.mean.tau for row in rows if row.model == name} for name in ("pretrained", "warm-start"))
    if not own or not warm:
        return None
    fewest = min(warm)
    needed = samples_needed(own, warm[fewest])
    return float((max(own) if needed is None else needed) - fewest)


def _efficiency(rows: Sequence[Row]) -> float | None:
    curves: Mapping[str, dict[int, float]] = {
        model: {row.n: row.mean.tau for row in rows if row.model == model} for model in ("no-pretraining", "pretrained")
    }
    if not curves["no-pretraining"] or not curves["pretrained"]:
        return None
    most = max(curves["no-pretraining"])
    needed = samples_needed(curves["pretrained"], curves["no-pretraining"][most])
    return None if needed is None else most / needed
