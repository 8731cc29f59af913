"""The figures of docs/method.md and docs/index.md, from committed data and from the code itself.

Command   python scripts/docs_figures.py          (docs/figures/*.svg; names of some make those alone)
Cost      about a minute on one core, no GPU.
Data      data/cifar10/samples (600 architecture-recipe pairs that were trained), data/campaign/sample (400, for
          longer), data/campaign/families, and the predictor in predictors/cifar10. Rounds of stage 2 are the code's
          own, on a stand-in for training: what the shipped predictor expects, and the benchmark's noise of 2 % on it.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from nars import Bounds, Space, ask_front, load_config, load_predictor, load_space, open_loop
from nars.arrays import Floats
from nars.predictors import Predictor, free_statistics
from nars.run import Silent
from nars.search import DEFAULT, PAPER, Score, search
from nars.space import sobol
from nars.store import Sample, SampleStore

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "figures"
BLUE, RED, GRAY = "#3b6ea8", "#c44e52", "#a8a8a8"
SEED = 0
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "nars",
    "figure.facecolor": "white",  # also on the site's dark pages
}


def samples(store: str = "cifar10/samples") -> list[Sample]:
    """One training of each pair of a store in data/."""
    found = SampleStore(ROOT / "data" / store).samples()
    return [one for one in found if one.seed == SEED and one.status == "ok" and one.value is not None]


def measured(of: Sequence[Sample]) -> tuple[Floats, Floats]:
    """Millions of multiply-accumulates, and percent, (N,) each."""
    return np.array([one.costs["flops"] / 1e6 for one in of]), np.array([one.value for one in of], dtype=np.float64)


def family(figure: Figure) -> None:
    """The family with its own and with the usual recipe; hand-made networks at their best of shape and recipe.

    As claim 8 of results/campaign has it.
    """
    axes, seeds = figure.subplots(), defaultdict[tuple[str, str, str], list[Sample]](list)
    for one in SampleStore(ROOT / "data" / "campaign" / "families" / "samples").samples():
        model, budget, by = (str(one.record[name]) for name in ("model", "budget", "by"))
        seeds[f"searched, {by} recipe" if model == "ours" else model, budget, by].append(one)
    best: dict[tuple[str, str], Floats] = {}
    for (model, budget, _), trained in seeds.items():
        tested = np.array([float(str(one.also["test"])) for one in trained])
        row = np.array([trained[0].costs["flops"] / 1e6, tested.mean(), tested.std(ddof=1)])
        known = best.get((model, budget))
        best[model, budget] = row if known is None or row[1] > known[1] else known
    colors = {"searched, usual recipe": RED, "searched, searched recipe": RED, "ResNet": "#d9a441", "RegNet": "#8c6bb1"}
    colors |= {"EfficientNet": BLUE, "MobileNetV3": "#6aa36a", "MobileNetV2": GRAY}
    for (model, color), marker in zip(colors.items(), "ooPvsD^", strict=True):
        flops, mean, deviation = np.array(sorted(row.tolist() for (name, _), row in best.items() if name == model)).T
        style = ":" if model == "searched, searched recipe" else "-"
        axes.errorbar(flops, mean, deviation, color=color, marker=marker, linestyle=style, capsize=2, label=model)
    axes.set(xlabel="multiply-accumulates, millions", ylabel="test accuracy, %")
    axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.31))


def front(figure: Figure) -> None:
    """What the predictor has learned from short trainings: the front of all that it could choose."""
    axes, trained = figure.subplots(), samples()
    axes.scatter(*measured(trained), s=8, c=GRAY, label=f"{len(trained)} random candidates, trained")
    found = ask_front(str(ROOT / "predictors" / "cifar10"), ["flops"]).front
    order = np.argsort(found.costs["flops"])
    flops, mean, std = found.costs["flops"][order] / 1e6, found.predicted[order], found.predicted_std[order]
    axes.plot(flops, mean, color=BLUE, label="front that the predictor expects")
    axes.fill_between(flops, mean - std, mean + std, color=BLUE, alpha=0.2, linewidth=0)
    axes.set(xlabel="multiply-accumulates, millions", ylabel="accuracy after a short training, %")
    axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.14))


def pool(figure: Figure) -> None:
    """A Sobol sequence leaves fewer gaps than independent draws."""
    space, count = load_space("cifar10"), 256
    sizes = [len(one.values) for one in space.dimensions]
    names = [one.name for one in space.dimensions]
    rate, decay = names.index("recipe.learning_rate"), names.index("recipe.weight_decay")
    rng = np.random.default_rng(SEED)
    drawn = np.column_stack([rng.integers(0, size, count) for size in sizes])
    ways = {"Sobol sequence": sobol(space, count, seed=SEED), "independent draws": drawn}
    for axes, (name, X) in zip(figure.subplots(1, 2, sharey=True), ways.items(), strict=True):
        grid = np.histogram2d(X[:, rate], X[:, decay], bins=(sizes[rate], sizes[decay]))[0]
        shown = axes.imshow(grid.T, origin="lower", cmap="Blues", vmin=0, vmax=6, aspect="auto")
        axes.set_title(f"{name}:\n{int((grid == 0).sum())} of {grid.size} cells empty")
        axes.set_xlabel("learning rate, choice")
    figure.axes[0].set_ylabel("weight decay, choice")
    figure.colorbar(shown, ax=figure.axes, label=f"candidates, of {count}")


def pretraining(figure: Figure) -> None:
    """What the encoder has learned from labels that cost nothing."""
    space, model = shipped()
    X = sobol(space, 400, seed=SEED + 1)
    truth = free_statistics(space, X)
    guessed = model.predict_statistics(space.encode(X)[:, : space.architecture_width])
    for axes, (name, unit) in zip(figure.subplots(1, 2), {"flops": 1e6, "params": 1e3}.items(), strict=True):
        axes.scatter(truth[name] / unit, guessed[name] / unit, s=8, c=BLUE)
        ends = [truth[name].min() / unit, truth[name].max() / unit]
        axes.plot(ends, ends, color=GRAY, zorder=0)
        off = float(np.median(np.abs(guessed[name] / truth[name] - 1)))
        what = "FLOPs, millions" if name == "flops" else "parameters, thousands"
        axes.set(title=f"{off:.1%} off in the median", xlabel=what, ylabel="predicted")


def rounds(figure: Figure) -> None:
    """Each round's candidates lie higher: they are chosen by what the rounds before have taught."""
    space, model = shipped()
    truth = score_by(space, model)
    rng = np.random.default_rng(SEED)
    document = {
        "name": "rounds", "space": "cifar10", "task": {"loop": "stand-in"},
        "metric": {"name": "accuracy", "unit": "%"}, "range": {"flops": {"low": 1e6, "high": 6e6}},
        "pretraining": {"pool": 4096}, "collect": {"rounds": 4, "per_round": 24, "epochs": 1},
        "search": {"budgets": [2e6, 4e6, 6e6]},
    }  # fmt: skip
    axes = figure.subplots()
    with tempfile.TemporaryDirectory() as folder:
        loop = open_loop(load_config(document), folder, reporter=Silent())
        for trial in loop:
            loop.tell(trial, float(truth(np.array([trial.choices]))[0] + rng.normal(0, 2)))
        for number in range(1, 5):
            x, y = measured([one for one in loop.samples if one.round == number])
            color = mpl.colormaps["viridis"](number / 4.5)
            axes.scatter(x, y, s=18, color=color, label=f"round {number}: {y.mean():.1f} % on average")
    axes.set(xlabel="multiply-accumulates, millions", ylabel="accuracy, %")
    axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.2))


