"""The four plots of a run, each as SVG text."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nars.report.findings import Findings
from nars.space import shorten

_BLUE, _RED, _GRAY = "#3b6ea8", "#c44e52", "#8c8c8c"
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "nars",
}


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
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    svg.append(text[text.index("<svg") :])


def _shade(number: int, count: int) -> Any:
    """One color of `count`, dark to bright, without the brightest."""
    return mpl.colormaps["viridis"](number / max(1, count - 0.5))


def _floor(accuracies: Sequence[float]) -> float:
    """Where an axis of accuracies begins: a training that went wrong must not press all others together."""
    return max(0.0, float(np.quantile(accuracies, 0.1)) - 2.0)


def _hidden(count: int) -> str | None:
    return f"{count} lower, not shown" if count else None


def accuracy_against_flops(findings: Findings) -> str | None:
    """Samples of stage 2 and the trained family; None before there is either."""
    good = findings.samples[findings.samples["status"] == "ok"] if len(findings.samples) else findings.samples
    if not len(good):
        return None
    # The weights that count: the averaged ones where the recipe has them.
    accuracy = good["ema_accuracy"].astype(float).fillna(good["accuracy"].astype(float))
    with _axes("Accuracy against FLOPs", "FLOPs (multiply-accumulates)", "validation accuracy, %") as (axes, svg):
        look: Any = {"cmap": "Blues", "vmin": -1, "s": 18, "edgecolors": _BLUE, "linewidths": 0.4, "zorder": 2}
        label = "samples (darker: later round)"
        axes.scatter(good["cost.flops"], accuracy, c=good["round"], label=label, **look)
        trained = [(m, findings.results[m.name]) for m in findings.family.members if m.name in findings.results]
        if trained:
            flops, reached = zip(*((m.costs["flops"], r.validation_accuracy) for m, r in trained), strict=True)
            axes.plot(flops, reached, "o-", color=_RED, ms=7, zorder=3, label="the family, after final training")
        for member in findings.family.members:
            axes.axvline(member.budget, color=_GRAY, lw=0.8, ls=":", zorder=1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: shorten(value)))
        floor = _floor(accuracy.tolist())
        axes.set_ylim(bottom=floor)
        axes.legend(loc="lower right", title=_hidden(int((accuracy < floor).sum())))
    return svg[0]


def predictor_scatter(findings: Findings) -> str | None:
    """Predicted before a round was trained against measured in it; None before round 2."""
    rounds = [result for result in findings.rounds if any(value is not None for value in result.predicted)]
    if not rounds:
        return None
    title = "Predicted before, measured after"
    with _axes(title, "predicted accuracy, %", "measured accuracy, %") as (axes, svg):
        lowest: list[float] = []
        for number, result in enumerate(rounds):
            if not result.pairs:
                continue
            predicted, measured = zip(*result.pairs, strict=True)
            lowest += map(min, result.pairs)
            tau = "" if result.tau is None else f" (tau {result.tau:.2f})"
            label = f"round {result.round}{tau}"
            axes.scatter(predicted, measured, s=20, color=_shade(number, len(rounds)), label=label)
        floor = _floor(lowest) if lowest else 0.0
        axes.axline((floor, floor), slope=1.0, color=_GRAY, lw=0.8, ls="--")
        axes.set(xlim=(floor, None), ylim=(floor, None))
        axes.legend(loc="upper left", title=_hidden(sum(value < floor for value in lowest)))
    return svg[0]


def correlation_against_epoch(findings: Findings) -> str | None:
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
    with _axes(title, "epoch", "rank correlation with the final accuracy") as (axes, svg):
        axes.fill_between(epochs, low, high, color=_BLUE, alpha=0.15, lw=0, label="95 % bootstrap interval")
        axes.plot(epochs, values, "o-", color=_BLUE, ms=4)
        threshold = findings.run["config"]["collect"]["stop_correlation"]
        axes.axhline(threshold, color=_GRAY, lw=0.8, ls="--", label=f"threshold {threshold:g}")
        axes.axvline(advice.epoch, color=_RED, lw=1.2, label=f"later rounds stop after epoch {advice.epoch}")
        axes.legend(loc="lower right")
    return svg[0]


def search_progress(findings: Findings) -> str | None:
    """Best predicted accuracy against evaluations, per budget; None before stage 3."""
    if not findings.family.members:
        return None
    with _axes("Search progress", "candidates scored by the predictor", "best predicted accuracy, %") as (axes, svg):
        for number, member in enumerate(findings.family.members):
            evaluations, best = zip(*member.history, strict=True)
            label, color = f"{member.name} ({member.seconds:.1f} s)", _shade(number, len(findings.family.members))
            axes.plot(evaluations, best, "o-", ms=3, color=color, label=label)
        axes.legend(loc="lower right")
    return svg[0]


def plots(findings: Findings) -> list[str]:
    """All that can be drawn by now, in the order of the page."""
    drawn = (accuracy_against_flops, predictor_scatter, correlation_against_epoch, search_progress)
    return [svg for draw in drawn if (svg := draw(findings)) is not None]
