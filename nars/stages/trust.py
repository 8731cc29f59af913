"""What a person should doubt about an answer of the predictor, in sentences that say what to do about it.

A number with two decimals looks certain. Each finding here is a reason why it may not be, with its threshold beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nars.metric import ACCURACY, Metric
from nars.printing import counted
from nars.run.journal import RoundResult
from nars.space import Space, recipe_in, space_names

WIDE = 0.7
"""A standard deviation of a prediction above this share of the spread of all measured accuracies: the predictor then
explains less than half of their variance."""
LOW_TAU = 0.2
"""Kendall's tau of the predictions below which they order candidates hardly better than chance."""
FEW = 16
"""Successful trainings below which a predictor has little to learn from."""
FAILING = 0.25
"""Share of failed trainings from which on something is wrong with more than a few candidates."""
BEYOND = 2.0
"""Standard deviations of a prediction above the best measured value from which on it counts as an extrapolation. In
`results/campaign` answers 2.7 above it, of a predictor of random pairs, came out ten points lower than predicted."""
NOISY = 0.5
"""Share of the spread of measured accuracies that chance in the validation set may make up."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A chosen pair and what the predictor says of it."""

    name: str
    """As people know it, e.g. "500k"."""
    record: Mapping[str, Any]
    """Every setting."""
    predicted: float
    """Percent."""
    std: float
    """Standard deviation of the prediction, percent."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the findings are made of; what is not known is left out, and so are the findings that need it."""

    answers: tuple[Answer, ...]
    scales: Mapping[str, tuple[float, ...]]
    """Recipe settings whose choices have an order: the choices, ascending."""
    measured: tuple[float, ...] | None = None
    """Accuracies of the successful trainings, percent."""
    failed: int = 0
    """Trainings without one."""
    taus: tuple[tuple[float, int], ...] = ()
    """For each round that was predicted before it was measured: Kendall's tau, and of how many candidates."""
    validation_images: int | None = None
    metric: Metric = ACCURACY
    best_seen: float | None = None
    """The best value that the predictor has learned from."""
    file: str = "the space file"
    """Where a range is widened."""


def doubts(evidence: Evidence) -> tuple[str, ...]:
    """A sentence or two for each reason to doubt the answers; none where there is none."""
    reasons = (_few, _order, _wide, _beyond, _alike, _edges, _noise)
    return tuple(sentence for reason in reasons if (sentence := reason(evidence)))


def evidence_of(
    answers: Iterable[Answer],
    space: Space,
    rounds: Sequence[RoundResult],
    *,
    validation_images: int | None = None,
    metric: Metric = ACCURACY,
    best_seen: float | None = None,
) -> Evidence:
    """The evidence of a run.

    Args:
        answers: of stage 3, or of a later question.
        space: theirs.
        rounds: results of stage 2; none where they are not known.
        validation_images: how many the accuracies were measured on.
        metric: what was measured.
        best_seen: the best value that the predictor has learned from; None takes that of the rounds.
    """
    values = [value for result in rounds for value in result.measured]
    measured = [value for value in values if value is not None]
    if best_seen is None and measured:
        best_seen = max(measured) if metric.maximized else min(measured)
    return Evidence(
        answers=tuple(answers),
        scales={
            dimension.name: tuple(float(value) for value in dimension.values if value is not None)
            for dimension in space.dimensions
            if dimension.group == "recipe" and dimension.ordinal
        },
        measured=tuple(measured) if rounds else None,
        failed=len(values) - len(measured),
        taus=tuple((result.tau, len(result.pairs)) for result in rounds if result.tau is not None),
        validation_images=validation_images,
        metric=metric,
        best_seen=best_seen,
        file=f"a copy of the built-in {space.name} (nars space show names its file)"
        if space.name in space_names()
        else "the space file",
    )


def _few(evidence: Evidence) -> str:
    if evidence.measured is None:
        return ""
    good, all_of_them = len(evidence.measured), len(evidence.measured) + evidence.failed
    failing = f"{evidence.failed} of {all_of_them} trainings failed: nars store info RUN says of what"
    if evidence.failed < FAILING * all_of_them:
        failing = ""
    if good < FEW:
        few = f"the predictor has learned from {counted(good, 'training')} only: raise collect.per_round or .rounds"
        return f"{few}; {failing}." if failing else f"{few}."
    return f"{failing}; the accuracies of such candidates are guessed." if failing else ""


