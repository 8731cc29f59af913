"""Questions to a trained predictor: the best pair for other budgets, or a whole front. Nothing is trained."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nars.arrays import Floats
from nars.errors import ConfigError, expect
from nars.metric import ACCURACY, Metric
from nars.predictors import Predictor
from nars.printing import brief_repr
from nars.search import (
    Archive,
    Belief,
    Price,
    SearchResult,
    VerificationPlan,
    near_ties,
    pareto_search,
    search_family,
    verification_plan,
)
from nars.space import SECONDS, Bounds, Population, Space, latency_costs, shorten
from nars.stages.predictors import open_predictor, predictor_folder, scorer
from nars.stages.training_time import with_seconds

_LOOKED_AT = (64, 256, 1024)
"""Best candidates that are looked at for near-ties, more where all of them are. The cut matters where it falls among
them: the first 64 are nearly one network. By the predictors of CIFAR-10 and of the demo, trainings chosen among 64
bring 0 to 0.39 %, among 256 0.13 to 0.57 %, among 1,024 0.41 to 0.98 %; they take 0.05, 0.15 and 0.7 s for each budget,
2,048 would take 4 s. Farther behind the best, high variances are mostly ignorance, which would be counted as hope."""
_PRINTED = ("flops", "params", "latency", "resolution", SECONDS)
"""Costs that a printed answer shows, beside those that it was asked about."""
_SHOWN = 12
"""Lines of a printed front."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Candidates with what the predictor says of them."""

    __repr__ = brief_repr

    rows: Population
    """(K, D)."""
    predicted: Floats
    """(K,), in the metric's unit, as is the next."""
    predicted_std: Floats
    """(K,)"""
    costs: dict[str, Floats]
    """{name: (K,)}."""
    failing: Floats | None = None
    """(K,) probability that a training of it fails; None where no trainings failed that could say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BudgetAnswer:
    """The answer to one budget."""

    __repr__ = brief_repr

    bounds: Bounds
    ties: Choice
    """The candidate predicted best, then those that may well be better (`near_ties`)."""
    plan: VerificationPlan
    """Which of the ties to train, the first of them among these, and what that is expected to bring."""
    evaluations: int
    """Distinct candidates scored for it."""
    cut: bool = False
    """Whether there are more near-ties than the 1,024 candidates that are looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FamilyAnswer:
    """One member per budget."""

    space: Space
    budgets: tuple[BudgetAnswer, ...]
    prices: tuple[Price, ...]
    """From each member to the next, (budgets - 1)."""
    known: Archive
    """Every candidate scored: give it to the next question."""
    seconds: float
    metric: Metric = ACCURACY
    """What is predicted."""
    best_seen: float | None = None
    """The best value that the predictor has learned from; None where it is not known."""

    def __repr__(self) -> str:
        gains = ["", *(gain_text(self.metric, price.gain) for price in self.prices)]
        asked = [name for budget in self.budgets for name in budget.bounds]
        rows = [
            [
                str(budget.bounds),
                *_figures(budget.ties, 0, self.metric, asked),
                gain,
                f"{len(budget.ties.rows) - 1}{'+' * budget.cut}",
                f"{len(budget.plan.train)}",
                gain_text(self.metric, float(budget.plan.gains[-1])),
            ]
            for budget, gain in zip(self.budgets, gains, strict=True)
        ]
        ties, unit = self.budgets[0].ties, self.metric.unit
        names = _headings(ties, self.metric, asked)
        head = ["budget", *names, f"gain {unit}".strip(), "ties", "train", f"for {unit}".strip()]
        return (
            f"FamilyAnswer: {len(rows)} budget{'s' * (len(rows) > 1)} in {self.space.name}, {len(self.known):,} "
            f"candidates scored, {self.seconds:.1f} s\n{_table([head, *rows])}\n"
            f"answer.space.to_records(answer.budgets[0].ties.rows[:1]) spells the first out"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FrontAnswer:
    """Candidates none of which is beaten in predicted accuracy and all of the costs at once."""

    space: Space
    objectives: tuple[str, ...]
    front: Choice
    """By rising first cost."""
    evaluations: int
    known: Archive
    seconds: float
    metric: Metric = ACCURACY
    """What is predicted."""

    def __repr__(self) -> str:
        count = len(self.front.rows)
        shown = np.unique(np.linspace(0, count - 1, min(count, _SHOWN)).astype(np.int64))
        rows = [[str(at), *_figures(self.front, int(at), self.metric, self.objectives)] for at in shown]
        some = "" if len(shown) == count else f", {len(shown)} of them shown"
        table = _table([["row", *_headings(self.front, self.metric, self.objectives)], *rows])
        return (
            f"FrontAnswer: {count} candidates against {', '.join(self.objectives)} in {self.space.name}{some}, "
            f"{self.evaluations:,} scored, {self.seconds:.1f} s\n{table}\n"
            f"answer.space.to_records(answer.front.rows[:1]) spells the first out"
        )


def ask(
    predictor: str | Path,
    budgets: Sequence[Bounds],
    *,
    seed: int = 0,
    latency: str | Path | None = None,
    known: Archive | None = None,
) -> FamilyAnswer:
    """The best pair of architecture and recipe for each budget.

    Example:
        >>> from nars import Bounds, ask
        >>> answer = ask("runs/digits", [Bounds.at_most(flops=2e5, params=25e3), Bounds.at_most(flops=4e5)])
        >>> [answer.space.to_records(budget.ties.rows[:1]) for budget in answer.budgets]

    Args:
        predictor: shipped name, predictor folder or run folder.
        budgets: limits on costs, lower and upper, any together; of a run or store "seconds" too, of a training of the
            search, which are learned from those that were measured.
        seed: of the search.
        latency: a device table (`nars latency` writes them); the cost "latency" (milliseconds) is then known.
        known: what an earlier question to the same predictor, with the same device table, scored; not scored again.

    Raises:
        ConfigError: no such predictor, budgets that are no list of `Bounds`, or `known` belongs to
            another space.
        InfeasibleError: nothing keeps a budget; the text names the nearest that is feasible.
        SpaceError: no budget, or one that limits an unknown cost; no such device table, or one of another space.
    """
    started = time.perf_counter()
    if not isinstance(budgets, Sequence) or not all(isinstance(budget, Bounds) for budget in budgets):
        raise ConfigError(
            f"budgets is a list of Bounds, e.g. [Bounds.at_most(flops=3e5), Bounds.at_most(flops=5e5)], got {budgets!r}"
        )
    rng = _rng(seed)
    space, model = _open(predictor, latency, known, {name for budget in budgets for name in budget})
    metric = model.metric
    family = search_family(space, scorer(space, model), budgets, rng=rng, archive=known)
    answers = [_answer(space, model, metric, family.archive, member, seed=seed) for member in family.members]
    return FamilyAnswer(
        space=space,
        budgets=tuple(answers),
        prices=family.prices,
        known=family.archive,
        seconds=time.perf_counter() - started,
        metric=metric,
        best_seen=model.best_seen,
    )


def _answer(
    space: Space, model: Predictor, metric: Metric, archive: Archive, found: SearchResult, *, seed: int
) -> BudgetAnswer:
    """The best candidate of a budget, those that may well be better, and which of them to train."""
    failures = model.failures
    for count in _LOOKED_AT:
        rows = archive.take(archive.best(found.bounds, count))
        joint = model.predict_jointly(model.inputs(space, rows))
        scores = metric.score(joint.mean)
        if failures is not None:
            scores = failures.expected(scores, failures.probability(space, rows))
        at = near_ties(scores, joint.covariance)
        if len(at) < count:
            break
    belief = Belief(mean=scores, covariance=joint.covariance, noise=joint.noise).of(at)
    return BudgetAnswer(
        bounds=found.bounds,
        ties=_choice(space, model, rows[at]),
        plan=verification_plan(belief, rng=np.random.default_rng([seed, 1])),
        evaluations=found.evaluations,
        cut=len(at) == count,
    )


def ask_front(
    predictor: str | Path,
    objectives: Sequence[str],
    bounds: Bounds | None = None,
    *,
    seed: int = 0,
    latency: str | Path | None = None,
    known: Archive | None = None,
) -> FrontAnswer:
    """The front of predicted accuracy against one cost or more, inside the bounds, from one search.

    Args:
        predictor, seed, latency, known: as for `ask`.
        objectives: costs, e.g. ["flops"].
        bounds: limits that all candidates keep.

    Raises:
        As `ask`.
    """
    started = time.perf_counter()
    if isinstance(objectives, str) or not (bounds is None or isinstance(bounds, Bounds)):
        raise ConfigError(
            f"objectives is a list of costs and bounds one Bounds, e.g. ask_front(predictor, ['flops'], "
            f"Bounds.at_most(params=1e6)), got {objectives!r} and {bounds!r}"
        )
    rng = _rng(seed)
    space, model = _open(predictor, latency, known, {*objectives, *(bounds or ())})
    metric = model.metric
    found = pareto_search(space, scorer(space, model), objectives, bounds or Bounds(), rng=rng, archive=known)
    return FrontAnswer(
        space=space,
        objectives=tuple(objectives),
        front=_choice(space, model, found.rows),
        evaluations=found.evaluations,
        known=found.archive,
        seconds=time.perf_counter() - started,
        metric=metric,
    )


def _rng(seed: int) -> np.random.Generator:
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigError(f"a seed is a whole number from 0 on; got {seed!r}")
    return np.random.default_rng(seed)


def _open(
    name: str | Path, latency: str | Path | None, known: Archive | None, costs: Collection[str]
) -> tuple[Space, Predictor]:
    """The predictor's space with the costs that are asked for, and the predictor."""
    expect(name, (str, Path), "a predictor is a shipped name, a predictor folder or a run folder", error=ConfigError)
    space, model = open_predictor(name)
    if latency is not None:
        folder = predictor_folder(name)
        named = str(name if folder in (Path(name), Path(name) / "predictor") else folder)
        space = space.with_table(latency_costs(space, latency, named=named))
    if SECONDS in costs and SECONDS not in space.cost_names:
        space = with_seconds(space, model, name)
    if known is not None and (known.space.fingerprint, known.space.cost_names) != (space.fingerprint, space.cost_names):
        raise ConfigError(
            f"known was scored in {known.space.name} ({known.space.fingerprint}; {', '.join(known.space.cost_names)}), "
            f"the question is about {space.name} ({space.fingerprint}; {', '.join(space.cost_names)}); give what an "
            f"answer of the same predictor and device table has in `known`"
        )
    return space, model


def _choice(space: Space, model: Predictor, rows: Population) -> Choice:
    prediction, failures = model.predict(model.inputs(space, rows)), model.failures
    return Choice(
        rows=rows,
        predicted=model.metric.inside(prediction.mean),
        predicted_std=prediction.std,
        costs=dict(space.costs(rows)),
        failing=None if failures is None else failures.probability(space, rows),
    )


def _printed(choice: Choice, asked: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys([*_PRINTED, *asked]) if name in choice.costs]


def _headings(choice: Choice, metric: Metric, asked: Sequence[str]) -> list[str]:
    return [*_printed(choice, asked), f"predicted {metric.unit}".strip()]


def _figures(choice: Choice, at: int, metric: Metric, asked: Sequence[str]) -> list[str]:
    """The costs that are printed and the prediction of one candidate."""
    costs = [shorten(float(choice.costs[name][at])) for name in _printed(choice, asked)]
    return [*costs, prediction_text(metric, float(choice.predicted[at]), float(choice.predicted_std[at]))]


def prediction_text(metric: Metric, mean: float, std: float) -> str:
    """A prediction without its unit, "93.21 ± 0.34"."""
    return metric.spell(mean, std).removesuffix(metric.unit).rstrip()


def gain_text(metric: Metric, gain: float) -> str:
    """By how much something is better, without unit: "+0.34"."""
    return f"{'+' if gain >= 0 else '-'}{metric.figure(abs(gain))}"


def _table(rows: list[list[str]]) -> str:
    """Columns as wide as their content, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
