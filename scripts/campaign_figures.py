"""A figure for each claim that is measured, as wide as a README; `contest` is claim 3 for real."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

Claim = Mapping[str, Any]

_WIDTH = 7.5
"""Inches."""

_DIFFERENCES: Mapping[Any, str] = {
    4: "stage 3 less the best of stage 2, %",
    5: "lost with the best recipe of the other, %",
    6: "searched recipe less a usual one, %",
    7: "less labels alone, %",
    8: "our member less theirs, %",
    9: "ahead of the other network, %",
    10: "search less no search at equal time, %",
    "contest": "joint less another search, %",
}
"""Claims of which a figure shows rows of effects: what the axis says."""


def draw(found: Mapping[Any, Claim], out: Path) -> None:
    """Those that have something to show."""
    out.mkdir(parents=True, exist_ok=True)
    for number, about in _DIFFERENCES.items():
        if rows := found.get(number, {}).get("rows"):
            _save(_differences, rows, about, path=out / f"{_name(number)}.svg", height=1.0 + 0.26 * len(rows))
    for number, show in {1: _epochs, 2: _learning, 3: _regrets}.items():
        if found.get(number, {}).get("effect") is not None:
            _save(show, found[number], path=out / f"claim-{number}.svg", height=3.4)
    if points := found.get("fidelity", {}).get("points"):
        _save(_fidelity, np.array(points), path=out / "fidelity.svg", height=3.4)


def _name(number: Any) -> str:
    return f"claim-{number}" if isinstance(number, int) else str(number)


def _save(show: Callable[..., None], *what: Any, path: Path, height: float) -> None:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    show(figure, *what)
    with mpl.rc_context({"svg.hashsalt": path.stem}):  # the same figure is the same file
        figure.savefig(path, metadata={"Date": None})


def _differences(figure: Figure, rows: Sequence[Sequence[Any]], about: str) -> None:
    """Effects with their 95 % intervals, a line each."""
    axes = figure.subplots()
    at = np.arange(len(rows))[::-1]
    effect, low, high = (np.array([row[column] for row in rows]) for column in (1, 2, 3))
    axes.axvline(0.0, color="gray", lw=1)
    axes.errorbar(effect, at, xerr=[effect - low, high - effect], fmt="o", color="C0", ms=4, lw=1.2)
    axes.set_yticks(at, [row[0] for row in rows], fontsize=8)
    axes.set(xlabel=about, ylim=(-0.7, len(rows) - 0.3))


def _epochs(figure: Figure, claim: Claim) -> None:
    """1: how well an epoch tells the order of the end."""
    axes = figure.subplots()
    epoch, correlation, low, high = np.array(claim["points"]).T
    axes.fill_between(epoch, low, high, color="C0", alpha=0.2, lw=0)
    axes.plot(epoch, correlation, color="C0")
    axes.axhline(0.92, color="C3", ls="--", lw=1, label="0.92: here later rounds may stop")
    axes.axvline(claim["epoch"], color="gray", lw=1)
    axes.set(xlabel="epoch", ylabel="rank correlation with the last", ylim=(0, 1.02))
    axes.legend(loc="lower right")


def _learning(figure: Figure, claim: Claim) -> None:
    """2: Kendall's tau by the number of samples, with pretraining and without."""
    for axes, preset in zip(figure.subplots(1, 2, sharey=True), ("default", "paper"), strict=True):
        for tau, label in zip(claim[preset]["tau"], ("pretrained", "not pretrained"), strict=True):
            axes.plot(claim["counts"], tau, "o-", ms=4, label=label)
        axes.set(title=f"preset {preset}", xlabel="samples", xscale="log")
        axes.set_xticks(claim["counts"], claim["counts"], minor=False)
        axes.minorticks_off()
        axes.legend(loc="lower right")
    figure.axes[0].set_ylabel("Kendall's tau on other pairs")


def _regrets(figure: Figure, claim: Claim) -> None:
    """3: what each search still lacks, by trainings, a panel for each budget."""
    budgets = sorted({budget for cells in claim["table"].values() for budget in cells}, key=int)
    shown: dict[str, Any] = {}
    for axes, budget in zip(figure.subplots(1, len(budgets), sharey=True, squeeze=False)[0], budgets, strict=True):
        number = 0
        for name, cells in claim["table"].items():
            if budget not in cells:
                continue
            way = "C3" if name == "joint (ours)" else "#b0b0b0" if " only" in name else f"C{number}"
            number += way == f"C{number}"
            number += number == 3  # ours
            label = name.partition(",")[0] if " only" in name else name
            style = ":" if name.startswith("architecture only") else "--" if name.startswith("recipe only") else "-"
            (line,) = axes.plot(claim["checkpoints"], cells[budget]["regret"], style, color=way)
            shown.setdefault(label, line)
        axes.set(title=f"smallest {budget} %" if budget != "100" else "all", xlabel="trainings", xscale="log")
        axes.set_xticks(claim["checkpoints"], [f"{at:g}" for at in claim["checkpoints"]], minor=False)
        axes.minorticks_off()
    figure.axes[0].set_ylabel("below the best pair, %")
    figure.legend(list(shown.values()), list(shown), loc="outside right center", fontsize=8)


def _fidelity(figure: Figure, points: Any) -> None:
    axes = figure.subplots()
    axes.plot(points[:, 0], points[:, 1], "o", color="C0")
    axes.set(xlabel="accuracy of the regime, %", ylabel="of a training ten times as long, %")
