"""The paper's claims, tested on the evidence campaign's table, sample and experiments; trains no network.

Command:  python scripts/campaign_claims.py --check     seconds: from what is measured already (OUT/replays.jsonl)
          python scripts/campaign_claims.py             measures what is missing first: replays on the complete table,
          predictors on the sample
Cost:     about an hour on one CPU core for 100 seeds; killed, the same command goes on
Needs:    DATA/table and DATA/sample (`campaign_pairs.py`); what `campaign_experiments.py` has trained counts too
Result:   OUT/claims.md, OUT/claim-N.svg; the last line of the output is one JSON object: pairs, seeds_agree,
          share_recipe, share_architecture, share_interaction, share_noise, claims (number -> effect, interval,
          verdict), fidelity (of the regime, against trainings ten times as long)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Hashable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from campaign_figures import draw
from campaign_pairs import USUAL_RECIPES, USUAL_RESOLUTIONS
from campaign_regime import seeds_agree, shares
from campaign_replay import Cells, Search, fixed, load_cells, ours, pretrained_on_space, replayed, searches
from campaign_verdicts import EXPERIMENTS, MissingError
from nars.arrays import Floats
from nars.evaluate import choose_stop_epoch
from nars.files.atomic import write_text
from nars.predictors import Predictor, kendall
from nars.predictors.settings import PRESETS
from nars.predictors.statistics import Statistics
from nars.space import Population, Space, load_space, sobol
from nars.store import Sample, SampleStore
from search_loops import Runs, markdown

_ROOT = Path(__file__).parents[1]
BUDGETS = (25, 50, 100)
"""A search may choose among the smallest architectures: so many percent of them."""

CHECKPOINTS = np.array([10.0, 20.0, 40.0, 80.0])
"""Of a search, in the seconds of so many mean trainings."""

COUNTS = (10, 20, 40, 80, 160)
"""Samples that a predictor is fitted on."""

_FEWER = {"TPE + ASHA": 25}
"""Seeds at most of a search whose replay takes longer than all others' together: half a minute, all of it Optuna's."""

_BESIDE = {"contest": "3, for real", "fidelity": "fidelity"}
"""Experiments that are no claim by themselves, and what they are called."""

Claim = dict[str, Any]

_SEEN = 1.96 + 0.84
"""Standard errors of an effect that is told from none, four times of five."""


# 1: the stop epoch.


def stop_epoch(curves: Floats, flops: Floats) -> Claim:
    """The first epoch at which the rank correlation with the end is 0.92, all pairs and within each third of FLOPs.

    A curve's last point is of all validation images and the others of a part of them, so that the order of the last
    epochs is known less well here than with one measure for both.
    """
    thirds = np.searchsorted(np.quantile(flops, [1 / 3, 2 / 3]), flops)
    bins = {name: thirds == number for number, name in enumerate(("small", "middle", "large"))}
    advice = choose_stop_epoch(curves, rng=np.random.default_rng(0), bins=bins)
    within = {name: choose_stop_epoch(curves[mask], rng=np.random.default_rng(0)).epoch for name, mask in bins.items()}
    low, high = advice.intervals[advice.epoch - 1]
    return {
        "effect": round(advice.saved, 3),
        "epoch": advice.epoch,
        "of": curves.shape[1],
        "interval": [round(low, 3), round(high, 3)],
        "within_budgets": within,
        "smallest": round(_SEEN / 3.92 * (high - low), 3),  # of the correlation
        "points": [
            [epoch, *(round(float(value), 3) for value in (correlation, *interval))]
            for epoch, (correlation, interval) in enumerate(zip(advice.correlations, advice.intervals, strict=True), 1)
        ],
        "would_change": "more pairs between which accuracy differs less; curves measured on all validation images",
        "verdict": "holds" if advice.saved > 0 and advice.correlations[advice.epoch - 1] >= 0.92 else "does not hold",
    }


# 2: pretraining.


def learning_curve(space: Space, X: Population, y: Floats, *, preset: str, learned: bool, seed: int) -> list[float]:
    """Kendall's tau on the other pairs, fitted on the first of `COUNTS` of a shuffled sample."""
    pool = sobol(space, 2048, seed=0)
    statistics: Statistics | None = None if learned else {}
    start = Predictor.pretrained(space, pool, seed=seed, settings=PRESETS[preset], statistics=statistics)
    order, encoding = np.random.default_rng(seed).permutation(len(X)), space.encode(X)
    test = order[COUNTS[-1] :]
    return [
        float(kendall(start.fit(encoding[o], y[o], seed=seed).predict_mean(encoding[test]), y[test]))
        for o in (order[:count] for count in COUNTS)
    ]


