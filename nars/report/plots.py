"""The four plots of a run, each as SVG text with a sentence that says what to see."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nars.metric import ACCURACY, Metric
from nars.report.findings import Findings
from nars.space import cost_unit, shorten
from nars.space.bounds import LATENCY

_BLUE, _RED, _GRAY = "#4a86c8", "#d1565b", "#8c8c8c"
"""Seen on white and on black: pages are read on both."""
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,  # 99.4995, not +9.949e1 in a corner
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "nars",
}


_MOST_VECTORS = 500
"""Points that are drawn one by one; more become a picture, as pages are to be mailed."""

_MOST_NAMED = 6
"""Rounds that a legend names: the first, the last, and some between; their shades tell where the others are."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One of a run's."""

    svg: str
    says: str
    """What to see in it, with this run's figures."""


@contextmanager
def _axes(title: str, x: str, y: str) -> Iterator[tuple[Axes, list[str]]]:
    """Axes to draw on; the SVG text is in the list afterwards. A Figure of its own: pyplot's global state stays out."""
    svg: list[str] = []
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.0, 4.0), layout="constrained")
        axes = figure.subplots()
        axes.set(title=title, xlabel=x, ylabel=y)
        yield axes, svg
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    text = buffer.getvalue()
    svg.append(text[text.index("<svg") :])


def _title(metric: Metric) -> str:
    """ "accuracy, %" """
    return metric.name.replace("_", " ") + (f", {metric.unit}" if metric.unit else "")


def _shade(number: int, count: int) -> Any:
    """One color of `count`, dark to bright, without the darkest and the brightest."""
    return mpl.colormaps["viridis"](0.35 + 0.5 * number / max(1, count - 1))


def _worst_shown(metric: Metric, values: Sequence[float]) -> float:
    """Where an axis of the metric ends: a training that went wrong must not press all others together."""
    scores = metric.score(np.array(values))
    tenth = float(np.quantile(scores, 0.1))
    if metric == ACCURACY:
        return max(0.0, tenth - 2.0)
    return metric.score(tenth - 0.3 * (float(scores.max()) - tenth))


def _ends(metric: Metric, worst: float) -> tuple[float | None, float | None]:
    """Limits of an axis, with those values cut off that are worse."""
    return (worst, None) if metric.maximized else (None, worst)


def _hidden(metric: Metric, values: Sequence[float], worst: float) -> str | None:
    count = int((metric.score(np.array(values)) < metric.score(worst)).sum())
    return f"{count} {'lower' if metric.maximized else 'higher'}, not shown" if count else None


def value_against_cost(findings: Findings) -> Plot | None:
    """Samples of stage 2 and the trained family; None before there is either."""
    metric, cost = findings.metric, findings.binned
    good = findings.samples[findings.samples["status"] == "ok"] if len(findings.samples) else findings.samples
    if not len(good):
        return None
    # The weights that count: the averaged ones where the recipe has them.
    values = good[metric.averaged].astype(float).fillna(good[metric.name].astype(float))
    x = range(1, len(good) + 1) if cost is None else good[f"cost.{cost}"]
    called = "training" if cost is None else "latency (ms)" if cost == LATENCY else cost_unit(cost)
    heading = "FLOPs (multiply-accumulates)" if cost == "flops" else called
    of = "validation " if findings.config.trains_images else ""
    name = metric.name.replace("_", " ").capitalize()
    title = f"{name} of each training" if cost is None else f"{name} against {called}"
    with _axes(title, heading, f"{of}{_title(metric)}") as (axes, svg):
        of_round = good["round"].where(good["round"] >= 1, good["round"].max())  # verifications come after all rounds
        strength = (0.25 + 0.75 * of_round / max(1, good["round"].max())).to_numpy()
        look: Any = {"s": 18, "edgecolors": _BLUE, "linewidths": 0.4, "zorder": 2}
        look |= {"label": "samples (stronger: later round)", "rasterized": len(good) > _MOST_VECTORS}
        axes.scatter(x, values, c=[to_rgba(_BLUE, share) for share in strength], **look)
        reached = {name: result.validation for name, result in findings.results.items()}
        reached |= {name: sample.result for name, sample in findings.measured.items() if sample.result is not None}
        trained = [member for member in findings.family.members if member.name in reached]
        if trained and cost is not None:
            points = sorted((member.costs[cost], reached[member.name]) for member in trained)
            axes.plot(*zip(*points, strict=True), "o-", color=_RED, ms=7, zorder=3, label="the family, fully trained")
        for member in findings.family.members:
            if cost is not None and math.isfinite(limit := member.budget.high(cost)):
                axes.axvline(limit, color=_GRAY, lw=0.8, ls=":", zorder=1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: shorten(value)))
        worst = _worst_shown(metric, values.tolist())
        worst = min([worst, *(reached[member.name] for member in trained)], key=metric.score)
        axes.set(ylim=_ends(metric, worst))
        axes.legend(
            loc="lower right" if metric.maximized else "upper right", title=_hidden(metric, values.tolist(), worst)
        )
    rounds = good["round"][good["round"] >= 1]  # trainings of no round verify answers
    says = f"Each dot is one training of the search; later rounds should lie {_better(metric)}"
    if len(rounds):
        first, last = (float(values[good["round"] == of].median()) for of in (rounds.min(), rounds.max()))
        says += f": half of the last are {_beyond(metric)} {metric.spell(last)}, of the first {metric.spell(first)}"
    says += ". Those that verify answers are as strong as the last. " if len(rounds) < len(good) else ". "
    if trained and cost is not None:
        best = max(reached[member.name] for member in trained) if metric.maximized else min(reached.values())
        says += f"The red line is what you get, up to {metric.spell(best)}: the same candidates trained to the end. "
        says += "Dotted: the budgets."
    return Plot(svg=svg[0], says=says.strip())