def _order(evidence: Evidence) -> str:
    """Averaged over the rounds, as one round of a dozen candidates says little."""
    if not evidence.taus:
        return ""
    values, weights = zip(*evidence.taus, strict=True)
    tau = float(np.average(values, weights=np.maximum(weights, 1)))
    if tau >= LOW_TAU:
        return ""
    how = "rather the wrong way round" if tau < 0 else "hardly better than chance"
    return (
        f"the predictions put the candidates in order {how} (Kendall tau {tau:.2f} from round 2 on; 1 is the right "
        f"order): the chosen ones may be no better than others. Train more candidates (collect.per_round, "
        f"collect.rounds) or longer (collect.epochs); nars audit RUN tells more."
    )


def _wide(evidence: Evidence) -> str:
    if evidence.measured is None or len(evidence.measured) < 3:
        return ""
    spread, metric = float(np.std(evidence.measured, ddof=1)), evidence.metric
    wide = [answer for answer in evidence.answers if answer.std > WIDE * spread]
    if not wide:
        return ""
    return (
        f"the prediction says little ({_spelled(wide, metric)}): all measured values together have a spread of "
        f"± {metric.spell(spread)}. Train more candidates (collect.per_round, collect.rounds) or longer "
        f"(collect.epochs)."
    )


def _spelled(answers: Sequence[Answer], metric: Metric) -> str:
    return "; ".join(f"{answer.name}: {metric.spell(answer.predicted, answer.std)}" for answer in answers)


def _beyond(evidence: Evidence) -> str:
    """Effects of many choices add up in a model, where trainings have a ceiling."""
    best, metric = evidence.best_seen, evidence.metric
    if best is None:
        return ""
    sign = 1 if metric.maximized else -1
    beyond = [answer for answer in evidence.answers if sign * (answer.predicted - best) > BEYOND * answer.std]
    if not beyond:
        return ""
    return (
        f"predicted to be better than all that was measured ({_spelled(beyond, metric)}; the best candidate behind the "
        f"predictor has {metric.spell(best)}): such predictions are usually too good, and what was measured may be the "
        f"better choice. Train a few first (nars search ... --out FOLDER, nars verify), or search in more rounds, "
        f"which learn from what they choose."
    )


def _alike(evidence: Evidence) -> str:
    if len({tuple(answer.record.items()) for answer in evidence.answers}) < 2:
        return ""
    predicted = [answer.predicted for answer in evidence.answers]
    uncertain, metric = min(answer.std for answer in evidence.answers), evidence.metric
    if max(predicted) - min(predicted) >= uncertain:
        return ""
    return (
        f"the members' predictions ({metric.figure(min(predicted))} to {metric.spell(max(predicted))}) differ by less "
        f"than they are uncertain (± {metric.spell(uncertain)}): whether a larger budget brings more shows in their "
        f"final training only."
    )


def _edges(evidence: Evidence) -> str:
    """Values at the end of a range, where a better one may lie beyond."""
    places: dict[str, list[str]] = {}
    for answer in evidence.answers:
        recipe = recipe_in(answer.record)
        for name, scale in evidence.scales.items():
            value = recipe.get(name.removeprefix("recipe."))
            if len(scale) < 3 or isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            end = _end(float(value), scale)
            if end:
                text = f"{name.removeprefix('recipe.')} {value:.3g} ({end} there is"
                places.setdefault(text, []).append(answer.name)
    if not places:
        return ""
    everywhere = len(evidence.answers)
    shown = ", ".join(
        f"{text})" if len(names) == everywhere else f"{text}; for {', '.join(names)})" for text, names in places.items()
    )
    return f"chosen at the edge of its range: {shown}. Better may lie beyond: widen such a range in {evidence.file}."


def _end(value: float, scale: Sequence[float]) -> str:
    """Which end of its range a value is; "" for none, or an end that nothing can lie beyond."""
    low, high = scale[0], scale[-1]
    if math.isclose(value, low) and low != 0:
        return "the least"
    if math.isclose(value, high) and high != 0 and not (low >= 0 and high == 1):  # a share ends at 1
        return "the most"
    return ""


def _noise(evidence: Evidence) -> str:
    if evidence.metric != ACCURACY or evidence.validation_images is None:
        return ""  # of other metrics chance makes more or less
    if evidence.measured is None or len(evidence.measured) < 3:
        return ""
    share = float(np.mean(evidence.measured)) / 100
    noise = 100 * math.sqrt(max(share * (1 - share), 0.0) / evidence.validation_images)
    spread = float(np.std(evidence.measured, ddof=1))
    if noise <= NOISY * spread:
        return ""
    return (
        f"accuracies are measured on {counted(evidence.validation_images, 'validation image')}, where chance alone "
        f"makes them differ by ± {noise:.2f} %; between the candidates it is ± {spread:.2f} %. Hold out more images "
        f"(data.validation)."
    )