def samples_saved(with_it: Floats, without: Floats) -> float:
    """How many times as many samples it takes without, to the tau that n = 40 has with; inf where all are too few."""
    wanted = with_it[COUNTS.index(40)]
    if without[-1] < wanted:
        return float("inf")
    needed = np.interp(wanted, np.maximum.accumulate(without), np.log(COUNTS))
    return float(np.exp(needed) / 40)


def pretraining(done: Runs, seeds: int) -> Claim:
    """Of both presets."""
    found: Claim = {}
    for preset in ("default", "paper"):
        both = [np.array([done["tau", preset, learned, seed] for seed in range(seeds)]) for learned in (1, 0)]
        gain = both[0] - both[1]
        error = gain.std(axis=0, ddof=1) / np.sqrt(seeds)
        found[preset] = {
            "tau": [np.round(one.mean(axis=0), 3).tolist() for one in both],
            "gain": np.round(gain.mean(axis=0), 3).tolist(),
            "error": np.round(error, 3).tolist(),
            "samples": round(samples_saved(both[0].mean(axis=0), both[1].mean(axis=0)), 2),
        }
    main, at = found["default"], COUNTS.index(40)
    found |= {
        "counts": list(COUNTS),
        "effect": main["samples"],
        "interval": [round(main["gain"][at] + sign * 1.96 * main["error"][at], 3) for sign in (-1, 1)],
        "smallest": round(_SEEN * main["error"][at], 3),  # of the gain in tau
        "would_change": "a space whose free statistics say more of accuracy; fewer samples than 10",
        "verdict": "holds" if main["gain"][at] > 1.96 * main["error"][at] else "not seen",
    }
    return found


# 3: joint against the rest.


@cache
def _pretrained() -> Predictor:
    return pretrained_on_space(load_space("campaign", classes=10, in_channels=3))


def contestants(cells: Cells) -> dict[str, tuple[Search, np.ndarray[Any, Any]]]:
    """Name -> (search, cells that it may choose among)."""
    everything = np.arange(len(cells.X))
    found = {name: (search, everything) for name, search in searches(_pretrained()).items()}
    # The usual ones are the first rows and columns of the table.
    for number, name in enumerate(USUAL_RECIPES):
        found[f"architecture only, {name}"] = (ours(_pretrained()), fixed(cells, recipe=number))
    for number in range(len(USUAL_RESOLUTIONS)):
        found[f"recipe only, usual network {number + 1}"] = (ours(_pretrained()), fixed(cells, architecture=number))
    return found


def regret(cells: Cells, name: str, budget: int, seed: int) -> list[float | None]:
    """What is missing to the best pair within the budget, at the checkpoints; percent."""
    search, rows = contestants(cells)[name]
    limit = np.percentile(cells.flops, budget)
    within = np.flatnonzero(cells.flops <= limit)
    some = np.intersect1d(rows, within)
    best = cells.values[within].mean(axis=1).max()
    if len(some) == 0:  # the usual network is too large
        return [None] * len(CHECKPOINTS)
    how = {"seconds": float(cells.seconds[within].mean()), "checkpoints": CHECKPOINTS}
    found = replayed(search, cells.among(some), **how, rng=np.random.default_rng(seed))  # type: ignore[arg-type]
    return [float(value) for value in best - found]