def stop(figure: Figure) -> None:
    """When the order of candidates is settled."""
    curves = np.array([one.curve for one in samples("campaign/sample")])
    order = [spearmanr(curves[:, epoch], curves[:, -1]).statistic for epoch in range(curves.shape[1])]
    axes = figure.subplots()
    axes.plot(range(1, len(order) + 1), order, color=BLUE)
    axes.axvline(1 + int(np.argmax(np.array(order) >= 0.92)), color=GRAY, linewidth=1)
    axes.axhline(0.92, color=RED, linestyle="--", label="0.92: here later rounds may stop")
    axes.set(xlabel="epoch", ylabel="rank correlation with the last epoch", ylim=(0, 1.05))
    axes.legend(loc="lower right")


def genetic(figure: Figure) -> None:
    """The paper's genetic algorithm and the default, for one budget, by what the shipped predictor says."""
    space, model = shipped()
    axes = figure.subplots()
    ways = {"genetic algorithm (paper)": (PAPER, GRAY), "climbs by many exchanges (default)": (DEFAULT, BLUE)}
    for name, (settings, color) in ways.items():
        for seed in range(3):
            rng = np.random.default_rng(seed)
            found = search(space, score_by(space, model), Bounds.at_most(flops=4e6), settings=settings, rng=rng)
            axes.plot(
                [step.evaluations for step in found.history],
                [step.best for step in found.history],
                color=color,
                label=name if seed == 0 else None,
            )
    axes.set(xlabel="candidates scored", ylabel="best predicted accuracy, %", xscale="log")
    axes.legend(loc="lower right")


def shipped() -> tuple[Space, Predictor]:
    """The space of the benchmark, and the predictor fitted on it."""
    space = load_space("cifar10")
    return space, load_predictor(ROOT / "predictors" / "cifar10", space)


def score_by(space: Space, model: Predictor) -> Score:
    """What a predictor says of rows."""
    return lambda X: model.predict_mean(space.encode(X))


FIGURES: dict[str, tuple[Callable[[Figure], None], tuple[float, float]]] = {
    "family": (family, (7.0, 3.8)),
    "front": (front, (7.0, 3.8)),
    "pool": (pool, (8.0, 3.4)),
    "pretraining": (pretraining, (7.5, 3.4)),
    "rounds": (rounds, (7.0, 3.8)),
    "stop": (stop, (6.0, 3.2)),
    "genetic": (genetic, (6.5, 3.6)),
}
"""Each figure and its size in inches."""


def main() -> None:
    """Draw those that are named, or all."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or FIGURES:
        draw, size = FIGURES[name]
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=size, layout="constrained")
            draw(figure)
            figure.savefig(OUT / f"{name}.svg", metadata={"Date": None})
        print(f"{name}.svg {(OUT / f'{name}.svg').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