def predictor_scatter(findings: Findings) -> Plot | None:
    """Predicted before a round was trained against measured in it; None before round 2."""
    rounds = [result for result in findings.rounds if any(value is not None for value in result.predicted)]
    if not rounds:
        return None
    title, metric = "Predicted before, measured after", findings.metric
    named = {round(at) for at in np.linspace(0, len(rounds) - 1, min(len(rounds), _MOST_NAMED))}
    with _axes(title, f"predicted {_title(metric)}", f"measured {_title(metric)}") as (axes, svg):
        worse: list[float] = []
        for number, result in enumerate(rounds):
            if not result.pairs:
                continue
            pairs = [(float(metric.inside(predicted)), measured) for predicted, measured in result.pairs]
            predicted, measured = zip(*pairs, strict=True)
            worse += [min(pair, key=metric.score) for pair in pairs]
            tau = "" if result.tau is None else f" (tau {result.tau:.2f})"
            label = f"round {result.round}{tau}" if number in named else None
            many = len(pairs) > _MOST_VECTORS
            axes.scatter(predicted, measured, s=20, color=_shade(number, len(rounds)), label=label, rasterized=many)
        worst = _worst_shown(metric, worse) if worse else 0.0
        axes.axline((worst, worst), slope=1.0, color=_GRAY, lw=0.8, ls="--")
        axes.set(xlim=_ends(metric, worst), ylim=_ends(metric, worst))
        axes.legend(loc="upper left", title=_hidden(metric, worse, worst) if worse else None)
    taus = [result.tau for result in rounds if result.tau is not None]
    says = "Each dot was predicted before it was trained; on the dashed line the prediction was exact. What choosing "
    says += "needs is that dots rise together"
    says += f": a tau of {taus[-1]:.2f} in the last round, where 0 is chance and 1 the right order" if taus else ""
    return Plot(svg=svg[0], says=f"{says}.")


def correlation_against_epoch(findings: Findings) -> Plot | None:
    """Rank correlation with the final accuracy, and where later rounds stop; None before round 1 is done."""
    advice = findings.rounds[0].advice if findings.rounds else None
    if advice is None:
        return None
    known = [
        (epoch, value, *ends)
        for epoch, (value, ends) in enumerate(zip(advice.correlations, advice.intervals, strict=True), 1)
        if not any(map(math.isnan, (value, *ends)))
    ]
    if not known:
        return None
    epochs, values, low, high = zip(*known, strict=True)
    title = "When is the order of candidates known?"
    with _axes(title, "epoch", f"rank correlation with the final {findings.metric.name.replace('_', ' ')}") as (
        axes,
        svg,
    ):
        axes.fill_between(epochs, low, high, color=_BLUE, alpha=0.15, lw=0, label="95 % bootstrap interval")
        axes.plot(epochs, values, "o-", color=_BLUE, ms=4)
        threshold = findings.run["config"]["collect"]["stop_correlation"]
        axes.axhline(threshold, color=_GRAY, lw=0.8, ls="--", label=f"threshold {threshold:g}")
        axes.axvline(advice.epoch, color=_RED, lw=1.2, label=f"later rounds stop after epoch {advice.epoch}")
        axes.legend(loc="lower right")
    reached = advice.correlations[advice.epoch - 1]
    says = (
        f"How well the order after an epoch is that at the end. After epoch {advice.epoch} it is right to a "
        f"correlation of {reached:.2f}, and stopping there saves later rounds {100 * advice.saved:.0f} % of their "
        f"epochs; a wide band means that few trainings say so."
    )
    return Plot(svg=svg[0], says=says)


def search_progress(findings: Findings) -> Plot | None:
    """Best predicted accuracy against evaluations, per budget; None before stage 3."""
    searched = [member for member in findings.family.members if member.history]  # the others are picked, not predicted
    if not searched:
        return None
    title, metric = "Search progress", findings.metric
    with _axes(title, "candidates scored by the predictor", f"best predicted {_title(metric)}") as (axes, svg):
        for number, member in enumerate(searched):
            evaluations, best = zip(*member.history, strict=True)
            label, color = f"{member.name} ({member.seconds:.1f} s)", _shade(number, len(searched))
            axes.plot(evaluations, best, "o-", ms=3, color=color, label=label)
        axes.legend(loc="best")
    gain, name = max((_second_half(member.history, metric), member.name) for member in searched)
    says = (
        f"How the best prediction grew while candidates were scored. Flat at the end: the search has found what there "
        f"is; the second half of the scoring still brought {metric.spell(gain)} at most ({name})."
    )
    return Plot(svg=svg[0], says=says)


def _second_half(history: Sequence[tuple[int, float]], metric: Metric) -> float:
    """How much better the best became while the second half of all candidates was scored, >= 0."""
    halfway = history[-1][0] / 2
    before = [value for count, value in history if count <= halfway] or [history[0][1]]
    return abs(float(history[-1][1]) - float(before[-1]))


def _better(metric: Metric) -> str:
    return "higher" if metric.maximized else "lower"


def _beyond(metric: Metric) -> str:
    return "above" if metric.maximized else "below"


def plots(findings: Findings) -> list[Plot]:
    """All that can be drawn by now, in the order of the page."""
    drawn = (value_against_cost, predictor_scatter, correlation_against_epoch, search_progress)
    return [plot for draw in drawn if (plot := draw(findings)) is not None]