def joint(done: Runs, names: list[str], seeds: int) -> Claim:
    """Ours against each other search: mean regret, and the difference with its interval, at 40 trainings' seconds."""
    at = CHECKPOINTS.tolist().index(40.0)
    table: dict[str, dict[str, Any]] = {}
    for budget in BUDGETS:
        runs = {
            name: [done["regret", name, budget, seed] for seed in range(min(seeds, _FEWER.get(name, seeds)))]
            for name in names
        }
        mine = np.array(runs["joint (ours)"])
        for name, found in runs.items():
            if None in found[0]:
                continue
            regrets = np.array(found)
            ahead = regrets[:, at] - mine[: len(regrets), at]
            table.setdefault(name, {})[str(budget)] = {
                "regret": np.round(regrets.mean(axis=0), 2).tolist(),
                "ours_ahead": round(float(ahead.mean()), 2),
                "error": round(float(ahead.std(ddof=1) / np.sqrt(len(ahead))), 2),
            }
    rivals = [cell for name, cells in table.items() if name != "joint (ours)" for cell in cells.values()]
    worst = min(rivals, key=lambda cell: cell["ours_ahead"])
    won = sum(cell["ours_ahead"] > 1.96 * cell["error"] for cell in rivals)
    lost = sum(cell["ours_ahead"] < -1.96 * cell["error"] for cell in rivals)
    return {
        "effect": worst["ours_ahead"],
        "interval": [round(worst["ours_ahead"] + sign * 1.96 * worst["error"], 2) for sign in (-1, 1)],
        "smallest": round(_SEEN * worst["error"], 2),
        "would_change": "a stronger interaction of architecture and recipe; a space in which usual recipes are bad",
        "won": won,
        "lost": lost,
        "of": len(rivals),
        "checkpoints": CHECKPOINTS.tolist(),
        "table": table,
        "verdict": _counted(won, lost, len(rivals)),
    }


def _counted(won: int, lost: int, of: int) -> str:
    if lost == 0 and won > of / 2:
        return "holds"
    return "holds in part" if won > lost else "does not hold"


# 5: whose recipe is it?


def swapped(cells: Cells) -> Claim:
    """What each of the smallest and the largest architecture loses with the best recipe of the other.

    The best is chosen by one seed and judged by the other, both ways around, as a search would have found it.
    """
    cube = cells.cube
    flops = cells.flops.reshape(cube.shape[:2])[:, 0]
    order = np.argsort(flops)
    third = max(len(order) // 6, 1)
    losses = []
    for small in order[:third]:
        for large in order[-third:]:
            for chosen, judged in ((0, 1), (1, 0)):
                best = {a: int(cube[a, :, chosen].argmax()) for a in (small, large)}
                losses.append(
                    [cube[a, best[a], judged] - cube[a, best[b], judged] for a, b in ((small, large), (large, small))]
                )
    found = np.array(losses)
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
    strength = regularization(cells)
    weights = cube.mean(axis=2)
    top = np.array([strength[np.argsort(-row)[:3]].mean() for row in weights])
    tendency = spearmanr(flops, top)
    return {
        "effect": [round(float(value), 2) for value in mean],
        "interval": [[round(float(m + s * 1.96 * e), 2) for s in (-1, 1)] for m, e in zip(mean, error, strict=True)],
        "smallest": [round(_SEEN * float(e), 2) for e in error],
        "would_change": "longer trainings, in which large networks overfit and small ones do not",
        "rows": [
            [label, *(round(float(m + sign * 1.96 * e), 2) for sign in (0, -1, 1))]
            for label, m, e in zip(("small networks", "large networks"), mean, error, strict=True)
        ],
        "regularization_with_flops": round(float(tendency.statistic), 2),
        "p": round(float(tendency.pvalue), 3),
        "verdict": ("not seen", "holds for one", "holds")[int((mean > 1.96 * error).sum())],
    }


def regularization(cells: Cells) -> Floats:
    """How much each recipe regularizes, (R,): the mean of its settings' places in their ranges."""
    space = cells.space
    names = ("dropout", "stochastic_depth", "mixup", "cutmix", "erasing", "color", "label_smoothing")
    columns = [space.index[f"recipe.{name}"] for name in names]
    rows = cells.X[: cells.recipes][:, columns]
    return np.asarray((rows / (space.cardinalities[columns] - 1)).mean(axis=1), dtype=np.float64)


# All of them.


def measure(done: Runs, cells: Cells, space: Space, X: Population, y: Floats, seeds: int) -> None:
    """The replays and fits that are missing."""
    if len(X) > COUNTS[-1]:
        for seed in range(min(seeds, 20)):
            for preset in ("default", "paper"):
                for learned in (1, 0):
                    work = partial(learning_curve, space, X, y, preset=preset, learned=bool(learned), seed=seed)
                    done.measure(("tau", preset, learned, seed), work)
    for seed in range(seeds):
        for budget in BUDGETS:
            for name in contestants(cells):
                if seed < _FEWER.get(name, seeds):
                    done.measure(("regret", name, budget, seed), partial(regret, cells, name, budget, seed))


def tested(data: Path, out: Path, *, seeds: int, check: bool) -> dict[str, Any]:
    """Every claim, and what decides accuracy."""
    cells = load_cells(data)
    samples = [s for s in SampleStore(data / "sample", must_exist=True).samples() if s.result is not None]
    first = [sample for sample in samples if sample.seed == 0]
    space = cells.space
    X = np.array([sample.choices for sample in first], dtype=np.int64)
    y = np.array([sample.result for sample in first], dtype=np.float64)
    done = Runs(out / "replays.jsonl")
    if not check:
        measure(done, cells, space, X, y, seeds)
    cube = cells.cube
    share = shares(cube)
    names = list(contestants(cells))
    claims: Mapping[int, Callable[[], Claim]] = {
        1: lambda: stop_epoch(_curves(first), space.costs(X)["flops"]),
        2: lambda: pretraining(done, min(seeds, 20)),
        3: lambda: joint(done, names, seeds),
        5: lambda: swapped(cells),
    }
    found: dict[str, Any] = {
        "pairs": cells.architectures * cells.recipes + len(first),
        "trainings": int(cells.values.size) + len(samples),
        "table": [cells.architectures, cells.recipes],
        "seeds_agree": round(seeds_agree(cube), 3),
        **{f"share_{name}": round(value, 3) for name, value in share.items()},
        "best": round(float(cube.mean(axis=2).max()), 2),
        "claims": {},
    }
    for number, claim in claims.items():
        try:
            found["claims"][number] = claim()
        except KeyError:  # a replay that is not there yet
            found["claims"][number] = {"effect": None, "interval": None, "verdict": "not measured yet"}
    trained = {number: _of_experiment(number, data) for number in EXPERIMENTS}
    beside = {name: trained.pop(name) for name in _BESIDE}
    found["claims"] |= trained
    draw(found["claims"] | beside, out)
    found |= beside
    write_text(out / "claims.md", text_of(found))
    return found


def _of_experiment(number: Hashable, data: Path) -> Claim:
    try:
        return EXPERIMENTS[number](data)
    except MissingError:
        return {"effect": None, "interval": None, "verdict": "not measured yet"}


def _curves(samples: list[Sample]) -> Floats:
    full = max(len(sample.curve) for sample in samples)
    return np.array([sample.curve for sample in samples if len(sample.curve) == full])


def text_of(found: dict[str, Any]) -> str:
    """The tables of the results."""
    rows = [[key, str(found[key])] for key in found if key not in ("claims", *_BESIDE)]
    all_of_them = [*sorted(found["claims"].items()), *((about, found[name]) for name, about in _BESIDE.items())]
    claims = [
        [number, claim["effect"], claim["interval"], claim["verdict"], claim.get("smallest", "")]
        for number, claim in all_of_them
    ]
    head = ["claim", "effect", "95 % interval", "verdict", "smallest effect it would have seen"]
    kinds = (
        "Claim 1: the effect is the share of epochs saved; interval and smallest effect are of the rank correlation. "
        "Claim 2: the effect is the factor of samples saved (default predictor); interval and smallest effect are of "
        "the gain in tau at 40 samples. Claim 3: the worst of its comparisons."
    )
    parts = [markdown(["of the campaign", ""], rows), markdown(head, claims), kinds]
    for number, claim in all_of_them:
        if "rows" in claim:
            lines = [[label, effect, f"{low} to {high}"] for label, effect, low, high in claim["rows"]]
            parts.append(f"Claim {number}, in percent:\n\n" + markdown(["", "difference", "95 % interval"], lines))
        if "would_change" in claim:
            parts.append(f"What would change {number}: {claim['would_change']}.")
    table = found["claims"][3].get("table")
    if table:
        lines = [
            [name, budget, *cell["regret"], f"{cell['ours_ahead']} ± {cell['error']}"]
            for name, cells in table.items()
            for budget, cell in cells.items()
        ]
        head = ["search", "budget", *(f"{count:g} trainings" for count in CHECKPOINTS), "ours ahead at 40"]
        parts.append("Regret in percent of accuracy, mean over seeds:\n\n" + markdown(head, lines))
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_ROOT / "data" / "campaign")
    parser.add_argument("--out", type=Path, default=_ROOT / "results" / "campaign")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--check", action="store_true", help="measure nothing; from what is there")
    arguments = parser.parse_args()
    found = tested(arguments.data, arguments.out, seeds=arguments.seeds, check=arguments.check)
    print((arguments.out / "claims.md").read_text())
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
